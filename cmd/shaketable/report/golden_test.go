package report

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shaketable/perturb"
	"shaketable/pipeline"
)

// acceptance is the folder of the acceptance data; the test is skipped without, unless CI needs it.
func acceptance(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("SHAKETABLE_ACCEPTANCE")
	if dir == "" {
		dir = "../../../../shared/acceptance"
	}
	if _, err := os.Stat(filepath.Join(dir, "golden")); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the acceptance data is needed here: %v", err)
		}
		t.Skipf("no acceptance data: set SHAKETABLE_ACCEPTANCE (%v)", err)
	}
	return dir
}

// rows reads a CSV file, each row by the names of its columns.
func rows(t *testing.T, path string) (list []map[string]string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	all, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range all[1:] {
		named := map[string]string{}
		for i, column := range all[0] {
			named[column] = row[i]
		}
		list = append(list, named)
	}
	return list
}

// golden is the input of four real detectors on 104 real pictures, with the probabilities of an independent program.
func golden(t *testing.T) Input {
	t.Helper()
	dir := acceptance(t)
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
	in := Input{At: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), Tool: "shaketable test", Suite: "golden@1", Codec: "exact",
		Folder: "media", Attributes: []string{"kind"}, Level: 7e5}
	labels := map[string]map[string]string{}
	for _, row := range rows(t, filepath.Join(dir, "media", "labels.csv")) {
		labels[row["file"]] = row
	}
	for _, file := range all.Files {
		fake := labels[file]["label"] == "fake"
		in.Media = append(in.Media, Medium{Name: file, Fake: &fake, Values: []string{labels[file]["kind"]}})
	}
	variants := map[string][]perturb.Variant{}
	for _, row := range rows(t, filepath.Join(dir, "golden", "ra_rr.csv")) {
		if row["perturbation"] != "none" {
			v := perturb.Variant{Family: row["perturbation"], Parameter: row["parameter"]}
			fmt.Sscan(row["severity"], &v.Severity)
			variants[row["model"]] = append(variants[row["model"]], v)
		}
	}
	for _, name := range []string{"meso4-df", "meso4-f2f", "mesoinception4-df", "mesoinception4-f2f"} {
		in.Detectors = append(in.Detectors, detector(t, in.Media, name, variants[name], func(medium int, v *perturb.Variant) float64 {
			if v == nil {
				return 1 - all.ProbReal[name]["clean"][medium]
			}
			return 1 - all.ProbReal[name][fmt.Sprintf("%s/%d", v.Family, v.Severity)][medium]
		}))
	}
	return in
}

// detector counts probabilities; p is asked for the clean one with nil. NaN for the clean one: it could not be used.
func detector(t *testing.T, media []Medium, name string, variants []perturb.Variant, p func(medium int, v *perturb.Variant) float64) Detector {
	t.Helper()
	natural, attacks := []perturb.Variant{}, []perturb.Variant{}
	for _, v := range variants {
		if pipeline.Natural(v.Family) {
			natural = append(natural, v)
		} else {
			attacks = append(attacks, v)
		}
	}
	d := pipeline.Detector{Name: name, Version: "1", Threshold: .5}
	g := pipeline.NewGeneration(d, strings.Repeat("cd", 32), perturb.Suite{Name: "golden", Version: "1", Variants: natural, Codec: "graph"}, attacks,
		pipeline.DefaultWindowConfig().Edges(), "test")
	counts, err := pipeline.NewEvaluation(g)
	if err != nil {
		t.Fatal(err)
	}
	out := Detector{Counts: counts, Probs: make([][]float64, len(media)), Engine: "a test", Digest: strings.Repeat("ab", 32)}
	for i, m := range media {
		clean := p(i, nil)
		if math.IsNaN(clean) {
			continue
		}
		out.Probs[i] = []float64{clean}
		for _, v := range g.Variants {
			out.Probs[i] = append(out.Probs[i], p(i, &v))
		}
		if err := counts.Add(out.Probs[i], m.Fake); err != nil {
			t.Fatal(err)
		}
	}
	if len(attacks) > 0 {
		out.Attack = &Attack{Distance: make([]float64, len(attacks)), Passes: make([]float64, len(attacks))}
		for _, v := range attacks {
			target := "self"
			if strings.HasSuffix(v.Family, "label") {
				target = "label"
			}
			out.Attack.Bounds = append(out.Attack.Bounds, Bound{Eps: float64(int(1)<<(v.Severity-1)) / 255, Norm: "linf", Target: target})
		}
	}
	return out
}
