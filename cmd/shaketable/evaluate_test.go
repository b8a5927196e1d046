//go:build cgo

package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"shaketable/perturb/graph"
	"shaketable/pipeline"
)

// bench is a folder with all that an evaluation needs: a small detector, and pictures of two brightnesses.
type bench struct{ dir string }

const side = 32

// newBench has n good pictures. The detector takes bright pictures for fake.
func newBench(t *testing.T, n int) bench {
	t.Helper()
	b := bench{t.TempDir()}
	g := graph.NewBuilder("brightness", 17)
	x := g.Reshape(g.Reduce("ReduceMean", g.Input("picture", graph.Float32, graph.Unknown, 3, side, side), 1, 2, 3), -1, 1)
	g.Output("fake", g.Call("Sigmoid", g.Call("Mul", g.Call("Sub", x, g.Float(.5)), g.Float(8))), graph.Float32, graph.Unknown, 1)
	model, err := graph.Marshal(g.Model(nil))
	if err != nil {
		t.Fatal(err)
	}
	b.write(t, "toy.onnx", model)
	b.write(t, "detectors.yaml", []byte(fmt.Sprintf(
		"detectors:\n  - name: toy\n    model: {path: toy.onnx}\n    input: {width: %d, height: %d}\n", side, side)))
	for i := range n {
		pic := image.NewRGBA(image.Rect(0, 0, side, side))
		for at := range side * side {
			v := uint8(60 + 130*(i%2) + (at*7+i*13)%50)
			pic.Set(at%side, at/side, color.RGBA{v, v / 2 * 2, v, 255})
		}
		var text bytes.Buffer
		if err := png.Encode(&text, pic); err != nil {
			t.Fatal(err)
		}
		b.write(t, fmt.Sprintf("media/%02d.png", i), text.Bytes())
	}
	return b
}

func (b bench) path(name string) string { return filepath.Join(b.dir, filepath.FromSlash(name)) }

func (b bench) write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(b.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.path(name), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// args are those of an evaluation into out, with more behind them, which win.
func (b bench) args(out string, more ...string) []string {
	return append([]string{"evaluate", "--detectors", b.path("detectors.yaml"), "--media", b.path("media"),
		"--suite", "production", "--out", b.path(out)}, more...)
}

func evaluated(t *testing.T, args []string) (code int, stdout, stderr string) {
	t.Helper()
	var out, faults bytes.Buffer
	code = run(t.Context(), args, &out, &faults)
	return code, out.String(), faults.String()
}

func readTable(t *testing.T, path string) []map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var table []map[string]string
	for _, row := range rows[1:] {
		named := map[string]string{}
		for i, column := range rows[0] {
			named[column] = row[i]
		}
		table = append(table, named)
	}
	return table
}

func TestEvaluate(t *testing.T) {
	b := newBench(t, 6)
	b.write(t, "media/broken.png", []byte("\x89PNG\r\n\x1a\n and no more"))
	b.write(t, "media/notes.txt", []byte("no picture"))
	b.write(t, "labels.csv", []byte("\ufefffile,label,kind\n00.png,real,x\n01.png,fake,y\nbroken.png,fake,z\n"))
	code, stdout, stderr := evaluated(t, b.args("out", "--labels", b.path("labels.csv")))
	if code != exitFine || !strings.Contains(stderr, "not used: broken.png") || !strings.Contains(stdout, "1 of 7 files could not be used") {
		t.Fatalf("exit %d\n%s\n%s", code, stdout, stderr)
	}
	if !strings.Contains(stdout, "verdict holds") || !strings.Contains(stdout, "weakest family") {
		t.Errorf("the report lacks its table:\n%s", stdout)
	}
	figures := readTable(t, b.path("out/ra_rr.csv"))
	if len(figures) != 9 || figures[0]["perturbation"] != "none" || figures[0]["severity"] != "0" || figures[0]["rr_0.01"] != "1.000000" {
		t.Fatalf("figures: %v", figures)
	}
	for _, row := range figures {
		if row["n"] != "6" || row["model"] != "toy" {
			t.Errorf("row %v", row)
		}
	}
	if got := figures[0]["ra_label"]; got != "1.000000" { // the labelled two are right by construction
		t.Errorf("clean RA_label %q", got)
	}
	checkProbabilities(t, b, figures)
	text, err := os.ReadFile(b.path("out/baseline.json"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := pipeline.ParseBaselines(text)
	if err != nil || len(list) != 1 || list[0].Provenance["pictures"] != "6" || list[0].Provenance["labelled"] != "2" || len(list[0].Provenance["media_sha256"]) != 64 {
		t.Errorf("baseline: %v, %+v", err, list)
	}
}

// checkProbabilities computes RA_self and RR anew from the written probabilities: they must be the written figures.
func checkProbabilities(t *testing.T, b bench, figures []map[string]string) {
	t.Helper()
	p := map[string]map[string]float64{} // by variant and file
	for _, row := range readTable(t, b.path("out/probabilities.csv")) {
		v, err := strconv.ParseFloat(row["p"], 64)
		if err != nil || float64(float32(v)) != v { // the model returns float32: not a digit may be lost
			t.Fatalf("p of %v: %v", row, err)
		}
		key := row["perturbation"] + row["severity"]
		if p[key] == nil {
			p[key] = map[string]float64{}
		}
		p[key][row["file"]] = v
	}
	for _, row := range figures {
		held, within := 0, 0
		variant := p[row["perturbation"]+row["severity"]]
		for file, v := range variant {
			clean := p["none0"][file]
			if (v >= .5) == (clean >= .5) {
				held++
			}
			if v-clean <= .05 && clean-v <= .05 {
				within++
			}
		}
		n := float64(len(variant))
		if figure(float64(held)/n) != row["ra_self"] || figure(float64(within)/n) != row["rr_0.05"] {
			t.Errorf("%v: from the probabilities RA_self %d and RR(.05) %d of %v", row, held, within, n)
		}
	}
}

// TestEvaluateTwice: the same again is the same again, to the byte, but for the date.
func TestEvaluateTwice(t *testing.T) {
	b := newBench(t, 5)
	var texts [2][]byte
	for i := range texts {
		if code, _, stderr := evaluated(t, b.args("out", "--parallel", strconv.Itoa(1+3*i))); code != exitFine {
			t.Fatal(stderr)
		}
		for _, name := range []string{"out/ra_rr.csv", "out/probabilities.csv"} {
			text, err := os.ReadFile(b.path(name))
			if err != nil {
				t.Fatal(err)
			}
			texts[i] = append(texts[i], text...)
		}
	}
	if !bytes.Equal(texts[0], texts[1]) {
		t.Error("the figures of two evaluations differ")
	}
	if row := readTable(t, b.path("out/ra_rr.csv"))[0]; row["ra_label"] != "" {
		t.Errorf("RA_label is %q without labels", row["ra_label"])
	}
	left, err := filepath.Glob(b.path("out/*"))
	if hidden, err2 := filepath.Glob(b.path("out/.*")); err != nil || err2 != nil || len(left) != 4 || len(hidden) > 2 {
		t.Errorf("left behind: %v %v", left, hidden)
	}
}

func TestEvaluateRefuses(t *testing.T) {
	b := newBench(t, 2)
	label := func(text string) []string {
		file := filepath.Join(t.TempDir(), "labels.csv")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return b.args("out", "--labels", file)
	}
	b.write(t, "empty/readme.txt", nil)
	b.write(t, "bad.yaml", []byte("detectors:\n  - name: toy\n    colour: red\n"))
	b.write(t, "wrong.yaml", []byte("detectors:\n  - name: toy\n    model: {path: toy.onnx, sha256: "+strings.Repeat("0", 64)+"}\n    input: {width: 32, height: 32}\n"))
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no flags":      {[]string{"evaluate"}, exitUsage, "--detectors is missing"},
		"an argument":   {b.args("out", "more"), exitUsage, "takes no arguments"},
		"suite":         {b.args("out", "--suite", "nope"), exitUsage, "known are production, deepfake-v1"},
		"only":          {b.args("out", "--only", "meso"), exitUsage, "the file lists toy"},
		"parallel":      {b.args("out", "--parallel", "-1"), exitUsage, "--parallel: -1"},
		"out":           {b.args("toy.onnx"), exitUsage, "is a file"},
		"device":        {b.args("out", "--device", "gpu"), exitFailed, "auto, cpu, cuda, cuda:N"},
		"no media":      {b.args("out", "--media", b.path("nowhere")), exitUsage, "is no folder"},
		"empty media":   {b.args("out", "--media", b.path("empty")), exitUsage, "holds no file that ends in"},
		"detectors":     {b.args("out", "--detectors", b.path("bad.yaml")), exitUsage, "bad.yaml:3"},
		"digest":        {b.args("out", "--detectors", b.path("wrong.yaml")), exitUsage, "it is not the file that was configured"},
		"label absent":  {label("file,label\n00.png,fake\nx.png,real\n"), exitUsage, `labels.csv:3: there is no picture "x.png"`},
		"label value":   {label("file,label\n00.png,Fake\n"), exitUsage, `labels.csv:2: label "Fake" of 00.png is neither fake nor real`},
		"column twice":  {label("file,label,label\n00.png,fake,real\n"), exitUsage, "it names the column label twice"},
		"label twice":   {label("file,label\n00.png,fake\n00.png,real\n"), exitUsage, "labels.csv:3: 00.png is labelled real here and fake above"},
		"label columns": {label("name,label\n00.png,fake\n"), exitUsage, "labels.csv:1: the header"},
		"label nothing": {label(""), exitUsage, "no header"},
		"label too few": {label("file,label\n00.png\n"), exitUsage, "line 2"},
		"labels absent": {label("file,label\n00.png,fake\n" + strings.Repeat("x.png,real\n", 105)), exitUsage, "and 100 more lines like these"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := evaluated(t, c.args)
			if code != c.code || !strings.Contains(stderr, c.want) {
				t.Errorf("exit %d, want %d\n%s\n%s\nwant it to say %q", code, c.code, stdout, stderr, c.want)
			}
			if _, err := os.Stat(b.path("out")); err == nil {
				t.Error("it wrote something")
			}
		})
	}
}

func TestEvaluateNothingUsable(t *testing.T) {
	b := newBench(t, 0)
	b.write(t, "media/a.jpg", []byte("text"))
	code, _, stderr := evaluated(t, b.args("out"))
	if code != exitFailed || !strings.Contains(stderr, "none of the 1 files") || !strings.Contains(stderr, "not used: a.jpg") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestEvaluateInterrupted(t *testing.T) {
	b := newBench(t, 3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	if code := run(ctx, b.args("out"), &stdout, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "interrupted; nothing was written") {
		t.Errorf("exit %d: %s", code, stderr.String())
	}
	if _, err := os.Stat(b.path("out")); err == nil {
		t.Error("it wrote something")
	}
}

func TestSelectDetectors(t *testing.T) {
	all := make([]pipeline.Detector, 3)
	for i, name := range []string{"a", "b", "c"} {
		all[i].Name = name
	}
	got, err := selectDetectors(slices.Clone(all), []string{"c", "a"})
	if err != nil || len(got) != 2 || got[0].Name != "a" || got[1].Name != "c" {
		t.Errorf("%v, %v", got, err)
	}
}

// TestEvaluateAlike: a detector that looks away is named; one that looks is not.
func TestEvaluateAlike(t *testing.T) {
	b := newBench(t, 4)
	if _, _, stderr := evaluated(t, b.args("looks")); strings.Contains(stderr, "for all") {
		t.Error(stderr)
	}
	b.steeper(t, 0)
	code, _, stderr := evaluated(t, b.args("away"))
	if code != exitFine || !strings.Contains(stderr, "toy: the probability of fake is .500 for all 4 pictures") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestListMediaLeavesHiddenFilesOut(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.png", "._a.png", ".trash/b.png", "more/c.JPG", "more/notes.txt"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := listMedia(dir)
	var names []string
	for _, f := range list {
		names = append(names, f.name)
	}
	if err != nil || !slices.Equal(names, []string{"a.png", "more/c.JPG"}) {
		t.Errorf("%q, %v", names, err)
	}
}
