package metrics_test

import (
	"math"
	"slices"
	"testing"

	"shaketable/metrics"
)

func TestTicks(t *testing.T) {
	wide, narrow := float32(.8), float32(.7)
	for _, c := range []struct {
		p, q float64
		want int64
	}{
		{.8, .7, 100_000}, {.7, .8, 100_000}, {.3, .2, 100_000}, {.95, .85, 100_000},
		{float64(wide), float64(narrow), 100_000},
		{0, 1, 1_000_000}, {.5, .5, 0}, {.5, .5000004, 0}, {.5, .5000006, 1},
		{0, 1.0000001, 1_000_000}, {-1e-7, 0, 0}, // the rounding of a softmax in float32
		{0, 1.1, metrics.Undefined}, {-.5, .5, metrics.Undefined}, {3.2, 3.3, metrics.Undefined},
		{math.NaN(), .5, metrics.Undefined}, {.5, math.NaN(), metrics.Undefined}, {math.Inf(1), .5, metrics.Undefined},
	} {
		if got := metrics.Ticks(c.p, c.q); got != c.want {
			t.Errorf("Ticks(%v, %v) = %d, want %d", c.p, c.q, got, c.want)
		}
	}
}

func TestEdges(t *testing.T) {
	full := mustEdges(t)(metrics.FullEdges([]float64{.012, .05, .0000014}))
	if len(full) != 203 { // 0, 200 steps, and two tolerances that are no step
		t.Errorf("full edges: %d, want 203", len(full))
	}
	if !slices.IsSorted(full) || full[0] != 0 || full[1] != 1 || full[len(full)-1] != metrics.TicksPerUnit {
		t.Errorf("full edges begin %v and end %v", full[:3], full[len(full)-1])
	}
	coarse := mustEdges(t)(metrics.CoarseEdges(metrics.DefaultTolerances()))
	if want := (metrics.Edges{0, 10_000, 20_000, 50_000, 100_000, 200_000, 1_000_000}); !slices.Equal(coarse, want) {
		t.Errorf("coarse edges: %v, want %v", coarse, want)
	}
	for _, c := range []struct {
		d    int64
		want int
	}{
		{-1, metrics.Undefined}, {0, 0}, {1, 1}, {9_999, 1}, {10_000, 1}, {10_001, 2}, {200_000, 5}, {200_001, 6},
		{1_000_000, 6}, {1_000_001, metrics.Undefined},
	} {
		if got := coarse.Bin(c.d); got != c.want {
			t.Errorf("Bin(%d) = %d, want %d", c.d, got, c.want)
		}
	}
	for _, b := range []float64{-.01, 1.01, math.NaN(), math.Inf(1)} {
		_, err := metrics.FullEdges([]float64{b})
		fails(t, "tolerance out of range", err, "not in [0,1]")
	}
	for _, b := range append(metrics.DefaultTolerances(), metrics.HeadlineTolerances()...) {
		if got := metrics.Tolerance(metrics.Edge(b)); got != b {
			t.Errorf("tolerance %v comes back as %v", b, got)
		}
	}
}

// mustEdges takes the results of a constructor of edges.
func mustEdges(t interface{ Fatal(...any) }) func(metrics.Edges, error) metrics.Edges {
	return func(e metrics.Edges, err error) metrics.Edges { return must(t, e, err) }
}
