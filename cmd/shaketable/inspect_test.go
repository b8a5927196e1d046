//go:build cgo

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shaketable/config"
	"shaketable/perturb/graph"
	"shaketable/pipeline"
)

// TestInspectRealModels describes every network of the acceptance data from its file alone, and runs what was written.
func TestInspectRealModels(t *testing.T) {
	dir := acceptance(t)
	files, _ := filepath.Glob(filepath.Join(dir, "zoo", "*.onnx"))
	more, _ := filepath.Glob(filepath.Join(dir, "models", "*.onnx"))
	if len(files)+len(more) != 13 {
		t.Fatalf("%d networks", len(files)+len(more))
	}
	b := newBench(t, 2)
	for _, file := range append(files, more...) {
		name := strings.TrimSuffix(filepath.Base(file), ".onnx")
		out := b.path(name + ".yaml")
		code, stdout, stderr := evaluated(t, []string{"inspect", file, "--out", out, "--media", b.path("media")})
		if code != exitFine {
			t.Errorf("%s: status %d\n%s%s", name, code, stdout, stderr)
			continue
		}
		for _, want := range []string{"found       layout        NCHW", "found       size", "found       kind", "found       gradient      yes", "ms per picture", "next: shaketable verify"} {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s: lacks %q:\n%s", name, want, stdout)
			}
		}
		list, err := config.LoadDetectors(out)
		if err != nil || len(list) != 1 || list[0].Name != name {
			t.Errorf("%s: %v, %v", name, list, err)
			continue
		}
		want := pipeline.Detector{}
		want.Output.Kind, want.Output.Index, want.Output.Meaning = "logits", 1, "fake"
		if strings.HasPrefix(name, "meso") {
			want.Output.Kind, want.Output.Index, want.Output.Meaning = "probability", 0, "real"
		}
		if got := list[0].Output; got.Kind != want.Output.Kind || got.Index != want.Output.Index || got.Meaning != want.Output.Meaning {
			t.Errorf("%s: %+v", name, got)
		}
	}
	code, stdout, stderr := evaluated(t, b.args("out", "--detectors", b.path("meso4-df.yaml")))
	if code != exitFine {
		t.Errorf("evaluate: status %d\n%s%s", code, stdout, stderr)
	}
}

func TestInspectToy(t *testing.T) {
	b := newBench(t, 3)
	g := graph.NewBuilder("open", 17)
	x := g.Reduce("ReduceMean", g.Input("picture", graph.Float32, graph.Unknown, 3, graph.Unknown, graph.Unknown), 2, 3)
	g.Output("scores", g.Op("Softmax", []string{g.Reshape(x, -1, 3)}, graph.IntAttr("axis", 1)), graph.Float32, graph.Unknown, 3)
	open, err := graph.Marshal(g.Model(nil))
	if err != nil {
		t.Fatal(err)
	}
	b.write(t, "my net (v2).onnx", open)
	b.write(t, "there.yaml", []byte("mine"))
	b.write(t, "weights.pt", []byte("PK\x03\x04"))
	model, odd := b.path("toy.onnx"), b.path("my net (v2).onnx")
	for _, c := range []struct {
		name   string
		args   []string
		code   int
		stdout string
		stderr string
	}{
		{"fine", []string{model, "--out", b.path("a.yaml")}, exitFine, "written: ", ""},
		{"to the terminal", []string{model, "--out", "-"}, exitFine, "detectors:\n  - name: toy\n", ""},
		{"not over a file", []string{model, "--out", b.path("there.yaml")}, exitUsage, "", "is there already"},
		{"over a file by force", []string{model, "--out", b.path("there.yaml"), "--force"}, exitFine, "written: ", ""},
		{"no size", []string{odd, "--out", b.path("b.yaml")}, exitFailed, "please say  size", "nothing was written"},
		{"a size", []string{odd, "--out", b.path("b.yaml"), "--size", "48x64"}, exitFine, "64 x 48 pixels (width x height)", ""},
		{"which class", []string{odd, "--out", b.path("c.yaml"), "--size", "48"}, exitFine, "verify      meaning       value 0 is P(fake)", ""},
		{"bad size", []string{odd, "--size", "big"}, exitUsage, "", "must be HEIGHTxWIDTH"},
		{"other size than the file's", []string{model, "--out", b.path("d.yaml"), "--size", "48"}, exitUsage, "", "the file fixes the input at 32x32"},
		{"bad name", []string{model, "--out", b.path("d.yaml"), "--name", "a b"}, exitUsage, "", "--name"},
		{"no ONNX", []string{b.path("weights.pt"), "--out", b.path("d.yaml")}, exitUsage, "", "torch.onnx.export"},
		{"no file", []string{b.path("none.onnx"), "--out", b.path("d.yaml")}, exitUsage, "", "no such file"},
		{"no argument", nil, exitUsage, "", "takes one ONNX file"},
		{"no media", []string{model, "--out", b.path("d.yaml"), "--media", b.path("none")}, exitUsage, "", "is no folder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := evaluated(t, append([]string{"inspect"}, c.args...))
			if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
				t.Errorf("status %d, want %d\n%s\n%s", code, c.code, stdout, stderr)
			}
		})
	}
	for name, there := range map[string]bool{"a.yaml": true, "b.yaml": true, "d.yaml": false} {
		if _, err := os.Stat(b.path(name)); (err == nil) != there {
			t.Errorf("%s: %v", name, err)
		}
	}
	list, err := config.LoadDetectors(b.path("b.yaml"))
	if err != nil || list[0].Name != "my-net-v2" || list[0].Input.Width != 64 || list[0].Input.Height != 48 {
		t.Errorf("%+v, %v", list, err)
	}
}
