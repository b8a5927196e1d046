package pipeline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"shaketable/metrics"
)

// month is 30 days of folds, one a minute.
const month = 30 * 24 * 60

// stream is a stable detector: counters of the production suite that grow by a few probes per fold, every variant failing
// at rates of its own, and the judged series over them.
type stream struct {
	series []*judged
	states []SeriesState
	total  *tally
	rng    *rand.Rand
	flip   []float64 // by variant: the decision turns
	move   []float64 // by variant and tolerance: the change lies beyond it
	rates  []float64 // by variant: the share of probes that run it; nil for all
}

// newStream judges the series of these tiers. At the edge of the null, what is allowed is exactly the true rate: the worst
// of all stable streams. Else it is what a burn-in of that many probes made of it. The generation says how many variants a
// probe runs.
func newStream(t testing.TB, seed uint64, burnIn int, g Generation, tiers ...Tier) *stream {
	t.Helper()
	m := machine2(t)
	s := &stream{total: newTally(g, .05), rng: rand.New(rand.NewPCG(seed, 1)), rates: g.Rates}
	for i := range g.Variants {
		s.flip = append(s.flip, []float64{.02, .05, .01, .08, .03, .12, .02, .05}[i])
		for j := range g.Edges {
			s.move = append(s.move, []float64{.7, .5, .2, .1, .05}[j]*(.6+.1*float64(i)))
		}
	}
	all := g
	all.Rates = nil
	truth := newTally(all, .05) // a million probes that run everything and behave exactly as they should
	s.fill(truth, 1_000_000)
	for range int(float64(burnIn) / g.least([][]int{{1, 2, 3, 4, 5, 6, 7, 8}})) {
		s.probe()
	}
	burned := s.baseline(g)
	list, _ := SeriesOf(g, nil)
	for _, one := range list {
		if !slices.Contains(tiers, one.Tier) || one.Metric == MetricRALabel || one.Metric == MetricSkew {
			continue
		}
		j := &judged{Series: one}
		k := truth.trials(one)
		was, q0 := k.K/k.N, k.K/k.N
		if burnIn > 0 {
			k, _ = referenceOf(&burned, g, one)
			was = k.K / k.N
			var err error
			if q0, err = metrics.Null(k.K, k.N, metrics.DefaultEpsilon); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.against(j, &metrics.Baseline{}, was, q0); err != nil {
			t.Fatal(err)
		}
		if j.detector != nil {
			s.series = append(s.series, j)
		}
	}
	s.states = make([]SeriesState, len(s.series))
	for i, j := range s.series {
		s.states[i].Gain = metrics.Gain{Folded: s.total.trials(j.Series)}
	}
	return s
}

func machine2(t testing.TB) *Machine {
	m, err := NewMachine(DefaultAlertConfig(), DefaultWindowConfig(), Route{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (s *stream) fill(t *tally, n int64) {
	for i := range s.flip {
		v := &t.variants[i+1]
		v.toFake = int64(math.Round(float64(n) * s.flip[i]))
		v.kept = n - v.toFake
		for j := range v.within {
			v.within[j] = n - int64(math.Round(float64(n)*s.move[i*len(v.within)+j]))
		}
	}
}

// baseline is what has been counted of each variant.
func (s *stream) baseline(g Generation) metrics.Baseline {
	b := metrics.Baseline{Series: map[string]metrics.Reference{}}
	for _, one := range variantSeries(g) {
		k := s.total.trials(one)
		b.Series[one.Name()] = metrics.Reference{N: k.N, K: k.K}
	}
	return b
}

// simulated is the production suite, all of it in every probe.
func simulated() Generation {
	return Generation{ID: "g", Detector: "d", Variants: productionVariants(), Edges: DefaultWindowConfig().Edges(), Threshold: .5}
}

// thinned runs the first variant always and one in five of the others.
func thinned() Generation {
	g := simulated()
	g.Rates = []float64{1, .2, .2, .2, .2, .2, .2, .2}
	return g
}

// probe adds one probe. The changes of a variant at its tolerances are nested, as real ones are.
func (s *stream) probe() {
	for i := range s.flip {
		if s.rates != nil && s.rng.Float64() >= s.rates[i] {
			continue
		}
		v := &s.total.variants[i+1]
		if s.rng.Float64() < s.flip[i] {
			v.toFake++
		} else {
			v.kept++
		}
		u := s.rng.Float64()
		for j := range v.within {
			if u >= s.move[i*len(v.within)+j] {
				v.within[j]++
			}
		}
	}
}

// fold adds a fold's probes, 0 to 10, and returns how many series alarmed.
func (s *stream) fold(t testing.TB) (alarms int) {
	for range s.rng.IntN(11) {
		s.probe()
	}
	for i, j := range s.series {
		_, v, err := j.fold(&s.states[i], s.total.trials(j.Series), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if v.Alarm {
			alarms++
		}
	}
	return alarms
}

// falseAlarms runs a month for each seed and returns the alarms of all.
func falseAlarms(t *testing.T, seeds, burnIn int, g Generation, tiers ...Tier) (alarms, series int) {
	t.Helper()
	var mu sync.Mutex
	var group sync.WaitGroup
	next := make(chan uint64)
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for seed := range next {
				s := newStream(t, seed, burnIn, g, tiers...)
				n := 0
				for range month {
					n += s.fold(t)
				}
				mu.Lock()
				alarms, series = alarms+n, len(s.series)
				mu.Unlock()
			}
		})
	}
	for seed := range seeds {
		next <- uint64(seed)
	}
	close(next)
	group.Wait()
	return alarms, series
}

// TestFalseAlarmsStayWithinTheAllowance simulates months of stable traffic, minute by minute, through the drift code. The
// allowance is an expectation: over so many months the mean may pass it by three standard errors of a Poisson count.
func TestFalseAlarmsStayWithinTheAllowance(t *testing.T) {
	t.Parallel()
	cfg := DefaultAlertConfig()
	for _, c := range []struct {
		name          string
		seeds, burnIn int
		g             Generation
		tier          Tier
	}{
		{"pages, held against a burn-in", 100, int(cfg.BurnIn.MinProbes), simulated(), Paging},
		{"pages, every rate at the edge of what is allowed", 10, 0, simulated(), Paging},
		{"tickets, every rate at the edge", 10, 0, simulated(), Ticketing},
		{"log, every rate at the edge", 1, 0, simulated(), LogOnly},
		{"pages, one in five variants a probe, held against a burn-in", 5, int(cfg.BurnIn.MinProbes), thinned(), Paging},
		{"pages, one in five variants a probe, every rate at the edge", 5, 0, thinned(), Paging},
		{"tickets, one in five variants a probe, every rate at the edge", 3, 0, thinned(), Ticketing},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() {
				c.seeds = max(c.seeds/20, 1)
			}
			alarms, series := falseAlarms(t, c.seeds, c.burnIn, c.g, c.tier)
			allowed := cfg.FalseAlarms.Of(c.tier) * float64(c.seeds)
			t.Logf("%d series, %d months of %d folds: %d alarms, %.3f a month; allowed %g a month", series, c.seeds, month, alarms,
				float64(alarms)/float64(c.seeds), cfg.FalseAlarms.Of(c.tier))
			if float64(alarms) > allowed+3*math.Sqrt(allowed) {
				t.Errorf("%d false alarms in %d months, %.0f allowed", alarms, c.seeds, allowed)
			}
			if series == 0 || series > cfg.SeriesCap.Of(c.tier) {
				t.Errorf("%d series judged, cap %d", series, cfg.SeriesCap.Of(c.tier))
			}
		})
	}
}

// TestUnequalSharesWouldAlarm shows what the weights are for: let the variant that always runs fail more often than the rest
// of its family, exactly as it did before. Pooled by what was counted, a stable stream would alarm at once.
func TestUnequalSharesWouldAlarm(t *testing.T) {
	for _, c := range []struct {
		name   string
		judged Generation
		alarms bool
	}{{"weighted by design", thinned(), false}, {"pooled as counted", simulated(), true}} {
		s := newStream(t, 5, 0, thinned(), Paging)
		s.flip[0], s.flip[1] = .12, .02 // jpeg q=75 and q=40: .07 together
		s.total = newTally(c.judged, .05)
		j := &judged{Series: Series{Metric: MetricRASelf, Scope: ScopeFamily, Family: "jpeg", Tier: Paging, pools: [][]int{{1, 2}}}}
		if err := machine2(t).against(j, &metrics.Baseline{}, .07, .07); err != nil {
			t.Fatal(err)
		}
		s.series, s.states = []*judged{j}, make([]SeriesState, 1)
		alarms := 0
		for range month {
			alarms += s.fold(t)
		}
		if (alarms > 0) != c.alarms {
			t.Errorf("%s: %d alarms in a month", c.name, alarms)
		}
	}
}

func TestFoldAllocatesNothing(t *testing.T) {
	j := &judged{Series: Series{Tier: Paging}}
	if err := machine2(t).against(j, &metrics.Baseline{}, .1, .12); err != nil {
		t.Fatal(err)
	}
	var st SeriesState
	var total metrics.Trials
	fold := func() {
		total.N, total.K = total.N+5, total.K+.5
		if _, _, err := j.fold(&st, total, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	fold() // the first makes the state
	if n := testing.AllocsPerRun(100, fold); n != 0 {
		t.Errorf("%v allocations in a fold", n)
	}
}

// TestDropIsNoticedInTime holds the median number of probes to the alarm against the table of the design (computed apart
// at A = 7e5), after a day of stable folds; the baseline's rate is .02 below what it allows.
func TestDropIsNoticedInTime(t *testing.T) {
	m := machine2(t)
	for _, c := range []struct{ q0, to, probes float64 }{{.12, .30, 123}, {.12, .50, 36}, {.05, .25, 63}, {.05, .15, 186}} {
		t.Run(fmt.Sprintf("%g to %g", c.q0, c.to), func(t *testing.T) {
			j := &judged{Series: Series{Tier: Paging}}
			if err := m.against(j, &metrics.Baseline{}, c.q0-.02, c.q0); err != nil {
				t.Fatal(err)
			}
			var delays []float64
			for seed := range uint64(101) {
				rng := rand.New(rand.NewPCG(seed, 3))
				var st SeriesState
				var total metrics.Trials
				step := func(rate float64) bool {
					for range rng.IntN(11) {
						total.N++
						if rng.Float64() < rate {
							total.K++
						}
					}
					_, v, err := j.fold(&st, total, time.Time{})
					if err != nil {
						t.Fatal(err)
					}
					return v.Alarm
				}
				for range 1440 {
					step(c.q0 - .02)
				}
				before := total.N
				for !step(c.to) {
				}
				delays = append(delays, total.N-before)
			}
			slices.Sort(delays)
			median := delays[len(delays)/2]
			t.Logf("from %g to %g: %g probes (median of %d), the design states %g", c.q0, c.to, median, len(delays), c.probes)
			if median > 2*c.probes || median < c.probes/2 {
				t.Errorf("median %g probes, the design states %g", median, c.probes)
			}
		})
	}
}
