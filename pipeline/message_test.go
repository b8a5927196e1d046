package pipeline

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden texts of alerts anew")

// TestAlertTexts compares the whole messages of a scripted night with the texts that a person has read and approved.
func TestAlertTexts(t *testing.T) {
	c := scenarioConfig()
	c.Page = "https://shaketable/detectors/meso"
	s := play(t, c)
	a := s.toWatching()
	b := s.w.release("1.1")
	s.minutes(5, a, 60, healthy())
	s.minutes(30, b, 60, fragile())
	s.minutes(180, a, 60, healthy())
	skewed := healthy()
	skewed.skewed = .4
	s.minutes(20, a, 60, skewed)
	s.minutes(60, a, 60, healthy())
	golden(t, "night", s.seen...)
}

// golden compares the messages of transitions with what a person has read and approved.
func golden(t *testing.T, name string, list ...Transition) {
	t.Helper()
	var text strings.Builder
	for _, x := range list {
		if x.Tier == LogOnly {
			continue
		}
		text.WriteString("== " + string(x.Tier) + " " + string(x.State) + ", cause: " + x.Cause + "\n" + x.Summary + "\n" + x.Text + "\n\n")
		for _, word := range []string{"fence", "ticks", "e-SR", "generation", "episode id", "NaN", "%!", "  ", "..", "p-value", "confidence", "sigma"} {
			if strings.Contains(x.Text+x.Summary, word) {
				t.Errorf("the message of %s says %q", x.ID, word)
			}
		}
	}
	file := filepath.Join("testdata", "alerts", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text.String() != string(want) {
		t.Errorf("texts differ from %s; read them and run with -update:\n%s", file, text.String())
	}
}
