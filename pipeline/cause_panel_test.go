package pipeline

import (
	"fmt"
	"testing"
	"time"
)

// probedPanel is a run of the frozen panel over n pictures, of which the first weak ones fail under every variant.
func probedPanel(g Generation, n, weak int, at time.Time, shift float64) PanelRun {
	run := PanelRun{Generation: g.ID, Version: g.Version, At: at, Panel: "p", Threshold: g.Threshold}
	for _, v := range g.Variants {
		run.Variants = append(run.Variants, v.Family+" "+v.Parameter)
	}
	for i := range n {
		m := PanelMedia{Name: fmt.Sprintf("%016d", i), Probs: []float64{.7 + shift}}
		for range g.Variants {
			p := .71 + shift
			if i < weak {
				p = .85 + shift
			}
			m.Probs = append(m.Probs, p)
		}
		run.Media = append(run.Media, m)
	}
	return run
}

func TestCauseIsTheModelWhenThePanelAgrees(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toSources()
	b := s.w.release("1.1")
	was, is := probedPanel(a, 200, 10, s.w.now, 0), probedPanel(b, 200, 64, s.w.now, .02)
	s.w.panels = map[string]PanelRuns{a.ID: {First: was, Last: was}, b.ID: {First: is, Last: is}}
	list := threeSources()
	for i := range list {
		list[i].h = fragile()
	}
	fired := s.named(Paging, s.together(30, b, list...), CauseModel, "the model is the first suspect",
		"The panel agrees: of 200 frozen pictures 54 are less robust under version 1.1, 0 are more robust; chance alone does that less than once in a million.",
		"First: stop the roll-out of version 1.1")
	golden(t, "model", fired)
	if p := s.last.Panel; p == nil || p.Across == nil || p.Across.Worse != 54 || p.Across.Version != "1.0" || p.Changed {
		t.Errorf("panel %+v", p)
	}
}

func TestPanelCanSpeakAgainstTheModel(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toSources()
	b := s.w.release("1.1")
	was, is := probedPanel(a, 200, 10, s.w.now, 0), probedPanel(b, 200, 10, s.w.now, .02)
	s.w.panels = map[string]PanelRuns{a.ID: {First: was, Last: was}, b.ID: {First: is, Last: is}}
	list := threeSources()
	for i := range list {
		list[i].h = fragile()
	}
	fired := s.named(Paging, s.together(30, b, list...), CauseUnknown, "version 1.1 took over from version 1.0",
		"The panel speaks against the model: of 200 frozen pictures 0 are less robust under version 1.1, 0 are more robust, no more than chance.")
	golden(t, "unknown", fired)
}

func TestCauseIsTheRuntimeWhenThePanelMoves(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toSources()
	first, last := probedPanel(a, 200, 10, s.w.now, 0), probedPanel(a, 200, 70, s.w.now.Add(time.Minute), .03)
	s.w.panels = map[string]PanelRuns{a.ID: {First: first, Last: last}}
	list := threeSources()
	for i := range list {
		list[i].h = dark()
	}
	fired := s.named(Paging, s.together(30, a, list...), CauseRuntime, "what runs the model is the first suspect",
		"200 of 200 frozen pictures by more than .001, at most .03; 60 are less robust than at first, 0 are more robust", "driver, runtime library, hardware")
	golden(t, "runtime", fired)
	if !s.last.Panel.Changed {
		t.Errorf("%+v", s.last.Panel)
	}
}

// A panel that was probed before the change says nothing about it.
func TestPanelFromBeforeTheChangeIsNoEvidence(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toSources()
	first, last := probedPanel(a, 200, 10, s.w.now.Add(-2*time.Hour), 0), probedPanel(a, 200, 70, s.w.now.Add(-time.Hour), .03)
	s.w.panels = map[string]PanelRuns{a.ID: {First: first, Last: last}}
	list := threeSources()
	for i := range list {
		list[i].h = dark()
	}
	s.named(Paging, s.together(30, a, list...), CauseTraffic, "was last probed at 10:20:00 UTC, before the change")
}

// What moved the panel yesterday does not explain today.
func TestPanelThatMovedLongAgoIsNoEvidence(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.w.release("1.0")
	first, last := probedPanel(a, 200, 10, s.w.now, 0), probedPanel(a, 200, 70, s.w.now.Add(time.Minute), .03)
	s.w.panels = map[string]PanelRuns{a.ID: {First: first, Last: last}}
	s.together(100, a, threeSources()...)
	last.At = s.w.now.Add(2 * time.Minute)
	s.w.panels[a.ID] = PanelRuns{First: first, Last: last}
	list := threeSources()
	for i := range list {
		list[i].h = dark()
	}
	s.named(Paging, s.together(30, a, list...), CauseTraffic, "The panel of 200 frozen pictures moved as well, but already at 22 November 2026 10:01:00 UTC.")
}

func TestOddsAreInWords(t *testing.T) {
	for _, c := range []struct {
		p    float64
		want string
	}{{1e-9, "less than once in a million"}, {.004, "once in 200"}, {.00013, "once in 7000"}, {.009, "once in 100"}} {
		if got := odds(c.p); got != c.want {
			t.Errorf("%v: %s, want %s", c.p, got, c.want)
		}
	}
}
