package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func acceptance(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("SHAKETABLE_ACCEPTANCE")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "acceptance")
	}
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("acceptance data is not there: %v", err)
		}
		t.Skipf("acceptance data is not there: %v", err)
	}
	return dir
}

func TestLoadDetectorsReal(t *testing.T) {
	dir := acceptance(t)
	ds, err := LoadDetectors(filepath.Join(dir, "detectors.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(ds) != 4 {
		t.Fatalf("%d detectors, want 4", len(ds))
	}
	d := ds[1]
	if d.Name != "meso4-f2f" || d.Version != "2018.1" || d.Output.Meaning != "real" || d.Input.Width != 256 ||
		d.Threshold != .5 || d.Model.Path != filepath.Join(dir, "models", "meso4-f2f.onnx") || d.Notify != "none" {
		t.Errorf("got %+v", d)
	}
	if _, err := os.Stat(d.Model.Path); err != nil {
		t.Error(err)
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const minimal = "detectors:\n  - name: a\n    model: {path: m/a.onnx}\n    input: {width: 8, height: 9}\n"

func TestLoadDetectorsDefaults(t *testing.T) {
	path := write(t, "d.yaml", minimal)
	ds, err := LoadDetectors(path)
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultDetector()
	want.Notify = "none"
	want.Name, want.Input.Width, want.Input.Height = "a", 8, 9
	want.Model.Path = filepath.Join(filepath.Dir(path), "m/a.onnx")
	if ds[0] != want {
		t.Errorf("got %+v, want %+v", ds[0], want)
	}
}

func TestLoadDetectorsFaults(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "d.yaml: is empty"},
		{"list", "- a", "d.yaml:1: must be a mapping"},
		{"syntax", "detectors:\n\t- a", "d.yaml:2: found character that cannot start any token"},
		{"second", minimal + "---\n" + minimal, "d.yaml:5: holds a second YAML document"},
		{"no key", "detector: []", "d.yaml:1: detector: is no known key"},
		{"no list", "detectors: 3", "d.yaml:1: detectors: must be a list"},
		{"none", "detectors: []", "d.yaml:1: detectors: must be a list of at least one"},
		{"unknown", minimal + "    treshold: .5\n", "d.yaml:5: detectors[0].treshold: is no known key; known here: name, version, model"},
		{"nested", strings.Replace(minimal, "height", "hight", 1), "d.yaml:4: detectors[0].input.hight: is no known key"},
		{"type", minimal + "    threshold: high\n", "d.yaml:5: detectors[0].threshold: `high` is not a number"},
		{"array", minimal + "    version: [1]\n", "d.yaml:5: detectors[0].version: is a list, not a text"},
		{"threshold 0", minimal + "    threshold: 0\n", "d.yaml:5: detectors[0].threshold: 0 must lie between 0 and 1"},
		{"threshold nan", minimal + "    threshold: .nan\n", "d.yaml:5: detectors[0].threshold: NaN must lie"},
		{"digest", strings.Replace(minimal, "a.onnx", "a.onnx, sha256: ABC", 1), `d.yaml:3: detectors[0].model.sha256: "ABC" must be 64`},
		{"no path", strings.Replace(minimal, "path: m/a.onnx", "", 1), "d.yaml:3: detectors[0].model.path: is missing"},
		{"size", strings.Replace(minimal, "width: 8, ", "", 1), "d.yaml:4: detectors[0].input.width: 0 must be 1 to 4096"},
		{"std", strings.Replace(minimal, "width: 8", "width: 8, std: [1, 0, 1]", 1), "d.yaml:4: detectors[0].input.std[1]: 0 must be"},
		{"std length", strings.Replace(minimal, "width: 8", "width: 8, std: [1, 1]", 1), "d.yaml:4: detectors[0].input.std: has 2 values, not 3"},
		{"std inf", strings.Replace(minimal, "width: 8", "width: 8, std: [1, .inf, 1]", 1), "detectors[0].input.std[1]: +Inf must be"},
		{"layout", strings.Replace(minimal, "width: 8", "width: 8, layout: nchw", 1), `detectors[0].input.layout: "nchw" is not one of NCHW, NHWC`},
		{"fit", strings.Replace(minimal, "width: 8", "width: 8, resize: {fit: pad}", 1), `detectors[0].input.resize.fit: "pad" is not one of`},
		{"kind", minimal + "    output: {kind: softmax}\n", `d.yaml:5: detectors[0].output.kind: "softmax" is not one of`},
		{"meaning", minimal + "    output: {meaning: Fake}\n", `d.yaml:5: detectors[0].output.meaning: "Fake" is not one of fake, real`},
		{"notify", minimal + "    notify: always\n", `d.yaml:5: detectors[0].notify: "always" is not one of`},
		{"name", strings.Replace(minimal, "name: a", "name: 'a}b'", 1), `d.yaml:2: detectors[0].name: "a}b" must be`},
		{"twice", minimal + minimal[len("detectors:\n"):], `d.yaml:5: detectors[1].name: a version "1" is there already`},
		{"duplicate key", minimal + "    name: b\n", "d.yaml:5: mapping key \"name\" already defined at line 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := LoadDetectors(write(t, "d.yaml", c.text))
			if err == nil || !strings.HasPrefix(err.Error(), c.want) && !strings.Contains(err.Error(), ": "+c.want) && !strings.Contains(err.Error(), "\n"+c.want) {
				t.Errorf("got:  %v\nwant: %s", err, c.want)
			}
		})
	}
}

func TestLoadDetectorsAllFaultsAtOnce(t *testing.T) {
	_, err := LoadDetectors(write(t, "d.yaml", "detectors:\n  - {name: '', model: {path: x}, input: {width: 1}, threshold: 2}\n"))
	for _, want := range []string{"detectors[0].name", "detectors[0].input.height", "detectors[0].threshold"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %s", err, want)
		}
	}
}
