package metrics_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"shaketable/metrics"
)

const (
	severities    = 5
	partitions    = 3
	probesPerFold = 5
)

// totals are the running counters of a family in one partition: probes, and failures by severity.
type totals struct {
	n float64
	k [severities]float64
}

func (t totals) plus(u totals) totals {
	t.n += u.n
	for i := range t.k {
		t.k[i] += u.k[i]
	}
	return t
}

// gains draws what one partition counts in each fold, with every failure rate at the null.
type gains func(rng *rand.Rand, q0 float64, folds int) []totals

// family counts probes at once. Severities fail each for itself, or all with the same media.
func family(together bool) gains {
	return func(rng *rand.Rand, q0 float64, folds int) []totals {
		size := distuv.Poisson{Lambda: probesPerFold / float64(partitions), Src: rng}
		out := make([]totals, folds)
		for f := range out {
			for range int(size.Rand()) {
				out[f].n++
				y := binomial(rng, 1, q0)
				for i := range out[f].k {
					if !together {
						y = binomial(rng, 1, q0)
					}
					out[f].k[i] += y
				}
			}
		}
		return out
	}
}

// labelledLate counts a probe when its label comes, up to 1000 folds later, and one label in a hundred is corrected later still:
// what had passed has failed after all, and as much the other way round, so that the rate stays at the null.
func labelledLate(rng *rand.Rand, q0 float64, folds int) []totals {
	size := distuv.Poisson{Lambda: probesPerFold / float64(partitions), Src: rng}
	out := make([]totals, folds)
	later := func(fold, most int, n, k float64) int {
		at := fold + rng.IntN(most)
		if at >= folds {
			return folds
		}
		change := totals{n: n}
		for i := range change.k {
			change.k[i] = k
		}
		out[at] = out[at].plus(change)
		return at
	}
	for f := range out {
		for range int(size.Rand()) {
			failed := binomial(rng, 1, q0)
			at := later(f, 1000, 1, failed)
			wrong := .01
			if failed == 0 {
				wrong *= q0 / (1 - q0)
			}
			if rng.Float64() < wrong && at+1 < folds {
				later(at+1, 1000, 0, 1-2*failed)
			}
		}
	}
	return out
}

// counters replays the gains of a partition as a store shows them: about once in 300 folds it falls back by up to 50
// folds, and what was lost is read again from the log, at up to four times the speed.
type counters struct {
	log  []totals // running totals by fold
	at   int      // folds of the log that the store holds
	rng  *rand.Rand
	fell int
}

func newCounters(rng *rand.Rand, gained []totals) *counters {
	c := &counters{rng: rng, log: make([]totals, len(gained)+1)}
	for f, g := range gained {
		c.log[f+1] = c.log[f].plus(g)
	}
	return c
}

// show returns the totals after fold now.
func (c *counters) show(now int) totals {
	c.at = min(c.at+4, now+1)
	if c.rng.IntN(300) == 0 {
		c.at = max(c.at-c.rng.IntN(50), 0)
		c.fell++
	}
	return c.log[c.at]
}

// In control, with everything that happens to counters in production: several severities a probe, partitions that fall back
// and are replayed one by one, labels that come late and are corrected. Each figure has three standard errors added
// before it is held against the guarantee of folds/A.
func TestFalseAlarmsWhateverHappensToTheCounters(t *testing.T) {
	t.Parallel()
	const streams, folds, threshold = 36, 8000, 400
	for _, c := range []struct {
		name string
		of   gains
	}{{"severities apart", family(false)}, {"severities together", family(true)}, {"labels late and corrected", labelledLate}} {
		for _, q0 := range []float64{.02, .05, .12, .3} {
			rng := rand.New(rand.NewPCG(45, uint64(q0*100)))
			var sum, squares float64
			fell := 0
			for range streams {
				alarms, falls := faulty(t, rng, c.of, q0, threshold, folds)
				sum, squares, fell = sum+alarms, squares+alarms*alarms, fell+falls
			}
			mean := sum / streams
			deviation := math.Sqrt(max(squares/streams-mean*mean, mean) / streams)
			t.Logf("%s, q0 %v: %.1f ± %.1f alarms in %d folds with %d roll-backs, guarantee %d", c.name, q0, mean, deviation, folds, fell/streams, folds/threshold)
			if mean+3*deviation > folds/threshold {
				t.Errorf("%s, q0 %v: %v ± %v alarms, guarantee %d", c.name, q0, mean, deviation, folds/threshold)
			}
			if fell < streams || mean == 0 && c.name != "severities apart" {
				t.Errorf("%s, q0 %v: %v alarms and %d roll-backs: nothing was tested", c.name, q0, mean, fell)
			}
		}
	}
}

// faulty folds one stream and returns its alarms and roll-backs. What was given out must add up to the log in the end.
func faulty(t *testing.T, rng *rand.Rand, of gains, q0, threshold float64, folds int) (alarms float64, fell int) {
	e, err := metrics.NewESR(q0, metrics.Alternatives(q0), threshold)
	must(t, e, err)
	var parts [partitions]*counters
	for p := range parts {
		parts[p] = newCounters(rng, of(rng, q0, folds))
	}
	var gain metrics.Gain
	var state metrics.ESRState
	total := func(show func(*counters) totals) metrics.Trials {
		sum := totals{}
		for _, p := range parts {
			sum = sum.plus(show(p))
		}
		variants := make([]metrics.Trials, severities)
		for i := range variants {
			variants[i] = metrics.Trials{N: sum.n, K: sum.k[i]}
		}
		pooled, err := metrics.Pool(variants)
		return must(t, pooled, err)
	}
	take := func(all metrics.Trials) metrics.Trials {
		gained, next, err := gain.Take(all)
		must(t, gained, err)
		gain = next
		return gained
	}
	for f := range folds {
		_, err := e.Fold(&state, take(total(func(c *counters) totals { return c.show(f) })))
		must(t, 0, err)
	}
	end := total(func(c *counters) totals { return c.log[folds] })
	take(end)
	if d := gain.Folded.N - end.N; d != 0 || math.Abs(gain.Folded.K-end.K) > 3 {
		t.Fatalf("folded %+v, the log holds %+v", gain.Folded, end)
	}
	for _, p := range parts {
		fell += p.fell
	}
	return float64(state.Alarms), fell
}
