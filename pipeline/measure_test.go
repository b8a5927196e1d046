package pipeline

import (
	"maps"
	"math"
	"testing"
	"time"

	"shaketable/perturb"
)

func testMeter(t *testing.T) *Meter {
	t.Helper()
	m, err := NewMeter(Generation{ID: "g", Variants: make([]perturb.Variant, 4), Edges: []int64{50_000, 100_000}, Threshold: .5})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// p = .7 against .65 .8 .4999999 .7 by hand: changes of 50000 (just inside .05), 100000 (just inside .10, which naive
// floats miss: .8-.7 = .10000000000000009), 200000 turned to real, 0. Deployed .46: skew 240000.
func TestMeterByHand(t *testing.T) {
	m := testMeter(t)
	r, err := m.Measure([]float64{.7, .65, .8, .4999999, .7}, .46)
	if err != nil {
		t.Fatal(err)
	}
	if r.Decisions != "11101" || r.Skew != 240_000 {
		t.Errorf("decisions %s, skew %d", r.Decisions, r.Skew)
	}
	got := map[Cell]Counts{}
	at := Buckets{Fine: 60, Coarse: 0}
	m.Count(r, at, got, "source=web")
	m.CountInconclusive("timeout", at, got, "source=web")
	m.CountDetection(at, 6, got, "source=web")
	m.CountDetection(at, 1, got)
	narrow := Counts{"n": 1, "0f": 1, "d": 7, "xtimeout": 1, "s1000000": 1, "1k50000": 1, "2k100000": 1, "3r1000000": 1, "4k50000": 1}
	part := maps.Clone(narrow)
	part["d"] = 6
	want := map[Cell]Counts{
		{Generation: "g", Kind: Total, Slice: "source=web"}:           part,
		{Generation: "g", Kind: Fine, Start: 60, Slice: "source=web"}: part,
		{Generation: "g", Kind: Coarse, Slice: "source=web"}:          {"n": 1, "0f": 1, "d": 6, "xtimeout": 1, "s240000": 1},

		{Generation: "g", Kind: Total}:              narrow,
		{Generation: "g", Kind: Fine, Start: 60}:    narrow,
		{Generation: "g", Kind: Coarse}:             {"n": 1, "0f": 1, "d": 7, "xtimeout": 1, "s240000": 1},
		{Generation: "g", Kind: Coarse, Variant: 1}: {"1k50000": 1},
		{Generation: "g", Kind: Coarse, Variant: 2}: {"2k100000": 1},
		{Generation: "g", Kind: Coarse, Variant: 3}: {"3r200000": 1}, // |.4999999-.7| = .2000001 rounds to 200000
		{Generation: "g", Kind: Coarse, Variant: 4}: {"4k0": 1},
	}
	for c, counts := range want {
		if !maps.Equal(got[c], counts) {
			t.Errorf("%+v: %v, want %v", c, got[c], counts)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d cells, want %d", len(got), len(want))
	}
}

func TestMeterHalvesAndRefusals(t *testing.T) {
	m := testMeter(t)
	r, err := m.Measure([]float64{.5, .499999, .5, 1, 0}, .5) // at the threshold is fake
	if err != nil {
		t.Fatal(err)
	}
	halves := ""
	for _, c := range r.Changes {
		halves += string(c.Half)
	}
	if r.Decisions != "10110" || halves != "rkkr" {
		t.Errorf("decisions %s, halves %s", r.Decisions, halves)
	}
	if r, _ = m.Measure([]float64{.2, .6, .2, .2, .2}, 0); r.Changes[0].Half != ToFake {
		t.Errorf("half %c, want to fake", r.Changes[0].Half)
	}
	for name, probs := range map[string][]float64{"too few": {.5}, "too many": make([]float64, 6), "none": nil,
		"no number": {.5, math.NaN(), .5, .5, .5}, "no clean number": {math.NaN(), .5, .5, .5, .5},
		"above one": {.5, 1.1, .5, .5, .5}, "infinite": {.5, .5, .5, .5, math.Inf(1)}, "negative": {.5, -.1, .5, .5, .5}} {
		if r, err := m.Measure(probs, .5); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// A variant that did not run adds to no cell, has '-' for a decision, and is allowed only where the generation says so:
// variant 1 always runs, 2 runs in half of the probes, 3 is an attack.
func TestMeterLeavesOutWhatDidNotRun(t *testing.T) {
	g := Generation{ID: "g", Variants: []perturb.Variant{{Family: "jpeg"}, {Family: "gain"}, {Family: "pgd10_delta"}}, Edges: []int64{50_000},
		Rates: []float64{1, .5, 1}, Threshold: .5}
	m, err := NewMeter(g)
	if err != nil {
		t.Fatal(err)
	}
	nan := math.NaN()
	r, err := m.Measure([]float64{.7, .65, nan, nan}, .7)
	if err != nil {
		t.Fatal(err)
	}
	if r.Decisions != "11--" || !r.Changes[0].Ran() || r.Changes[1].Ran() || r.Changes[2].Ran() {
		t.Errorf("%+v", r)
	}
	got := map[Cell]Counts{}
	m.Count(r, Buckets{}, got)
	m.CountAttackFailure(ReasonTimeout, Buckets{}, got)
	narrow := Counts{"n": 1, "0f": 1, "s50000": 1, "1k50000": 1, "atimeout": 1}
	want := map[Cell]Counts{{Generation: "g", Kind: Total}: narrow, {Generation: "g", Kind: Fine}: narrow,
		{Generation: "g", Kind: Coarse}:             {"n": 1, "0f": 1, "s0": 1, "atimeout": 1},
		{Generation: "g", Kind: Coarse, Variant: 1}: {"1k50000": 1}}
	if !maps.EqualFunc(got, want, maps.Equal) {
		t.Errorf("%v, want %v", got, want)
	}
	for name, probs := range map[string][]float64{"clean": {nan, .5, .5, .5}, "one that always runs": {.5, nan, .5, .5}, "no probability": {.5, .5, 2, .5}} {
		if r, err := m.Measure(probs, .5); err == nil {
			t.Errorf("%s left out: %+v", name, r)
		}
	}
}

func TestSampledGenerations(t *testing.T) {
	suite := perturb.Suite{Name: "s", Version: "1", Variants: []perturb.Variant{{Family: "jpeg"}, {Family: "gain"}}}
	g := NewGeneration(Detector{Name: "d"}, "digest", suite, []perturb.Variant{{Family: "pgd10_delta"}}, []int64{50_000}, "plan")
	if len(g.Variants) != 3 || g.Variants[2].Family != "pgd10_delta" {
		t.Fatalf("%+v", g)
	}
	without := NewGeneration(Detector{Name: "d"}, "digest", suite, nil, []int64{50_000}, "plan")
	ids := map[string]string{g.ID: "with an attack"}
	for name, rates := range map[string][]float64{"all": {1, 1, 1}, "a tenth": {1, .1, .1}, "a fifth": {1, .2, .1}} {
		s, err := g.Sampled(rates)
		if err != nil {
			t.Fatal(err)
		}
		if other, same := ids[s.ID]; same != (name == "all") {
			t.Errorf("%s is the generation of %q", name, other)
		}
		ids[s.ID] = name
	}
	if without.ID == g.ID || len(ids) != 3 {
		t.Errorf("attacks are not part of the identity: %v", ids)
	}
	for _, rates := range [][]float64{{1, 1}, {1, 0, 1}, {1, 1.1, 1}, {1, math.NaN(), 1}} {
		if s, err := g.Sampled(rates); err == nil {
			t.Errorf("rates %v made %+v", rates, s)
		}
	}
}

// TestDesignRates holds the rates against what perturb.Picks chooses for many media: within five standard deviations.
func TestDesignRates(t *testing.T) {
	own, err := perturb.NewSuite("own", "1", []string{"gain(0.5)", "gain(0.6)", "resize(2)", "gaussian_noise(0.1)", "saturation(0.3)"})
	if err != nil {
		t.Fatal(err)
	}
	suites := []perturb.Suite{own}
	for _, name := range []string{"production", "deepfake-v1"} {
		s, err := perturb.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		suites = append(suites, s)
	}
	const media = 20_000
	for _, s := range suites {
		for _, perProbe := range []int{0, 2, 4, len(s.Variants), len(s.Variants) + 3} {
			rates := DesignRates(s, perProbe, 2, .25)
			if n := len(s.Variants); len(rates) != n+2 || rates[n] != .25 || rates[n+1] != .25 {
				t.Fatalf("%s, %d picks: %v", s.Name, perProbe, rates)
			}
			ran := make([]int, len(s.Variants))
			for seed := range int64(media) {
				for _, i := range perturb.Picks(s, perProbe, seed*7919) {
					ran[i-1]++
				}
			}
			for i, n := range ran {
				share, r := float64(n)/media, rates[i]
				if math.Abs(share-r) > 5*math.Sqrt(r*(1-r)/media) {
					t.Errorf("%s, %d picks: variant %s runs in %.4f of the probes, by design %.4f", s.Name, perProbe, s.Variants[i], share, r)
				}
			}
		}
	}
}

func TestBucketsAt(t *testing.T) {
	for _, c := range []struct {
		at           string
		fine, coarse int64
	}{
		{"1970-01-01T00:00:00Z", 0, 0},
		{"1970-01-01T00:59:59.999999999Z", 3540, 0},
		{"1970-01-01T01:00:00Z", 3600, 3600},
		{"1969-12-31T23:59:59.999Z", -60, -3600}, // floors before 1970 as well
		{"1969-12-31T23:00:00Z", -3600, -3600},
		{"2026-11-22T10:00:00.123+05:30", 1795321800, 1795320000}, // 04:30 UTC
		{"0001-01-01T00:00:00Z", -62135596800, -62135596800},
	} {
		at, err := time.Parse(time.RFC3339Nano, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := BucketsAt(at, time.Minute, time.Hour); got != (Buckets{c.fine, c.coarse}) {
			t.Errorf("%s: %+v, want %d and %d", c.at, got, c.fine, c.coarse)
		}
	}
}

func TestRoster(t *testing.T) {
	var all []*Subject
	for _, d := range []Detector{{Name: "a", Version: "1"}, {Name: "a", Version: "2"}, {Name: "b"}} {
		all = append(all, &Subject{Detector: d})
	}
	r := NewRoster(all)
	for _, c := range []struct {
		name, version string
		want          *Subject
	}{
		{"a", "1", all[0]}, {"a", "2", all[1]}, {"a", "", all[1]}, {"a", "3", nil}, {"b", "", all[2]}, {"b", "1", nil}, {"c", "", nil}, {"", "", nil},
	} {
		if got := r.Find(c.name, c.version); got != c.want {
			t.Errorf("Find(%q, %q) is %v", c.name, c.version, got)
		}
	}
	if NewRoster(nil).Find("a", "") != nil {
		t.Error("an empty roster found something")
	}
}
