package pipeline_test

import (
	"math"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"shaketable/metrics"
	"shaketable/perturb"
	"shaketable/pipeline"
)

// evaluated is a generation of two jpeg variants and one gain, decided at .5, with the tolerances .05 and .10.
func evaluated() pipeline.Generation {
	var d pipeline.Detector
	d.Name, d.Version, d.Threshold = "toy", "1", .5
	suite := perturb.Suite{Name: "s", Version: "1", Variants: []perturb.Variant{
		{Family: "jpeg", Severity: 1, Parameter: "90"}, {Family: "jpeg", Severity: 2, Parameter: "75"},
		{Family: "gain", Severity: 1, Parameter: "0.85"}}}
	return pipeline.NewGeneration(d, "digest", suite, nil, []int64{50_000, 100_000}, "plan")
}

// picked are four pictures: p, then p' of jpeg 90, jpeg 75 and gain .85. The third has no label.
var picked = []struct {
	probs []float64
	label string
}{
	{[]float64{.8, .7, .45, .8}, "fake"},  // changes .1 (counts as within .1), .35 and turned, 0
	{[]float64{.2, .2, .25, .6}, "real"},  // 0, .05 (within .05), .4 and turned
	{[]float64{.5, .49, .5, .5}, ""},      // .01 and turned: the threshold itself is fake
	{[]float64{.9, .95, .3, .85}, "real"}, // wrong from the start
}

func add(t *testing.T, e *pipeline.Evaluation, probs []float64, label string) {
	t.Helper()
	var fake *bool
	if label != "" {
		fake = new(bool)
		*fake = label == "fake"
	}
	if err := e.Add(probs, fake); err != nil {
		t.Fatal(err)
	}
}

func newEvaluation(t *testing.T) *pipeline.Evaluation {
	t.Helper()
	e, err := pipeline.NewEvaluation(evaluated())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEvaluationRows(t *testing.T) {
	e := newEvaluation(t)
	for _, p := range picked {
		add(t, e, p.probs, p.label)
	}
	want := []pipeline.EvaluationRow{ // counted by hand
		{Family: "none", N: 4, RASelf: 1, RALabel: 2. / 3, RR: []float64{1, 1}},
		{Family: "jpeg", Severity: 1, Parameter: "90", N: 4, RASelf: 3. / 4, RALabel: 2. / 3, RR: []float64{3. / 4, 1}, MeanAbs: .16 / 4},
		{Family: "jpeg", Severity: 2, Parameter: "75", N: 4, RASelf: 2. / 4, RALabel: 2. / 3, RR: []float64{2. / 4, 2. / 4}, MeanAbs: 1. / 4},
		{Family: "gain", Severity: 1, Parameter: "0.85", N: 4, RASelf: 3. / 4, RALabel: 1. / 3, RR: []float64{3. / 4, 3. / 4}, MeanAbs: .45 / 4},
	}
	rows := e.Rows()
	if len(rows) != len(want) {
		t.Fatalf("%d rows, want %d", len(rows), len(want))
	}
	for i, r := range rows {
		w := want[i]
		figures := append([]float64{r.RASelf, r.RALabel, r.MeanAbs}, r.RR...)
		for j, f := range append([]float64{w.RASelf, w.RALabel, w.MeanAbs}, w.RR...) {
			if math.Abs(figures[j]-f) > 1e-12 {
				t.Errorf("row %d: %+v, want %+v", i, r, w)
				break
			}
		}
		if r.Family != w.Family || r.Severity != w.Severity || r.Parameter != w.Parameter || r.N != w.N {
			t.Errorf("row %d: %+v, want %+v", i, r, w)
		}
	}
}

func TestEvaluationWithoutLabels(t *testing.T) {
	e := newEvaluation(t)
	add(t, e, picked[0].probs, "")
	for _, r := range e.Rows() {
		if !math.IsNaN(r.RALabel) {
			t.Errorf("%s has RA_label %v without any label", r.Family, r.RALabel)
		}
	}
	if _, ok := baselineOf(t, e).Series["ra_label"]; ok {
		t.Error("the baseline has ra_label without any label")
	}
}

func baselineOf(t *testing.T, e *pipeline.Evaluation) metrics.Baseline {
	t.Helper()
	b, err := e.Baseline(time.Unix(1_800_000_000, 0), "test", map[string]string{"tool": "this"})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEvaluationBaseline(t *testing.T) {
	e := newEvaluation(t)
	for _, p := range picked {
		add(t, e, p.probs, p.label)
	}
	b := baselineOf(t, e)
	for name, want := range map[string]metrics.Reference{ // failures of the rows above; a family's is the mean of its variants
		"ra_self/jpeg/90": {N: 4, K: 1}, "ra_self/jpeg/75": {N: 4, K: 2}, "ra_self/jpeg": {N: 4, K: 1.5},
		"ra_self/gain": {N: 4, K: 1}, "ra_self": {N: 4, K: 1.25},
		"rr(0.05)/jpeg": {N: 4, K: 1.5}, "rr(0.1)/jpeg": {N: 4, K: 1}, "rr(0.05)": {N: 4, K: 1.25},
		"ra_label/jpeg/90": {N: 3, K: 1}, "ra_label": {N: 3, K: 1.5},
	} {
		if got := b.Series[name]; got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	if b.Generation != evaluated().ID || b.Kind != metrics.File || b.Provenance["tool"] != "this" ||
		b.Provenance[pipeline.ProvenanceModel] != "digest" || b.Provenance[pipeline.ProvenanceSuite] != "s@1" {
		t.Errorf("provenance: %+v", b)
	}
	text, err := pipeline.FormatBaselines([]metrics.Baseline{b, b})
	if err != nil {
		t.Fatal(err)
	}
	back, err := pipeline.ParseBaselines(text)
	if err != nil || len(back) != 2 || !reflect.DeepEqual(back[1], b) {
		t.Errorf("read back: %v, %v", back, err)
	}
}

func TestParseBaselinesRefuses(t *testing.T) {
	for _, text := range []string{"", "[]", "[{}]", "{}", `[{"schema":1,"surprise":2}]`, "[1]", "[", "null"} {
		if list, err := pipeline.ParseBaselines([]byte(text)); err == nil {
			t.Errorf("%q was read as %v", text, list)
		}
	}
}

func TestEvaluationRefuses(t *testing.T) {
	e := newEvaluation(t)
	for name, probs := range map[string][]float64{"none": nil, "too few": {.5, .5}, "no number": {.5, math.NaN(), .5, .5}, "no probability": {.5, .5, 1.5, .5}} {
		if err := e.Add(probs, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if e.N() != 0 {
		t.Errorf("%d pictures were counted", e.N())
	}
	if _, err := e.Baseline(time.Unix(1, 0), "test", nil); err == nil {
		t.Error("a baseline of nothing")
	}
}

// TestEvaluationOrder: in which order pictures come moves no count.
func TestEvaluationOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := rapid.SliceOfN(rapid.SliceOfN(rapid.Float64Range(0, 1), 4, 4), 1, 20).Draw(rt, "pictures")
		order := rapid.Permutation(p).Draw(rt, "order")
		one, other := newEvaluation(t), newEvaluation(t)
		for i := range p {
			add(t, one, p[i], "fake")
			add(t, other, order[i], "fake")
		}
		if !reflect.DeepEqual(baselineOf(t, one), baselineOf(t, other)) {
			rt.Error("another order, another baseline")
		}
	})
}
