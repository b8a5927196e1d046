package pipeline

import (
	"strings"
	"testing"
	"time"

	"shaketable/metrics"
)

func TestExposureOfASmallSliceIsNotExaggerated(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toSources()
	// 10 of 100 pictures of a source that sends 5 of 1000: too few for an alert of its own, so it is asked for directly.
	for range 15 {
		s.w.pass(time.Minute, a, 398, habits{moves: families(.1), slices: []string{"source=web"}})
		s.w.pass(0, a, 2, habits{moves: families(.1), slices: []string{"source=app"}})
		s.fold()
	}
	r := s.underway(s.now())
	text := r.exposureWords(&judged{Series: Series{Metric: MetricRASelf, Scope: ScopeSlice, Slice: "source=app"}})
	if !strings.HasSuffix(text, ", 5 in 1000 of source app.") {
		t.Error(text)
	}
}

func (s *scenario) underway(st *State) *run {
	s.t.Helper()
	in, err := s.m.Read(s.t.Context(), s.w.readers(), "meso", st, s.w.now.Add(20*time.Second))
	if err != nil {
		s.t.Fatal(err)
	}
	r := &run{m: s.m, st: st.clone(), in: in, gains: map[string]metrics.Trials{}}
	r.tick()
	r.since = s.m.since(st, st.Choice.Active, r.mark)
	r.appear()
	if err := r.choose(); err != nil {
		s.t.Fatal(err)
	}
	return r
}

func TestLensDoesNotClaimMoreThanItReads(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.w.release("1.0")
	s.minutes(480, a, 5, healthy())
	r := s.underway(s.now())
	first := s.now().Generations[a.ID].First
	r.lookSince(first)
	if r.lens.name != "in the last 1h" || r.lens.tally.probes >= r.total.probes {
		t.Errorf("%q, %d of %d probes", r.lens.name, r.lens.tally.probes, r.total.probes)
	}
	r.since = 9 * time.Hour
	r.lookSince(first)
	if !strings.HasPrefix(r.lens.name, "since ") {
		t.Errorf("%q", r.lens.name)
	}
}

func TestCoverageIsNeverBlamedOnTheServing(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.w.release("1.0")
	s.minutes(120, a, 60, labelled(.6, 10*time.Minute))
	h := labelled(.2, 10*time.Minute)
	h.skewed = .09
	ts := s.minutes(90, a, 60, h)
	for _, x := range of(Ticketing, ts) {
		if x.Rule == "label coverage" && (x.Cause != CauseLabels || strings.Contains(x.Text, "labels stopped") || !strings.Contains(x.Summary, "far fewer labels come")) {
			t.Errorf("cause %q: %s", x.Cause, x.Text)
		}
	}
	r := s.underway(s.now())
	r.lookSince(s.w.now.Add(-30 * time.Minute))
	if !r.skewedSince() {
		t.Fatal("the scores do not differ enough for this test")
	}
	if got := r.cause(&judged{Series: Series{Metric: MetricCoverage}}, s.w.now.Add(-30*time.Minute)); got.who != CauseLabels {
		t.Errorf("%+v", got)
	}
	// Anything else is, even if the alert on the scores has not spoken yet.
	if got := r.cause(&judged{Series: Series{Metric: MetricRASelf, Scope: ScopeDetector}}, s.w.now.Add(-30*time.Minute)); got.who != CauseServing {
		t.Errorf("%+v", got)
	}
}
