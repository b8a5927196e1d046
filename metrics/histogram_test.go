package metrics_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"shaketable/metrics"
)

type pair struct{ p, q float64 }

func histogramOf(t interface{ Fatal(...any) }, edges metrics.Edges, pairs []pair) *metrics.Histogram {
	h, err := metrics.NewHistogram(edges)
	must(t, h, err)
	for _, x := range pairs {
		if err := h.Add(metrics.TurnOf(x.p, x.q, .5), metrics.Ticks(x.p, x.q)); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// The pairs at which comparing floats gives .125, .25 and .625 at .01, .05 and .1.
func TestRobustRatioAtTies(t *testing.T) {
	pairs := []pair{{.80, .80}, {.80, .75}, {.80, .70}, {.95, .85}, {.30, .20}, {.50, .10}, {.60, .59}, {.10, .95}}
	h := histogramOf(t, mustEdges(t)(metrics.FullEdges(metrics.DefaultTolerances())), pairs)
	for _, c := range []struct {
		b          float64
		rr, strict int64
	}{{0, 1, 1}, {.01, 2, 2}, {.05, 3, 3}, {.1, 6, 6}, {.2, 6, 6}, {.5, 7, 6}, {.85, 8, 6}, {1, 8, 6}} {
		if got := h.RR(c.b); got != (metrics.Count{Lower: c.rr, Upper: c.rr, N: 8}) {
			t.Errorf("RR(%v) = %+v, want %d of 8", c.b, got, c.rr)
		}
		if got := h.RRStrict(c.b); got != (metrics.Count{Lower: c.strict, Upper: c.strict, N: 8}) {
			t.Errorf("RRStrict(%v) = %+v, want %d of 8", c.b, got, c.strict)
		}
	}
	if got := h.RASelf(); got != (metrics.Count{Lower: 6, Upper: 6, N: 8}) {
		t.Errorf("RASelf = %+v, want 6 of 8", got)
	}
	if toReal, toFake := h.Flips(); toReal != 1 || toFake != 1 {
		t.Errorf("flips = %d, %d, want 1 to real and 1 to fake", toReal, toFake)
	}
	failures := mustTrials(t)(h.RR(.05).Failures())
	if failures != (metrics.Trials{N: 8, K: 5}) {
		t.Errorf("failures at .05 = %+v, want 5 of 8", failures)
	}
}

func mustTrials(t interface{ Fatal(...any) }) func(metrics.Trials, error) metrics.Trials {
	return func(v metrics.Trials, err error) metrics.Trials { return must(t, v, err) }
}

func TestRobustRatioBetweenEdges(t *testing.T) {
	coarse := mustEdges(t)(metrics.CoarseEdges([]float64{.05, .10}))
	h := histogramOf(t, coarse, []pair{{.9, .9}, {.9, .88}, {.9, .83}, {.9, .82}, {.9, .2}})
	for _, c := range []struct {
		b            float64
		lower, upper int64
	}{{0, 1, 1}, {.02, 1, 2}, {.05, 2, 2}, {.075, 2, 4}, {.10, 4, 4}, {.5, 4, 5}, {1, 5, 5}, {-.1, 0, 0}} {
		if got := h.RR(c.b); got != (metrics.Count{Lower: c.lower, Upper: c.upper, N: 5}) {
			t.Errorf("RR(%v) = %+v, want %d..%d of 5", c.b, got, c.lower, c.upper)
		}
	}
	_, err := h.RR(.075).Failures()
	fails(t, "failures between edges", err, "2..4 of 5", "edge")
}

// At the threshold and above is fake.
func TestTurnOf(t *testing.T) {
	for _, c := range []struct {
		p, q float64
		want metrics.Turn
		name string
	}{
		{.5, .5, metrics.Kept, "kept"}, {.1, .4999, metrics.Kept, "kept"}, {.9, .5, metrics.Kept, "kept"},
		{.5, .4999, metrics.TurnedReal, "to_real"}, {.4999, .5, metrics.TurnedFake, "to_fake"},
	} {
		if got := metrics.TurnOf(c.p, c.q, .5); got != c.want || got.String() != c.name {
			t.Errorf("TurnOf(%v, %v) = %v, want %v", c.p, c.q, got, c.name)
		}
	}
}

func TestCountShare(t *testing.T) {
	if _, ok := (metrics.Count{}).Share(); ok {
		t.Error("a share of no probes")
	}
	share, _ := metrics.Count{Lower: 90, Upper: 90, N: 100}.WithInconclusive(20).Share()
	if share != (metrics.Interval{Lower: 90. / 120, Upper: 110. / 120}) {
		t.Errorf("with 20 inconclusive: %+v", share)
	}
}

func TestHistogramRefuses(t *testing.T) {
	coarse := mustEdges(t)(metrics.CoarseEdges([]float64{.05}))
	h := histogramOf(t, coarse, []pair{{.9, .9}})
	other := histogramOf(t, mustEdges(t)(metrics.CoarseEdges([]float64{.06})), nil)
	more := histogramOf(t, coarse, []pair{{.9, .9}, {.9, .9}})
	fails(t, "undefined change", h.Add(metrics.Kept, metrics.Ticks(math.NaN(), 0)), "-1 ticks", "inconclusive")
	fails(t, "unknown edge", h.AddCount(metrics.Kept, 60_000, 1), "60000", "tolerances")
	fails(t, "unknown half", h.AddCount(metrics.Turn(3), 0, 1), "turn(3)")
	fails(t, "negative bin", h.AddCount(metrics.Kept, 0, -2), "would hold -1")
	fails(t, "other edges", h.Merge(other), "edges differ")
	fails(t, "subtract more", h.Subtract(more), "no part of")
	_, err := h.Rebin(other.Edges())
	fails(t, "rebin on a new edge", err, "60000")
	for _, e := range []metrics.Edges{nil, {0}, {0, 5}, {0, 7, 7, 1_000_000}, {1, 1_000_000}} {
		_, err := metrics.NewHistogram(e)
		fails(t, "bad edges", err, "edges must")
	}
	if h.N() != 1 || h.At(metrics.Kept, 0) != 1 {
		t.Errorf("a refused change was counted: n = %d", h.N())
	}
}

func genPairs(t *rapid.T, name string) []pair {
	p := rapid.Float64Range(0, 1)
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) pair {
		return pair{p.Draw(t, "p"), p.Draw(t, "q")}
	}), 0, 40).Draw(t, name)
}

func TestHistogramProperties(t *testing.T) {
	full := mustEdges(t)(metrics.FullEdges([]float64{.012}))
	coarse := mustEdges(t)(metrics.CoarseEdges([]float64{.012}))
	rapid.Check(t, func(t *rapid.T) {
		a, b := genPairs(t, "a"), genPairs(t, "b")
		ha, hb := histogramOf(t, full, a), histogramOf(t, full, b)
		both := histogramOf(t, full, append(append([]pair{}, b...), a...))
		merged := histogramOf(t, full, a)
		if err := merged.Merge(hb); err != nil {
			t.Fatal(err)
		}
		same(t, "merge equals counting both, in any order", merged, both)
		rebinned, err := merged.Rebin(coarse)
		must(t, rebinned, err)
		if x, y := rebinned.RR(.012), merged.RR(.012); x != y {
			t.Fatalf("rebinned RR(.012) = %+v, want %+v", x, y)
		}
		tolerance := rapid.Float64Range(0, 1).Draw(t, "tolerance")
		var truth int64
		for _, x := range append(a, b...) {
			if metrics.Ticks(x.p, x.q) <= metrics.Edge(tolerance) {
				truth++
			}
		}
		if c := merged.RR(tolerance); truth < c.Lower || truth > c.Upper {
			t.Fatalf("RR(%v) = %+v does not hold the true %d", tolerance, c, truth)
		}
		if err := merged.Subtract(hb); err != nil {
			t.Fatal(err)
		}
		same(t, "subtracting undoes merging", merged, ha)
	})
}

func same(t *rapid.T, what string, a, b *metrics.Histogram) {
	ca, cb := a.Curve(), b.Curve()
	for i := range ca {
		if ca[i] != cb[i] {
			t.Fatalf("%s: %+v and %+v", what, ca[i], cb[i])
		}
		if i > 0 && (ca[i].RR < ca[i-1].RR || ca[i].Strict > ca[i].RR) {
			t.Fatalf("curve %+v after %+v", ca[i], ca[i-1])
		}
	}
	ra, fa := a.Flips()
	rb, fb := b.Flips()
	if ra != rb || fa != fb {
		t.Fatalf("%s: flips %d %d and %d %d", what, ra, fa, rb, fb)
	}
	if last := ca[len(ca)-1]; last.RR != a.N() || last.Strict != a.RASelf().Lower {
		t.Fatalf("the curve ends at %+v of %d", last, a.N())
	}
}
