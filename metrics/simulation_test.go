package metrics_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"shaketable/metrics"
)

// binomial counts the failures of n trials at a rate.
func binomial(rng *rand.Rand, n int, rate float64) float64 {
	k := 0.
	for range n {
		if rng.Float64() < rate {
			k++
		}
	}
	return k
}

// In control the mean number of alarms may be at most folds/A, here 20, with folds of about five probes. It should not
// be far below either: a detector that never alarms would pass the first half.
func TestFalseAlarmsStayWithinTheBound(t *testing.T) {
	const streams, folds, threshold = 30, 20_000, 1000
	for _, c := range []struct{ q0, low float64 }{{.02, 5}, {.05, 6}, {.12, 8}, {.3, 8}} {
		rng := rand.New(rand.NewPCG(42, uint64(c.q0*100)))
		size := distuv.Poisson{Lambda: 5, Src: rng}
		e, err := metrics.NewESR(c.q0, metrics.Alternatives(c.q0), threshold)
		must(t, e, err)
		alarms := 0.
		for range streams {
			var s metrics.ESRState
			for range folds {
				n := int(size.Rand())
				s, _, err = e.Update(s, metrics.Trials{N: float64(n), K: binomial(rng, n, c.q0)})
				must(t, s, err)
			}
			alarms += float64(s.Alarms) / streams
		}
		t.Logf("q0 %v: %.1f alarms in %d folds, bound %d", c.q0, alarms, folds, folds/threshold)
		if alarms > folds/threshold || alarms < c.low {
			t.Errorf("q0 %v: %.1f alarms in %d folds, want %v..%d", c.q0, alarms, folds, c.low, folds/threshold)
		}
	}
}

// A family of five severities: fractional failures, the severities independent or all decided by the same media.
func TestFalseAlarmsOfAFamily(t *testing.T) {
	const streams, folds, threshold = 20, 5_000, 1000
	for _, q0 := range []float64{.05, .12, .3} {
		for _, dependent := range []bool{false, true} {
			rng := rand.New(rand.NewPCG(43, uint64(q0*100)))
			e, err := metrics.NewESR(q0, metrics.Alternatives(q0), threshold)
			must(t, e, err)
			alarms := 0.
			for range streams {
				var s metrics.ESRState
				for range folds {
					variants := make([]metrics.Trials, 5)
					k := binomial(rng, 5, q0)
					for v := range variants {
						if !dependent {
							k = binomial(rng, 5, q0)
						}
						variants[v] = metrics.Trials{N: 5, K: k}
					}
					pooled, err := metrics.Pool(variants)
					must(t, pooled, err)
					s, _, err = e.Update(s, pooled)
					must(t, s, err)
				}
				alarms += float64(s.Alarms) / streams
			}
			t.Logf("q0 %v, dependent %v: %.2f alarms in %d folds, bound %d", q0, dependent, alarms, folds, folds/threshold)
			if alarms > folds/threshold || dependent && alarms == 0 {
				t.Errorf("q0 %v, dependent %v: %.2f alarms, bound %d", q0, dependent, alarms, folds/threshold)
			}
		}
	}
}

// Median probes until the alarm, in folds of about five, at A = 7e5. Expected medians: an independent simulation.
func TestDelays(t *testing.T) {
	const runs, threshold = 400, 7e5
	for _, c := range []struct{ q0, q1, want float64 }{
		{.05, .08, 1380}, {.05, .10, 550}, {.05, .15, 186}, {.05, .25, 63},
		{.12, .15, 2760}, {.12, .20, 440}, {.12, .30, 123}, {.12, .50, 36},
	} {
		rng := rand.New(rand.NewPCG(44, uint64(c.q1*100)))
		size := distuv.Poisson{Lambda: 5, Src: rng}
		e, err := metrics.NewESR(c.q0, metrics.Alternatives(c.q0), threshold)
		must(t, e, err)
		probes := make([]float64, runs)
		for r := range probes {
			var s metrics.ESRState
			for v := (metrics.Verdict{}); !v.Alarm; {
				n := int(size.Rand())
				probes[r] += float64(n)
				s, v, err = e.Update(s, metrics.Trials{N: float64(n), K: binomial(rng, n, c.q1)})
				must(t, s, err)
			}
		}
		slices.Sort(probes)
		median := probes[runs/2]
		bound, err := metrics.ExpectedDelay(c.q0, c.q1, threshold)
		must(t, bound, err)
		t.Logf("%v -> %v: median %.0f, 90 %% %.0f, expected delay %.0f", c.q0, c.q1, median, probes[runs*9/10], bound)
		if math.Abs(median/c.want-1) > .12 || median > bound+5 {
			t.Errorf("%v -> %v: median %.0f, want %.0f within 12 %% and at most %.0f and a fold", c.q0, c.q1, median, c.want, bound)
		}
	}
}
