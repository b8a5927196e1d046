package pipeline

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"shaketable/metrics"
)

// sliced is a stable detector whose detections are in slices of unequal size, each with rates of its own that do not
// change; only the share of traffic of each swings over the day, as it does.
type sliced struct {
	parts  []*stream
	judged []*judged
	states []SeriesState
	rng    *rand.Rand
	folds  int
}

// newSliced holds every slice against its own burn-in of so many probes; 0: against its true rate, the worst case.
func newSliced(t testing.TB, seed uint64, slices, burnIn int, g Generation) *sliced {
	t.Helper()
	s := &sliced{rng: rand.New(rand.NewPCG(seed, 21))}
	m := machine2(t)
	for i := range slices {
		p := newStream(t, seed*100+uint64(i), burnIn, g, Paging)
		for v := range p.flip { // each slice is another world
			p.flip[v] *= .5 + float64(i%4)/2
		}
		if burnIn == 0 {
			p.total = newTally(g, .05)
		}
		s.parts = append(s.parts, p)
		for _, one := range sliceSeries(g, []string{SliceName("source", string(rune('a'+i)))}) {
			one.Slice = "" // the stream is the slice
			truth := newTally(g, .05)
			p.fill(truth, 1_000_000)
			k := truth.trials(one)
			q0 := k.K / k.N
			if burnIn > 0 {
				p.total = newTally(g, .05)
				for range burnIn {
					p.probe()
				}
				k = p.total.trials(one)
				var err error
				if q0, err = metrics.Null(k.K, k.N, metrics.DefaultEpsilon); err != nil {
					t.Fatal(err)
				}
			}
			j := &judged{Series: one}
			if err := m.against(j, &metrics.Baseline{}, k.K/k.N, q0); err != nil {
				t.Fatal(err)
			}
			s.judged = append(s.judged, j)
			s.states = append(s.states, SeriesState{Gain: metrics.Gain{Folded: p.total.trials(one)}})
		}
	}
	return s
}

// fold adds a fold's probes, 0 to 10, most of them to a few slices, and returns how many series alarmed.
func (s *sliced) fold(t testing.TB) (alarms int) {
	day := 1 + math.Sin(2*math.Pi*float64(s.folds)/1440)
	s.folds++
	for range s.rng.IntN(11) {
		at := int(s.rng.ExpFloat64() * day * float64(len(s.parts)) / 4)
		s.parts[min(at, len(s.parts)-1)].probe()
	}
	per := len(s.judged) / len(s.parts)
	for i, j := range s.judged {
		_, v, err := j.fold(&s.states[i], s.parts[i/per].total.trials(j.Series), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if v.Alarm {
			alarms++
		}
	}
	return alarms
}

// TestSlicesRaiseNoMoreFalseAlarmsThanAllowed simulates months of stable traffic with all places for slices taken. Their
// series share the allowance of the tickets.
func TestSlicesRaiseNoMoreFalseAlarmsThanAllowed(t *testing.T) {
	t.Parallel()
	cfg := DefaultAlertConfig()
	for _, c := range []struct {
		name           string
		months, burnIn int
		g              Generation
	}{{"held against a burn-in", 4, int(cfg.BurnIn.MinProbes), simulated()}, {"every rate at the edge of what is allowed", 2, 0, simulated()},
		{"one in five variants a probe, at the edge", 1, 0, thinned()}} {
		months := c.months
		if testing.Short() {
			months = 1
		}
		alarms, series := 0, 0
		for seed := range months {
			s := newSliced(t, uint64(seed), 11, c.burnIn, c.g)
			for range month {
				alarms += s.fold(t)
			}
			series = len(s.judged)
		}
		allowed := cfg.FalseAlarms.Of(Ticketing) * float64(months)
		t.Logf("%s: %d series, %d months: %d alarms, %.2f a month; allowed %g", c.name, series, months, alarms, float64(alarms)/float64(months),
			cfg.FalseAlarms.Of(Ticketing))
		if float64(alarms) > allowed+3*math.Sqrt(allowed) || series != 22 {
			t.Errorf("%s: %d false alarms of %d series in %d months, %.0f allowed", c.name, alarms, series, months, allowed)
		}
	}
}
