package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"shaketable/metrics"
)

// Approval of a baseline: from then on it is what its series are held against.

// approve puts a proposed baseline in front of those in use. The evidence of its series begins anew: what was gathered
// against the old baseline says nothing about the new one.
func (r *run) approve(o Order) (made, text string, err error) {
	id, gs, b := r.locate(o.Target)
	if gs == nil {
		return "", "", fmt.Errorf("%q is no baseline of %s: it has %s", o.Target, r.st.Detector, r.baselineNames())
	}
	approval := &metrics.Approval{By: o.Author, Reason: o.Reason, At: o.At.UTC()}
	if i := slices.IndexFunc(gs.Baselines, func(b metrics.Baseline) bool { return b.ID == o.Target }); i >= 0 {
		if b.Approved != nil && *b.Approved == *approval { // the archive has brought it back
			return b.ID, fmt.Sprintf("baseline %s is in use", b.ID), nil
		}
		return "", "", fmt.Errorf("baseline %s is in use already", b.ID)
	}
	g, ok := r.registration(id)
	if !ok {
		return "", "", fmt.Errorf("version %s, which baseline %s is for, is no longer probed by any worker", gs.Version, b.ID)
	}
	if !r.m.serves(g.Generation, &b) {
		return "", "", fmt.Errorf("baseline %s has no variant in common with suite %s of version %s", b.ID, g.Suite, g.Version)
	}
	b.Approved = approval
	same := func(x metrics.Baseline) bool { return x.ID == b.ID }
	gs.Proposed, gs.Replaced = slices.DeleteFunc(gs.Proposed, same), slices.DeleteFunc(gs.Replaced, same)
	gs.Baselines = append([]metrics.Baseline{b}, gs.Baselines...)
	r.retire(gs, g.Generation)
	text = fmt.Sprintf("version %s is held against baseline %s (number %d, %d series) from now on", g.Version, b.ID, b.Version, len(b.Series))
	if gs == r.gen {
		r.accepted = append(r.accepted, b)
		r.startAgain(b)
	}
	return b.ID, text, nil
}

// locate finds a baseline by id, with the generation that it belongs to; nil if there is none. What a file or a predecessor
// gave may be known to several generations under one id: the active one is meant first.
func (r *run) locate(id string) (generation string, gs *GenerationState, b metrics.Baseline) {
	for _, g := range append([]string{r.active.ID}, sortedKeys(r.st.Generations)...) {
		if r.st.Generations[g] == nil {
			continue
		}
		for _, b := range r.st.Generations[g].all() {
			if b.ID == id {
				return g, r.st.Generations[g], b
			}
		}
	}
	return "", nil, metrics.Baseline{}
}

func (r *run) baselineNames() string {
	var names []string
	for _, g := range sortedKeys(r.st.Generations) {
		for _, b := range r.st.Generations[g].Proposed {
			names = append(names, b.ID)
		}
	}
	if len(names) == 0 {
		return "no proposed one; import or freeze one first"
	}
	return strings.Join(names, ", ")
}

// retire moves baselines that no series is held against any more to the replaced ones.
func (r *run) retire(gs *GenerationState, g Generation) {
	list, _ := SeriesOf(g, nil, sortedKeys(r.in.Slices)...)
	var kept []metrics.Baseline
	for i, b := range gs.Baselines {
		serves := slices.ContainsFunc(list, func(s Series) bool {
			_, own := referenceOf(&b, g, s)
			return own && !slices.ContainsFunc(gs.Baselines[:i], func(first metrics.Baseline) bool {
				_, ok := referenceOf(&first, g, s)
				return ok
			})
		})
		if serves {
			kept = append(kept, b)
		} else {
			gs.Replaced = append(gs.Replaced, b)
		}
	}
	gs.Baselines = kept
	if extra := len(gs.Replaced) - keptReplaced; extra > 0 {
		gs.Replaced = slices.Clone(gs.Replaced[extra:])
	}
}

// startAgain lets the evidence of the series that a baseline has begin at the present totals.
func (r *run) startAgain(b metrics.Baseline) {
	list, _ := SeriesOf(r.active.Generation, nil, sortedKeys(r.in.Slices)...)
	for _, s := range list {
		if r.reaccepted(b, s) {
			*r.series(s.id()) = SeriesState{Gain: metrics.Gain{Folded: r.trials(s)}, Onset: r.mark}
		}
	}
}

// reaccepted says that a series is held against a baseline: not one that is about the monitor or a promise.
func (r *run) reaccepted(b metrics.Baseline, s Series) bool {
	if s.Objective > 0 || !s.robustness() {
		return false
	}
	_, ok := referenceOf(&b, r.active.Generation, s)
	return ok
}

// excused takes out of an open episode what the baselines that were approved in this fold are about. If nothing is left,
// the episode ends without a verdict: somebody has accepted the change.
func (r *run) excused(tier Tier, a *Alert) *Transition {
	if a.Episode == nil || len(r.accepted) == 0 {
		return nil
	}
	e := a.Episode
	var by *metrics.Baseline
	e.Broken = slices.DeleteFunc(slices.Clone(e.Broken), func(x Broken) bool {
		j := r.find(x.Series)
		if j == nil {
			return false
		}
		i := slices.IndexFunc(r.accepted, func(b metrics.Baseline) bool { return r.reaccepted(b, j.Series) })
		if i >= 0 {
			by = &r.accepted[i]
		}
		return i >= 0
	})
	switch {
	case by == nil:
		return nil
	case len(e.Broken) > 0: // the promise or the monitor is still broken
		if lead := r.standing(&Episode{Broken: e.Broken}); lead != nil {
			e.Series, e.Rule = lead.id(), lead.Rule()
		}
		return nil
	}
	return r.supersede(tier, a, by)
}

func (r *run) supersede(tier Tier, a *Alert, by *metrics.Baseline) *Transition {
	e := a.Episode
	t := r.transition(tier, e.Rule, e.ID)
	t.State, t.Previous, t.Started, t.Cause = StateSuperseded, StateFiring, e.Started, e.Cause
	t.ID = e.ID + ":" + string(StateSuperseded)
	if lead := r.find(e.Series); lead != nil {
		r.measure(&t, lead)
	}
	a.State, a.Since, a.Episode = StateOK, r.mark, nil
	head := r.st.Detector + " " + r.active.Version + ": "
	what := fmt.Sprintf("the change was accepted by %s: %s", by.Approved.By, by.Approved.Reason)
	t.Summary = head + what
	lines := []string{"What: " + what + ". The alert on " + e.Rule + " is closed.",
		fmt.Sprintf("Since: %s, for %s.", stamp(e.Started), rounded(r.mark.Sub(e.Started))),
		"Held against from now on: " + by.Reason + "."}
	t.Text = strings.Join(append(lines, r.links()...), "\n")
	return &t
}
