package pipeline

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"shaketable/perturb"
)

// SampleConfig chooses how many media are probed. See [Sampler] and [Schedule].
type SampleConfig struct {
	// Rate is the share of media that is probed, 0 (none) to 1 (all). A change counts for records from some minutes after it
	// on, so that a replay of older ones chooses what was chosen then. Default .01.
	Rate float64 `yaml:"rate"`
	// KeyFile or KeyEnv say where the secret key is: a file, or a variable of the environment. At least 16 bytes; white
	// space at its end is not part of it. Without the key nobody can predict which media are probed. Default: the variable
	// SHAKETABLE_SAMPLE_KEY.
	KeyFile string `yaml:"key_file"`
	KeyEnv  string `yaml:"key_env"`
	// Budget lowers the rate where probes would take too much of the devices.
	Budget BudgetConfig `yaml:"budget"`
}

// DefaultSampleConfig returns the defaults of [SampleConfig].
func DefaultSampleConfig() SampleConfig {
	return SampleConfig{Rate: .01, KeyEnv: "SHAKETABLE_SAMPLE_KEY", Budget: DefaultBudgetConfig()}
}

// minKey is 128 bits: fewer can be searched for by somebody who sees which media were probed.
const minKey = 16

// Key reads the secret; getenv is os.Getenv outside tests.
func (c SampleConfig) Key(getenv func(string) string) ([]byte, error) {
	var key, from string
	switch {
	case c.KeyFile != "":
		data, err := os.ReadFile(c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("sample.key_file: %w", err)
		}
		key, from = string(data), "the file of sample.key_file"
	default:
		key, from = getenv(c.KeyEnv), "the environment variable "+c.KeyEnv+" (sample.key_env)"
	}
	key = strings.TrimRight(key, " \t\r\n")
	if len(key) < minKey {
		return nil, fmt.Errorf("%s holds %d bytes, not at least %d: make one with `openssl rand -hex 32`", from, len(key), minKey)
	}
	return []byte(key), nil
}

// Validate returns one error per fault; each begins with the key that is at fault.
func (c SampleConfig) Validate() []error {
	var es []error
	if !(c.Rate >= 0 && c.Rate <= 1) {
		es = append(es, fmt.Errorf("rate: %v must be 0 to 1", c.Rate))
	}
	if c.KeyFile == "" && c.KeyEnv == "" {
		es = append(es, fmt.Errorf("key_file: give key_file or key_env: without a secret key the sample could be predicted"))
	}
	return append(es, c.Budget.Validate()...)
}

// Where the media of a detection is looked up.
const (
	MediaInline = "inline" // in the record of the detection
	MediaFile   = "file"   // behind a file: reference, below JoinConfig.Root
	MediaTopic  = "topic"  // on the co-partitioned media topic
)

// JoinConfig says how a detection finds its media. See [Joiner].
type JoinConfig struct {
	// Media is "inline", "file" or "topic". Default "inline".
	Media string `yaml:"media"`
	// Root is the directory below which file: references may point; nothing outside it is ever read. Only for "file".
	Root string `yaml:"root"`
	// Window is the largest distance between the record times of a detection and its media. Default 5m.
	Window time.Duration `yaml:"window"`
	// MaxHold is how long, in real time, a detection waits for its media at the end of the media topic, and how long a
	// lagging partition holds windows open. Default 1m.
	MaxHold time.Duration `yaml:"max_hold"`
	// BufferBytes bounds the media bytes kept per partition; beyond it records are read a second time. Default 64 MiB.
	BufferBytes int64 `yaml:"buffer_bytes"`
}

// DefaultJoinConfig returns the defaults of [JoinConfig].
func DefaultJoinConfig() JoinConfig {
	return JoinConfig{Media: MediaInline, Window: 5 * time.Minute, MaxHold: time.Minute, BufferBytes: 64 << 20}
}

// Validate returns one error per fault; each begins with the key that is at fault.
func (c JoinConfig) Validate() []error {
	var es []error
	if !slices.Contains([]string{MediaInline, MediaFile, MediaTopic}, c.Media) {
		es = append(es, fmt.Errorf("media: %q is not one of inline, file, topic", c.Media))
	}
	switch {
	case c.Media == MediaFile && c.Root == "":
		es = append(es, fmt.Errorf("root: is missing; name the directory below which media may be read"))
	case c.Media == MediaFile && filepath.Clean(c.Root) == string(filepath.Separator):
		es = append(es, fmt.Errorf("root: must not be the root of the file system: every file could be read"))
	}
	es = append(es, positive("window", c.Window)...)
	es = append(es, positive("max_hold", c.MaxHold)...)
	if c.BufferBytes < 1<<20 {
		es = append(es, fmt.Errorf("buffer_bytes: %d must be at least 1 MiB (1048576)", c.BufferBytes))
	}
	return es
}

// ProbeConfig says what is done to a sampled media, and where. See [Model].
type ProbeConfig struct {
	// Suite is the name of the perturbation suite: "production" (8 variants), "deepfake-v1" or another that is built in, or
	// one of `suites`. Default "production".
	Suite string `yaml:"suite"`
	// Codec is how pictures are recompressed: "graph" (on the device, an approximation of a real encoder) or "exact" (really
	// encoded and decoded, on the processor). Default "graph".
	Codec string `yaml:"codec"`
	// VariantsPerProbe is how many variants of the suite each media goes through, chosen by its id so that all get their
	// turn; 0 is all of them. Default 0.
	VariantsPerProbe int `yaml:"variants_per_probe"`
	// Device is "cpu", "cuda", "cuda:N" or "auto" (a GPU where there is one, with a line in the log). A GPU that was asked
	// for by name and isn't there is an error, never a silent fall-back. Default "cpu".
	Device string `yaml:"device"`
	// Library is the path of the ONNX Runtime library; "" looks at SHAKETABLE_ONNXRUNTIME, then where make put it.
	Library string `yaml:"library"`
	// Chunk is how many pictures go through the detector at a time; 0 lets the device decide. Default 0.
	Chunk int `yaml:"chunk"`
	// Memory bounds what a model may take on a GPU, in bytes; 0 is no bound. Default 0.
	Memory int64 `yaml:"memory"`
	// Parallel is how many probes run at once; 0 is one per processor. Default 0.
	Parallel int `yaml:"parallel"`
	// Timeout ends a probe as inconclusive. Default 30s.
	Timeout time.Duration `yaml:"timeout"`
}

// DefaultProbeConfig returns the defaults of [ProbeConfig].
func DefaultProbeConfig() ProbeConfig {
	return ProbeConfig{Suite: "production", Codec: perturb.CodecGraph, Device: "cpu", Timeout: 30 * time.Second}
}

var deviceForm = regexp.MustCompile(`^(auto|cpu|cuda(:[0-9]{1,2})?)$`)

// Validate returns one error per fault; each begins with the key that is at fault. The name of the suite is judged by
// perturb.Lookup, which knows them.
func (c ProbeConfig) Validate() []error {
	var es []error
	if c.Suite == "" {
		es = append(es, fmt.Errorf("suite: is missing"))
	}
	if !slices.Contains([]string{perturb.CodecGraph, perturb.CodecExact}, c.Codec) {
		es = append(es, fmt.Errorf("codec: %q is not one of %s, %s", c.Codec, perturb.CodecGraph, perturb.CodecExact))
	}
	if c.VariantsPerProbe < 0 {
		es = append(es, fmt.Errorf("variants_per_probe: %d must not be negative; 0 is all variants", c.VariantsPerProbe))
	}
	if !deviceForm.MatchString(c.Device) {
		es = append(es, fmt.Errorf("device: %q is not one of auto, cpu, cuda, cuda:N", c.Device))
	}
	if c.Parallel < 0 || c.Parallel > 1024 {
		es = append(es, fmt.Errorf("parallel: %d must be 0 to 1024", c.Parallel))
	}
	if c.Chunk < 0 || c.Chunk > 4096 {
		es = append(es, fmt.Errorf("chunk: %d must be 0 to 4096", c.Chunk))
	}
	if c.Memory < 0 {
		es = append(es, fmt.Errorf("memory: %d must not be negative", c.Memory))
	}
	return append(es, positive("timeout", c.Timeout)...)
}

// How the ids of example media appear in the store, in alerts and on the page.
const (
	IDsHashed = "hash" // keyed hash of the id
	IDsRaw    = "raw"
	IDsNone   = "none"
)

// WindowConfig says how probes are counted over event time, and for how long what belongs to one media is kept.
type WindowConfig struct {
	// Fine and Coarse are the widths of the buckets, whole seconds. Default 1m and 1h.
	Fine   time.Duration `yaml:"fine"`
	Coarse time.Duration `yaml:"coarse"`
	// Lateness and Future bound event time against the record's own timestamp: outside, the outcome is late or future.
	// Default 24h and 1m.
	Lateness time.Duration `yaml:"lateness"`
	Future   time.Duration `yaml:"future"`
	// Tolerances are the bounds b of RR(b), ascending, in (0,1). Default .01 .02 .05 .10 .20.
	Tolerances []float64 `yaml:"tolerances"`
	// ExampleIDs is "hash", "raw" or "none". Default "hash".
	ExampleIDs string `yaml:"example_ids"`
	// LabelHorizon is how long a probe waits for the label of its media, and a label for its probe. Default 720h.
	LabelHorizon time.Duration `yaml:"label_horizon"`
}

// DefaultWindowConfig returns the defaults of [WindowConfig].
func DefaultWindowConfig() WindowConfig {
	return WindowConfig{Fine: time.Minute, Coarse: time.Hour, Lateness: 24 * time.Hour, Future: time.Minute,
		Tolerances: []float64{.01, .02, .05, .10, .20}, ExampleIDs: IDsHashed, LabelHorizon: 30 * 24 * time.Hour}
}

// Edges returns the tolerances in ticks, the unit in which they are counted.
func (c WindowConfig) Edges() []int64 {
	edges := make([]int64, len(c.Tolerances))
	for i, b := range c.Tolerances {
		edges[i] = int64(math.Round(b * float64(FullTick)))
	}
	return edges
}

// Validate returns one error per fault; each begins with the key that is at fault.
func (c WindowConfig) Validate() []error {
	var es []error
	for _, w := range []struct {
		key   string
		width time.Duration
	}{{"fine", c.Fine}, {"coarse", c.Coarse}} {
		if w.width < time.Second || w.width%time.Second != 0 {
			es = append(es, fmt.Errorf("%s: %v must be a whole number of seconds above 0", w.key, w.width))
		}
	}
	if c.Fine > 0 && (c.Coarse < c.Fine || c.Coarse%c.Fine != 0) {
		es = append(es, fmt.Errorf("coarse: %v must be a multiple of window.fine (%v)", c.Coarse, c.Fine))
	}
	es = append(es, positive("lateness", c.Lateness)...)
	es = append(es, positive("future", c.Future)...)
	es = append(es, c.validateTolerances()...)
	if !slices.Contains([]string{IDsHashed, IDsRaw, IDsNone}, c.ExampleIDs) {
		es = append(es, fmt.Errorf("example_ids: %q is not one of hash, raw, none", c.ExampleIDs))
	}
	return append(es, positive("label_horizon", c.LabelHorizon)...)
}

// maxTolerances bounds the fields that every cell of counters has.
const maxTolerances = 16

func (c WindowConfig) validateTolerances() []error {
	if len(c.Tolerances) == 0 || len(c.Tolerances) > maxTolerances {
		return []error{fmt.Errorf("tolerances: has %d values; give 1 to %d", len(c.Tolerances), maxTolerances)}
	}
	var es []error
	edges := c.Edges()
	for i, b := range c.Tolerances {
		if !(b > 0 && b < 1) || edges[i] < 1 || edges[i] >= FullTick {
			es = append(es, fmt.Errorf("tolerances[%d]: %v must lie between 0 and 1 and be at least 0.000001", i, b))
		} else if i > 0 && edges[i] <= edges[i-1] {
			es = append(es, fmt.Errorf("tolerances[%d]: %v must be larger than the one before it", i, b))
		}
	}
	return es
}

func positive(key string, d time.Duration) []error {
	if d > 0 {
		return nil
	}
	return []error{fmt.Errorf("%s: %v must be above 0", key, d)}
}
