package pipeline

import (
	"fmt"
	"slices"
	"time"

	"shaketable/metrics"
)

// The series of slices: what a detector's headline figures are over the detections of one source, country or client.
//
// In: totals by slice. Out: series that are held against the slice's own earlier figures. Invariant: a slice is judged as
// the detector is, with the same weights of families and variants, so the slices of one attribute add up to the detector.

// sliceSeries lists the series of slices: RA_self and the headline RR of the detector for each.
func sliceSeries(g Generation, names []string) []Series {
	scopes := scopesOf(g)
	if len(scopes) == 0 || scopes[0].Scope != ScopeDetector {
		return nil
	}
	var list []Series
	for _, name := range names {
		s := Series{Metric: MetricRASelf, Scope: ScopeSlice, Slice: name, Tier: Ticketing, pools: scopes[0].pools}
		list = append(list, s)
		if slices.Contains(g.Edges, headlineEdge) {
			s.Metric, s.Edge = MetricRR, headlineEdge
			list = append(list, s)
		}
	}
	return list
}

// sliceWords names a slice as people do: "source web", "no source", "all other sources".
func sliceWords(name string) string {
	switch attribute, value := SplitSlice(name); value {
	case "":
		return "no " + attribute
	case OtherSlice:
		return "any other " + attribute
	default:
		return attribute + " " + value
	}
}

// slicesWords names the slice that series are of, or says of how many they are: a baseline may serve several.
func slicesWords(list []Series) string {
	names := map[string]bool{}
	for _, s := range list {
		names[s.Slice] = true
	}
	if len(names) == 1 {
		return sliceWords(list[0].Slice)
	}
	return fmt.Sprintf("%d slices each", len(names))
}

// sliceReference returns the trials that a baseline has for the series of a slice. They were pooled over the variants of a
// suite, so they serve the same suite only.
func sliceReference(b *metrics.Baseline, g Generation, s Series) (metrics.Trials, bool) {
	r, ok := b.Series[s.Name()]
	if !ok || r.N <= 0 || b.Generation != g.ID && b.Provenance[ProvenanceSuite] != g.Suite {
		return metrics.Trials{}, false
	}
	return metrics.Trials{N: r.N, K: r.K}, true
}

// freezeSlices adds the references of slices to a baseline that is being made.
func (r *run) freezeSlices(b *metrics.Baseline, list []Series, totals *tally) {
	if len(list) > 0 && len(b.Series) == 0 {
		b.Reason = fmt.Sprintf("first probes of %s under version %s, until %s", slicesWords(list), b.Provenance[ProvenanceVersion], stamp(r.mark))
	}
	for _, s := range list {
		if t := totals.trials(s); t.N > 0 {
			b.Series[s.Name()] = metrics.Reference{N: t.N, K: t.K}
		}
	}
}

// meetSlices takes note of when the slices of the active generation were first probed. A state of an earlier program does
// not know: its slices count as old as their generation.
func (r *run) meetSlices() {
	since := r.mark
	if r.gen.Slices == nil {
		r.gen.Slices, since = map[string]time.Time{}, r.gen.First
	}
	for name, counts := range r.in.Slices {
		if _, met := r.gen.Slices[name]; !met && counts[FieldProbes] > 0 {
			r.gen.Slices[name] = since
		}
	}
}

// lackingSlices lists the series of slices that have been probed for as long and as often as a burn-in takes, and have no
// baseline yet. A slice is burned in by itself: it may be of a source that has just begun to send.
func (r *run) lackingSlices(c BurnInConfig) []Series {
	var list []Series
	for _, s := range sliceSeries(r.active.Generation, sortedKeys(r.in.Slices)) {
		first, met := r.gen.Slices[s.Slice]
		if met && r.mark.Sub(first) >= c.MinDuration && r.trials(s).N >= float64(c.MinProbes) && !r.held(s) {
			list = append(list, s)
		}
	}
	return list
}

// handSlices adds to what a generation leaves its figures by slice.
func (r *run) handSlices(b *metrics.Baseline, before Generation) {
	counts := r.in.Slices
	if r.in.Leaving != nil {
		counts = r.in.Leaving
	}
	t := newTally(before, 0)
	var list []Series
	for _, name := range sortedKeys(counts) {
		t.slice(name).add(counts[name])
	}
	for _, s := range sliceSeries(before, sortedKeys(counts)) {
		if t.trials(s).N >= float64(r.m.cfg.Predecessor.MinProbes) {
			list = append(list, s)
		}
	}
	r.freezeSlices(b, list, t)
}

// trials returns what a series has counted since the generation appeared, for its evidence: by the first label of each
// probe, because a label that is corrected later says nothing new about the model.
func (r *run) trials(s Series) metrics.Trials {
	switch s.Metric {
	case MetricCoverage:
		return r.st.Labels.Judged
	case MetricRALabel:
		return r.total.pooled(s.pools, func(v *variantTally) metrics.Trials {
			return metrics.Trials{N: float64(v.labelled), K: float64(v.labelled - v.correct + v.revised)}
		})
	}
	return r.total.trials(s)
}

// burning says what the burn-in of a slice still lacks.
func (r *run) burning(name string, probes int64) string {
	c, seen := r.m.cfg.BurnIn, r.mark.Sub(r.gen.Slices[name])
	switch {
	case probes < c.MinProbes:
		return fmt.Sprintf(": %d of %d pictures", probes, c.MinProbes)
	case seen < c.MinDuration:
		return fmt.Sprintf(": it has been seen for %s of %s", rounded(seen), rounded(c.MinDuration))
	}
	return ""
}

// SliceView is one slice in the shortest and in the longest window.
type SliceView struct {
	Slice string `json:"slice"` // "source=upload-api"
	Shown string `json:"shown"` // as people read it
	// Windows are the shortest and the longest one.
	Windows []SliceWindow `json:"windows"`
	// Judged says that a series of it is held against a baseline; Why why none is. Evidence is the strongest of its series'.
	Judged   bool    `json:"judged"`
	Why      string  `json:"why,omitempty"`
	Evidence float64 `json:"evidence"`
	// Probes were counted since the generation appeared; RASelf and RR(.05) are the rates since then.
	Probes int64 `json:"probes"`
	RASelf *Rate `json:"ra_self,omitempty"`
	RR     *Rate `json:"rr,omitempty"`
}

// SliceWindow is a slice in one window. Rates are nil where nothing was probed, and in windows of coarse buckets, which hold
// no more than the exposure of a slice.
type SliceWindow struct {
	Name       string  `json:"name"`
	Probes     int64   `json:"probes"`
	Detections int64   `json:"detections"`
	PerHour    float64 `json:"per_hour"`
	// Share of the detections of the window.
	Share  float64 `json:"share"`
	RASelf *Rate   `json:"ra_self,omitempty"`
	RR     *Rate   `json:"rr,omitempty"`
}

// sliceViews returns every slice of the active generation, in order of name.
func (r *run) sliceViews() []SliceView {
	var views []SliceView
	for _, name := range sortedKeys(r.in.Slices) {
		part := r.total.of(name)
		v := SliceView{Slice: name, Shown: ShowSlice(name), Probes: part.probes, Why: "no natural family is probed"}
		v.RASelf, v.RR = part.headline()
		for _, j := range r.list {
			if j.Slice != name {
				continue
			}
			if v.Judged = v.Judged || j.detector != nil; !v.Judged {
				v.Why = j.why
			}
			if st := r.gen.Series[j.id()]; st != nil && j.detector != nil {
				v.Evidence = max(v.Evidence, st.Progress)
			}
		}
		if v.Judged {
			v.Why = ""
		} else if slices.Contains(r.m.cfg.Baseline, metrics.BurnIn) {
			v.Why += r.burning(name, part.probes)
		}
		for i := range r.windows {
			if i == 0 || i == len(r.windows)-1 {
				v.Windows = append(v.Windows, r.sliceWindow(i, name))
			}
		}
		views = append(views, v)
	}
	return views
}

func (r *run) sliceWindow(i int, name string) SliceWindow {
	w, all, part := r.m.cfg.Windows[i], r.windows[i], r.windows[i].of(name)
	v := SliceWindow{Name: windowName(w), Probes: part.probes, Detections: part.detections,
		PerHour: perHour(part.detections, r.mark.Sub(r.opens(w)), r.age())}
	v.RASelf, v.RR = part.headline()
	if all.detections > 0 {
		v.Share = float64(part.detections) / float64(all.detections)
	}
	return v
}

// headline returns RA_self and RR(.05) of the detector; nil where nothing was probed.
func (t *tally) headline() (ra, rr *Rate) {
	scopes := scopesOf(t.generation)
	if len(scopes) == 0 || scopes[0].Scope != ScopeDetector {
		return nil, nil
	}
	s := scopes[0]
	s.Metric = MetricRASelf
	ra = rateOf(t.trials(s))
	s.Metric, s.Edge = MetricRR, headlineEdge
	return ra, rateOf(t.trials(s))
}
