package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadScores(t *testing.T) {
	for _, c := range []struct {
		name, text, meaning string
		rows                string // file=score, in order
		digits              int
		real                bool
		fault               string
	}{
		{name: "plain", text: "file,score\na.png,0.25\nb/c.jpg,1e-3\n", rows: "a.png=0.25 b/c.jpg=0.001", digits: 3},
		{name: "names of columns", text: "Path;Prob_Real;x\na.png;0,25;7\n", rows: "a.png=0.25", digits: 2, real: true},
		{name: "meaning wins", text: "path\tprob_real\na.png\t0.5\n", meaning: "fake", rows: "a.png=0.5", digits: 1},
		{name: "score before real", text: "name,real,score\na.png,0.1,0.9\n", rows: "a.png=0.9", digits: 1},
		{name: "no header", text: "a.png,0.125\nb.png,7\n", rows: "a.png=0.125 b.png=7", digits: 3},
		{name: "percent signs", text: "file,score\na.png,97.3%\nb.png,2%\n", rows: "a.png=0.973 b.png=0.02", digits: 3},
		{name: "spreadsheet", text: "\ufeffFile,Score\r\n\"a, b.png\",\"0.5\"\r\n", rows: "a, b.png=0.5", digits: 1},
		{name: "Windows paths", text: "file,score\nx\\a.png,1\n", rows: "x/a.png=1"},
		{name: "twice the same", text: "file,score\na.png,0.5\na.png,0.50\n", rows: "a.png=0.5", digits: 1},
		{name: "negative logits", text: "file,logit\na.png,-3.25e1\n", rows: "a.png=-32.5", digits: 1},
		{name: "empty", text: "", fault: "is empty"},
		{name: "header alone", text: "file,score\n", fault: "has a header and no scores"},
		{name: "no score", text: "file,label\na.png,fake\n", fault: `:1: the header is "file,label"`},
		{name: "no number", text: "file,score\na.png,0.5\nb.png,high\nc.png,nan\n", fault: `:3: score "high" of b.png is no finite number`},
		{name: "twice otherwise", text: "file,score\na.png,0.5\na.png,0.6\n", fault: ":3: a.png has another score in line 2"},
		{name: "short row", text: "file,score\na.png\n", fault: ":2: has 1 columns, too few"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "scores.csv")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := readScores(path, c.meaning)
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) {
					t.Errorf("fault %v, want %q", err, c.fault)
				}
				return
			}
			var rows []string
			for _, r := range s.rows {
				rows = append(rows, fmt.Sprintf("%s=%g", r.file, r.score))
			}
			if got := strings.Join(rows, " "); err != nil || got != c.rows || s.digits != c.digits || s.real != c.real {
				t.Errorf("%q, %d digits, real %v, %v; want %q, %d, %v", got, s.digits, s.real, err, c.rows, c.digits, c.real)
			}
			if want := .5 * math.Pow10(-c.digits); math.Abs(s.rounding-want) > 1e-15 {
				t.Errorf("rounding %g, want %g", s.rounding, want)
			}
		})
	}
}

func TestDigitsOf(t *testing.T) {
	for text, want := range map[string]int{"1": 0, "0.1234": 4, "1.25e-4": 6, "5E3": 0, "1.5e1": 0, "-.5": 1, "3e-7": 7} {
		if got := digitsOf(text); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

func TestMatchByTheEndOfTheName(t *testing.T) {
	v := verification{options: verifyOptions{media: "m"}}
	for _, name := range []string{"/srv/data/a.png", "b.png", "./x/c.png", "d.png", "b.png"} {
		v.scores.rows = append(v.scores.rows, scoreRow{file: name, score: float64(len(v.scores.rows))})
	}
	files := []mediaFile{{name: "a.png"}, {name: "x/b.png"}, {name: "y/b.png"}, {name: "x/c.png"}, {name: "unscored.png"}}
	if err := v.match(files); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range v.pictures {
		got = append(got, fmt.Sprintf("%s=%g", p.Name, p.Score))
	}
	if strings.Join(got, " ") != "a.png=0 x/c.png=2" || len(v.missing) != 3 || v.unscored != 3 {
		t.Errorf("pictures %v, missing %v, unscored %d", got, v.missing, v.unscored)
	}
	v.pictures = nil
	if err := v.match([]mediaFile{{name: "z.png"}}); err == nil || !strings.Contains(err.Error(), "none of the 5 files is below m") {
		t.Error(err)
	}
}
