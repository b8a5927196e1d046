package pipeline

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"shaketable/metrics"
)

// scenario drives a world and the real Read and Step, one fold per call, with the state going through JSON each time.
type scenario struct {
	t     *testing.T
	w     *world
	m     *Machine
	state []byte
	last  Snapshot
	seen  []Transition
	froze []metrics.Baseline
	desk  orderDesk
	sinks []string
}

func scenarioConfig() AlertConfig {
	c := DefaultAlertConfig()
	c.Baseline = []metrics.BaselineKind{metrics.Objective, metrics.File, metrics.Predecessor, metrics.BurnIn}
	c.BurnIn = BurnInConfig{MinProbes: 1000, MinDuration: 30 * time.Minute}
	c.Notify = NotifyPage
	return c
}

func play(t *testing.T, c AlertConfig, known ...metrics.Baseline) *scenario {
	t.Helper()
	w := newWorld(1)
	return &scenario{t: t, w: w, m: machine(t, c, known...)}
}

func machine(t *testing.T, c AlertConfig, known ...metrics.Baseline) *Machine {
	t.Helper()
	m, err := NewMachine(c, DefaultWindowConfig(), Route{Owner: "team-x", Runbook: "https://runbooks/meso"}, known)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (s *scenario) fold() []Transition {
	s.t.Helper()
	st, err := ParseState("meso", s.state)
	if err != nil {
		s.t.Fatal(err)
	}
	from := s.w.readers()
	from.Orders = &s.desk
	in, err := s.m.Read(s.t.Context(), from, "meso", st, s.w.now.Add(20*time.Second))
	if err != nil {
		s.t.Fatal(err)
	}
	in.Sinks = s.sinks
	r, err := s.m.Step(st, in)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.state, err = json.Marshal(r.State); err != nil {
		s.t.Fatal(err)
	}
	s.last = r.Snapshot
	s.seen = append(s.seen, r.Transitions...)
	s.froze = append(s.froze, r.Frozen...)
	s.desk.drop(r.Done)
	return r.Transitions
}

// minutes lets time go by at one fold a minute.
func (s *scenario) minutes(count int, g Generation, perMinute int, h habits) (transitions []Transition) {
	s.t.Helper()
	for range count {
		s.w.pass(time.Minute, g, perMinute, h)
		transitions = append(transitions, s.fold()...)
	}
	return transitions
}

func (s *scenario) tier(tier Tier) TierView {
	for _, v := range s.last.Tiers {
		if v.Tier == tier {
			return v
		}
	}
	s.t.Fatalf("no tier %s", tier)
	return TierView{}
}

func of(tier Tier, ts []Transition) (list []Transition) {
	for _, t := range ts {
		if t.Tier == tier && t.Rule != monitorRule {
			list = append(list, t)
		}
	}
	return list
}

func states(ts []Transition) string {
	var words []string
	for _, t := range ts {
		words = append(words, string(t.State))
	}
	return strings.Join(words, " ")
}

func families(rate float64) map[string]float64 {
	rates := map[string]float64{}
	for _, v := range productionVariants() {
		rates[v.Family] = rate
	}
	return rates
}

func with(rates map[string]float64, family string, rate float64) map[string]float64 {
	rates[family] = rate
	return rates
}

func healthy() habits { return habits{moves: families(.10), flips: families(.02)} }

func fragile() habits {
	h := healthy()
	h.moves = with(h.moves, "jpeg", .38)
	return h
}

// toWatching brings version 1.0 through its burn-in.
func (s *scenario) toWatching() Generation {
	s.t.Helper()
	a := s.w.release("1.0")
	if ts := s.minutes(60, a, 60, healthy()); len(ts) != 0 {
		s.t.Fatalf("burn-in brought %v", states(ts))
	}
	if s.tier(Paging).State != StateOK || s.last.Baselines[0].Kind != metrics.BurnIn {
		s.t.Fatalf("after burn-in: %+v, baselines %+v", s.tier(Paging), s.last.Baselines)
	}
	return a
}

func TestRollOutFiresOnceAndWayBackResolvesOnce(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toWatching()
	b := s.w.release("1.1")
	s.minutes(5, a, 60, healthy())
	fired := of(Paging, s.minutes(60, b, 60, fragile()))
	if states(fired) != "firing" {
		t.Fatalf("roll-out of a fragile version: page transitions %q, want one firing", states(fired))
	}
	f := fired[0]
	if f.Version != "1.1" || !strings.Contains(f.Rule, "jpeg") || f.Notify != NotifyPage || f.Previous != StateOK {
		t.Errorf("fired %+v", f)
	}
	if s.last.Baselines[0].Kind != metrics.Predecessor || s.last.Generation.Previous != "1.0" {
		t.Errorf("held against %+v, previous %q", s.last.Baselines, s.last.Generation.Previous)
	}
	back := of(Paging, s.minutes(180, a, 60, healthy()))
	if states(back) != "resolved" {
		t.Fatalf("way back: page transitions %q, want one resolved", states(back))
	}
	if !strings.Contains(back[0].Summary, "went back from 1.1 to 1.0") || back[0].Episode != f.Episode || back[0].ID == f.ID {
		t.Errorf("resolved %+v", back[0])
	}
	if again := of(Paging, s.minutes(120, a, 60, healthy())); len(again) != 0 {
		t.Errorf("after the way back: %q", states(again))
	}
}

// A configuration may list the next version from the first day: what its predecessor leaves is frozen when traffic reaches
// it, not when a worker registers it.
func TestVersionListedLongBeforeItsRollOutHasAPredecessor(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	b := s.w.release("1.1")
	a := s.w.release("1.0")
	s.minutes(60, a, 60, healthy())
	fired := of(Paging, s.minutes(60, b, 60, fragile()))
	if states(fired) != "firing" {
		t.Fatalf("roll-out: page transitions %q, want one firing", states(fired))
	}
	held := s.last.Baselines[0]
	if held.Kind != metrics.Predecessor || !strings.Contains(held.Reason, "when traffic first reached version 1.1") {
		t.Errorf("held against %+v, want the rates of version 1.0", held)
	}
}

func TestTrafficDriftFiresAndResolvesOnEvidence(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toWatching()
	darker := healthy()
	darker.moves = with(darker.moves, "gain", .5)
	fired := of(Paging, s.minutes(30, a, 60, darker))
	if states(fired) != "firing" || fired[0].Rule != "RR(0.05) gain" {
		t.Fatalf("darker pictures: %q %+v", states(fired), fired)
	}
	if !strings.Contains(fired[0].Text, "the traffic is the first suspect") {
		t.Errorf("text does not name the traffic:\n%s", fired[0].Text)
	}
	if ts := s.minutes(120, a, 0, darker); states(of(Paging, ts)) != "" || s.tier(Paging).State != StateFiring {
		t.Errorf("silence changed the episode: %q, %s", states(ts), s.tier(Paging).State)
	}
	if ts := of(Paging, s.minutes(150, a, 60, healthy())); states(ts) != "resolved" {
		t.Errorf("healthy again: %q", states(ts))
	}
}

func TestBadVersionDoesNotExcuseTheNext(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toWatching()
	b := s.w.release("1.1")
	s.minutes(2, a, 60, healthy())
	s.minutes(60, b, 60, fragile())
	c := s.w.release("1.2")
	ts := of(Paging, s.minutes(120, c, 60, fragile()))
	if len(ts) != 0 || s.tier(Paging).State != StateFiring {
		t.Errorf("a version as bad as the last: %q, state %s, want the episode to go on", states(ts), s.tier(Paging).State)
	}
	for _, v := range s.last.Series {
		if v.Name == "rr(0.05)/jpeg" && v.Baseline < .85 {
			t.Errorf("version 1.2 is held against %.3f, which are the rates of the bad version", v.Baseline)
		}
	}
	d := s.w.release("1.3")
	if ts := of(Paging, s.minutes(150, d, 60, healthy())); states(ts) != "resolved" || !strings.Contains(ts[0].Summary, "1.3 replaced 1.1") {
		t.Errorf("a good version after it: %q", states(ts))
	}
}

func TestNewVersionWithoutBaselineSupersedes(t *testing.T) {
	t.Parallel()
	c := scenarioConfig()
	c.Baseline = []metrics.BaselineKind{metrics.BurnIn}
	s := play(t, c)
	a := s.toWatching()
	s.minutes(30, a, 60, fragile())
	if s.tier(Paging).State != StateFiring {
		t.Fatal("does not fire")
	}
	b := s.w.release("2.0")
	ts := of(Paging, s.minutes(20, b, 60, fragile()))
	if states(ts) != "superseded" || s.tier(Paging).State != StateLearning {
		t.Errorf("new version without a baseline: %q, state %s", states(ts), s.tier(Paging).State)
	}
}

func TestObjectiveIsJudgedBesideTheBaseline(t *testing.T) {
	t.Parallel()
	c := scenarioConfig()
	c.Objective = map[string]float64{"rr(0.05)": .95, "rr(0.05)/none_such": .9}
	s := play(t, c)
	a := s.w.release("1.0")
	fired := of(Paging, s.minutes(60, a, 60, healthy())) // RR(.05) is about .89: the user promised more
	if states(fired) != "firing" || fired[0].Rule != "RR(0.05)" || !strings.Contains(fired[0].Summary, "the objective allows 5") {
		t.Fatalf("objective: %q %+v", states(fired), fired)
	}
	if !reflect.DeepEqual(s.last.Missing, []string{"rr(0.05)/none_such"}) {
		t.Errorf("missing objectives: %v", s.last.Missing)
	}
	if s.last.Baselines[0].Kind != metrics.BurnIn {
		t.Errorf("the rest is held against %+v", s.last.Baselines)
	}
}

func TestFileBaselineServesAtOnce(t *testing.T) {
	t.Parallel()
	one := play(t, scenarioConfig())
	a := one.w.release("1.0")
	one.minutes(20, a, 60, healthy())
	file, err := FreezeBaseline(metrics.File, a, one.w.cells[Cell{Generation: a.ID, Kind: Total}], one.w.now, "offline", nil)
	if err != nil {
		t.Fatal(err)
	}
	file.Generation = "of another suite" // recognised by the model
	s := play(t, scenarioConfig(), file)
	s.w.release("1.0")
	fired := of(Paging, s.minutes(30, a, 60, fragile()))
	if states(fired) != "firing" || fired[0].BaselineName != file.ID {
		t.Errorf("file baseline: %q %+v", states(fired), fired)
	}
}

func TestLabelsLagAndAreCorrected(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.w.release("1.0")
	h := healthy()
	h.labelled, h.wrong = .5, .1
	s.minutes(90, a, 60, h)
	if got := len(s.last.Baselines); got < 2 {
		t.Errorf("labels matured later, but there are %d baselines", got)
	}
	// A correction turns wrong into right: the failures fall below what was folded. That is no gain, and no error.
	total := s.w.cells[Cell{Generation: a.ID, Kind: Total}]
	for i := range 9 {
		total[FieldCorrect(i)] = total[FieldLabelled(i)]
	}
	s.minutes(5, a, 60, h)
	fired := of(Ticketing, s.minutes(120, a, 60, habits{moves: h.moves, flips: h.flips, labelled: .5, wrong: .5}))
	if states(fired) != "firing" || !strings.Contains(fired[0].Rule, "RA_label") {
		t.Errorf("labels say wrong: %q", states(fired))
	}
	if !strings.Contains(fired[0].Summary, "are judged wrongly") {
		t.Errorf("summary %q", fired[0].Summary)
	}
}

func TestRolledBackStoreIsNotCountedTwice(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toWatching()
	s.minutes(10, a, 60, healthy())
	st, _ := ParseState("meso", s.state)
	folded := st.Generations[a.ID].Series["ra_self"].Gain.Folded
	total := s.w.cells[Cell{Generation: a.ID, Kind: Total}]
	kept := map[string]int64{}
	for k, v := range total { // half of everything is lost, and comes back in a replay
		kept[k], total[k] = v, v/2
	}
	s.fold()
	for k, v := range kept {
		total[k] = v
	}
	s.fold()
	st, _ = ParseState("meso", s.state)
	if again := st.Generations[a.ID].Series["ra_self"].Gain.Folded; again != folded {
		t.Errorf("after a roll-back and its replay %+v were folded, before %+v", again, folded)
	}
}

func TestSilenceIsNoData(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toWatching()
	stopped := s.w.now
	for range 15 {
		s.w.now = s.w.now.Add(time.Minute) // the wall clock goes on, nothing is counted
		s.fold()
	}
	if len(s.seen) != 1 || s.seen[0].State != StateNoData || s.tier(Paging).State != StateNoData {
		t.Fatalf("silence: %q, tier %s", states(s.seen), s.tier(Paging).State)
	}
	if s.seen[0].Notify != NotifyTicket || !s.last.Watermark.Equal(stopped) {
		t.Errorf("no data: notify %s, watermark %s", s.seen[0].Notify, s.last.Watermark)
	}
	ts := s.minutes(3, a, 60, healthy())
	if states(ts) != "resolved" || s.tier(Paging).State != StateOK || ts[0].Episode != s.seen[0].Episode {
		t.Errorf("data again: %q, tier %s", states(ts), s.tier(Paging).State)
	}
}

func TestLaggingPartitionHoldsTheWatermark(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	at := func(m int) time.Time { return now.Add(time.Duration(m) * time.Minute) }
	for _, c := range []struct {
		name   string
		fences []Fence
		prev   time.Time
		want   time.Time
	}{
		{"the minimum counts", []Fence{{Watermark: at(-1)}, {Watermark: at(-9)}}, time.Time{}, at(-9)},
		{"a partition at its end holds nobody back", []Fence{{Watermark: at(-1)}, {Watermark: at(-9), AtEnd: now}}, time.Time{}, at(-1)},
		{"all at the end: the maximum", []Fence{{Watermark: at(-3), AtEnd: now}, {Watermark: at(-9), AtEnd: now}}, time.Time{}, at(-3)},
		{"an old word that it is at its end does not count", []Fence{{Watermark: at(-1)}, {Watermark: at(-9), AtEnd: at(-2)}}, time.Time{}, at(-9)},
		{"it never falls", []Fence{{Watermark: at(-9)}}, at(-2), at(-2)},
		{"nothing counted", []Fence{{}, {Watermark: at(-1)}}, time.Time{}, time.Time{}},
		{"no partition", nil, time.Time{}, time.Time{}},
	} {
		if got := watermarkOf(c.fences, c.prev, now, time.Minute); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestSkewHoldsRobustnessBack(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toWatching()
	other := fragile()
	other.skewed = .5
	ts := s.minutes(60, a, 60, other)
	if len(of(Paging, ts)) != 0 || s.tier(Paging).State != StateUntrusted {
		t.Errorf("another model is deployed: page %q, state %s", states(of(Paging, ts)), s.tier(Paging).State)
	}
	if got := of(Ticketing, ts); states(got) != "firing" || got[0].Rule != "serving skew" {
		t.Errorf("ticket %q", states(got))
	}
	after := s.minutes(60, a, 60, healthy())
	if len(of(Paging, after)) != 0 || s.tier(Paging).State != StateOK {
		t.Errorf("the right model again: %q, %s", states(after), s.tier(Paging).State)
	}
}

func TestFailedProbesCostTrust(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toWatching()
	h := healthy()
	h.fails = .4
	ts := s.minutes(15, a, 60, h)
	if states(ts) != "untrusted" || !strings.Contains(ts[0].Summary, "most of them: timeout") {
		t.Fatalf("failed probes: %q %+v", states(ts), ts)
	}
	w := s.last.Windows[0].Scopes[0]
	if w.RALow > .7 || w.RAHigh < w.RASelf.Value || w.RALow > w.RASelf.Value {
		t.Errorf("RA in [%v,%v], concluded %v", w.RALow, w.RAHigh, w.RASelf.Value)
	}
}

func TestRollingDeployChangesSidesOnce(t *testing.T) {
	t.Parallel()
	gens := []Registration{{Generation: Generation{ID: "a"}}, {Generation: Generation{ID: "b"}, Since: time.Unix(9, 0)}}
	c, changes := choice{}, 0
	for step := range 101 { // traffic goes over from a to b, up and down by a tenth
		b := int64(step) + int64(10*(step%2))
		next := c.next(map[string]int64{"a": max(100-b, 0), "b": b}, gens, time.Unix(int64(60*step), 0), 15*time.Minute)
		if c.Active != "" && next.Active != c.Active {
			changes++
		}
		c = next
	}
	if changes != 1 || c.Active != "b" {
		t.Errorf("%d changes, at last %q: want one, to b", changes, c.Active)
	}
	sparse := choice{Active: "b"}
	one := map[string]int64{"a": 1}
	sparse = sparse.next(one, gens, time.Unix(0, 0), time.Hour)
	if sparse.Active != "b" {
		t.Error("one stray detection changed the active generation")
	}
	if sparse = sparse.next(one, gens, time.Unix(3600, 0), time.Hour); sparse.Active != "a" {
		t.Error("a lasting change of sparse traffic is not noticed")
	}
	if silent := (choice{Active: "b"}).next(nil, gens, time.Unix(0, 0), time.Hour); silent.Active != "b" {
		t.Error("silence changed the active generation")
	}
}

func TestStepIsPure(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toWatching()
	s.w.pass(time.Minute, a, 60, fragile())
	st, _ := ParseState("meso", s.state)
	before, _ := json.Marshal(st)
	in, err := s.m.Read(t.Context(), s.w.readers(), "meso", st, s.w.now)
	if err != nil {
		t.Fatal(err)
	}
	one, err := s.m.Step(st, in)
	if err != nil {
		t.Fatal(err)
	}
	two, err := machine(t, scenarioConfig()).Step(st, in) // a successor on another worker
	if err != nil {
		t.Fatal(err)
	}
	if after, _ := json.Marshal(st); string(after) != string(before) {
		t.Error("Step changed the state that it was given")
	}
	if !reflect.DeepEqual(one, two) {
		t.Error("the same state and input gave two results")
	}
}
