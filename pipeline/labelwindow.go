package pipeline

import (
	"slices"
	"strings"
	"time"

	"shaketable/metrics"
)

// Labels come later than what they are about: their figures are of a window that ends that much earlier.
//
// In: the delays of the first labels. Out: the windows of labelled figures, and the buckets that are old enough for their
// labels to be there. Invariant: a bucket matures once.

// LabelState is what the clock path remembers of the feed of labels. It is of the detector, not of a version.
type LabelState struct {
	// Generation is the one under which Delay was found; it can only grow while that is active.
	Generation string        `json:"generation,omitempty"`
	Delay      time.Duration `json:"delay"`
	// Measured says that Delay is the 95 % quantile of Labels first labels; else it is configured or assumed.
	Measured bool  `json:"measured,omitempty"`
	Labels   int64 `json:"labels,omitempty"`
	// Cursor is the end of the last bucket that has matured, unix seconds. Counted holds the probes of the buckets that
	// matured since Since, and as failures those without a label.
	Cursor  int64          `json:"cursor,omitempty"`
	Since   time.Time      `json:"since,omitzero"`
	Counted metrics.Trials `json:"counted,omitzero"`
	// Baseline holds the first matured probes; nil until there are enough.
	Baseline *metrics.Trials `json:"baseline,omitempty"`
	Frozen   time.Time       `json:"frozen,omitzero"`
	Series   SeriesState     `json:"series,omitzero"`
	// Judged are the trials since then, and Carry the probes that are not a whole one yet: see [coverageNull].
	Judged metrics.Trials `json:"judged,omitzero"`
	Carry  metrics.Trials `json:"carry,omitzero"`
	// Run is what was counted since the evidence last was at nothing.
	Run metrics.Trials `json:"run,omitzero"`
}

const (
	// assumedDelay is used until enough labels have come to measure it.
	assumedDelay = 24 * time.Hour
	// minDelays is how many labels a quantile needs.
	minDelays = 30
	// maturing bounds the buckets that mature in one fold; after a longer silence the earliest are left out.
	maturing = 60
)

func (l *LabelState) clone() *LabelState {
	if l == nil {
		return nil
	}
	c := *l
	c.Series.ESR.Evidence, c.Series.Scores = slices.Clone(l.Series.ESR.Evidence), slices.Clone(l.Series.Scores)
	c.Series.Onsets = slices.Clone(l.Series.Onsets)
	return &c
}

// labelDelay returns the state of the labels with the delay that counts from now on: the configured one, or the 95 %
// quantile of the delays of all generations that are counted. The first labels of all are the quickest ones, so under one
// generation the measured delay never falls. When it changes, coverage begins anew: it is a share at a certain age.
func (m *Machine) labelDelay(st *State, active string, totals map[string]Counts) *LabelState {
	next := &LabelState{Delay: assumedDelay}
	if st.Labels != nil {
		next = st.Labels.clone()
	}
	if st.open(string(MetricCoverage)) { // what is under suspicion is not moved out of sight
		return next
	}
	before := *next
	quantile, n := delayQuantile(totals)
	next.Labels, next.Generation = n, active
	switch {
	case m.cfg.Labels.Delay > 0:
		next.Delay, next.Measured = m.cfg.Labels.Delay, false
	case n < minDelays:
		if !before.Measured {
			next.Delay = assumedDelay
		}
	case before.Measured && before.Generation == active:
		next.Delay = max(before.Delay, quantile)
	default:
		next.Delay, next.Measured = quantile, true
	}
	if next.Delay != before.Delay {
		*next = LabelState{Generation: next.Generation, Delay: next.Delay, Measured: next.Measured, Labels: next.Labels}
	}
	return next
}

// open says that an episode is open to which a series belongs.
func (s *State) open(series string) bool {
	for _, a := range s.Alerts {
		if a.Episode != nil && slices.ContainsFunc(a.Episode.Broken, func(b Broken) bool { return b.Series == series }) {
			return true
		}
	}
	return false
}

// delayQuantile returns the bound below which 95 % of the measured delays lie, and how many there are.
func delayQuantile(totals map[string]Counts) (time.Duration, int64) {
	bins := map[string]int64{}
	var n int64
	for _, counts := range totals {
		for field, k := range counts {
			if strings.HasPrefix(field, "y") {
				bins[field] += k
				n += k
			}
		}
	}
	var below, last int64
	for _, last = range LabelDelays() {
		below += bins[FieldLabelDelay(last)]
		if 100*below >= 95*n {
			break
		}
	}
	return time.Duration(last) * time.Second, n
}

// labelBuckets are the buckets of a window that ends when labels should have come: fine ones where they reach so far.
func (m *Machine) labelBuckets(generation string, window, delay time.Duration, mark time.Time) []Cell {
	if mark.IsZero() {
		return nil
	}
	kind, width := m.bucketsOf(delay + window)
	last := floorTo(mark.Add(-delay), width) - int64(width/time.Second)
	return bucketsUntil(generation, kind, width, last, max(int64((window+width-1)/width), 1), 0)
}

// maturedBuckets are those whose labels should have come since the last fold.
func (m *Machine) maturedBuckets(l *LabelState, generation string, mark time.Time) []Cell {
	if mark.IsZero() || l.Labels < minDelays {
		return nil
	}
	kind, width := m.bucketsOf(l.Delay + maturing*m.fine)
	step := int64(width / time.Second)
	end := floorTo(mark.Add(-l.Delay), width)
	if l.Cursor == 0 || end <= l.Cursor {
		return nil
	}
	count := min((end-l.Cursor)/step, maturing)
	if count == 0 {
		return nil
	}
	return bucketsUntil(generation, kind, width, end-step, count, 0)
}

// labelledCells are all buckets that a fold looks at for labels. In those that mature, it does not matter which version
// probed.
func (m *Machine) labelledCells(st *State, active string, mark time.Time, totals map[string]Counts) []Cell {
	l := m.labelDelay(st, active, totals)
	var cells []Cell
	for _, w := range m.cfg.Windows {
		cells = append(cells, m.labelBuckets(active, w, l.Delay, mark)...)
	}
	for _, id := range probing(st, active) {
		cells = append(cells, m.maturedBuckets(l, id, mark)...)
	}
	return cells
}

// probing names the active generation and the one before it.
func probing(st *State, active string) []string {
	ids := []string{active}
	for _, id := range []string{st.Choice.Active, st.Previous} {
		if id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// window adds up one window of the active generation: probes up to the watermark, labels up to when they should have come.
func (r *run) window(w time.Duration) *tally {
	id := r.active.ID
	t := newTally(r.active.Generation, r.m.cfg.Skew.Tolerance)
	names := sortedKeys(r.in.Slices)
	for _, c := range r.m.cellsOf(id, w, r.mark, len(r.active.Variants)) {
		t.addProbes(r.in.Cells[c])
	}
	for _, c := range r.m.slicedCells(id, w, r.mark, names) {
		t.slice(c.Slice).addProbes(r.in.Cells[c])
	}
	for _, c := range r.m.labelBuckets(id, w, r.st.Labels.Delay, r.mark) {
		t.addLabels(r.in.Cells[c])
	}
	if t.variants[0].labelled == 0 { // none is old enough: what there is may still change, and is said to
		for _, c := range r.m.cellsOf(id, w, r.mark, 0) {
			t.addLabels(r.in.Cells[c])
		}
		t.provisional = t.variants[0].labelled > 0
	}
	return t
}

// addProbes adds the counters of a cell without those of labels.
func (t *tally) addProbes(c Counts) {
	for field, n := range c {
		if !labelField(field) {
			t.addField(field, n)
		}
	}
}

// addLabels adds only those, and counts the probes that they could be of.
func (t *tally) addLabels(c Counts) {
	t.labelProbes += c[FieldProbes]
	for field, n := range c {
		if labelField(field) {
			t.addField(field, n)
		}
	}
}

func labelField(field string) bool {
	return len(field) > 1 && strings.IndexByte("LCR", field[len(field)-1]) >= 0 && field[0] >= '0' && field[0] <= '9'
}
