package pipeline

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDefaultSettingsAreValid(t *testing.T) {
	for name, faults := range map[string][]error{
		"decode": DefaultDecodeConfig().Validate(), "sample": DefaultSampleConfig().Validate(), "join": DefaultJoinConfig().Validate(),
		"probe": DefaultProbeConfig().Validate(), "window": DefaultWindowConfig().Validate(),
	} {
		if len(faults) > 0 {
			t.Errorf("%s: %v", name, faults)
		}
	}
}

func TestSettingsFaults(t *testing.T) {
	join := func(f func(*JoinConfig)) []error { c := DefaultJoinConfig(); f(&c); return c.Validate() }
	probe := func(f func(*ProbeConfig)) []error { c := DefaultProbeConfig(); f(&c); return c.Validate() }
	window := func(f func(*WindowConfig)) []error { c := DefaultWindowConfig(); f(&c); return c.Validate() }
	for _, c := range []struct {
		faults []error
		want   string
	}{
		{SampleConfig{Rate: -1, KeyEnv: "K"}.Validate(), "rate: -1 must be 0 to 1"},
		{SampleConfig{Rate: 1}.Validate(), "key_file: give key_file or key_env"},
		{join(func(c *JoinConfig) { c.Media = "https" }), `media: "https" is not one of`},
		{join(func(c *JoinConfig) { c.Media = MediaFile; c.Root = "/srv/.." }), "root: must not be the root"},
		{join(func(c *JoinConfig) { c.Window = 0 }), "window: 0s must be above 0"},
		{join(func(c *JoinConfig) { c.MaxHold = -time.Second }), "max_hold: -1s must be above 0"},
		{join(func(c *JoinConfig) { c.BufferBytes = 10 }), "buffer_bytes: 10 must be at least 1 MiB"},
		{probe(func(c *ProbeConfig) { c.Suite = "" }), "suite: is missing"},
		{probe(func(c *ProbeConfig) { c.Device = "cuda:" }), `device: "cuda:" is not one of`},
		{probe(func(c *ProbeConfig) { c.Parallel = -1 }), "parallel: -1 must be"},
		{probe(func(c *ProbeConfig) { c.Chunk = -1 }), "chunk: -1 must be"},
		{probe(func(c *ProbeConfig) { c.Memory = -1 }), "memory: -1 must not"},
		{probe(func(c *ProbeConfig) { c.Timeout = 0 }), "timeout: 0s must be above 0"},
		{window(func(c *WindowConfig) { c.Fine = 1500 * time.Millisecond }), "fine: 1.5s must be a whole number of seconds"},
		{window(func(c *WindowConfig) { c.Coarse = 90 * time.Second }), "coarse: 1m30s must be a multiple of window.fine"},
		{window(func(c *WindowConfig) { c.Lateness = 0 }), "lateness: 0s must be above 0"},
		{window(func(c *WindowConfig) { c.Future = 0 }), "future: 0s must be above 0"},
		{window(func(c *WindowConfig) { c.LabelHorizon = 0 }), "label_horizon: 0s must be above 0"},
		{window(func(c *WindowConfig) { c.Tolerances = nil }), "tolerances: has 0 values"},
		{window(func(c *WindowConfig) { c.Tolerances = make([]float64, 17) }), "tolerances: has 17 values"},
		{window(func(c *WindowConfig) { c.Tolerances = []float64{0} }), "tolerances[0]: 0 must lie"},
		{window(func(c *WindowConfig) { c.Tolerances = []float64{.9999999} }), "tolerances[0]: 0.9999999 must lie"},
		{window(func(c *WindowConfig) { c.Tolerances = []float64{.1, .05} }), "tolerances[1]: 0.05 must be larger"},
		{window(func(c *WindowConfig) { c.ExampleIDs = "" }), `example_ids: "" is not one of`},
	} {
		if len(c.faults) == 0 || !strings.HasPrefix(c.faults[0].Error(), c.want) {
			t.Errorf("got %v, want %s", c.faults, c.want)
		}
	}
}

func TestSampleKey(t *testing.T) {
	const key = "0123456789abcdef"
	env := func(value string) func(string) string {
		return func(name string) string {
			if name == "K" {
				return value
			}
			return ""
		}
	}
	if got, err := (SampleConfig{KeyEnv: "K"}).Key(env(key + "\n")); err != nil || string(got) != key {
		t.Errorf("got %q, %v", got, err)
	}
	for _, short := range []string{"", key[:15], key[:15] + " \n"} {
		if _, err := (SampleConfig{KeyEnv: "K"}).Key(env(short)); err == nil || !strings.Contains(err.Error(), "not at least 16") {
			t.Errorf("%q: %v", short, err)
		}
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(key+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := (SampleConfig{KeyFile: file, KeyEnv: "K"}).Key(env("")); err != nil || string(got) != key {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := (SampleConfig{KeyFile: file + "x"}).Key(env("")); err == nil || !strings.HasPrefix(err.Error(), "sample.key_file: open ") {
		t.Errorf("got %v", err)
	}
}

func TestEdges(t *testing.T) {
	got := DefaultWindowConfig().Edges()
	for i, want := range []int64{10_000, 20_000, 50_000, 100_000, 200_000} {
		if got[i] != want {
			t.Errorf("edge %d is %d, want %d", i, got[i], want)
		}
	}
}
