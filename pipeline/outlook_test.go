package pipeline

import (
	"math"
	"testing"
	"time"

	"shaketable/metrics"
	"shaketable/perturb"
)

// From a null of .12, ln(5 A) / KL(q || .12) at A = 7e5, computed with Python.
func TestOutlooksAgainstPython(t *testing.T) {
	suite, err := perturb.Lookup("production")
	if err != nil {
		t.Fatal(err)
	}
	g := NewGeneration(Detector{Name: "d", Threshold: .5}, "digest", suite, nil, DefaultWindowConfig().Edges(), "cpu")
	c := DefaultAlertConfig()
	c.SeriesCap.Page, c.FalseAlarms.Page = 700, 1
	c.Period = 30 * 24 * time.Hour / 1000 // 1000 folds a month
	list, err := Outlooks(g, c, nil, .10, []float64{.05, .10, .20, .40, .95})
	if err != nil {
		t.Fatal(err)
	}
	families := map[string]bool{}
	for _, v := range suite.Variants {
		families[v.Family] = true
	}
	if want := 2 * (1 + len(families)); len(list) != want {
		t.Fatalf("%d series, want RA_self and RR(.05) of the detector and of %d families", len(list), len(families))
	}
	want := []float64{3777.64, 581.405, 131.373, 34.9692, math.Inf(1)}
	for _, o := range list {
		if !o.Judged || math.Abs(o.Holds-.9) > 1e-12 {
			t.Errorf("%s: %+v", o.Name(), o)
		}
		for i, n := range o.Probes {
			if !(math.Abs(n-want[i]) <= .001*want[i]) && n != want[i] {
				t.Errorf("%s: fall %d takes %.1f probes, want %v", o.Name(), i, n, want[i])
			}
		}
	}
}

func TestOutlooksOfABaseline(t *testing.T) {
	suite, err := perturb.Lookup("production")
	if err != nil {
		t.Fatal(err)
	}
	g := NewGeneration(Detector{Name: "d", Threshold: .5}, "digest", suite, nil, DefaultWindowConfig().Edges(), "cpu")
	b := metrics.Baseline{Kind: metrics.File, Series: map[string]metrics.Reference{}}
	for _, v := range suite.Variants { // half of what jpeg did failed, nearly all of what blur did, 5 % of the rest
		k := map[string]float64{"jpeg": 500, "gaussian_blur": 990}[v.Family]
		if k == 0 {
			k = 50
		}
		b.Series[SeriesName(MetricRASelf, 0, v.Family, v.Parameter)] = metrics.Reference{N: 1000, K: k}
	}
	c := DefaultAlertConfig()
	c.Objective = map[string]float64{"ra_self/resize": .8}
	list, err := Outlooks(g, c, &b, 0, []float64{.05, .2})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]Outlook{}
	for _, o := range list {
		found[o.id()] = o
	}
	if o := found["ra_self/jpeg"]; !o.Judged || o.Holds != .5 || !(o.Probes[1] < o.Probes[0]) {
		t.Errorf("jpeg: %+v", o)
	}
	if o := found["ra_self/gaussian_blur"]; o.Judged || o.Probes != nil {
		t.Errorf("what fails nearly always is not judged: %+v", o)
	}
	if o := found["rr(0.05)/jpeg"]; o.Judged || !math.IsNaN(o.Holds) {
		t.Errorf("what the baseline lacks: %+v", o)
	}
	// from .05, a fall of 5 points stays within the promise of .8, one of 20 breaks it
	if o := found["objective:ra_self/resize"]; !o.Judged || !math.IsInf(o.Probes[0], 1) || !(o.Probes[1] > found["ra_self/resize"].Probes[1]) {
		t.Errorf("objective: %+v, baseline: %+v", o, found["ra_self/resize"])
	}
	if _, err := Outlooks(g, AlertConfig{Objective: map[string]float64{"ra_self/fog": .5}}, nil, .1, nil); err == nil {
		t.Error("an objective of a series that is not there was taken")
	}
	thinned, err := g.Sampled(DesignRates(suite, 3, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	whole, _ := Outlooks(g, DefaultAlertConfig(), nil, .1, []float64{.2})
	part, err := Outlooks(thinned, DefaultAlertConfig(), nil, .1, []float64{.2})
	if err != nil || !(part[0].Probes[0] > whole[0].Probes[0]*3) {
		t.Errorf("with 2 of 7 variants beside the anchor in each probe: %v probes, with all %v, %v", part[0].Probes, whole[0].Probes, err)
	}
}
