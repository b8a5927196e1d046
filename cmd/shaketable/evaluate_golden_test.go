//go:build cgo

package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"shaketable/pipeline"
)

// acceptance returns the folder of the acceptance data: real detectors, real pictures, figures of an independent program.
func acceptance(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("SHAKETABLE_ACCEPTANCE")
	if dir == "" {
		dir = "../../../shared/acceptance"
	}
	if _, err := os.Stat(filepath.Join(dir, "golden")); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the acceptance data is needed here: %v", err)
		}
		t.Skipf("no acceptance data: set SHAKETABLE_ACCEPTANCE (%v)", err)
	}
	return dir
}

// goldenSet are the probabilities of being real that PyTorch, OpenCV and libjpeg gave, for every fourth picture.
type goldenSet struct {
	files []string
	fake  []bool
	real  map[string]map[string][]float64 // by model, then "clean" or "jpeg/3"
}

func readGolden(t *testing.T, dir string) goldenSet {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "golden", "prob_real.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Files    []string                        `json:"files"`
		ProbReal map[string]map[string][]float64 `json:"prob_real"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	labels := map[string]bool{}
	for _, row := range readTable(t, filepath.Join(dir, "media", "labels.csv")) {
		labels[row["file"]] = row["label"] == "fake"
	}
	g := goldenSet{real: map[string]map[string][]float64{}}
	for i := 0; i < len(all.Files); i += 4 {
		g.files = append(g.files, all.Files[i])
		g.fake = append(g.fake, labels[all.Files[i]])
		for model, variants := range all.ProbReal {
			if g.real[model] == nil {
				g.real[model] = map[string][]float64{}
			}
			for v, p := range variants {
				g.real[model][v] = append(g.real[model][v], p[i])
			}
		}
	}
	return g
}

// evaluate evaluates the pictures of the set and returns the rows of the table.
func (g goldenSet) evaluate(t *testing.T, dir string, more ...string) (bench, []map[string]string) {
	t.Helper()
	b := bench{t.TempDir()}
	labels := "file,label\n"
	for i, file := range g.files {
		data, err := os.ReadFile(filepath.Join(dir, "media", file))
		if err != nil {
			t.Fatal(err)
		}
		b.write(t, "media/"+file, data)
		labels += file + "," + map[bool]string{true: "fake", false: "real"}[g.fake[i]] + "\n"
	}
	b.write(t, "labels.csv", []byte(labels))
	args := b.args("out", "--detectors", filepath.Join(dir, "detectors.yaml"), "--labels", b.path("labels.csv"))
	code, stdout, stderr := evaluated(t, append(args, more...))
	if code != exitFine {
		t.Fatalf("exit %d\n%s\n%s", code, stdout, stderr)
	}
	return b, readTable(t, b.path("out/ra_rr.csv"))
}

// TestEvaluateGolden evaluates 26 real pictures with two real detectors and holds every probability and every figure
// against those of an independent program.
func TestEvaluateGolden(t *testing.T) {
	dir := acceptance(t)
	g := readGolden(t, dir)
	b, rows := g.evaluate(t, dir, "--suite", "jpeg, gaussian_blur, saturation, gain, brightness, resize", "--only", "meso4-f2f,mesoinception4-df")
	compareProbabilities(t, b, g, 2*31)
	if len(rows) != 2*31 {
		t.Errorf("%d rows, want 62", len(rows))
	}
	for _, row := range rows {
		g.compareRow(t, row)
	}
}

// TestEvaluateGoldenAttacks does the same for attacks, whose gradients the independent program took from PyTorch.
func TestEvaluateGoldenAttacks(t *testing.T) {
	dir := acceptance(t)
	g := readGolden(t, dir)
	b, rows := g.evaluate(t, dir, "--suite", "none", "--attacks", "acceptance", "--only", "meso4-f2f")
	compareProbabilities(t, b, g, 1+12)
	if len(rows) != 1+12 {
		t.Errorf("%d rows, want 13", len(rows))
	}
	for _, row := range rows {
		g.compareRow(t, row)
	}
}

// compareProbabilities bounds the mean difference per variant; codecs differ in rounding.
func compareProbabilities(t *testing.T, b bench, g goldenSet, variants int) {
	t.Helper()
	sums := map[[2]string]float64{}
	for _, row := range readTable(t, b.path("out/probabilities.csv")) {
		p, err := strconv.ParseFloat(row["p"], 64)
		if err != nil {
			t.Fatal(err)
		}
		want, ok := g.real[row["model"]][goldenKey(row)]
		if !ok {
			continue
		}
		for i, file := range g.files {
			if file == row["file"] {
				sums[[2]string{row["model"], goldenKey(row)}] += math.Abs(1-p-want[i]) / float64(len(g.files))
			}
		}
	}
	if len(sums) != variants {
		t.Errorf("%d variants were compared, want %d", len(sums), variants)
	}
	for key, mean := range sums {
		if bound := meanBound(key[1]); mean > bound {
			t.Errorf("%s %s: the mean difference is %.5f, more than %v", key[0], key[1], mean, bound)
		}
	}
}

// meanBound is by how much the probabilities of a variant may differ from the golden ones in the mean.
func meanBound(variant string) float64 {
	switch {
	case strings.HasPrefix(variant, "jpeg"): // codecs differ in rounding
		return .01
	case strings.HasPrefix(variant, "brightness"): // halves between two integers fall as the arithmetic happens to round
		return .003
	case variant != "clean" && !pipeline.Natural(variant): // where a gradient is nearly 0, its sign is a matter of rounding
		return .01
	}
	return .0005
}

func goldenKey(row map[string]string) string {
	if row["perturbation"] == "none" {
		return "clean"
	}
	return row["perturbation"] + "/" + row["severity"]
}

// tolerances are those of the acceptance data's compare.py: for RA, RR at .05 and more and the mean change; and for RR below.
func tolerances(family string) (wide, tight float64) {
	switch {
	case family == "jpeg":
		return .06, .12
	case !pipeline.Natural(family):
		return .04, .04
	}
	return .02, .03
}

// compareRow computes the figures of a row from the golden probabilities. Tolerances are those of compare.py for the whole
// set; in a set of 26, pictures that lie within rounding of an edge may be more than that.
func (g goldenSet) compareRow(t *testing.T, row map[string]string) {
	t.Helper()
	clean, perturbed := g.real[row["model"]]["clean"], g.real[row["model"]][goldenKey(row)]
	wide, tight := tolerances(row["perturbation"])
	check := func(column string, tolerance float64, good, near func(i int) bool) {
		want, edge := 0., 0.
		for i := range g.files {
			if good(i) {
				want += 1 / float64(len(g.files))
			}
			if near(i) {
				edge += 1 / float64(len(g.files))
			}
		}
		got, err := strconv.ParseFloat(row[column], 64)
		if err != nil || math.Abs(got-want) > max(tolerance, edge)+1e-6 {
			t.Errorf("%s %s %s: %s, golden %.6f, allowed %v (%v)", row["model"], goldenKey(row), column, row[column], want, max(tolerance, edge), err)
		}
	}
	rounding := meanBound(goldenKey(row))
	undecided := func(i int) bool { return math.Abs(perturbed[i]-.5) <= rounding }
	check("ra_label", wide, func(i int) bool { return perturbed[i] >= .5 == !g.fake[i] }, undecided)
	check("ra_self", wide, func(i int) bool { return perturbed[i] >= .5 == (clean[i] >= .5) }, undecided)
	for _, b := range []float64{.01, .02, .05, .10, .20} {
		change := func(i int) float64 { return math.Abs(perturbed[i] - clean[i]) }
		tolerance := wide
		if b < .05 {
			tolerance = tight
		}
		check(fmt.Sprintf("rr_%.2f", b), tolerance, func(i int) bool { return change(i) <= b },
			func(i int) bool { return math.Abs(change(i)-b) <= rounding })
	}
}
