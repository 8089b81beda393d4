module dgdr-controller/hack/cluster/pause

go 1.26.0
