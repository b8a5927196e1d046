package pipeline

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"shaketable/metrics"
	"shaketable/perturb"
	"shaketable/perturb/attack"
)

// TestTallyAgreesWithTheReadings counts random probes through the Meter and holds every series, from every kind of cell,
// against a count of the readings themselves.
func TestTallyAgreesWithTheReadings(t *testing.T) {
	w := newWorld(3)
	g := w.release("1")
	g.Variants = append(g.Variants, perturb.Variant{Family: "fgsm_self", Severity: 1, Parameter: "1/255"})
	m, err := NewMeter(g)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(5, 5))
	cells := map[Cell]Counts{}
	var readings []Reading
	at := BucketsAt(w.now, time.Minute, time.Hour)
	for range 400 {
		probs := []float64{rng.Float64()}
		for range g.Variants {
			probs = append(probs, math.Min(1, math.Max(0, probs[0]+.2*(rng.Float64()-.5))))
		}
		r, err := m.Measure(probs, rng.Float64())
		if err != nil {
			t.Fatal(err)
		}
		m.Count(r, at, cells)
		readings = append(readings, r)
	}
	m.CountInconclusive(ReasonMemory, at, cells)
	for _, kind := range []CellKind{Total, Fine, Coarse} {
		tt := newTally(g, .05)
		for c, counts := range cells {
			if c.Kind == kind {
				tt.add(counts)
			}
		}
		if tt.probes != 400 || tt.inconclusive != 1 || tt.reasons[ReasonMemory] != 1 || tt.skewProbes != 400 {
			t.Errorf("%s: %d probes, %d inconclusive, %d with a deployed score", kind, tt.probes, tt.inconclusive, tt.skewProbes)
		}
		list, _ := SeriesOf(g, nil)
		for _, s := range list {
			got, want := tt.trials(s), count400(s, g, readings)
			if math.Abs(got.N-want.N) > 1e-9 || math.Abs(got.K-want.K) > 1e-9 {
				t.Errorf("%s %s: %+v, want %+v", kind, s.Name(), got, want)
			}
		}
	}
}

// count400 is the definition: per probe the mean over families of the mean over variants of "failed".
func count400(s Series, g Generation, readings []Reading) (sum metrics.Trials) {
	for _, r := range readings {
		if s.Metric == MetricRALabel || s.Metric == MetricCoverage {
			return metrics.Trials{} // no label was given, and no bucket is old enough for one
		}
		sum.N++
		if s.Metric == MetricSkew {
			if r.Skew > 50_000 {
				sum.K++
			}
			continue
		}
		byFamily := map[string][]float64{}
		for i, v := range g.Variants {
			natural := v.Family != "fgsm_self"
			if s.Scope == ScopeDetector && !natural || s.Scope != ScopeDetector && v.Family != s.Family ||
				s.Scope == ScopeVariant && v.Parameter != s.Parameter {
				continue
			}
			failed := 0.
			if s.Metric == MetricRASelf && r.Changes[i].Half != Kept || s.Metric == MetricRR && r.Changes[i].Ticks > s.Edge {
				failed = 1
			}
			byFamily[v.Family] = append(byFamily[v.Family], failed)
		}
		for _, fs := range byFamily {
			mean := 0.
			for _, f := range fs {
				mean += f / float64(len(fs))
			}
			sum.K += mean / float64(len(byFamily))
		}
	}
	return sum
}

// TestTallyWeighsByDesign pools by hand what subsets counted: jpeg runs 75 always and 40 in a quarter, gain in a half of the
// probes. Per family 1/2 Σ (c/r) n with c the smallest rate of the series: a family's .25, jpeg's .25, gain's own.
func TestTallyWeighsByDesign(t *testing.T) {
	g := Generation{ID: "g", Variants: []perturb.Variant{{Family: "jpeg", Parameter: "75"}, {Family: "jpeg", Parameter: "40"}, {Family: "gain", Parameter: "2"},
		{Family: "pgd10_delta", Parameter: "2/255"}}, Edges: []int64{50_000}, Rates: []float64{1, .25, .5, .1}}
	tt := newTally(g, .05)
	tt.add(Counts{"n": 400, "1k50000": 300, "1f1000000": 100, "2k50000": 60, "2r1000000": 40, "3k50000": 150, "3k1000000": 50,
		"4r1000000": 30, "4k50000": 6, "xtimeout": 20, "atimeout": 3, "0L": 40, "1L": 40, "1C": 30, "2L": 10, "2C": 5, "3L": 20, "3C": 20})
	for _, c := range []struct {
		name string
		want metrics.Trials
		low  float64 // RA_self if what is unknown had failed, times n and the unknown
		all  float64 // n and the unknown
	}{
		{"ra_self/jpeg/75", metrics.Trials{N: 400, K: 100}, 300, 420},
		{"ra_self/jpeg/40", metrics.Trials{N: 100, K: 40}, 60, 105},
		{"ra_self/jpeg", metrics.Trials{N: (.25*400 + 100) / 2, K: (.25*100 + 40) / 2}, 100 - 32.5, 105},
		{"ra_self/gain", metrics.Trials{N: 200, K: 0}, 200, 210},
		{"ra_self", metrics.Trials{N: (.25*400+100)/4 + .5*200/2, K: (.25*100 + 40) / 4}, 100 - 16.25, 105},
		{"rr(0.05)", metrics.Trials{N: 100, K: (.25*100+40)/4 + .5*50/2}, 0, 0},
		{"ra_label", metrics.Trials{N: 10, K: (.25*10 + 5) / 4}, 0, 0},
		{"ra_self/pgd10_delta", metrics.Trials{N: 36, K: 30}, 6, 36 + 2 + 3},
	} {
		found := false
		for _, s := range scopesOf(g) {
			for _, m := range []Series{{Metric: MetricRASelf}, {Metric: MetricRR, Edge: 50_000}, {Metric: MetricRALabel}} {
				s.Metric, s.Edge = m.Metric, m.Edge
				if s.Name() != c.name && !(s.Name() == c.name+"/"+s.Parameter && s.Scope == ScopeVariant && s.alone(g)) {
					continue
				}
				found = true
				if got := tt.trials(s); math.Abs(got.N-c.want.N) > 1e-9 || math.Abs(got.K-c.want.K) > 1e-9 {
					t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
				}
				if v := tt.scope(s); c.all > 0 && (math.Abs(v.RALow-c.low/c.all) > 1e-9 || math.Abs(v.RAHigh-(1-c.want.K/c.all)) > 1e-9) {
					t.Errorf("%s: RA between %v and %v, want %v and %v", c.name, v.RALow, v.RAHigh, c.low/c.all, 1-c.want.K/c.all)
				}
			}
		}
		if !found {
			t.Errorf("no series %s", c.name)
		}
	}
	if tt.inconclusive != 20 || tt.attackFailed != 3 || tt.attackFaults[ReasonTimeout] != 3 {
		t.Errorf("%d inconclusive, %d attacks failed", tt.inconclusive, tt.attackFailed)
	}
}

// TestReferenceIsTheMeanOfRates: a baseline whose variants have unequal trials is as strong as the one with the fewest, and
// none of them has more say.
func TestReferenceIsTheMeanOfRates(t *testing.T) {
	g := Generation{Variants: productionVariants()[:3], Edges: []int64{50_000}} // jpeg 75 and 40, resize
	b := metrics.Baseline{Series: map[string]metrics.Reference{"ra_self/jpeg/q=75": {N: 1000, K: 500}, "ra_self/jpeg/q=40": {N: 200, K: 20},
		"ra_self/resize/2": {N: 400, K: 40}}}
	for _, s := range scopesOf(g) {
		s.Metric = MetricRASelf
		want := map[string]metrics.Trials{"ra_self": {N: 200, K: 200 * (.3 + .1) / 2}, "ra_self/jpeg": {N: 200, K: 200 * .3}, "ra_self/resize": {N: 400, K: 40}}
		if w, ok := want[s.Name()]; ok {
			if got, ok := referenceOf(&b, g, s); !ok || math.Abs(got.N-w.N) > 1e-9 || math.Abs(got.K-w.K) > 1e-9 {
				t.Errorf("%s: %+v, want %+v", s.Name(), got, w)
			}
		}
	}
}

func TestTallyLeavesStrangeFieldsAlone(t *testing.T) {
	g := Generation{Variants: productionVariants()[:1], Edges: []int64{50_000}}
	tt := newTally(g, .05)
	tt.add(Counts{"": 1, "k": 1, "s": 1, "sx": 1, "7k50000": 1, "-1k50000": 1, "1k": 1, "1z9": 1, "n": 3, "1k50000": 2, "1f1000000": 1, "future": 9})
	if tt.probes != 3 || tt.skewProbes != 0 {
		t.Errorf("%+v", tt)
	}
	if got := tt.trials(Series{Metric: MetricRR, Edge: 50_000, Scope: ScopeVariant, pools: [][]int{{1}}}); got != (metrics.Trials{N: 3, K: 1}) {
		t.Errorf("RR(.05) %+v", got)
	}
}

func TestTiersOfTheProductionSuite(t *testing.T) {
	g := Generation{Edges: DefaultWindowConfig().Edges(), Variants: append(productionVariants(),
		perturb.Variant{Family: "pgd10_self", Severity: 1, Parameter: "eps=2/255"})}
	list, missing := SeriesOf(g, map[string]float64{"ra_self": .95, "rr(0.05)/jpeg/q=75": .8, "rr(0.3)": .9})
	byTier := map[Tier][]string{}
	for _, s := range list {
		byTier[s.Tier] = append(byTier[s.Tier], s.id())
	}
	pages := []string{"objective:ra_self", "objective:rr(0.05)/jpeg/q=75", "ra_self", "rr(0.05)", "ra_self/jpeg", "rr(0.05)/jpeg"}
	if got := byTier[Paging]; !slices.Equal(got[:6], pages) || len(got) != 2+2+2*7 {
		t.Errorf("pages %v", got)
	}
	for _, want := range []string{"ra_self/pgd10_self", "rr(0.05)/jpeg/q=40", "ra_label", "skew"} {
		if !slices.Contains(byTier[Ticketing], want) {
			t.Errorf("%s is no ticket: %v", want, byTier[Ticketing])
		}
	}
	if !slices.Contains(byTier[LogOnly], "rr(0.1)/gain") || slices.Contains(byTier[LogOnly], "rr(0.1)/gain/0.725") {
		t.Errorf("log %v", byTier[LogOnly])
	}
	if !slices.Equal(missing, []string{"rr(0.3)"}) {
		t.Errorf("missing %v", missing)
	}
	for _, s := range list {
		if s.Scope == ScopeDetector && len(s.pools) > 7 {
			t.Errorf("an attack is part of %s", s.Name())
		}
	}
}

// No attack is natural, and every other family is: those of the suites, and those that a user may name.
func TestNaturalIsWhatNobodyChooses(t *testing.T) {
	for _, f := range perturb.Families() {
		if !Natural(f.Name) {
			t.Errorf("%s is taken for an attack", f.Name)
		}
	}
	for _, name := range attack.Lists() {
		specs, err := attack.List(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range attack.Variants(specs) {
			if Natural(v.Family) {
				t.Errorf("%s is taken for natural", v.Family)
			}
		}
	}
	nes, err := attack.Parse("nes")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range attack.Variants([]attack.Spec{nes}) {
		if Natural(v.Family) || !strings.Contains(FamilyWords(v.Family), "NES attack") {
			t.Errorf("%s: %s", v.Family, FamilyWords(v.Family))
		}
	}
}

func TestCapLeavesTheLeastImportantOut(t *testing.T) {
	c := scenarioConfig()
	c.SeriesCap.Page = 5
	s := play(t, c)
	s.toWatching()
	if v := s.tier(Paging); v.Judged != 5 || v.Other != 11 {
		t.Errorf("cap of 5: %+v", v)
	}
	for _, v := range s.last.Series {
		if v.Name == "ra_self" && !v.Judged || v.Name == "rr(0.05)/saturation" && (v.Judged || v.Why == "") {
			t.Errorf("%+v", v)
		}
	}
}

func TestBaselineThatLeavesNoRoomIsShownNotJudged(t *testing.T) {
	s := play(t, scenarioConfig())
	a := s.w.release("1.0")
	h := healthy()
	h.moves = with(h.moves, "jpeg", .95)
	s.minutes(60, a, 60, h)
	for _, v := range s.last.Series {
		if v.Name == "rr(0.05)/jpeg" && (v.Judged || v.Baseline > .1 || v.Total == nil) {
			t.Errorf("%+v", v)
		}
	}
}

func TestFrozenBaselineIsValidAndPoolsBySuite(t *testing.T) {
	w := newWorld(9)
	g := w.release("1")
	w.pass(time.Minute, g, 500, fragile())
	totals := maps.Clone(w.cells[Cell{Generation: g.ID, Kind: Total}])
	b, err := FreezeBaseline(metrics.File, g, totals, w.now, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	smaller := g
	smaller.Variants = g.Variants[1:] // without jpeg q=75
	list, _ := SeriesOf(smaller, nil)
	for _, s := range list {
		if s.Name() != "rr(0.05)/jpeg" {
			continue
		}
		tt := newTally(g, .05)
		tt.add(totals)
		q40 := tt.trials(Series{Metric: MetricRR, Edge: 50_000, Scope: ScopeVariant, pools: [][]int{{2}}})
		if got, ok := referenceOf(&b, smaller, s); !ok || got != q40 {
			t.Errorf("a smaller suite is held against %+v, want its own variant's %+v", got, q40)
		}
	}
	larger := g
	larger.Variants = append(productionVariants(), perturb.Variant{Family: "jpeg", Severity: 5, Parameter: "q=10"})
	list, _ = SeriesOf(larger, nil)
	for _, s := range list {
		if _, ok := referenceOf(&b, larger, s); ok && s.Family == "jpeg" && s.Scope == ScopeFamily {
			t.Errorf("%s is held against the mean of other variants", s.Name())
		}
	}
	if _, err := FreezeBaseline(metrics.File, g, Counts{}, w.now, "test", nil); err == nil {
		t.Error("a baseline of nothing was frozen")
	}
}
