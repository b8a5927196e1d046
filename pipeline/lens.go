package pipeline

import "time"

// What a message measures: where a change is looked at, and the figures of a series there.

// measure fills in the figures of the leading series.
func (r *run) measure(t *Transition, lead *judged) {
	now, window := r.figure(lead.Series)
	t.Value, t.Low, t.High, t.N, t.Window = now.Value, now.Low, now.High, int64(now.N), window
	t.Baseline = 1 - lead.was
	if lead.baseline != nil {
		t.BaselineName = lead.baseline.ID
	}
}

// lens is what a message about a change looks at: what was counted since the change began. The shortest window would
// still be full of what was before.
type lens struct {
	tally  *tally
	labels *tally // of the same buckets: those that have come so far
	name   string
}

// lookSince points the lens at the fine buckets after an event time, or at all of them if they do not reach back so far.
func (r *run) lookSince(onset time.Time) {
	g, tolerance := r.active.Generation, r.m.cfg.Skew.Tolerance
	r.lens = lens{tally: newTally(g, tolerance), labels: newTally(g, tolerance), name: "since " + clock(onset)}
	begin := floorTo(onset, r.m.fine) + 1
	switch {
	case r.mark.Sub(onset) >= r.since:
		r.lens.name = "in the last " + windowName(r.since)
	case !onset.After(r.gen.First): // nothing was before
		begin = 0
	}
	names := sortedKeys(r.in.Slices)
	for _, c := range r.m.cellsOf(g.ID, r.since, r.mark, 0) {
		if c.Start < begin {
			continue
		}
		r.lens.tally.addProbes(r.in.Cells[c])
		r.lens.labels.addLabels(r.in.Cells[c])
		for _, c.Slice = range names {
			r.lens.tally.slice(c.Slice).addProbes(r.in.Cells[c])
		}
	}
}

// earlier is what the active generation counted before what the lens looks at.
func (r *run) earlier() *tally { return r.total.minus(r.lens.tally) }

// figure returns the rate of a series through the lens, or in the shortest window that has enough probes, else since the
// generation appeared.
func (r *run) figure(s Series) (Rate, string) {
	if s.Metric == MetricCoverage && r.lens.tally != nil && r.st.Labels.Run.N >= minShare {
		return *rateOf(r.st.Labels.Run), "since " + clock(r.st.Labels.Series.Onset)
	}
	if r.lens.tally != nil {
		if trials := r.lens.tally.trials(s); trials.N >= minShare {
			return *rateOf(trials), r.lens.name
		}
	}
	for i, t := range r.windows {
		if trials := t.trials(s); trials.N >= minShare {
			return *rateOf(trials), windowName(r.m.cfg.Windows[i])
		}
	}
	if rate := rateOf(r.total.trials(s)); rate != nil {
		return *rate, "since it appeared"
	}
	return Rate{High: 1}, "no window"
}
