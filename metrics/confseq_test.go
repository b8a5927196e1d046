package metrics_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"shaketable/metrics"
)

// Expected values: the unit tests of the confseq library (their tolerance 1e-5), and one more from its formula.
func TestConfidenceSequence(t *testing.T) {
	for _, c := range []struct {
		s, n, optimal, lower, upper float64
		digits                      int
	}{
		{700, 1000, 100, .651629, .745949, 5}, {15, 50, 50, .129556, .511896, 5}, {5, 50, 50, .013021, .269264, 5},
		{1, 50, 50, 0, .13489, 5}, {100, 200, 1, .328923, .671076, 5}, {1, 2, 50, 0, 1, 5},
		{90, 100, 100, .7879813184, .9697616899, 10}, {0, 0, 50, 0, 1, 10},
	} {
		got, err := metrics.ConfidenceSequence(c.s, c.n-c.s, .05, c.optimal)
		must(t, got, err)
		near(t, "lower", got.Lower, c.lower, c.digits)
		near(t, "upper", got.Upper, c.upper, c.digits)
	}
	none, err := metrics.ConfidenceSequence(0, 40, .05, 100)
	must(t, none, err)
	all, err := metrics.ConfidenceSequence(40, 0, .05, 100)
	must(t, all, err)
	if none.Lower != 0 || all.Upper != 1 || math.Abs(none.Upper-(1-all.Lower)) > 1e-9 || none.Upper > .2 {
		t.Errorf("of 40 none %+v and all %+v", none, all)
	}
}

// Watched after every trial, 95 % sequences must hold the true rate throughout in at least 95 % of the streams; Wilson
// intervals, which are for one look, must not: that is why the sequence exists.
func TestConfidenceSequenceHoldsWhileWatched(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 11))
	const streams, trials, rate = 150, 600, .9
	missed, peeked := 0, 0
	for range streams {
		s, lost, lostPeeking := 0., false, false
		for n := 1.; n <= trials; n++ {
			if rng.Float64() < rate {
				s++
			}
			band, err := metrics.ConfidenceSequence(s, n-s, .05, 300)
			must(t, band, err)
			lost = lost || rate < band.Lower || rate > band.Upper
			window, err := metrics.Wilson(s, n, .05)
			must(t, window, err)
			lostPeeking = lostPeeking || rate < window.Lower || rate > window.Upper
		}
		if lost {
			missed++
		}
		if lostPeeking {
			peeked++
		}
	}
	t.Logf("of %d streams the sequence missed %d, peeking at Wilson %d", streams, missed, peeked)
	if missed > streams*5/100 || peeked < streams*20/100 {
		t.Errorf("of %d streams the sequence missed %d, peeking at Wilson %d", streams, missed, peeked)
	}
}

func TestConfidenceSequenceRefuses(t *testing.T) {
	for _, c := range []struct{ s, f, alpha, optimal float64 }{
		{-1, 5, .05, 50}, {5, -1, .05, 50}, {math.NaN(), 5, .05, 50}, {5, 5, 0, 50}, {5, 5, .05, 0}, {5, 5, .05, math.Inf(1)},
	} {
		_, err := metrics.ConfidenceSequence(c.s, c.f, c.alpha, c.optimal)
		fails(t, "confidence sequence", err, "confidence sequence")
	}
}

func TestDKW(t *testing.T) {
	got, err := metrics.DKW(100, .05)
	near(t, "dkw", must(t, got, err), .1358101516, 10)
	got, err = metrics.DKWAnytime(1000, 100, .05)
	near(t, "anytime dkw", must(t, got, err), .0820477877, 10) // C solved by scipy brentq
	for _, c := range []struct{ alpha, constant float64 }{{.05, 8.12272}, {.01, 9.28354}, {.001, 10.94307}} {
		// At n = nMin the band is .85 sqrt(C/n).
		got, err = metrics.DKWAnytime(100, 100, c.alpha)
		near(t, "constant", 100*math.Pow(must(t, got, err)/.85, 2), c.constant, 5)
	}
	for _, c := range []struct{ n, nMin, alpha float64 }{{50, 100, .05}, {50, 0, .05}, {50, 10, 0}, {math.NaN(), 10, .05}} {
		_, err = metrics.DKWAnytime(c.n, c.nMin, c.alpha)
		fails(t, "anytime dkw", err, "anytime dkw")
	}
	_, err = metrics.DKW(0, .05)
	fails(t, "dkw", err, "needs a probe")
	_, err = metrics.DKW(10, 2)
	fails(t, "dkw", err, "alpha 2")
}
