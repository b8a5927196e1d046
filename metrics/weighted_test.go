package metrics_test

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"shaketable/metrics"
)

// Expected values: numpy, w = 1/pi; the band by statsmodels proportion_confint(rate*n, n, method="wilson").
func TestHajek(t *testing.T) {
	got, err := metrics.Hajek([]float64{1, 0, 1, 1}, []float64{.1, .5, .5, .1}, .05)
	must(t, got, err)
	equalTo(t, "hajek", []float64{got.Rate, got.N, got.Band.Lower, got.Band.Upper}, []float64{.9166666667, 2.7692307692, .35358523, .9954997295}, 10)
	even, err := metrics.Hajek([]float64{1, 0, 0, 0, .5}, []float64{.2, .2, .2, .2, .2}, .05)
	must(t, even, err)
	wilson, err := metrics.Wilson(1.5, 5, .05)
	must(t, wilson, err)
	equalTo(t, "even sample", []float64{even.Rate, even.N, even.Band.Lower, even.Band.Upper}, []float64{.3, 5, wilson.Lower, wilson.Upper}, 12)
	for _, c := range []struct {
		y, pi []float64
		says  string
	}{
		{nil, nil, "at least one"}, {[]float64{1}, []float64{.1, .2}, "1 outcomes with 2 probabilities"},
		{[]float64{2}, []float64{.1}, "outcome 0 is 2"}, {[]float64{1}, []float64{0}, "probability 0 is 0"},
		{[]float64{1}, []float64{math.NaN()}, "probability 0 is NaN"}, {[]float64{1}, []float64{5e-324}, "too small"},
	} {
		_, err := metrics.Hajek(c.y, c.pi, .05)
		fails(t, "hajek", err, "weighted rate", c.says)
	}
}

// Hard media are sampled five times as often as the rest. All media fail at the null, so no alarm is right; those sampled
// fail at nearly twice the null.
func TestTemperedBetsKeepTheBound(t *testing.T) {
	const q0, threshold, folds, streams = .1, 1000, 3600, 40
	const hardShare, hardRate, easyRate = .2, .3, .05 // .2 * .3 + .8 * .05 = .1
	const hardPi, easyPi = .5, .1
	e, err := metrics.NewESR(q0, metrics.Alternatives(q0), threshold)
	must(t, e, err)
	rng := rand.New(rand.NewPCG(5, 6))
	alarms := map[bool]float64{}
	var y, pi []float64
	for range streams {
		states := map[bool]*metrics.ESRState{false: {}, true: {}}
		for range folds { // one sampled media each: hard with probability .2*.5 / (.2*.5 + .8*.1)
			rate, p := easyRate, easyPi
			if rng.Float64() < hardShare*hardPi/(hardShare*hardPi+(1-hardShare)*easyPi) {
				rate, p = hardRate, hardPi
			}
			k := binomial(rng, 1, rate)
			y, pi = append(y, k), append(pi, p)
			for tempered, s := range states {
				stratum := metrics.Stratum{Weight: 1, Trials: metrics.Trials{N: 1, K: k}}
				if tempered {
					stratum.Weight = easyPi / p
				}
				_, err := e.FoldTempered(s, []metrics.Stratum{stratum})
				must(t, s, err)
			}
		}
		for tempered, s := range states {
			alarms[tempered] += float64(s.Alarms) / streams
		}
	}
	all, err := metrics.Hajek(y, pi, .05)
	must(t, all, err)
	t.Logf("rate %.4f by Hájek; %.1f alarms with tempered bets, %.1f without, bound %.1f", all.Rate, alarms[true], alarms[false], float64(folds)/threshold)
	if math.Abs(all.Rate-q0) > .004 {
		t.Errorf("rate of all media %v, want %v", all.Rate, q0)
	}
	if alarms[true] > float64(folds)/threshold || alarms[true] == 0 || alarms[false] < 5*float64(folds)/threshold {
		t.Errorf("%v alarms with tempered bets, %v without, bound %v", alarms[true], alarms[false], float64(folds)/threshold)
	}
}

// With weights of 1, however the fold is split into strata, it is the plain fold; and the factor of one trial is the
// formula.
func TestFoldTemperedFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q0 := rapid.Float64Range(.01, .9).Draw(t, "q0")
		e, err := metrics.NewESR(q0, metrics.Alternatives(q0), never)
		must(t, e, err)
		var plain, tempered metrics.ESRState
		for _, f := range genFolds(t) {
			v, err := e.Fold(&plain, f)
			must(t, v, err)
			half := metrics.Stratum{Weight: 1, Trials: metrics.Trials{N: f.N / 2, K: f.K / 2}}
			w, err := e.FoldTempered(&tempered, []metrics.Stratum{half, half})
			if must(t, w, err); math.Abs(w.LogM-v.LogM) > 1e-9*max(1, math.Abs(v.LogM)) {
				t.Fatalf("split into strata of weight 1: %+v, want %+v", w, v)
			}
		}
		weight, y := rapid.Float64Range(.01, 1).Draw(t, "weight"), float64(rapid.IntRange(0, 1).Draw(t, "y"))
		v, err := e.FoldTempered(&metrics.ESRState{}, []metrics.Stratum{{Weight: weight, Trials: metrics.Trials{N: 1, K: y}}})
		must(t, v, err)
		want, qs := 0., metrics.Alternatives(q0)
		for _, q := range qs {
			want += (1 + (q-q0)/(q0*(1-q0))*weight*(y-q0)) / float64(len(qs))
		}
		if math.Abs(math.Exp(v.LogM)-want) > 1e-9*want {
			t.Fatalf("one trial y=%v of weight %v: M = %v, want %v", y, weight, math.Exp(v.LogM), want)
		}
	})
}

func TestFoldTemperedRefuses(t *testing.T) {
	e, err := metrics.NewESR(.1, metrics.Alternatives(.1), 100)
	must(t, e, err)
	var s metrics.ESRState
	for _, w := range []float64{0, -1, 1.1, math.NaN()} {
		_, err := e.FoldTempered(&s, []metrics.Stratum{{Weight: w, Trials: metrics.Trials{N: 1}}})
		fails(t, "weight", err, "stratum 0", "not in (0,1]")
	}
	_, err = e.FoldTempered(&s, []metrics.Stratum{{Weight: 1}, {Weight: 1, Trials: metrics.Trials{N: 1, K: 3}}})
	fails(t, "trials", err, "stratum 1", "3 failures of 1")
	_, err = e.FoldTempered(&metrics.ESRState{Q0: .3, Evidence: make([]float64, 5), Updates: 1}, nil)
	fails(t, "state", err, "zero state")
	if !reflect.DeepEqual(s, metrics.ESRState{}) {
		t.Errorf("a refused update changed the state to %+v", s)
	}
}
