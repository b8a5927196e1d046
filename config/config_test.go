package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"shaketable/perturb"
	"shaketable/pipeline"
)

func noEnv(string) (string, bool) { return "", false }

func TestLoad(t *testing.T) {
	c, err := Load("testdata/good.yaml", noEnv)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Redis.Addresses, want.Redis.Prefix = []string{"redis:6379"}, "st"
	want.Decode.Format = "json"
	want.Decode.Fields.MediaID, want.Decode.Fields.Score, want.Decode.Fields.Detector.Name = "$.asset", "$.outputs[0].data[1]", "=a"
	want.Decode.Score.Kind, want.Decode.Score.Meaning = "percent", "real"
	want.Decode.Labels.Fake, want.Decode.Labels.Real = []string{"1"}, []string{"0"}
	want.Exclude = c.Exclude
	want.Sample.Rate, want.Sample.KeyFile = .5, "testdata/key"
	want.Join.Media, want.Join.Root = "file", "testdata/media"
	want.Suites = []Suite{{Name: "ours", Version: "3", Variants: []string{"jpeg(q=60)", "jpeg@2", "motion_blur(radius=10, sigma=3)"}}}
	want.Probe.Suite, want.Probe.Codec, want.Probe.VariantsPerProbe, want.Probe.Timeout = "ours", perturb.CodecExact, 2, 5*time.Second
	want.Attacks = pipeline.AttackConfig{Rate: .25, List: []string{"fgsm(eps=1/255)", "pgd(target=delta, forms=float+jpeg90)"}, Queries: 100, Timeout: 9 * time.Second}
	want.Window.Fine, want.Window.LabelHorizon, want.Redis.LabelHorizon = 10*time.Second, 24*time.Hour, 24*time.Hour
	want.Flow.Start, want.Alerts.Notify, want.Alerts.Detectors = "latest", "ticket", 1
	want.Detectors = c.Detectors
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	if len(c.Exclude) != 1 || *c.Exclude[0].NotEquals != "yes" || len(c.Detectors) != 1 || c.Detectors[0].Notify != "ticket" ||
		c.Detectors[0].Model.Path != "testdata/a.onnx" {
		t.Errorf("lists: %+v %+v", c.Exclude, c.Detectors)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

// TestBadFiles loads files that have one fault each; their first line says which message it must give, and it is the only
// one.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(text), "\n")
			want, ok := strings.CutPrefix(first, "# want: ")
			if !ok {
				t.Fatal("first line must be # want: message")
			}
			_, err = Load(file, noEnv)
			var faults Faults
			if !errors.As(err, &faults) || len(faults) != 1 || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got:  %v\nwant: %s", err, want)
			}
		})
	}
}

func TestLoadAllFaultsAtOnce(t *testing.T) {
	path := write(t, "c.yaml", "sample:\n  rate: 2\nprobe:\n  device: gpu\nwindow: {fine: 0s}\ndetectors:\n  - {name: '', model: {path: a}}\n")
	_, err := Load(path, noEnv)
	last := 0
	for _, want := range []string{"c.yaml:2: sample.rate", "c.yaml:4: probe.device", "c.yaml:5: window.fine", "c.yaml:7: detectors[0].name",
		"c.yaml:7: detectors[0].input.width"} {
		at := strings.Index(err.Error(), want)
		if at < last {
			t.Errorf("%q is not there in its order:\n%v", want, err)
		}
		last = at
	}
}

func TestLoadUnknownKeyAndBadDetector(t *testing.T) {
	path := write(t, "c.yaml", "smaple: {}\n"+minimal)
	_, err := Load(path, noEnv)
	if err == nil || !strings.Contains(err.Error(), "c.yaml:1: smaple: is no known key") || !strings.Contains(err.Error(), "detectors[0].model.sha256: is missing") {
		t.Errorf("got %v", err)
	}
}

// Two versions of one detector share an alert, so they share its allowance of false alarms.
func TestAlertsAreSharedByName(t *testing.T) {
	const entry = "  - {name: %s, version: %s, model: {path: m, sha256: '"
	text := "detectors:\n"
	for _, d := range [][2]string{{"a", "1"}, {"a", "2"}, {"b", "1"}} {
		text += strings.NewReplacer("%s, version: %s", d[0]+", version: '"+d[1]+"'").Replace(entry) + strings.Repeat("0", 64) + "'}, input: {width: 8, height: 8}}\n"
	}
	c, err := Load(write(t, "c.yaml", text), noEnv)
	if err != nil || c.Alerts.Detectors != 2 {
		t.Errorf("got %d detectors, %v", c.Alerts.Detectors, err)
	}
	c, err = Load(write(t, "c.yaml", text+"alerts: {detectors: 7}\n"), noEnv)
	if err != nil || c.Alerts.Detectors != 7 {
		t.Errorf("got %d detectors, %v", c.Alerts.Detectors, err)
	}
}

func TestLoadDetectorsFile(t *testing.T) {
	dir := t.TempDir()
	digest := strings.Repeat("0", 64)
	files := map[string]string{
		"c.yaml":          "detectors_file: sub/d.yaml\n",
		"sub/d.yaml":      strings.Replace(minimal, "m/a.onnx", "m/a.onnx, sha256: '"+digest+"'", 1),
		"bad.yaml":        "detectors_file: sub/bad.yaml\n",
		"sub/bad.yaml":    minimal + "    threshold: 3\n",
		"digest.yaml":     "detectors_file: sub/digest.yaml\n",
		"sub/digest.yaml": minimal,
		"sub/m/a.onnx":    "",
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(filepath.Join(dir, "c.yaml"), noEnv)
	if err != nil || len(c.Detectors) != 1 || c.Detectors[0].Model.Path != filepath.Join(dir, "sub/m/a.onnx") || c.Detectors[0].Notify != "none" {
		t.Errorf("got %+v, %v", c.Detectors, err)
	}
	if _, err = Load(filepath.Join(dir, "bad.yaml"), noEnv); err == nil || !strings.HasPrefix(err.Error(), "bad.yaml:5: detectors[0].threshold: 3 must") {
		t.Errorf("got %v", err)
	}
	// SHA-256 of nothing, FIPS 180-4.
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	if _, err = Load(filepath.Join(dir, "digest.yaml"), noEnv); err == nil || !strings.Contains(err.Error(), "a.onnx has "+empty) {
		t.Errorf("got %v", err)
	}
}

func TestEnvironment(t *testing.T) {
	env := map[string]string{"SHAKETABLE_SAMPLE_RATE": ".25", "SHAKETABLE_REDIS_ADDRESSES": "[a:1]", "SHAKETABLE_WINDOW_FINE": "30s",
		"SHAKETABLE_REDIS_TLS_ENABLED": "true", "SHAKETABLE_SAMPLE_KEY": "not a setting"}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	c, err := Load("testdata/good.yaml", lookup)
	if err != nil || c.Sample.Rate != .25 || c.Redis.Addresses[0] != "a:1" || c.Window.Fine != 30*time.Second || !c.Redis.TLS.Enabled {
		t.Errorf("got %+v %v", c, err)
	}
	env["SHAKETABLE_SAMPLE_RATE"] = "lots"
	want := "sample.rate: environment variable SHAKETABLE_SAMPLE_RATE: `lots` is not a number"
	if _, err := Load("testdata/good.yaml", lookup); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestYAMLRoundTrip: what `config print` writes is a configuration file that means the same, so no key is lost.
func TestYAMLRoundTrip(t *testing.T) {
	c, err := Load("testdata/good.yaml", noEnv)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.paths() {
		if *p != "" {
			*p, _ = filepath.Abs(*p)
		}
	}
	c.Detectors[0].Model.Path, _ = filepath.Abs(c.Detectors[0].Model.Path)
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Load(write(t, "again.yaml", string(text)), noEnv)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	second, err := again.YAML()
	if err != nil || string(second) != string(text) {
		t.Errorf("%v\n%s\nbecame\n%s", err, text, second)
	}
	a, _ := c.Digest()
	b, _ := again.Digest()
	if a != b || len(a) != 16 {
		t.Errorf("digests %q and %q", a, b)
	}
	again.Sample.Rate = .75
	if d, _ := again.Digest(); d == a {
		t.Error("another rate has the same digest")
	}
}

// TestSecretsStayOut puts a canary where secrets come from and looks for it in everything that is printed.
func TestSecretsStayOut(t *testing.T) {
	const canary = "c4n4ry-c4n4ry-c4n4ry"
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(canary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile("testdata/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("key_file: key", "key_file: secret", "prefix: st", "prefix: st, password_file: secret").Replace(string(good))
	path := filepath.Join(dir, "c.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	key, err := c.Sample.Key(func(string) string { return canary })
	if err != nil || string(key) != canary {
		t.Fatalf("key %q, %v", key, err)
	}
	out, err := c.YAML()
	if err != nil || strings.Contains(string(out), canary) {
		t.Errorf("%v\n%s", err, out)
	}
	c.Sample.KeyFile = ""
	if _, err := c.Sample.Key(func(string) string { return canary[:15] }); err == nil || strings.Contains(err.Error(), canary[:8]) ||
		!strings.Contains(err.Error(), "holds 15 bytes, not at least 16") {
		t.Errorf("short key: %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	good, err := os.ReadFile("testdata/good.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(good))
	f.Add("a: &a [*a]\ndetectors: *a")
	f.Add("x: &x {rate: 1}\nsample: {<<: *x}\ndetectors: [{<<: *x}]")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, "c.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path, noEnv)
		if err == nil {
			if err := c.Validate(); err != nil {
				t.Errorf("Load accepts what Validate does not: %v", err)
			}
			return
		}
		var faults Faults
		if !errors.As(err, &faults) || len(faults) == 0 || err.Error() == "" {
			t.Errorf("unhelpful error %v", err)
		}
	})
}
