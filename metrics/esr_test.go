package metrics_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"

	"shaketable/metrics"
)

// fold feeds trials to a detector and returns M after each; never is a threshold that is not reached.
const never = 1e300

func fold(t interface{ Fatal(...any) }, q0 float64, alternatives []float64, folds []metrics.Trials) (ms []float64, last metrics.ESRState) {
	e, err := metrics.NewESR(q0, alternatives, never)
	must(t, e, err)
	for _, f := range folds {
		next, v, err := e.Update(last, f)
		must(t, next, err)
		last, ms = next, append(ms, math.Exp(v.LogM))
	}
	return ms, last
}

// singles are folds of one trial each: 1 is a failure.
func singles(ys ...float64) []metrics.Trials {
	folds := make([]metrics.Trials, len(ys))
	for i, y := range ys {
		folds[i] = metrics.Trials{N: 1, K: y}
	}
	return folds
}

func equalTo(t *testing.T, what string, got, want []float64, digits int) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
	for i := range got {
		near(t, what, got[i], want[i], digits)
	}
}

// Expected values come from an independent program in the direct form, M <- (M+1) L.
func TestESRGolden(t *testing.T) {
	two := []float64{.2, .4}
	ms, last := fold(t, .1, two, singles(1))
	equalTo(t, "one failure", ms, []float64{3}, 10)
	equalTo(t, "per alternative", []float64{math.Expm1(last.Evidence[0]), math.Expm1(last.Evidence[1])}, []float64{2, 4}, 10)
	ms, _ = fold(t, .1, two, singles(1, 1, 0, 1))
	equalTo(t, "1101", ms, []float64{3, 13, 10.1111111, 37.2222222}, 7)

	five := metrics.Alternatives(.1)
	equalTo(t, "alternatives", five, []float64{.12, .15, .2, .3, .5}, 15)
	ms, _ = fold(t, .1, five, singles(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1))
	near(t, "ten passed", ms[9], 5.2512834674, 10)
	near(t, "and five failed", ms[14], 1858.2048612, 7)

	ms, last = fold(t, .1, five, []metrics.Trials{{N: 5}, {N: 5, K: 1}, {N: 4, K: 2}, {}, {N: 6}, {N: 10, K: 4}})
	equalTo(t, "buckets", ms, []float64{.5075233211, 1.6041201173, 8.8886453242, 9.8886453242, 4.1179572654, 38.3482915159}, 10)
	each := make([]float64, 5)
	for j, s := range last.Evidence {
		each[j] = math.Expm1(s)
	}
	equalTo(t, "M_j", each, []float64{11.6869245588, 24.5046412872, 51.8701139808, 77.9641029093, 25.7156748432}, 10)

	b := metrics.Trials{N: 20, K: 3}
	ms, _ = fold(t, .05, metrics.Alternatives(.05), []metrics.Trials{b, b, b, b, b})
	equalTo(t, "five buckets", ms, []float64{2.29840757, 9.39816744, 33.10070952, 116.78127001, 424.38171429}, 8)
}

func TestESRFirstAlarm(t *testing.T) {
	for threshold, want := range map[float64]int{100: 204, 1000: 214, 1e4: 224, 1e5: 232} {
		e, err := metrics.NewESR(.1, metrics.Alternatives(.1), threshold)
		must(t, e, err)
		var s metrics.ESRState
		first := -1
		for i := 0; i < 400 && first < 0; i++ {
			y := metrics.Trials{N: 1}
			if ninetyThenForty(i) {
				y.K = 1
			}
			var v metrics.Verdict
			s, v, err = e.Update(s, y)
			must(t, s, err)
			if i == 199 {
				near(t, "M after the quiet part", math.Exp(v.LogM), 70.4261437844, 10) // mpmath at 40 digits
			}
			if v.Alarm != (v.Progress == 1) || v.Alarm != (v.LogM >= math.Log(threshold)) {
				t.Errorf("trial %d: %+v at threshold %v", i, v, threshold)
			}
			if v.Alarm {
				first = i
			}
		}
		if first != want {
			t.Errorf("A = %v: first alarm at %d, want %d", threshold, first, want)
		}
		if want := (metrics.ESRState{Q0: .1, Evidence: make([]float64, 5), Alarms: 1}); !reflect.DeepEqual(s, want) {
			t.Errorf("after the alarm: %+v, want %+v", s, want)
		}
	}
}

func TestAlternativesNearTheEnd(t *testing.T) {
	for q0, want := range map[float64]int{.02: 5, .5: 5, .58: 5, .592: 4, .6: 4, .8: 3, .9: 2} {
		if got := metrics.Alternatives(q0); len(got) != want {
			t.Errorf("q0 %v: alternatives %v, want %d", q0, got, want)
		}
	}
	// The weights of those left are equal: the mean over two.
	ms, last := fold(t, .9, metrics.Alternatives(.9), singles(1, 1))
	near(t, "mean of the two", ms[1], (math.Expm1(last.Evidence[0])+math.Expm1(last.Evidence[1]))/2, 12)
}

func TestESRRefuses(t *testing.T) {
	for _, q0 := range []float64{0, .95, 1, -1, math.NaN()} {
		_, err := metrics.NewESR(q0, []float64{.99}, 100)
		fails(t, "null", err, "do not judge it")
	}
	for _, a := range []float64{1, 0, math.NaN(), math.Inf(1)} {
		_, err := metrics.NewESR(.1, metrics.Alternatives(.1), a)
		fails(t, "threshold", err, "threshold")
	}
	_, err := metrics.NewESR(.1, nil, 100)
	fails(t, "no alternatives", err, "Alternatives(q0)")
	for _, q := range []float64{.1, .05, 1, math.NaN()} {
		_, err := metrics.NewESR(.1, []float64{q}, 100)
		fails(t, "alternative", err, "not in (0.1,1)")
	}
	e, err := metrics.NewESR(.1, metrics.Alternatives(.1), 100)
	must(t, e, err)
	good, _, err := e.Update(metrics.ESRState{}, metrics.Trials{N: 5, K: 1})
	must(t, good, err)
	for _, x := range []metrics.Trials{{N: 1, K: 2}, {N: -1}, {N: 1, K: -1}, {N: math.NaN()}, {N: math.Inf(1)}} {
		after, _, err := e.Update(good, x)
		fails(t, "trials", err, "e-sr update", "trials")
		if !reflect.DeepEqual(after, good) {
			t.Errorf("a refused update changed the state to %+v", after)
		}
	}
	for _, s := range []metrics.ESRState{
		{Q0: .2, Evidence: make([]float64, 5), Updates: 1}, {Q0: .1, Evidence: make([]float64, 4), Updates: 1}, {Q0: .1, Updates: 1},
		{Q0: .1, Evidence: []float64{0, 0, -1, 0, 0}}, {Q0: .1, Evidence: []float64{0, 0, math.NaN(), 0, 0}},
	} {
		_, _, err := e.Update(s, metrics.Trials{})
		fails(t, "state", err, "zero state")
	}
}

func TestESRNeverOverflows(t *testing.T) {
	e, err := metrics.NewESR(.02, metrics.Alternatives(.02), 7e5)
	must(t, e, err)
	passed, v, err := e.Update(metrics.ESRState{}, metrics.Trials{N: 1e12})
	must(t, passed, err)
	if math.IsInf(v.LogM, 0) || math.IsNaN(v.LogM) || v.Alarm || v.Progress != 0 {
		t.Errorf("a trillion passed: %+v", v)
	}
	failed, v, err := e.Update(passed, metrics.Trials{N: 1e12, K: 1e12})
	must(t, failed, err)
	if !v.Alarm || math.IsInf(v.LogM, 0) || v.Progress != 1 || failed.Alarms != 1 {
		t.Errorf("a trillion failed: %+v", v)
	}
	slow, err := metrics.NewESR(.02, metrics.Alternatives(.02), math.MaxFloat64)
	must(t, slow, err)
	_, v, err = slow.Update(metrics.ESRState{}, metrics.Trials{N: 100, K: 100})
	if must(t, v, err); v.Alarm || !(v.Progress > .4 && v.Progress < .5) {
		t.Errorf("at the largest threshold: %+v", v)
	}
}

// E[L | past] <= 1, exactly, by summing over all outcomes of a fold: it is what the bound on false alarms rests on.
func TestESRFoldIsAnEValue(t *testing.T) {
	for _, q0 := range []float64{.02, .05, .12, .3, .6, .9} {
		for _, n := range []float64{1, 5, 50} {
			for _, c := range []struct{ rate, low, high float64 }{{q0, 1 - 1e-9, 1 + 1e-9}, {q0 / 2, 0, 1}, {min(q0+.1, .98), 1, math.Inf(1)}} {
				mean := 0.
				for k := 0.; k <= n; k++ {
					ms, _ := fold(t, q0, metrics.Alternatives(q0), []metrics.Trials{{N: n, K: k}})
					mean += distuv.Binomial{N: n, P: c.rate}.Prob(k) * ms[0]
				}
				if mean < c.low || mean > c.high {
					t.Errorf("q0 %v, n %v, rate %v: mean factor %v, want %v..%v", q0, n, c.rate, mean, c.low, c.high)
				}
			}
		}
	}
}

func genFolds(t *rapid.T) []metrics.Trials {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) metrics.Trials {
		n := rapid.IntRange(0, 30).Draw(t, "n")
		return metrics.Trials{N: float64(n), K: float64(rapid.IntRange(0, n).Draw(t, "k"))}
	}), 1, 30).Draw(t, "folds")
}

// The direct form, without logarithms, gives the same; and a replay through JSON at every step gives the same bits.
func TestESRAgreesWithDirectFormAndReplays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q0 := rapid.Float64Range(.01, .9).Draw(t, "q0")
		qs := metrics.Alternatives(q0)
		e, err := metrics.NewESR(q0, qs, 1000)
		must(t, e, err)
		direct := make([]float64, len(qs))
		var state, replayed metrics.ESRState
		for _, f := range genFolds(t) {
			next, v, err := e.Update(state, f)
			must(t, next, err)
			again, w, err := e.Update(replayed, f)
			must(t, again, err)
			data, err := json.Marshal(again)
			must(t, data, err)
			replayed = metrics.ESRState{}
			must(t, 0, json.Unmarshal(data, &replayed))
			if !reflect.DeepEqual(next, replayed) || v != w {
				t.Fatalf("replay gave %+v %+v, want %+v %+v", replayed, w, next, v)
			}
			mean := 0.
			for j, q := range qs {
				direct[j] = (direct[j] + 1) * math.Pow(q/q0, f.K) * math.Pow((1-q)/(1-q0), f.N-f.K)
				mean += direct[j] / float64(len(qs))
			}
			if math.Abs(math.Exp(v.LogM)/mean-1) > 1e-9 || v.Alarm != (mean >= 1000) {
				t.Fatalf("M = %v (%v), direct form %v", math.Exp(v.LogM), v.Alarm, mean)
			}
			if v.Alarm {
				clear(direct)
			}
			state = next
		}
	})
}

// One fold is the product over its trials in any order: the evidence of (n, k) is n times that of (1, k/n), and two
// folds into which the same trials are split differently weigh the same as long as nothing starts in between.
func TestESRFoldIsTheProductOfItsTrials(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q0 := rapid.Float64Range(.01, .9).Draw(t, "q0")
		n := rapid.Float64Range(.1, 200).Draw(t, "n")
		k := n * rapid.Float64Range(0, 1).Draw(t, "share")
		q := q0 + .05
		whole, _ := fold(t, q0, []float64{q}, []metrics.Trials{{N: n, K: k}})
		part, _ := fold(t, q0, []float64{q}, []metrics.Trials{{N: n / 4, K: k / 4}})
		if math.Abs(math.Log(whole[0])-4*math.Log(part[0])) > 1e-9*(1+math.Abs(math.Log(whole[0]))) {
			t.Fatalf("ln L of %v/%v is %v, of its quarter %v", k, n, math.Log(whole[0]), math.Log(part[0]))
		}
	})
}

// A family: equal variants weigh as one of them, and the factor of a probe never exceeds the linear bet
// 1 + w λ (y-q0), whose expectation is at most 1.
func TestPooledTrials(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q0 := rapid.Float64Range(.01, .9).Draw(t, "q0")
		q := q0 + rapid.Float64Range(.001, .09).Draw(t, "rise")
		ys := rapid.SliceOfN(rapid.IntRange(-1, 1), 1, 8).Draw(t, "outcomes") // -1: not concluded
		var variants []metrics.Trials
		var y, concluded float64
		for _, o := range ys {
			v := metrics.Trials{}
			if o >= 0 {
				v = metrics.Trials{N: 1, K: float64(o)}
				y, concluded = y+float64(o), concluded+1
			}
			variants = append(variants, v)
		}
		pooled, err := metrics.Pool(variants)
		must(t, pooled, err)
		w := concluded / float64(len(ys))
		if math.Abs(pooled.N-w) > 1e-12 || math.Abs(pooled.K-y/float64(len(ys))) > 1e-12 {
			t.Fatalf("pooled %v to %+v", variants, pooled)
		}
		ms, _ := fold(t, q0, []float64{q}, []metrics.Trials{pooled})
		bet := 1.
		if concluded > 0 {
			bet = 1 + w*(q-q0)/(q0*(1-q0))*(y/concluded-q0)
		}
		if ms[0] > bet*(1+1e-12) {
			t.Fatalf("factor %v above the bet %v", ms[0], bet)
		}
		one := metrics.Trials{N: 7, K: 3}
		if same, err := metrics.Pool([]metrics.Trials{one, one, one, one}); same != one || err != nil {
			t.Fatalf("four equal variants pool to %+v, %v", same, err)
		}
	})
	_, err := metrics.Pool(nil)
	fails(t, "pool of nothing", err, "no variants")
	_, err = metrics.Pool([]metrics.Trials{{N: 1}, {N: 1, K: 3}})
	fails(t, "pool of impossible trials", err, "variant 1")
}
