package metrics_test

import (
	"math"
	"testing"

	"shaketable/metrics"
)

// bh1995 are the p-values of Benjamini and Hochberg (1995), section 3.2. Adjusted: statsmodels 0.14
// multipletests(p, .05, "fdr_bh").
func bh1995() []float64 {
	return []float64{.0001, .0004, .0019, .0095, .0201, .0278, .0298, .0344, .0459, .3240, .4262, .5719, .6528, .7590, 1}
}

func TestBH(t *testing.T) {
	p := bh1995()
	reject, err := metrics.BH(p, .05)
	must(t, reject, err)
	for i := range p {
		if reject[i] != (i < 4) {
			t.Errorf("p-value %v: rejected %v", p[i], reject[i])
		}
	}
	adjusted, err := metrics.BHAdjusted(p)
	must(t, adjusted, err)
	equalTo(t, "adjusted", adjusted, []float64{.0015, .003, .0095, .035625, .0603, .06385714, .06385714, .0645, .0765, .486,
		.58118182, .714875, .75323077, .81321429, 1}, 8)
	shuffled, err := metrics.BHAdjusted([]float64{.5, .01, .02})
	must(t, shuffled, err)
	equalTo(t, "in the order given", shuffled, []float64{.5, .03, .03}, 12)
	_, err = metrics.BH([]float64{.1, 1.2}, .05)
	fails(t, "p-value", err, "benjamini-hochberg", "p-value 1 is 1.2")
	_, err = metrics.BH(p, 0)
	fails(t, "alpha", err, "benjamini-hochberg", "alpha 0")
}

// Expected values: an independent program in the form of the definition.
func TestEBH(t *testing.T) {
	for _, c := range []struct {
		e    []float64
		want []int
	}{
		{[]float64{100, 60, 30, 12, 1, .5, .2, 2, .1, 0}, []int{0, 1}},
		{[]float64{99, 1, 1, 1, 1, 1, 1, 1, 1, 1}, nil},
		{[]float64{100, 50, 33.4, 1}, []int{0, 1, 2}},
		{[]float64{1, 33.4, 100, 50}, []int{1, 2, 3}},
		{[]float64{math.Inf(1), 0}, []int{0}}, {nil, nil},
	} {
		got, err := metrics.EBH(c.e, .1)
		must(t, got, err)
		want := make([]bool, len(c.e))
		for _, i := range c.want {
			want[i] = true
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("EBH(%v): cell %d rejected %v, want %v", c.e, i, got[i], want[i])
			}
		}
	}
	_, err := metrics.EBH([]float64{1, -1}, .1)
	fails(t, "e-value", err, "e-bh", "e-value 1 is -1")
	_, err = metrics.EBH([]float64{1}, 1)
	fails(t, "alpha", err, "e-bh", "alpha 1")
}
