package main

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestTableFitsATerminal(t *testing.T) {
	text := table(afterRollOut().View(), "http://127.0.0.1:8089/")
	for _, want := range []string{"traces 1.1", "gaussian noise", "60.0", "FIRING: traces 1.1: 52 of 100"} {
		if !strings.Contains(text, want) {
			t.Errorf("the table lacks %q:\n%s", want, text)
		}
	}
	for _, l := range strings.Split(text, "\n") {
		for _, escape := range []string{"\x1b[1m", "\x1b[0m", "\x1b[1;31m", "\x1b[32m"} {
			l = strings.ReplaceAll(l, escape, "")
		}
		if n := utf8.RuneCountInString(l); n > 78 {
			t.Errorf("%d columns: %q", n, l)
		}
	}
}

func TestLineBeforeAndAfterTheFirstProbes(t *testing.T) {
	if got := line(NewRecord(time.Now(), 0).View()); strings.Contains(got, "RA") {
		t.Errorf("figures without probes: %q", got)
	}
	if got := line(afterRollOut().View()); !strings.Contains(got, "RR(.05)  58.0 %") {
		t.Errorf("no figures: %q", got)
	}
}

func TestSummary(t *testing.T) {
	var b bytes.Buffer
	v := afterRollOut().View()
	summarise(&b, v)
	for _, want := range []string{"1600 pictures judged", "version 1.0   RA  98.0 %   RR(.05)  90.0 %   mean of 27 folds", "1600 read = 1598 probed + 2 duplicate",
		"alert 4.0 s after the roll-out", "What: it drifted."} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the summary lacks %q:\n%s", want, b.String())
		}
	}
	b.Reset()
	v.Fired, v.Outcomes = 0, map[string]int64{"read": 3, "probed": 2}
	summarise(&b, v)
	for _, want := range []string{"NO ALERT", "3 read does NOT equal 2 probed"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the summary lacks %q:\n%s", want, b.String())
		}
	}
}

func TestPlot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "plot.png")
	if err := drawPlot(afterRollOut().View(), file); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			switch r, g, b, _ := img.At(x, y).RGBA(); [3]uint32{r >> 8, g >> 8, b >> 8} {
			case [3]uint32{37, 99, 168}:
				seen["RA"] = true
			case [3]uint32{194, 85, 10}:
				seen["RR"] = true
			case [3]uint32{179, 38, 30}:
				seen["alert"] = true
			}
		}
	}
	if len(seen) != 3 {
		t.Errorf("of RA, RR and alert the picture shows %v", seen)
	}
	if err := drawPlot(NewRecord(time.Now(), 0).View(), file); err == nil {
		t.Error("a plot of nothing was drawn")
	}
}

func TestBadUsage(t *testing.T) {
	for _, args := range [][]string{{"-duration", "5s"}, {"-rate", "1"}, {"-rate", "NaN"}, {"-no-such-flag"}, {"extra"}} {
		var stderr bytes.Buffer
		if code := command(t.Context(), args, &bytes.Buffer{}, &stderr); code != exitUsage || stderr.Len() == 0 {
			t.Errorf("%v: exit %d, %q", args, code, stderr.String())
		}
	}
}
