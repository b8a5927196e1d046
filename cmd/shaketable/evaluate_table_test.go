//go:build acceptance && cgo

package main

import (
	"math"
	"path/filepath"
	"strconv"
	"testing"
)

// TestAcceptanceTable holds every figure of the acceptance table against ours: all pictures, all detectors, all families and
// attacks. Tolerances are those of the table's own compare.py.
func TestAcceptanceTable(t *testing.T) {
	dir := acceptance(t)
	b := bench{t.TempDir()}
	code, stdout, stderr := evaluated(t, b.args("out", "--detectors", filepath.Join(dir, "detectors.yaml"), "--media", filepath.Join(dir, "media"),
		"--labels", filepath.Join(dir, "media", "labels.csv"), "--suite", "deepfake-v1", "--attacks", "acceptance"))
	if code != exitFine {
		t.Fatalf("exit %d\n%s\n%s", code, stdout, stderr)
	}
	t.Log("\n" + stdout)
	ours := map[string]map[string]string{}
	for _, row := range readTable(t, b.path("out/ra_rr.csv")) {
		ours[row["model"]+"/"+goldenKey(row)] = row
	}
	figures := 0
	for _, golden := range readTable(t, filepath.Join(dir, "golden", "ra_rr.csv")) {
		key := golden["model"] + "/" + goldenKey(golden)
		row, ok := ours[key]
		if !ok || row["n"] != golden["n"] {
			t.Errorf("%s: n is %s, golden %s", key, row["n"], golden["n"])
			continue
		}
		figures += compareTable(t, key, row, golden)
	}
	if figures != 4*43*8 {
		t.Errorf("%d figures were compared, want %d", figures, 4*43*8)
	}
}

// compareTable counts the figures that it holds against each other.
func compareTable(t *testing.T, key string, ours, golden map[string]string) (n int) {
	t.Helper()
	wide, tight := tolerances(golden["perturbation"])
	for _, column := range []string{"ra_label", "ra_self", "rr_0.01", "rr_0.02", "rr_0.05", "rr_0.10", "rr_0.20", "mean_abs_delta_p"} {
		tolerance := wide
		if column == "rr_0.01" || column == "rr_0.02" {
			tolerance = tight
		}
		want, err := strconv.ParseFloat(golden[column], 64)
		if err != nil {
			t.Fatalf("%s %s: %v", key, column, err)
		}
		got, err := strconv.ParseFloat(ours[column], 64)
		if err != nil || !(math.Abs(got-want) <= tolerance+1e-9) {
			t.Errorf("%s %s: %s, golden %s, allowed %v (%v)", key, column, ours[column], golden[column], tolerance, err)
		}
		n++
	}
	return n
}
