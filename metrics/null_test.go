package metrics_test

import (
	"math"
	"testing"

	"shaketable/metrics"
)

// Expected bounds: scipy beta.ppf(.95, k+1, n-k).
func TestNull(t *testing.T) {
	for _, c := range []struct{ k, n, epsilon, want float64 }{
		{10, 104, .02, .1576392725},      // few probes: the bound is the larger pad
		{500, 5000, .02, .12},            // many: epsilon is
		{500, 5000, 0, .1072524961},      // no epsilon
		{0, 104, .02, .0283942055},       //
		{5, 104, .09, 5./104. + .09},     // a large epsilon
		{104, 104, .02, 1},               // nothing left to test
		{7.4, 104, .02, .1274505784},     // a family
		{1e6 * .05, 1e6, .02, .05 + .02}, //
	} {
		got, err := metrics.Null(c.k, c.n, c.epsilon)
		near(t, "null", must(t, got, err), c.want, 10)
	}
	for _, c := range []struct{ k, n, epsilon float64 }{{0, 0, .02}, {5, 4, .02}, {1, 10, -.1}, {1, 10, 1}, {1, 10, math.NaN()}} {
		_, err := metrics.Null(c.k, c.n, c.epsilon)
		fails(t, "null", err, "null failure rate")
	}
	objective, err := metrics.NullObjective(.95)
	near(t, "null of an objective", must(t, objective, err), .05, 15)
	for _, o := range []float64{0, 1, -1, 2, math.NaN()} {
		_, err := metrics.NullObjective(o)
		fails(t, "objective", err, "not in (0,1)")
	}
	for q0, want := range map[float64]bool{0: false, .02: true, .9: true, .9000001: false, 1: false, math.NaN(): false} {
		if metrics.Judged(q0) != want {
			t.Errorf("Judged(%v) = %v", q0, !want)
		}
	}
}

func TestThreshold(t *testing.T) {
	got, err := metrics.Threshold(600, 43_200, 1)
	near(t, "600 series, a fold a minute, one in 30 days", must(t, got, err), 25_920_000, 0)
	got, err = metrics.Threshold(600, 43_200, 10)
	near(t, "ten in 30 days", must(t, got, err), 2_592_000, 0)
	for _, c := range []struct {
		series int
		folds  int64
		f      float64
	}{{0, 43_200, 1}, {600, 0, 1}, {600, 43_200, 0}, {600, 43_200, math.NaN()}, {1, 10, 10}} {
		_, err := metrics.Threshold(c.series, c.folds, c.f)
		fails(t, "threshold", err, "alarm threshold")
	}
}

// The bounds beside the simulated medians: ln(5A)/KL at A = 7e5.
func TestExpectedDelay(t *testing.T) {
	for _, c := range []struct{ q0, q1, want float64 }{
		{.05, .08, 1865}, {.05, .10, 730}, {.05, .15, 214}, {.05, .25, 67},
		{.12, .15, 3778}, {.12, .20, 581}, {.12, .30, 131}, {.12, .50, 35},
	} {
		got, err := metrics.ExpectedDelay(c.q0, c.q1, 7e5)
		near(t, "delay", must(t, got, err), c.want, 0)
	}
	benign, err := metrics.ExpectedDelay(.12, .125, 7e5)
	if must(t, benign, err); !math.IsInf(benign, 1) {
		t.Errorf("a rise of half a point is noticed after %v trials: the evidence for .14 falls at .125", benign)
	}
	total, err := metrics.ExpectedDelay(.12, 1, 7e5)
	near(t, "everything fails", must(t, total, err), math.Log(5*7e5)/math.Log(1/.12), 9)
	for _, c := range []struct{ q0, q1, a float64 }{{0, .1, 10}, {.95, .97, 10}, {.1, .1, 10}, {.1, 1.1, 10}, {.1, .2, 1}} {
		_, err := metrics.ExpectedDelay(c.q0, c.q1, c.a)
		fails(t, "delay", err, "expected delay")
	}
}

func TestSmallestNoticeable(t *testing.T) {
	for _, n := range []float64{10, 35, 131, 581, 3778, 1e5, 1e12} {
		rise, ok, err := metrics.SmallestNoticeable(.12, 7e5, n)
		must(t, rise, err)
		if !ok {
			t.Fatalf("nothing is noticed within %v trials", n)
		}
		at, err := metrics.ExpectedDelay(.12, .12+rise*(1+1e-9), 7e5)
		must(t, at, err)
		below, err := metrics.ExpectedDelay(.12, .12+rise*.999, 7e5)
		must(t, below, err)
		if at > n || below <= n {
			t.Errorf("within %v trials: rise %v takes %v, a little less takes %v", n, rise, at, below)
		}
	}
	rise, _, _ := metrics.SmallestNoticeable(.12, 7e5, 581.5)
	near(t, "noticed within 581.5 trials", rise, .08, 4)
	if _, ok, err := metrics.SmallestNoticeable(.12, 7e5, 5); ok || err != nil {
		t.Errorf("within 5 trials: ok %v, error %v, want nothing noticed", ok, err)
	}
	_, _, err := metrics.SmallestNoticeable(.95, 7e5, 100)
	fails(t, "not judged", err, "smallest noticeable")
}
