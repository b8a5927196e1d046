package pipeline

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"shaketable/metrics"
)

// Baselines that people bring, make and approve. A proposed baseline judges nothing until somebody says that it may; one
// that it replaces is kept for a while, so that an approval can be taken back by approving the old one.

const (
	// leastProposed is how many probes the series of a proposed baseline need.
	leastProposed = 200
	// keptProposed and keptReplaced bound what a generation keeps beside the baselines in use.
	keptProposed = 8
	keptReplaced = 3
	// LongestSpan is how far back a freeze can look, short of all that a generation has counted.
	LongestSpan = 7 * 24 * time.Hour
)

// Provenance of a baseline that was imported.
const (
	ProvenanceImportedBy = "imported_by"
	ProvenanceImportedAt = "imported_at"
)

// take numbers a baseline as the next one of its generation.
func (g *GenerationState) take(b metrics.Baseline) metrics.Baseline {
	g.Versions = max(g.Versions, len(g.Baselines)) + 1
	b.Version = g.Versions
	if slices.ContainsFunc(g.all(), func(o metrics.Baseline) bool { return o.ID == b.ID }) { // two of one moment of event time
		b.ID = fmt.Sprintf("%s-%d", b.ID, b.Version)
	}
	return b
}

// use puts a baseline behind those that are in use.
func (g *GenerationState) use(b metrics.Baseline) metrics.Baseline {
	b = g.take(b)
	g.Baselines = append(g.Baselines, b)
	return b
}

func (g *GenerationState) propose(b metrics.Baseline) metrics.Baseline {
	b = g.take(b)
	g.Proposed = append(g.Proposed, b)
	// A burn-in that nobody has approved yet would be made again at once if it went: those are as many as there are series.
	byPeople := func(b metrics.Baseline) bool { return b.Kind != metrics.BurnIn }
	for extra := len(g.Proposed) - keptProposed; extra > 0; extra-- {
		i := slices.IndexFunc(g.Proposed[:len(g.Proposed)-1], byPeople)
		if i < 0 {
			break
		}
		g.Proposed = slices.Delete(slices.Clone(g.Proposed), i, i+1)
	}
	return b
}

// all lists every baseline that is known of a generation.
func (g *GenerationState) all() []metrics.Baseline {
	return slices.Concat(g.Baselines, g.Proposed, g.Replaced)
}

// takeIn proposes a baseline that was made elsewhere, for the generation of the model that it was counted with.
func (r *run) takeIn(o Order) (made, text string, err error) {
	b := *o.Baseline
	if b.Kind == metrics.Objective {
		return "", "", errors.New("an objective is not imported: it belongs into the configuration (alerts.objective)")
	}
	g, err := r.madeFor(b)
	if err != nil {
		return "", "", err
	}
	if !r.m.serves(g.Generation, &b) {
		return "", "", fmt.Errorf("baseline %s has no variant in common with suite %s of version %s: it has %s", b.ID, g.Suite, g.Version, someSeries(b))
	}
	if least := fewest(g.Generation, b); least < leastProposed {
		return "", "", fmt.Errorf("baseline %s has a series of %.0f pictures: fewer than %d make false alarms likely; evaluate more", b.ID, least, leastProposed)
	}
	gs := r.generation(g)
	for _, known := range gs.all() {
		if known.ID == b.ID {
			if !sameReferences(known, b) {
				return "", "", fmt.Errorf("version %s has another baseline with the id %s (number %d)", g.Version, b.ID, known.Version)
			}
			return known.ID, fmt.Sprintf("baseline %s is known already, as number %d of version %s", b.ID, known.Version, g.Version), nil
		}
	}
	b = *served(b, g.ID)
	b.Approved = nil
	b.Provenance[ProvenanceImportedBy], b.Provenance[ProvenanceImportedAt] = o.Author, o.At.UTC().Format(time.RFC3339)
	b = gs.propose(b)
	return b.ID, fmt.Sprintf("baseline %s (%d series) is proposed as number %d of version %s; approve it to use it", b.ID, len(b.Series), b.Version, g.Version), nil
}

// madeFor finds the generation that a baseline fits: the active one, else the latest that a worker has registered.
func (r *run) madeFor(b metrics.Baseline) (Registration, error) {
	fits := func(g Registration) bool {
		return b.Generation == g.ID || g.Digest != "" && b.Provenance[ProvenanceModel] == g.Digest
	}
	if r.active.ID != "" && fits(r.active) {
		return r.active, nil
	}
	list := byAppearance(r.in.Generations)
	for _, g := range slices.Backward(list) {
		if fits(g) {
			return g, nil
		}
	}
	if len(list) == 0 {
		return Registration{}, fmt.Errorf("no worker has registered %s yet: start one first", r.st.Detector)
	}
	digest := cmp.Or(b.Provenance[ProvenanceModel], "unknown")
	return Registration{}, fmt.Errorf("baseline %s was counted with another model (sha256 %.12s): %s is probed with %s", b.ID, digest, r.st.Detector, modelsOf(list))
}

func modelsOf(list []Registration) string {
	var models []string
	for _, g := range list {
		if text := fmt.Sprintf("%.12s (version %s)", g.Digest, g.Version); !slices.Contains(models, text) {
			models = append(models, text)
		}
	}
	return strings.Join(models, ", ")
}

// fewest is the smallest number of trials among the series that a generation would be held against, labels aside: those
// come later, and their series waits.
func fewest(g Generation, b metrics.Baseline) float64 {
	least := -1.
	for _, s := range variantSeries(g) {
		if ref, ok := b.Series[s.Name()]; ok && s.Metric != MetricRALabel && (least < 0 || ref.N < least) {
			least = ref.N
		}
	}
	return max(least, 0)
}

func someSeries(b metrics.Baseline) string {
	names := sortedKeys(b.Series)
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}

func sameReferences(a, b metrics.Baseline) bool {
	if len(a.Series) != len(b.Series) {
		return false
	}
	for name, ref := range a.Series {
		if b.Series[name] != ref {
			return false
		}
	}
	return true
}

// freeze proposes the rates of the latest past of the active generation.
func (r *run) freeze(o Order) (made, text string, err error) {
	switch {
	case r.active.ID == "":
		return "", "", fmt.Errorf("nothing was counted of %s yet", r.st.Detector)
	case r.st.Trust.State == StateUntrusted:
		return "", "", fmt.Errorf("the figures are not to be trusted now: %s", r.st.Trust.Reason)
	}
	counts, from, err := r.past(o.Span)
	if err != nil {
		return "", "", err
	}
	id := fmt.Sprintf("%s-%s-%s", metrics.Accepted, r.active.ID, o.ID)
	for _, known := range r.gen.all() {
		if known.ID == id { // the archive has brought it back
			return id, fmt.Sprintf("baseline %s is known already, as number %d", id, known.Version), nil
		}
	}
	reason := fmt.Sprintf("%s (rates of version %s, %s to %s)", o.Reason, r.active.Version, stamp(from), stamp(r.mark))
	whole := mature(r.active.Generation, counts, leastProposed)
	b, err := FreezeBaseline(metrics.Accepted, r.active.Generation, counts, r.mark, reason,
		func(name string, _ metrics.Trials) bool { return whole[name] })
	if err != nil {
		return "", "", fmt.Errorf("too few probes: %d since %s, and every variant needs %d; wait, or take a longer part of the past",
			counts[FieldProbes], stamp(from), leastProposed)
	}
	b = *served(b, r.active.ID)
	b.ID, b.Author = id, o.Author
	list, slices := r.slicesFor(o.Span)
	r.freezeSlices(&b, list, slices)
	b = r.gen.propose(b)
	return b.ID, fmt.Sprintf("baseline %s (%d series, %d probes since %s) is proposed as number %d of version %s; approve it to use it", b.ID,
		len(b.Series), counts[FieldProbes], stamp(from), b.Version, r.active.Version), nil
}

// past adds up the buckets of the last span before the watermark, from the shortest window that holds them; all for 0. It
// begins with a whole bucket.
func (r *run) past(span time.Duration) (Counts, time.Time, error) {
	if span == 0 {
		return r.in.Totals[r.active.ID], r.gen.First, nil
	}
	if span > LongestSpan {
		return nil, time.Time{}, fmt.Errorf("%s is too long: give at most 7 days, or 0 for all since version %s appeared", rounded(span), r.active.Version)
	}
	window := span
	for _, w := range slices.Backward(r.m.cfg.Windows) {
		if w >= span {
			window = w
		}
	}
	_, width := r.m.bucketsOf(window)
	cells := r.m.cellsOf(r.active.ID, window, r.mark, len(r.active.Variants))
	if len(cells) == 0 {
		return nil, time.Time{}, fmt.Errorf("nothing was counted of %s yet", r.st.Detector)
	}
	from := max(floorTo(r.mark.Add(-span), width), cells[0].Start)
	sum := Counts{}
	for _, c := range cells {
		if c.Start < from {
			continue
		}
		for field, n := range r.in.Cells[c] {
			sum[field] += n
		}
	}
	return sum, time.Unix(from, 0).UTC(), nil
}

// slicesFor lists the series of slices that have enough probes in a span, with their counts. Coarse buckets hold no changes
// by slice: for a long span the longest window of fine ones has to do.
func (r *run) slicesFor(span time.Duration) (list []Series, counts *tally) {
	counts = r.total
	if span > 0 {
		counts = r.short()
		for i, w := range r.m.cfg.Windows {
			if w <= span && w <= r.m.cfg.FineHorizon {
				counts = r.windows[i]
			}
		}
	}
	for _, s := range sliceSeries(r.active.Generation, sortedKeys(r.in.Slices)) {
		if counts.trials(s).N >= leastProposed {
			list = append(list, s)
		}
	}
	return list, counts
}

// looks are the spans whose buckets a fold needs: the windows, and what freezes want that is longer.
func (m *Machine) looks(orders []Order) []time.Duration {
	spans := slices.Clone(m.cfg.Windows)
	for _, o := range orders {
		if o.Kind == OrderFreeze && o.Span > spans[len(spans)-1] && o.Span <= LongestSpan {
			spans = append(spans, o.Span)
		}
	}
	return spans
}
