// Command dcgm-exporter answers on :9400/metrics as NVIDIA's DCGM exporter does, for GPUs that are not there: the
// fields of its default-counters.csv as of 4.5, in its order of labels. Flags shape the node, and how it fails.
package main

import (
	"cmp"
	"crypto/sha1"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

var (
	product   = flag.String("product", "NVIDIA H200", "modelName as DCGM writes it, with spaces")
	gpus      = flag.Int("gpus", 8, "GPUs of the node")
	memory    = flag.Int("memory", 143771, "memory of a GPU in MiB")
	used      = flag.Int("used", 0, "how much of it is in use, in MiB")
	nvlinks   = flag.Int("nvlinks", 0, "NVLinks of a GPU; with 0 there is no bandwidth series either")
	linkCount = flag.Bool("link-count", false, "export DCGM_FI_DEV_NVLINK_LINK_COUNT, which is not among the defaults")
	profile   = flag.String("mig", "", "profile of the MIG instances that every GPU is cut into; empty: whole GPUs")
	instances = flag.Int("mig-instances", 7, "MIG instances of a GPU")
	migMemory = flag.Int("mig-memory", 0, "memory of a MIG instance in MiB")
	driver    = flag.String("driver", "580.95.05", "driver version")
	hostname  = flag.String("hostname", cmp.Or(os.Getenv("NODE_NAME"), "localhost"), "label Hostname")
	without   = flag.String("without", "", "fields that are not exported, with commas; FB_RESERVED is new in 4.x")
	delay     = flag.Duration("delay", 0, "wait before each answer")
	answer    = flag.String("answer", "metrics", "metrics, error (HTTP 500), garbage, empty, cut (half of it) or huge (64 MiB)")
)

const (
	hugeBytes   = 64 << 20
	reservedMiB = 616
)

// device is one row of every family: a GPU, or an instance of one.
type device struct {
	gpu, instance, memory int
}

// field is a metric family with a row for each device; nil for when: always exported.
type field struct {
	name, kind, help string
	value            func(device) int
	when             func() bool
}

func constant(value int) func(device) int { return func(device) int { return value } }

var withLinks = func() bool { return *nvlinks > 0 }

var fields = []field{
	{"DCGM_FI_DEV_SM_CLOCK", "gauge", "SM clock frequency (in MHz).", constant(345), nil},
	{"DCGM_FI_DEV_MEM_CLOCK", "gauge", "Memory clock frequency (in MHz).", constant(3201), nil},
	{"DCGM_FI_DEV_MEMORY_TEMP", "gauge", "Memory temperature (in C).", constant(40), nil},
	{"DCGM_FI_DEV_GPU_TEMP", "gauge", "GPU temperature (in C).", func(d device) int { return 30 + d.gpu }, nil},
	{"DCGM_FI_DEV_POWER_USAGE", "gauge", "Power draw (in W).", constant(76), nil},
	{"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "counter", "Total energy consumption since boot (in mJ).",
		func(device) int { return 76 * int(time.Since(begun).Milliseconds()) }, nil},
	{"DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "counter", "Total number of PCIe retries.", constant(0), nil},
	{"DCGM_FI_DEV_GPU_UTIL", "gauge", "GPU utilization (in %).", constant(0), nil},
	{"DCGM_FI_DEV_MEM_COPY_UTIL", "gauge", "Memory utilization (in %).", constant(0), nil},
	{"DCGM_FI_DEV_ENC_UTIL", "gauge", "Encoder utilization (in %).", constant(0), nil},
	{"DCGM_FI_DEV_DEC_UTIL", "gauge", "Decoder utilization (in %).", constant(0), nil},
	{"DCGM_FI_DEV_XID_ERRORS", "gauge", "Value of the last XID error encountered.", constant(0), nil},
	{"DCGM_FI_DEV_FB_FREE", "gauge", "Framebuffer memory free (in MiB).",
		func(d device) int { return max(0, d.memory-*used-reserved(d)) }, nil},
	{"DCGM_FI_DEV_FB_USED", "gauge", "Framebuffer memory used (in MiB).", constantOf(used), nil},
	{"DCGM_FI_DEV_FB_RESERVED", "gauge", "Framebuffer memory reserved (in MiB).", reserved, nil},
	{"DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", "counter", "Total number of NVLink bandwidth counters for all lanes.",
		constant(0), withLinks},
	{"DCGM_FI_DEV_NVLINK_LINK_COUNT", "gauge", "Number of NVLinks.", constantOf(nvlinks),
		func() bool { return *linkCount }},
	{"DCGM_FI_DEV_VGPU_LICENSE_STATUS", "gauge", "vGPU License status", constant(0), nil},
	{"DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", "counter", "Number of remapped rows for uncorrectable errors",
		constant(0), nil},
	{"DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", "counter", "Number of remapped rows for correctable errors",
		constant(0), nil},
	{"DCGM_FI_DEV_ROW_REMAP_FAILURE", "gauge", "Whether remapping of rows has failed", constant(0), nil},
	{"DCGM_FI_PROF_GR_ENGINE_ACTIVE", "gauge", "Ratio of time the graphics engine is active.", constant(0), nil},
	{"DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "gauge", "Ratio of cycles the tensor (HMMA) pipe is active.",
		constant(0), nil},
	{"DCGM_FI_PROF_DRAM_ACTIVE", "gauge",
		"Ratio of cycles the device memory interface is active sending or receiving data.", constant(0), nil},
}

var begun = time.Now()

func constantOf(flag *int) func(device) int { return func(device) int { return *flag } }

// reserved is part of the memory that the driver reports: a GPU has free + used + reserved.
func reserved(d device) int { return min(reservedMiB, d.memory/64) }

func devices() []device {
	var all []device
	for gpu := range *gpus {
		if *profile == "" {
			all = append(all, device{gpu, -1, *memory})
			continue
		}
		for instance := range *instances {
			all = append(all, device{gpu, instance + 1, *migMemory})
		}
	}
	return all
}

func (d device) labels(field string) string {
	// The same GPU of the same host keeps its UUID, also when the pod is made anew.
	id := sha1.Sum(fmt.Appendf(nil, "%s %d", *hostname, d.gpu))
	text := fmt.Sprintf(`gpu="%d",UUID="GPU-%x-%x-%x-%x-%x",pci_bus_id="00000000:%02X:00.0",device="nvidia%d",modelName=%q`,
		d.gpu, id[:4], id[4:6], id[6:8], id[8:10], id[10:16], 0x1b+d.gpu, d.gpu, *product)
	if d.instance >= 0 {
		text += fmt.Sprintf(`,GPU_I_PROFILE=%q,GPU_I_ID="%d"`, *profile, d.instance)
	}
	text += fmt.Sprintf(`,Hostname=%q,DCGM_FI_DRIVER_VERSION=%q`, *hostname, *driver)
	if field == "DCGM_FI_DEV_XID_ERRORS" {
		text += `,err_code="0",err_msg="No Error"`
	}
	return text
}

func metrics() string {
	var text strings.Builder
	left := strings.Split(*without, ",")
	for _, field := range fields {
		if slices.Contains(left, field.name) || field.when != nil && !field.when() || len(devices()) == 0 {
			continue
		}
		fmt.Fprintf(&text, "# HELP %s %s\n# TYPE %s %s\n", field.name, field.help, field.name, field.kind)
		for _, device := range devices() {
			fmt.Fprintf(&text, "%s{%s} %d\n", field.name, device.labels(field.name), field.value(device))
		}
	}
	return text.String()
}

func serve(response http.ResponseWriter, request *http.Request) {
	select {
	case <-time.After(*delay):
	case <-request.Context().Done():
		return
	}
	switch *answer {
	case "error":
		http.Error(response, "internal server error", http.StatusInternalServerError)
	case "garbage":
		io.WriteString(response, "DCGM_FI_DEV_GPU_TEMP{gpu=\"0\",UUID= 30\n<html>\x00\n")
	case "empty":
	case "cut":
		half := metrics()
		half = half[:len(half)/2]
		io.WriteString(response, half[:strings.LastIndex(half, "{")+1]) // amid a line, wherever its half is
	case "huge":
		line := metrics()
		for sent := 0; sent < hugeBytes; sent += len(line) {
			if _, failed := io.WriteString(response, line); failed != nil {
				return
			}
		}
	default:
		io.WriteString(response, metrics())
	}
}

func main() {
	flag.Parse()
	if !slices.Contains([]string{"metrics", "error", "garbage", "empty", "cut", "huge"}, *answer) {
		fmt.Fprintf(os.Stderr, "dcgm-exporter: no answer %q\n", *answer)
		os.Exit(2)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() { // the first process of a pod is not ended by a signal that nobody handles
		<-signals
		os.Exit(0)
	}()
	http.HandleFunc("/metrics", serve)
	http.HandleFunc("/health", func(response http.ResponseWriter, _ *http.Request) { io.WriteString(response, "OK") })
	fmt.Fprintln(os.Stderr, http.ListenAndServe(":9400", nil))
	os.Exit(1)
}
