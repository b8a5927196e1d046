package metrics_test

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"shaketable/metrics"
)

// acceptance returns the folder of the acceptance data, or skips; where the checks of a change run it must be there.
func acceptance(t *testing.T) string {
	dir := os.Getenv("SHAKETABLE_ACCEPTANCE")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "acceptance")
	}
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no acceptance data: %v: set SHAKETABLE_ACCEPTANCE", err)
		}
		t.Skipf("no acceptance data: %v: set SHAKETABLE_ACCEPTANCE to check against it", err)
	}
	return dir
}

// The table of an independent program, from its own probabilities: every RA_self and RR, of four detectors under 43
// variants. Its probabilities are rounded to a tick, so a figure may differ by one probe at the edge of a tolerance.
func TestFiguresOfRealDetectors(t *testing.T) {
	dir := acceptance(t)
	data, err := os.ReadFile(filepath.Join(dir, "golden", "prob_real.json"))
	must(t, data, err)
	var golden struct {
		ProbReal map[string]map[string][]float64 `json:"prob_real"`
	}
	must(t, golden, json.Unmarshal(data, &golden))
	file, err := os.Open(filepath.Join(dir, "golden", "ra_rr.csv"))
	must(t, file, err)
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	must(t, rows, err)
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	tolerances := map[string]float64{"rr_0.01": .01, "rr_0.02": .02, "rr_0.05": .05, "rr_0.10": .10, "rr_0.20": .20}
	edges := mustEdges(t)(metrics.FullEdges(metrics.DefaultTolerances()))
	compared, differ := 0, 0
	for _, row := range rows[1:] {
		variants := golden.ProbReal[row[column["model"]]]
		name := row[column["perturbation"]] + "/" + row[column["severity"]]
		if name == "none/0" {
			name = "clean"
		}
		clean, perturbed := variants["clean"], variants[name]
		if len(clean) == 0 || len(clean) != len(perturbed) {
			t.Fatalf("%s: %d clean and %d perturbed probabilities", name, len(clean), len(perturbed))
		}
		pairs := make([]pair, len(clean))
		for i := range clean {
			pairs[i] = pair{p: 1 - clean[i], q: 1 - perturbed[i]}
		}
		h := histogramOf(t, edges, pairs)
		counts := map[string]metrics.Count{"ra_self": h.RASelf()}
		for c, b := range tolerances {
			counts[c] = h.RR(b)
		}
		for c, count := range counts {
			want, err := strconv.ParseFloat(row[column[c]], 64)
			must(t, want, err)
			share, _ := count.Share()
			off := (share.Lower - want) * float64(count.N)
			compared++
			if off*off > .01 {
				differ++
			}
			if off*off > 1.1 || !count.Exact() || strconv.FormatInt(count.N, 10) != row[column["n"]] {
				t.Errorf("%s %s %s: %+v, want %v of %s", row[column["model"]], name, c, count, want, row[column["n"]])
			}
		}
	}
	t.Logf("%d figures, %d differ by one probe", compared, differ)
	if compared < 1000 || differ > compared/200 {
		t.Errorf("%d figures, %d differ by one probe", compared, differ)
	}
}
