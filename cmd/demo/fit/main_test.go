//go:build cgo

package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"

	"shaketable/config"
)

// What the demo shows must be true of the detectors themselves: verdicts as good and as stable, scores far less stable.
func TestVersionsDifferInRRAlone(t *testing.T) {
	needRuntime(t)
	versions, err := fit(t.Context(), 41, 150)
	if err != nil {
		t.Fatal(err)
	}
	f, err := compare(t.Context(), 42, 150, versions)
	if err != nil {
		t.Fatal(err)
	}
	old, fresh := f[0], f[1]
	t.Logf("accuracy %.3f %.3f, RA %.3f %.3f, RR(.05) %.3f %.3f, RR(.10) %.3f %.3f", old.accuracy, fresh.accuracy,
		old.mean.ra, fresh.mean.ra, old.mean.rr05, fresh.mean.rr05, old.mean.rr10, fresh.mean.rr10)
	if old.accuracy < .9 || math.Abs(old.accuracy-fresh.accuracy) > .02 {
		t.Errorf("accuracy %.3f and %.3f: want both above .9 and within .02", old.accuracy, fresh.accuracy)
	}
	if math.Abs(old.mean.ra-fresh.mean.ra) > .03 {
		t.Errorf("RA_self %.3f and %.3f: want within .03", old.mean.ra, fresh.mean.ra)
	}
	if old.mean.rr05-fresh.mean.rr05 < .15 {
		t.Errorf("RR(.05) %.3f and %.3f: want a drop of at least .15", old.mean.rr05, fresh.mean.rr05)
	}
}

func TestCommittedDetectorsLoad(t *testing.T) {
	needRuntime(t)
	dir := filepath.Join("..", "..", "..", "deploy", "demo")
	detectors, err := config.LoadDetectors(filepath.Join(dir, "detectors.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var versions []version
	for _, d := range detectors {
		model, err := os.ReadFile(d.Model.Path)
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, version{name: d.Version, model: model})
		if d.Input != input() {
			t.Errorf("version %s: detectors.yaml says %+v, the table was made with %+v", d.Version, d.Input, input())
		}
	}
	if len(versions) != 2 || versions[0].name != "1.0" || versions[1].name != "1.1" {
		t.Fatalf("detectors.yaml lists %d versions, want 1.0 and 1.1", len(versions))
	}
	f, err := compare(t.Context(), 43, 100, versions)
	if err != nil {
		t.Fatal(err)
	}
	if drop := f[0].mean.rr05 - f[1].mean.rr05; drop < .15 {
		t.Errorf("RR(.05) of the committed files drops by %.3f, want at least .15", drop)
	}
}

func TestCommandWritesWhatItPrints(t *testing.T) {
	needRuntime(t)
	var first, second bytes.Buffer
	a, b := t.TempDir(), t.TempDir()
	if err := command(t.Context(), []string{"-n", "100", "-held", "100", "-out", a}, &first); err != nil {
		t.Fatal(err)
	}
	if err := command(t.Context(), []string{"-n", "100", "-held", "100", "-out", b}, &second); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"traces-1.0.onnx", "traces-1.1.onnx", "detectors.yaml", "README.md"} {
		x, err := os.ReadFile(filepath.Join(a, name))
		if err != nil {
			t.Fatal(err)
		}
		y, err := os.ReadFile(filepath.Join(b, name))
		if err != nil || !bytes.Equal(x, y) {
			t.Errorf("%s of two runs with the same seeds differs (%v)", name, err)
		}
	}
	if note, _ := os.ReadFile(filepath.Join(a, "README.md")); !bytes.Equal(note, first.Bytes()) {
		t.Error("README.md is not what was printed")
	}
	if err := command(t.Context(), []string{"-n", "5"}, &first); err == nil {
		t.Error("5 pictures were accepted")
	}
}
