package metrics_test

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"shaketable/metrics"
)

// Expected values: scipy 1.17.1 stats.kendalltau (variant b).
func TestKendallTau(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		want float64
	}{
		{[]float64{1, 2, 3, 4, 5}, []float64{1, 3, 2, 5, 4}, .6},
		{[]float64{12, 2, 1, 12, 2}, []float64{1, 4, 7, 1, 0}, -.4714045208},
		{[]float64{1, 1, 2, 3, 3, 4}, []float64{1, 2, 2, 3, 4, 4}, .8461538462},
		{[]float64{1, 2}, []float64{5, 3}, -1},
	} {
		got, err := metrics.KendallTau(c.a, c.b)
		near(t, "tau", must(t, got, err), c.want, 10)
		swapped, err := metrics.KendallTau(c.b, c.a)
		near(t, "tau the other way", must(t, swapped, err), c.want, 10)
	}
	for _, c := range []struct {
		a, b []float64
		says string
	}{
		{[]float64{1}, []float64{1, 2}, "1 values against 2"}, {nil, nil, "0 values that do not differ"},
		{[]float64{1, 1}, []float64{1, 2}, "do not differ"}, {[]float64{1, math.NaN()}, []float64{1, 2}, "value 1 is not a number"},
	} {
		_, err := metrics.KendallTau(c.a, c.b)
		fails(t, "tau", err, "kendall tau", c.says)
	}
}

// Expected values: all 4^4 draws of four media enumerated by numpy and scipy.
func TestRankStability(t *testing.T) {
	failures := [][]float64{{1, 0, 1, 0}, {0, .2, .4, 0}, {.2, .2, .6, .4}}
	r, err := metrics.RankStability(failures, 20_000, 1)
	must(t, r, err)
	equalTo(t, "rates", r.Rates, []float64{.5, .15, .35}, 9)
	if !slices.Equal(r.Order, []int{0, 2, 1}) {
		t.Errorf("order %v, want 0 2 1", r.Order)
	}
	if want := []metrics.Interval{{Lower: 1, Upper: 3}, {Lower: 2, Upper: 3}, {Lower: 1, Upper: 2}}; !slices.Equal(r.Ranks, want) {
		t.Errorf("ranks %v, want %v", r.Ranks, want)
	}
	// Five standard errors of 20 000 draws are below .018.
	for f, want := range []float64{.71484375, .00195312, .28320312} {
		if math.Abs(r.Worst[f]-want) > .018 {
			t.Errorf("family %d is the worst in %v of the draws, want %v", f, r.Worst[f], want)
		}
	}
	if math.Abs(r.Tau-.7729704761) > .018 {
		t.Errorf("tau %v, want .773", r.Tau)
	}
	again, err := metrics.RankStability(failures, 20_000, 1)
	if must(t, again, err); !reflect.DeepEqual(again, r) {
		t.Error("the same seed gave another report")
	}
	tied, err := metrics.RankStability([][]float64{{.2, .2, .2}, {.2, .2, .2}, {1, 1, 1}}, 50, 3)
	if must(t, tied, err); tied.Tau != 1 || tied.Ranks[0] != (metrics.Interval{Lower: 2.5, Upper: 2.5}) || tied.Worst[2] != 1 {
		t.Errorf("ties: %+v", tied)
	}
}

func TestRankStabilityRefuses(t *testing.T) {
	for _, c := range []struct {
		failures [][]float64
		draws    int
		says     string
	}{
		{[][]float64{{0, 1}}, 10, "at least two families"}, {[][]float64{{0}, {1}}, 10, "two media"},
		{[][]float64{{0, 1}, {1, 1}}, 0, "one draw"}, {[][]float64{{0, 1}, {1}}, 10, "family 1 has 1 media, the first 2"},
		{[][]float64{{0, 1}, {1, 7}}, 10, "family 1: failure 1 is 7"}, {[][]float64{{0, 1}, {1, 0}}, 10, "fail alike, at a rate of 0.5"},
		// In float64 .1+.2+.3 > .3+.2+.1: it is a tie all the same.
		{[][]float64{{.1, .2, .3}, {.3, .2, .1}}, 10, "fail alike, at a rate of 0.2"},
	} {
		_, err := metrics.RankStability(c.failures, c.draws, 1)
		fails(t, "stability", err, "stability of a ranking", c.says)
	}
}
