//go:build cgo

package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shaketable/cmd/shaketable/inspect"
	"shaketable/cmd/shaketable/suspect"
	"shaketable/config"
	"shaketable/perturb"
	"shaketable/pipeline/onnx"
)

// mistake is one line of detectors.yaml that is wrong.
type mistake struct{ name, right, wrong string }

// mesoMistakes are planted in the configuration of the published detectors. All their pictures have the input's size, so
// that how they are scaled is not among them.
func mesoMistakes() []mistake {
	return []mistake{
		{"colour order", "color: RGB", "color: BGR"},
		{"scale", "scale: unit", "scale: byte"},
		{"mean and std", "mean: [0, 0, 0]\n      std: [1, 1, 1]", "mean: [0.485, 0.456, 0.406]\n      std: [0.229, 0.224, 0.225]"},
		{"P(real)", "meaning: real", "meaning: fake"},
		{"logit", "kind: probability", "kind: logit"},
		{"to -1..1", "mean: [0, 0, 0]\n      std: [1, 1, 1]", "mean: [0.5, 0.5, 0.5]\n      std: [0.5, 0.5, 0.5]"},
	}
}

// goldenBench is a folder with the pictures of the golden set and the scores that another program gave them.
func goldenBench(t *testing.T, model string, every int) bench {
	t.Helper()
	dir := acceptance(t)
	g := readGolden(t, dir)
	b := bench{t.TempDir()}
	scores := "file,score\n"
	for i := 0; i < len(g.files); i += every {
		data, err := os.ReadFile(filepath.Join(dir, "media", g.files[i]))
		if err != nil {
			t.Fatal(err)
		}
		b.write(t, "media/"+g.files[i], data)
		scores += fmt.Sprintf("%s,%.6f\n", g.files[i], 1-g.real[model]["clean"][i])
	}
	b.write(t, "scores.csv", []byte(scores))
	text, err := os.ReadFile(filepath.Join(dir, "detectors.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	models, err := filepath.Abs(filepath.Join(dir, "models"))
	if err != nil {
		t.Fatal(err)
	}
	b.write(t, "detectors.yaml", []byte(strings.ReplaceAll(string(text), "path: models", "path: "+models)))
	return b
}

func (b bench) verify(more ...string) []string {
	return append([]string{"verify", "--detectors", b.path("detectors.yaml"), "--media", b.path("media"), "--scores", b.path("scores.csv")}, more...)
}

// TestVerifyAgainstAnotherProgram: PyTorch's scores are ours; with a mistake in the configuration they are not, and the
// mistake is found. Each detector gets one or two of the mistakes here, and all of them in the long proof.
func TestVerifyAgainstAnotherProgram(t *testing.T) {
	for i, model := range []string{"meso4-df", "meso4-f2f", "mesoinception4-df", "mesoinception4-f2f"} {
		t.Run(model, func(t *testing.T) {
			b := goldenBench(t, model, 3)
			code, stdout, stderr := evaluated(t, b.verify("--only", model))
			if code != exitFine || !strings.Contains(stdout, "9 pictures with a score") || !strings.Contains(stdout, "the same: ") {
				t.Fatalf("status %d\n%s%s", code, stdout, stderr)
			}
			all := mesoMistakes()
			for k, m := range all {
				if longProof() || k%4 == i {
					verifyMistake(t, b, model, m)
				}
			}
		})
	}
}

// verifyMistake plants one mistake and wants the file back as it was.
func verifyMistake(t *testing.T, b bench, model string, m mistake) {
	t.Helper()
	right, err := os.ReadFile(b.path("detectors.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	b.write(t, "wrong.yaml", []byte(strings.ReplaceAll(string(right), m.right, m.wrong)))
	os.Remove(b.path("wrong.yaml.verified"))
	code, stdout, stderr := evaluated(t, b.verify("--only", model, "--detectors", b.path("wrong.yaml"), "--write"))
	if code != exitFailed || !strings.Contains(stdout, "explained: ") || !strings.Contains(stdout, "written: ") {
		t.Errorf("%s: status %d\n%s%s", m.name, code, stdout, stderr)
		return
	}
	code, stdout, stderr = evaluated(t, b.verify("--only", model, "--detectors", b.path("wrong.yaml.verified")))
	if code != exitFine {
		t.Errorf("%s: the corrected file: status %d\n%s%s", m.name, code, stdout, stderr)
	}
}

// TestVerifyToy goes through the answers that a small detector is enough for.
func TestVerifyToy(t *testing.T) {
	b := newBench(t, 12)
	code, _, stderr := evaluated(t, b.args("out", "--suite", "production"))
	if code != exitFine {
		t.Fatal(stderr)
	}
	write := func(name, header, format string, of func(p float64) float64) {
		text := header + "\n"
		for _, r := range readTable(t, b.path("out/probabilities.csv")) {
			if r["perturbation"] == "none" {
				var p float64
				fmt.Sscan(r["p"], &p)
				text += r["file"] + "," + fmt.Sprintf(format, of(p)) + "\n"
			}
		}
		b.write(t, name, []byte(text))
	}
	same := func(p float64) float64 { return p }
	write("scores.csv", "file,score", "%.6f", same)
	write("percent.csv", "file,score", "%.2f", func(p float64) float64 { return 100 * p })
	write("logit.csv", "file,logit", "%.5f", func(p float64) float64 { return math.Log(p / (1 - p)) })
	write("real.csv", "file,prob_real", "%.6f", func(p float64) float64 { return 1 - p })
	write("other.csv", "file,score", "%.6f", func(p float64) float64 { return .5 + .4*math.Sin(1e4*p) })
	write("flat.csv", "file,score", "%.6f", func(float64) float64 { return .25 })
	b.write(t, "few.csv", []byte("file,score\n00.png,0.9\nnone.png,0.1\n"))
	b.write(t, "nowhere.csv", []byte("file,score\nnone.png,0.1\n"))
	b.write(t, "nomodel.yaml", []byte("detectors:\n  - name: toy\n    model: {path: none.onnx}\n    input: {width: 32, height: 32}\n"))
	for _, c := range []struct {
		name   string
		more   []string
		code   int
		stdout string
		stderr string
	}{
		{"same", nil, exitFine, "the same: ", ""},
		{"percent", []string{"--scores", b.path("percent.csv")}, exitFine, "taken for percentages of fake", ""},
		{"logits", []string{"--scores", b.path("logit.csv")}, exitFine, "taken for logits", ""},
		{"of real", []string{"--scores", b.path("real.csv")}, exitFine, "taken for probabilities of real", ""},
		{"said otherwise", []string{"--scores", b.path("real.csv"), "--meaning", "fake"}, exitFailed, "explained: meaning real", "not the same"},
		{"another model", []string{"--scores", b.path("other.csv")}, exitFailed, "not explained: none of the ", "not the same"},
		{"flat", []string{"--scores", b.path("flat.csv")}, exitFailed, "nothing can be told", "not the same"},
		{"near enough", []string{"--scores", b.path("other.csv"), "--tolerance", "0.99"}, exitFine, "near enough: ", ""},
		{"one picture", []string{"--scores", b.path("few.csv")}, exitFailed, "left out: 1 scores whose file is not in the folder", ""},
		{"no picture", []string{"--scores", b.path("nowhere.csv")}, exitUsage, "", "none of the 1 files is below"},
		{"no scores", []string{"--scores", b.path("none.csv")}, exitUsage, "", "no such file"},
		{"no detector", []string{"--only", "x"}, exitUsage, "", `no detector "x"`},
		{"no model", []string{"--detectors", b.path("nomodel.yaml")}, exitUsage, "", "no such file"},
		{"bad meaning", []string{"--meaning", "true"}, exitUsage, "", "must be fake or real"},
		{"no media", []string{"--media", b.path("none")}, exitUsage, "", "is no folder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := evaluated(t, b.verify(c.more...))
			if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
				t.Errorf("status %d, want %d\n%s\n%s", code, c.code, stdout, stderr)
			}
		})
	}
	if code, _, stderr := evaluated(t, []string{"verify"}); code != exitUsage || !strings.Contains(stderr, "--detectors is missing") {
		t.Errorf("status %d: %s", code, stderr)
	}
}

// TestTensorIsTheGraphs: a tensor made in Go and read in Go gives what the compiled detector gives.
func TestTensorIsTheGraphs(t *testing.T) {
	dir := acceptance(t)
	detectors, err := config.LoadDetectors(filepath.Join(dir, "detectors.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := onnx.NewRuntime(onnx.Config{Device: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	d := detectors[0]
	d.Input.Color, d.Input.Mean, d.Input.Std = "BGR", [3]float32{.485, .456, .406}, [3]float32{.229, .224, .225}
	for _, scale := range []string{"unit", "byte"} {
		d.Input.Scale = scale
		plain, err := r.OpenPlain(d)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(d.Model.Path)
		if err != nil {
			t.Fatal(err)
		}
		model, err := inspect.Open(data)
		if err != nil {
			t.Fatal(err)
		}
		all := newNetworks(r, data, model.Shape())
		net, err := all.open("NCHW", suspect.Size{Width: 256, Height: 256})
		if err != nil {
			t.Fatal(err)
		}
		for i, img := range madeUp(256, 256) {
			want, err := plain.Score(t.Context(), img)
			if err != nil {
				t.Fatal(err)
			}
			out, err := net.Run(t.Context(), suspect.Tensor(img, d.Input))
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := suspect.Read(out, perturb.Output{Name: out[0].Name, Kind: "probability", Meaning: "real"}); !ok || math.Abs(got-want) > 1e-6 {
				t.Errorf("%s, picture %d: %.9f, the graph %.9f", scale, i, got, want)
			}
		}
		if err := all.close(); err != nil {
			t.Error(err)
		}
		if err := plain.Close(); err != nil {
			t.Error(err)
		}
	}
}
