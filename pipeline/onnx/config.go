package onnx

import (
	"fmt"
	"log/slog"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// Config says where and how models run.
type Config struct {
	// Library is the path of the ONNX Runtime library. Default: what [FindLibrary] finds.
	Library string
	// Device is "cpu", "cuda" (which is "cuda:0"), "cuda:N", or "auto": CUDA where it loads, else the CPU, with a line in the
	// log. A GPU that was asked for by name and isn't there is an error. Default "cpu".
	Device string
	// Parallel is how many runs are under way at once, over all models of the Runtime. Default: one per processor. A GPU runs
	// one batch per model at a time.
	Parallel int
	// Chunk is how many pictures go through the detector at a time; 0 lets the device decide (see [Model.Plan]). Default 0.
	Chunk int
	// VariantsPerProbe is how many variants of a suite are run per picture, picked by its seed; 0 for all. Default 0.
	VariantsPerProbe int
	// Memory bounds what a model may take on a GPU, in bytes; 0 for no bound. Default 0.
	Memory int64
	// Logger is told what was decided at start. Default [slog.Default].
	Logger *slog.Logger
}

// device is a place where models run.
type device struct {
	cuda bool
	id   int
	// strict refuses nodes that the GPU cannot run instead of moving them to the CPU.
	strict bool
	memory int64
}

// String returns "cpu" or "cuda:N".
func (d device) String() string {
	if d.cuda {
		return "cuda:" + strconv.Itoa(d.id)
	}
	return "cpu"
}

var deviceForm = regexp.MustCompile(`^(auto|cpu|cuda(:[0-9]{1,2})?)$`)

// parse returns the device that is tried first, and whether the CPU may take its place.
func (c Config) parse() (d device, mayFallBack bool, err error) {
	if !deviceForm.MatchString(c.Device) {
		return device{}, false, fmt.Errorf("onnx: device %q is not one of auto, cpu, cuda, cuda:N", c.Device)
	}
	if c.Parallel < 0 || c.Chunk < 0 || c.Memory < 0 || c.VariantsPerProbe < 0 {
		return device{}, false, fmt.Errorf("onnx: parallel %d, chunk %d, memory %d and variants per probe %d must not be negative",
			c.Parallel, c.Chunk, c.Memory, c.VariantsPerProbe)
	}
	switch c.Device {
	case "cpu":
		return device{}, false, nil
	case "auto":
		return device{cuda: true, memory: c.Memory}, true, nil
	}
	_, number, _ := strings.Cut(c.Device, ":")
	id, err := strconv.Atoi("0" + number) // "cuda" is its first
	return device{cuda: true, id: id, strict: true, memory: c.Memory}, false, err
}

// withDefaults fills in what was left open.
func (c Config) withDefaults() Config {
	if c.Device == "" {
		c.Device = "cpu"
	}
	if c.Parallel == 0 {
		c.Parallel = runtime.GOMAXPROCS(0)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}
