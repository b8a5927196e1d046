//go:build cgo

package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"shaketable/perturb/graph"
)

// steeper replaces the detector by one that is steeper: the same verdicts, and probabilities that move farther.
func (b bench) steeper(t *testing.T, slope float32) {
	t.Helper()
	g := graph.NewBuilder("brightness", 17)
	x := g.Reshape(g.Reduce("ReduceMean", g.Input("picture", graph.Float32, graph.Unknown, 3, side, side), 1, 2, 3), -1, 1)
	g.Output("fake", g.Call("Sigmoid", g.Call("Mul", g.Call("Sub", x, g.Float(.5)), g.Float(slope))), graph.Float32, graph.Unknown, 1)
	model, err := graph.Marshal(g.Model(nil))
	if err != nil {
		t.Fatal(err)
	}
	b.write(t, "toy.onnx", model)
}

// TestGate: a detector is replaced by a steeper one, and the gate says what fell, after everything was written.
func TestGate(t *testing.T) {
	b := newBench(t, 8)
	b.steeper(t, .2)
	if code, _, stderr := evaluated(t, b.args("before")); code != exitFine {
		t.Fatal(stderr)
	}
	b.steeper(t, 8)
	against := []string{"--against", b.path("before/baseline.json")}
	code, stdout, stderr := evaluated(t, b.args("after", append(against, "--fail-on", "RR(.05) -0.05", "--fail-on", "RA_self/jpeg .9")...))
	want := "toy: RR(.05) fell from 1 to "
	if code != exitFailed || !strings.Contains(stderr, "gate failed:\n  "+want) || !strings.Contains(stdout, "FAILED "+want) ||
		!strings.Contains(stdout, "ok     toy: RA_self jpeg is 1, and .9 must hold") || strings.Contains(stderr, "Usage") {
		t.Errorf("exit %d\n%s\n%s", code, stdout, stderr)
	}
	for _, name := range []string{"ra_rr.csv", "probabilities.csv", "baseline.json", "report.html"} {
		if _, err := os.Stat(b.path("after/" + name)); err != nil {
			t.Error(err)
		}
	}
	text, err := os.ReadFile(b.path("after/report.html"))
	if err != nil || !bytes.Contains(text, []byte("The gate failed")) || !bytes.Contains(text, []byte(want)) || !bytes.Contains(text, []byte("Since baseline.json")) {
		t.Errorf("the report does not say so (%v)", err)
	}
	if code, _, stderr := evaluated(t, b.args("again", append(against, "--fail-on", "RR(.05) -1")...)); code != exitFine || strings.Contains(stderr, "not those of --against") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if code, stdout, stderr := evaluated(t, b.args("fewer", append(against, "--media", newBench(t, 3).path("media"))...)); code != exitFine ||
		!strings.Contains(stderr, "toy: the pictures are not those of --against (8 of them then)") {
		t.Errorf("exit %d\n%s\n%s", code, stdout, stderr)
	}
}

// TestGateRefuses: what cannot be compared is said before anything is computed.
func TestGateRefuses(t *testing.T) {
	b := newBench(t, 2)
	if code, _, stderr := evaluated(t, b.args("before")); code != exitFine {
		t.Fatal(stderr)
	}
	before := b.path("before/baseline.json")
	if code, _, stderr := evaluated(t, b.args("listed", "--suite", "gain@5, jpeg@1")); code != exitFine {
		t.Fatal(stderr)
	}
	b.write(t, "file", nil)
	text, err := os.ReadFile(before)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(old, new string) string {
		t.Helper()
		if !bytes.Contains(text, []byte(old)) {
			t.Fatalf("the baseline does not hold %s", old)
		}
		name := fmt.Sprintf("edited-%d.json", len(old)+len(new))
		b.write(t, name, bytes.ReplaceAll(text, []byte(old), []byte(new)))
		return b.path(name)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"suite":         {[]string{"--against", before, "--suite", "jpeg"}, exitUsage, "are of suite production@"},
		"listed":        {[]string{"--against", b.path("listed/baseline.json"), "--suite", "gain@1, jpeg@1"}, exitUsage, "gain(0.35), jpeg(90)"},
		"over itself":   {[]string{"--against", before, "--out", b.path("before")}, exitUsage, "would write over"},
		"no folder":     {[]string{"--out", b.path("file/out")}, exitUsage, "--out: "},
		"codec":         {[]string{"--against", before, "--codec", "exact"}, exitUsage, "give --codec graph"},
		"suite version": {[]string{"--against", edit(`"production@2"`, `"production@1"`)}, exitUsage, "are of suite production@1, and this evaluation is of production@2"},
		"detector":      {[]string{"--against", edit(`"detector": "toy"`, `"detector": "meso"`)}, exitUsage, `no figures of detector "toy", only of meso`},
		"no evaluation": {[]string{"--against", edit(`"kind": "file"`, `"kind": "burn_in"`)}, exitUsage, "it holds no evaluation"},
		"absent":        {[]string{"--against", b.path("nowhere.json")}, exitUsage, "nowhere.json"},
		"no baseline":   {[]string{"--against", b.path("detectors.yaml")}, exitUsage, "parsing baseline"},
		"no limit":      {[]string{"--fail-on", "RA_self ninety"}, exitUsage, "is no limit: write 'RR(.05) -0.05'"},
		"fall alone":    {[]string{"--fail-on", "RA_self -0.1"}, exitUsage, "give --against baseline.json"},
		"when":          {[]string{"--fail-when", "never"}, exitUsage, `--fail-when: "never" must be seen or sure`},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := evaluated(t, b.args("out", c.args...))
			if code != c.code || !strings.Contains(stderr, c.want) {
				t.Errorf("exit %d, want %d\n%s\n%s\nwant it to say %q", code, c.code, stdout, stderr, c.want)
			}
			if _, err := os.Stat(b.path("out")); err == nil {
				t.Error("it wrote something")
			}
		})
	}
	if code, _, stderr := evaluated(t, b.args("out", "--against", b.path("listed/baseline.json"), "--suite", "jpeg@1, gain@5")); code != exitFine {
		t.Error(stderr)
	}
}

// TestReportFiles: the report holds the figures of the table that is written beside it, thumbnails where they were asked
// for, and the columns of the labels file.
func TestReportFiles(t *testing.T) {
	b := newBench(t, 4)
	b.write(t, "labels.csv", []byte("file,label,camera\n00.png,real,left\n01.png,fake,right\n02.png,real,right\n"))
	code, stdout, stderr := evaluated(t, b.args("out", "--labels", b.path("labels.csv"), "--thumbnails", "--plots", "--attacks", "fgsm(eps=4/255), pgd(target=delta,eps=8/255)"))
	if code != exitFine || !strings.Contains(stdout, "report.html, "+b.path("out/plots")+"/\n") {
		t.Fatalf("exit %d\n%s\n%s", code, stdout, stderr)
	}
	text, err := os.ReadFile(b.path("out/report.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"How robust is toy", "data:image/jpeg;base64,", "camera right", "4/255 <small>per pixel", "8/255 <small>per pixel", "as far as it goes", "production@2"} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the report does not say %q", want)
		}
	}
	for _, row := range readTable(t, b.path("out/ra_rr.csv")) {
		if row["perturbation"] != "none" && !bytes.Contains(text, []byte(`data-v="`+row["mean_abs_delta_p"]+`"`)) {
			t.Errorf("the mean move %s of %s is not in the report", row["mean_abs_delta_p"], row["perturbation"])
		}
	}
	if plots, err := os.ReadDir(b.path("out/plots")); err != nil || len(plots) < 8 {
		t.Errorf("%d plots (%v)", len(plots), err)
	}
}
