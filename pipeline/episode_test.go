package pipeline

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"shaketable/metrics"
)

// underway is a fold under way over what the world holds now.
// A version that was worse from its first picture on, but is noticed only when the fine buckets no longer reach back to
// that, is not said to have been looked at since then.
// Traffic that comes back to the version where the trouble began has not gone "from 1.0 to 1.0".
func TestEpisodeThatComesBackToItsVersion(t *testing.T) {
	t.Parallel()
	c := scenarioConfig()
	c.Predecessor.MinProbes = 1000
	s := play(t, c)
	b := s.w.release("1.1") // registered first, rolled out last
	s.w.now = s.w.now.Add(time.Second)
	a := s.toWatching()
	if fired := of(Paging, s.minutes(30, a, 60, fragile())); states(fired) != "firing" {
		t.Fatal(states(fired))
	}
	s.minutes(12, b, 60, fragile())
	if e := s.now().Alerts[Paging].Episode; e == nil || e.Moved != "1.1" || e.Back {
		t.Fatalf("moved on: %+v", e)
	}
	s.minutes(12, a, 60, fragile())
	if e := s.now().Alerts[Paging].Episode; e == nil || e.Moved != "" || e.Back {
		t.Fatalf("back where it began: %+v", e)
	}
}

// Labels that stop while the deployed scores differ are still a matter of the labels.
// Who was told that there is no data is told of its end, also when the figures were not to be trusted in between.
func TestNoDataIsEndedThroughAnAlertOnSkew(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toWatching()
	other := healthy()
	other.skewed = .5
	s.minutes(30, a, 60, other)
	monitor := func(ts []Transition) (list []Transition) {
		for _, x := range ts {
			if x.Rule == monitorRule {
				list = append(list, x)
			}
		}
		return list
	}
	for range 15 { // only the wall clock goes on
		s.w.now = s.w.now.Add(time.Minute)
		s.fold()
	}
	told := monitor(s.seen)
	if states(told) != "no_data" {
		t.Fatalf("%q", states(told))
	}
	s.minutes(20, a, 60, other)
	s.minutes(90, a, 60, healthy())
	told = monitor(s.seen)
	if states(told) != "no_data resolved" || told[0].Episode != told[1].Episode {
		t.Errorf("%q %+v", states(told), told)
	}
}

// Burn-ins that wait for an approval do not push each other out, to be made again at every fold.
func TestBurnInsThatWaitAreNotMadeAgain(t *testing.T) {
	t.Parallel()
	g := &GenerationState{}
	for i := range 2 * keptProposed {
		g.propose(metrics.Baseline{ID: fmt.Sprint("b", i), Kind: metrics.BurnIn})
		g.propose(metrics.Baseline{ID: fmt.Sprint("a", i), Kind: metrics.Accepted})
	}
	var burned, frozen int
	for _, b := range g.Proposed {
		switch b.Kind {
		case metrics.BurnIn:
			burned++
		default:
			frozen++
		}
	}
	if burned != 2*keptProposed || frozen != 1 || g.Proposed[len(g.Proposed)-1].ID != "a15" {
		t.Errorf("%d burned in, %d frozen, last %s", burned, frozen, g.Proposed[len(g.Proposed)-1].ID)
	}
	few := &GenerationState{}
	for i := range 2 * keptProposed {
		few.propose(metrics.Baseline{ID: fmt.Sprint("a", i), Kind: metrics.Accepted})
	}
	if len(few.Proposed) != keptProposed || few.Proposed[0].ID != fmt.Sprint("a", keptProposed) {
		t.Errorf("%d kept, from %s", len(few.Proposed), few.Proposed[0].ID)
	}
}

// A bad source that is switched off ends its ticket after a while: no evidence will ever come, and the tier would be deaf.
func TestTicketOfASourceThatIsGoneEnds(t *testing.T) {
	t.Parallel()
	c := scenarioConfig()
	c.Windows = []time.Duration{15 * time.Minute, 2 * time.Hour}
	s := play(t, c)
	a := s.toSources()
	list := threeSources()
	list[1].h = dark()
	if fired := of(Ticketing, s.together(60, a, list...)); states(fired) != "firing" || s.tier(Ticketing).State != StateFiring {
		t.Fatal(states(fired))
	}
	rest := []sent{list[0], list[2]}
	ts := of(Ticketing, s.together(100, a, rest...))
	if len(ts) != 0 {
		t.Fatalf("ended too early: %q", states(ts))
	}
	ts = of(Ticketing, s.together(80, a, rest...))
	if states(ts) != "resolved" || !strings.Contains(ts[0].Summary, "closed without a verdict: nothing came from source partner in the last 2h") {
		t.Errorf("%q %+v", states(ts), ts)
	}
}

// Another threshold makes another generation of one version. Neither a model nor a roll-out is made up from that.
func TestChangeOfSettingsIsNoOtherVersion(t *testing.T) {
	t.Parallel()
	c := scenarioConfig()
	c.Predecessor.MinProbes = 1000
	s := play(t, c)
	a := s.toWatching()
	again := a
	again.ID, again.Threshold = "gen-1.0-again", .6
	s.w.register(again)
	fired := s.named(Paging, s.minutes(30, again, 60, fragile()), CauseModel,
		"version 1.0 is probed with other settings (threshold .6, it was .5) since", "the change of settings is the first suspect",
		"First: take the change of settings of version 1.0 back")
	if strings.Contains(fired.Text, "roll-out") || strings.Contains(fired.Text, "took over") {
		t.Error(fired.Text)
	}
	ended := of(Paging, s.minutes(90, a, 60, healthy()))
	if states(ended) != "resolved" || !strings.Contains(ended[0].Summary, "recovered: version 1.0 is probed with other settings;") {
		t.Errorf("%q %+v", states(ended), ended)
	}
}

// What a version gained while another one was active is not held against it when it comes back.
func TestFiguresFromTheMeantimeAreNotJudged(t *testing.T) {
	t.Parallel()
	c := scenarioConfig()
	c.Predecessor.MinProbes = 1000
	s := play(t, c)
	a := s.toWatching()
	b := s.w.release("1.1")
	for range 60 {
		s.w.pass(time.Minute, b, 70, healthy())
		s.w.pass(0, a, 10, fragile())
		s.fold()
	}
	if s.last.Generation.ID != b.ID {
		t.Fatalf("active %+v", s.last.Generation)
	}
	s.minutes(60, a, 70, healthy())
	if s.last.Generation.ID != a.ID || states(of(Paging, s.seen))+states(of(Ticketing, s.seen)) != "" {
		t.Errorf("active %s, %q %q", s.last.Generation.Version, states(of(Paging, s.seen)), states(of(Ticketing, s.seen)))
	}
}

// A version that takes over in the very fold in which it is first met is left the slices of the one before, not its own.
func TestSlicesAreHandedOnAtOnce(t *testing.T) {
	t.Parallel()
	c := scenarioConfig()
	c.Predecessor.MinProbes = 1000
	s := play(t, c)
	a := s.toSources()
	b := s.w.release("1.1")
	s.together(1, a, threeSources()...)
	h := healthy()
	h.slices = []string{"source=app"}
	s.w.pass(10*time.Minute, b, 100, h)
	s.fold()
	if s.last.Generation.ID != b.ID || len(s.last.Slices) != 1 || !s.last.Slices[0].Judged {
		t.Errorf("active %s, slices %+v", s.last.Generation.Version, s.last.Slices)
	}
	handed := s.now().Generations[b.ID].Handed
	if ref, ok := handed.Series["rr(0.05)@source=app"]; !ok || ref.N < 1000 {
		t.Errorf("handed on: %+v", handed.Series)
	}
}

// A freeze counts what came late into a bucket that is over and already read.
func TestFreezeReadsWhatCameLate(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toWatching()
	late := Cell{Generation: a.ID, Kind: Fine, Start: floorTo(s.w.now.Add(-20*time.Minute), time.Minute)}
	s.w.mu.Lock()
	s.w.cells[late][FieldProbes] += 5000
	s.w.mu.Unlock()
	answer, _ := s.minute(a, 60, healthy(), Order{Kind: OrderFreeze, Span: 30 * time.Minute})
	if want := fmt.Sprintf("%d probes since", 31*60+5000); !answer.Done || !strings.Contains(answer.Text, want) {
		t.Errorf("%+v, want %s", answer, want)
	}
}

// While the figures are not to be trusted nothing becomes what later ones are held against.
func TestNothingIsBurnedInWithoutTrust(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.w.release("1.0")
	h := labelled(.6, 10*time.Minute)
	h.skewed = .5
	s.minutes(120, a, 60, h)
	st := s.now()
	if g := st.Generations[a.ID]; len(g.Baselines)+len(g.Proposed) != 0 || st.Labels.Baseline != nil || st.Labels.Counted.N < 1000 || st.Trust.State != StateUntrusted {
		t.Errorf("trust %q, baselines %+v, labels %+v", st.Trust.State, g.Baselines, st.Labels)
	}
	h.skewed = 0
	s.minutes(120, a, 60, h)
	st = s.now()
	if len(st.Generations[a.ID].Baselines) == 0 || st.Labels.Baseline == nil {
		t.Errorf("trust %q, labels %+v: nothing is burned in afterwards", st.Trust.State, st.Labels)
	}
}

// After a change of configuration the evidence against the old allowance is dropped, and folds go on.
func TestAnotherEpsilonBeginsTheEvidenceAnew(t *testing.T) {
	t.Parallel()
	c := scenarioConfig()
	s := play(t, c)
	a := s.toWatching()
	s.minutes(20, a, 60, healthy())
	c.Epsilon = .05
	s.m = machine(t, c)
	s.minutes(1, a, 60, healthy())
	if e := s.now().Generations[a.ID].Series["rr(0.05)/jpeg"].ESR; e.Trials.N != 60 || e.Updates != 1 {
		t.Errorf("evidence %+v, want that of one fold", e)
	}
}
