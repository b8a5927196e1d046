package metrics_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"shaketable/metrics"
)

func TestCredibility(t *testing.T) {
	for _, c := range []struct {
		flips []bool
		want  int
	}{
		{nil, 0}, {[]bool{false, false, false}, 0}, {[]bool{true}, 1}, {[]bool{false, false, true, true, true}, 3},
		{[]bool{false, true, false, false, true}, 2}, {[]bool{false, false, false, false, true}, 5},
	} {
		if got := metrics.Credibility(c.flips); got != c.want {
			t.Errorf("Credibility(%v) = %d, want %d", c.flips, got, c.want)
		}
	}
}

func TestAmbiguous(t *testing.T) {
	for _, c := range []struct {
		p         []float64
		threshold float64
		want      bool
	}{
		{nil, .5, false}, {[]float64{.5}, .5, false}, {[]float64{.4, .6}, .5, true}, {[]float64{.5, .6}, .5, false},
		{[]float64{.4999999, .5}, .5, true}, {[]float64{.1, .2, .3}, .5, false}, {[]float64{.1, .9, .9}, .95, false},
		{[]float64{math.NaN(), .9}, .5, false}, {[]float64{math.NaN(), .9, .1}, .5, true},
	} {
		if got := metrics.Ambiguous(c.p, c.threshold); got != c.want {
			t.Errorf("Ambiguous(%v, %v) = %v, want %v", c.p, c.threshold, got, c.want)
		}
	}
}

// Expected interval: statsmodels 0.14 proportion_confint(6, 20, method="wilson").
func TestDisagreement(t *testing.T) {
	a, b := make([]bool, 20), make([]bool, 20)
	for i := range 6 {
		a[i], b[i] = i%2 == 0, i%2 == 1
	}
	share, band, err := metrics.Disagreement(a, b)
	must(t, share, err)
	equalTo(t, "disagreement", []float64{share, band.Lower, band.Upper}, []float64{.3, .1454772449, .5189728184}, 10)
	_, _, err = metrics.Disagreement(a, b[:19])
	fails(t, "lengths", err, "disagreement", "20 decisions against 19")
	_, _, err = metrics.Disagreement(nil, nil)
	fails(t, "nothing", err, "no media")
}

// Expected values: scipy 1.17.1, the primal problem by optimize.minimize(-q@z, method="SLSQP", bounds [0,1], sum q = 1,
// n sum q² - 1 <= rho), which agrees with the dual by minimize_scalar to nine digits.
func TestWorstShare(t *testing.T) {
	ten := []float64{0, 0, .2, .2, .4, .4, .6, .8, 1, 1}
	for _, c := range []struct {
		z         []float64
		rho, want float64
		digits    int
	}{
		{ten, .1, .5733137238, 9}, {ten, .5, .7133771892, 9}, {ten, 1, .8129600807, 9}, {ten, 3, .9754970355, 9}, {ten, 9, 1, 9},
		{ten, 0, .46, 12}, {[]float64{.1, .2, .3, .7}, .01, .3477760839, 9}, {[]float64{0, .2, .2, .2, .8, .8}, 1.5, .745941171, 8},
		{[]float64{.3}, 5, .3, 12}, {[]float64{.3, .3, .3}, 5, .3, 12}, {[]float64{0, 0, 0}, 1, 0, 12}, {[]float64{1, 1}, 1, 1, 12},
		{[]float64{0, 0, 0, 1}, .5, .25 + math.Sqrt(.5*.1875), 12}, {[]float64{0, 0, 0, 1}, 3, 1, 12}, {[]float64{0, 0, 0, 1}, 2.9, .25 + math.Sqrt(2.9*.1875), 12},
	} {
		got, err := metrics.WorstShare(c.z, c.rho)
		near(t, "worst share", must(t, got, err), c.want, c.digits)
	}
	for _, c := range []struct {
		z    []float64
		rho  float64
		says string
	}{
		{nil, 1, "no media"}, {[]float64{.5, -1}, 1, "failure 1 is -1"}, {[]float64{.5}, -1, "radius -1"},
		{[]float64{.5}, math.NaN(), "radius NaN"}, {[]float64{.5}, math.Inf(1), "radius +Inf"},
	} {
		_, err := metrics.WorstShare(c.z, c.rho)
		fails(t, "worst share", err, "worst share", c.says)
	}
}

// No slice of the share 1/(1+rho) or more fails more often, the figure grows with the radius, and lies between the mean
// and the largest failure.
func TestWorstShareBoundsEverySlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		z := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) float64 {
			return float64(rapid.IntRange(0, 5).Draw(t, "failed")) / 5
		}), 1, 40).Draw(t, "z")
		size := rapid.IntRange(1, len(z)).Draw(t, "size")
		slice := rapid.Permutation(z).Draw(t, "mix")[:size]
		rho := float64(len(z))/float64(size) - 1
		got, err := metrics.WorstShare(z, rho)
		must(t, got, err)
		sum, all, top := 0., 0., 0.
		for _, x := range slice {
			sum += x
		}
		for _, x := range z {
			all, top = all+x, max(top, x)
		}
		wider, err := metrics.WorstShare(z, rho+.5)
		must(t, wider, err)
		if got < sum/float64(size)-1e-9 || got < all/float64(len(z))-1e-9 || got > top+1e-12 || wider < got-1e-9 {
			t.Fatalf("%v: worst share %v at radius %v and %v at %v, slice %v", z, got, rho, wider, rho+.5, slice)
		}
	})
}

// Expected values: numpy 2.4.6, np.quantile(moves, ceil((n+1)(1-alpha))/n, method="inverted_cdf").
func TestConformalRadius(t *testing.T) {
	moves := []float64{.01, .3, .02, .05, .11, .07, .02, .4, .09, .15, .03, .06, .08, .21, .04, .12, .1, .13, .5}
	for _, c := range []struct{ alpha, want float64 }{
		{.05, .5}, {.1, .4}, {.2, .21}, {.5, .09}, {.049, math.Inf(1)}, {.001, math.Inf(1)}, {.96, .01},
	} {
		got, err := metrics.ConformalRadius(moves, c.alpha)
		if must(t, got, err) != c.want {
			t.Errorf("radius at %v: %v, want %v", c.alpha, got, c.want)
		}
	}
	got, err := metrics.ConformalRadius(nil, .1)
	if !math.IsInf(must(t, got, err), 1) {
		t.Errorf("radius of no moves: %v, want +Inf", got)
	}
	_, err = metrics.ConformalRadius([]float64{.1, 1.1}, .1)
	fails(t, "move", err, "conformal radius", "move 1 is 1.1")
	_, err = metrics.ConformalRadius(moves, 1)
	fails(t, "alpha", err, "conformal radius", "alpha 1")
}

// Of the n+1 moves each is as likely as another to be the new one: leave one out and count those that are covered.
func TestConformalRadiusCovers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		moves := rapid.SliceOfN(rapid.Float64Range(0, 1), 2, 60).Draw(t, "moves")
		alpha := rapid.Float64Range(.01, .9).Draw(t, "alpha")
		covered := 0
		for i, x := range moves {
			others := append(append([]float64{}, moves[:i]...), moves[i+1:]...)
			r, err := metrics.ConformalRadius(others, alpha)
			if must(t, r, err) >= x {
				covered++
			}
		}
		if float64(covered) < (1-alpha)*float64(len(moves))-1e-6 {
			t.Fatalf("covered %d of %d at alpha %v", covered, len(moves), alpha)
		}
	})
}
