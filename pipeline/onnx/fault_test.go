//go:build cgo

package onnx

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shaketable/perturb"
	"shaketable/perturb/graph"
	"shaketable/pipeline"
)

func compiler(t testing.TB, d pipeline.Detector, suite string) compileFunc {
	t.Helper()
	data, _, err := readModel(d)
	if err != nil {
		t.Fatal(err)
	}
	return func(chunk int) (*perturb.Fused, error) {
		return perturb.Compile(data, d.Input, d.Output, suiteOf(t, suite), perturb.Options{Chunk: chunk})
	}
}

// TestOpenRefuses: whatever is wrong with a model, the message names the model and says what to do.
func TestOpenRefuses(t *testing.T) {
	good := toy(t, identity)
	changed := func(change func(*pipeline.Detector)) pipeline.Detector {
		d := good
		change(&d)
		return d
	}
	unknown := toy(t, func(b *graph.Builder, x string) string { return b.Call("Wobble", x) })
	for name, c := range map[string]struct {
		detector pipeline.Detector
		want     string
	}{
		"no file":     {changed(func(d *pipeline.Detector) { d.Model.Path = "nowhere.onnx" }), "model.path: open nowhere.onnx: no such file"},
		"a folder":    {changed(func(d *pipeline.Detector) { d.Model.Path = t.TempDir() }), "is not a regular file"},
		"digest":      {changed(func(d *pipeline.Detector) { d.Model.SHA256 = strings.Repeat("0", 64) }), "it is not the file that was configured"},
		"no ONNX":     {toyOf(t, []byte("GIF89a, not a model")), "toy.onnx: "},
		"empty":       {toyOf(t, nil), "toy.onnx: "},
		"input name":  {changed(func(d *pipeline.Detector) { d.Input.Name = "pixels" }), `input.name is "pixels", but the model's input is "picture"`},
		"input size":  {changed(func(d *pipeline.Detector) { d.Input.Width = 64 }), "32"},
		"output name": {changed(func(d *pipeline.Detector) { d.Output.Name = "logits" }), "logits"},
		"operator":    {unknown, "Wobble"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := runtimeFor(t, Config{Chunk: 1}).Open(t.Context(), c.detector, suiteOf(t, "production"))
			if err == nil {
				m.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "onnx: detector toy: ") {
				t.Errorf("got %v\nwant it to say %q", err, c.want)
			}
		})
	}
}

// TestUnknownOperator: the runtime's own complaint comes with what can be done.
func TestUnknownOperator(t *testing.T) {
	b := graph.NewBuilder("bare", 17)
	x := b.Input("image", graph.Uint8, graph.Unknown, 2, 2, 3)
	b.Output("p", b.Call("Wobble", b.Cast(x, graph.Float32)), graph.Float32, graph.Unknown)
	data, err := graph.Marshal(b.Model(nil))
	if err != nil {
		t.Fatal(err)
	}
	runtimeFor(t, Config{})
	_, err = newSession(data, []string{"image"}, []string{"p"}, device{})
	if err == nil || !strings.Contains(err.Error(), "export it at an older opset") || !strings.Contains(err.Error(), "Wobble") {
		t.Errorf("got %v", err)
	}
}

// TestOutOfMemory asks the runtime for more memory than there is, so that its very words are tested.
func TestOutOfMemory(t *testing.T) {
	d := toy(t, func(b *graph.Builder, x string) string {
		huge := b.Call("Expand", b.Reshape(x, -1, 1), b.Ints(1, 1<<36))
		return b.Call("Add", x, b.Reduce("ReduceMean", huge, 0, 1))
	})
	_, err := runtimeFor(t, Config{Chunk: 1}).Open(t.Context(), d, suiteOf(t, "production"))
	if !errors.Is(err, pipeline.ErrOutOfMemory) {
		t.Errorf("got %v", err)
	}
}

// TestDevice: a GPU that was asked for by name is an error where there is none, with auto a line in the log.
func TestDevice(t *testing.T) {
	probe := device{cuda: true}
	runtimeFor(t, Config{})
	if probe.available() == nil {
		t.Skip("there is a GPU here")
	}
	for _, name := range []string{"cuda", "cuda:0", "cuda:1"} {
		if _, err := NewRuntime(Config{Device: name}); err == nil || !strings.Contains(err.Error(), "is not available") ||
			!strings.Contains(err.Error(), "use device cpu") {
			t.Errorf("%s: %v", name, err)
		}
	}
	var log bytes.Buffer
	r := runtimeFor(t, Config{Device: "auto", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if r.Device() != "cpu" || !strings.Contains(log.String(), "models run on the CPU") {
		t.Errorf("auto: device %s, log %q", r.Device(), log.String())
	}
}

func TestConfigRefuses(t *testing.T) {
	for want, cfg := range map[string]Config{
		`device "gpu" is not one of auto, cpu, cuda, cuda:N`: {Device: "gpu"},
		"must not be negative":                               {Parallel: -1},
		"cannot be loaded: this process runs":                {Library: "/elsewhere/libonnxruntime.so.1"},
	} {
		runtimeFor(t, Config{}) // so that a library is loaded
		if _, err := NewRuntime(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
}

func TestFindLibrary(t *testing.T) {
	root := t.TempDir()
	sub := filepath.Join(root, "a", "b")
	library := filepath.Join(root, libraryPath)
	for _, dir := range []string{sub, filepath.Dir(library)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(sub)
	unset := func(string) string { return "" }
	named := func(path string) func(string) string {
		return func(key string) string { return map[string]string{LibraryEnv: path}[key] }
	}
	_, err := FindLibrary(unset)
	if !errors.Is(err, ErrNoLibrary) || !strings.Contains(err.Error(), "make onnxruntime") || !strings.Contains(err.Error(), sub) {
		t.Errorf("nothing there: %v", err)
	}
	if err := os.WriteFile(library, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := FindLibrary(unset); !errors.Is(err, ErrNoLibrary) {
		t.Errorf("a library above, but no module: %v", err)
	}
	if err := os.WriteFile(filepath.Join(root, "go.mod"), []byte("module m\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := FindLibrary(unset); err != nil || got != library {
		t.Errorf("at the root of the module: %q, %v", got, err)
	}
	if got, err := FindLibrary(named(library)); err != nil || got != library {
		t.Errorf("named: %q, %v", got, err)
	}
	if _, err := FindLibrary(named(root)); !errors.Is(err, ErrNoLibrary) || !strings.Contains(err.Error(), LibraryEnv) {
		t.Errorf("a folder was named: %v", err)
	}
}
