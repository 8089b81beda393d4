module dgdr-controller/hack/cluster/dcgm

go 1.26.0
