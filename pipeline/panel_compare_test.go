package pipeline_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"shaketable/pipeline"
)

const (
	panelEdge  = 50_000
	panelFloor = 1
)

// panelOf is a run with one row of probabilities per picture.
func panelOf(rows ...[]float64) pipeline.PanelRun {
	run := pipeline.PanelRun{Panel: "set", Variants: []string{"jpeg q=75", "blur k=7"}}
	for i, row := range rows {
		run.Media = append(run.Media, pipeline.PanelMedia{Name: fmt.Sprintf("%03d", i), Probs: row})
	}
	return run
}

// The p-values are sums of binomial coefficients over 2^n, computed with Python's integers (math.comb).
func TestComparePanelsSignTest(t *testing.T) {
	still, moved := []float64{.9, .9, .9}, []float64{.9, .8, .9}
	for _, c := range []struct {
		worse, better, same int
		p                   float64
	}{
		{0, 0, 3, 1}, {1, 0, 0, 1}, {5, 5, 1, 1}, {6, 1, 0, .125}, {9, 1, 2, .021484375},
		{15, 4, 7, .0192108154296875}, {30, 12, 0, .007915897334896727}, {0, 8, 0, .0078125},
	} {
		var before, after [][]float64
		for range c.worse {
			before, after = append(before, still), append(after, moved)
		}
		for range c.better {
			before, after = append(before, moved), append(after, still)
		}
		for range c.same {
			before, after = append(before, moved), append(after, moved)
		}
		got, err := pipeline.ComparePanels(panelOf(before...), panelOf(after...), .5, panelEdge, panelFloor)
		if err != nil {
			t.Fatal(err)
		}
		if got.Worse != c.worse || got.Better != c.better || got.Same != c.same || math.Abs(got.P-c.p) > 1e-12 {
			t.Errorf("%d worse, %d better, %d same: got %+v, p should be %v", c.worse, c.better, c.same, got, c.p)
		}
		n := float64(c.worse + c.better + c.same)
		if want := float64(c.worse+c.same) / n / 2; math.Abs(got.RateAfter-want) > 1e-12 {
			t.Errorf("rate after %v, want %v", got.RateAfter, want)
		}
	}
}

func TestComparePanelsCounts(t *testing.T) {
	nan := math.NaN()
	yes, no := true, false
	before := panelOf(
		[]float64{.9, .9, .9},   // same
		[]float64{.6, .6, .6},   // clean verdict turns real
		[]float64{.3, .3, .3},   // labelled real, turns fake
		[]float64{.52, .51, .5}, // a verdict that turns without moving far
		[]float64{.2, nan, .2},  // one variant ran in one run only
		[]float64{.8, nan, nan}, // clean only
		[]float64{.8, .8, .8})   // missing after
	after := panelOf(
		[]float64{.9, .9, .9}, []float64{.4, .4, .4}, []float64{.7, .7, .7}, []float64{.52, .49, .5},
		[]float64{.200001, .9, .25}, []float64{.8, .1, nan}, nil)
	before.Media[2].Fake, after.Media[2].Fake = &no, &no
	before.Media[1].Fake, after.Media[1].Fake = &yes, &yes
	got, err := pipeline.ComparePanels(before, after, .5, panelEdge, panelFloor)
	if err != nil {
		t.Fatal(err)
	}
	want := pipeline.PanelComparison{N: 6, Moved: 2, MaxMove: .4, OnlyBefore: 2, Worse: 1, Same: 4, P: 1, RateAfter: .1}
	got.MaxMove = math.Round(got.MaxMove*1e9) / 1e9
	if got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	back, err := pipeline.ComparePanels(after, before, .5, panelEdge, panelFloor)
	if err != nil || back.Better != want.Worse || back.OnlyAfter != want.OnlyBefore || back.RateBefore != want.RateAfter || back.P != want.P {
		t.Errorf("turned round: %+v, %v", back, err)
	}
}

func TestComparePanelsOwnThresholds(t *testing.T) {
	before, after := panelOf([]float64{.5, .55, .5}), panelOf([]float64{.5, .55, .5})
	before.Threshold, after.Threshold = .4, .52
	got, err := pipeline.ComparePanels(before, after, .1, panelEdge, panelFloor)
	if err != nil || got.OnlyBefore != 1 || got.Worse != 1 || got.Moved != 0 {
		t.Errorf("the verdict at .52 is no longer fake, and a variant turns it: got %+v, %v", got, err)
	}
}

func TestComparePanelsRefuses(t *testing.T) {
	run := panelOf([]float64{.5, .5, .5})
	other, fewer, short := run, run, panelOf([]float64{.5, .5})
	other.Panel = "another"
	fewer.Variants = fewer.Variants[:1]
	for _, c := range []struct {
		after pipeline.PanelRun
		want  string
	}{{other, "different sets of pictures"}, {fewer, "different variants"}, {short, "2 probabilities"}} {
		if _, err := pipeline.ComparePanels(run, c.after, .5, panelEdge, panelFloor); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
	if got, err := pipeline.ComparePanels(panelOf(), run, .5, panelEdge, panelFloor); err != nil || got.N != 0 || got.P != 1 {
		t.Errorf("no pairs: %+v, %v", got, err)
	}
}

// What is stored is read back bit for bit, with what did not run.
func TestPanelMediaJSON(t *testing.T) {
	yes := true
	in := pipeline.PanelMedia{Name: "ab", Fake: &yes, Probs: []float64{.1 + .2, math.NaN(), math.Nextafter(1, 0)}}
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out pipeline.PanelMedia
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	if out.Name != in.Name || out.Fake == nil || !*out.Fake || out.Probs[0] != in.Probs[0] || !math.IsNaN(out.Probs[1]) || out.Probs[2] != in.Probs[2] {
		t.Errorf("%s became %+v", data, out)
	}
}
