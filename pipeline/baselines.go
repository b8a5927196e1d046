package pipeline

import (
	"fmt"
	"math"
	"slices"
	"time"

	"shaketable/metrics"
)

// What a generation is held against. References are kept per variant; families and the detector are pooled from them, so
// a baseline of a larger suite serves a smaller one.

// Keys of a baseline's provenance by which it is recognised.
const (
	// ProvenanceModel is the SHA-256 of the model file in hex: a file baseline serves every generation of that model.
	ProvenanceModel = "model_sha256"
	// ProvenanceServes is the generation that a frozen baseline was made for.
	ProvenanceServes = "serves"
	// ProvenanceVersion is the version of the detector whose probes were counted.
	ProvenanceVersion = "version"
	// ProvenanceSuite is the suite that they went through.
	ProvenanceSuite = "suite"
)

// BaselineAuthor signs what the program froze by itself.
const BaselineAuthor = "shaketable"

// FreezeBaseline makes a baseline of the running totals of a generation: every variant series that passes keep (nil:
// all) and has trials. It returns an error if nothing is left.
func FreezeBaseline(kind metrics.BaselineKind, g Generation, totals Counts, at time.Time, reason string,
	keep func(name string, t metrics.Trials) bool) (metrics.Baseline, error) {
	b := metrics.Baseline{Schema: metrics.BaselineSchema, Kind: kind, ID: fmt.Sprintf("%s-%s-%d", kind, g.ID, at.Unix()),
		Generation: g.ID, FrozenAt: at.UTC(), Author: BaselineAuthor, Reason: reason, Series: map[string]metrics.Reference{},
		Provenance: map[string]string{ProvenanceModel: g.Digest, ProvenanceVersion: g.Version, ProvenanceSuite: g.Suite}}
	t := newTally(g, 0)
	t.add(totals)
	for _, s := range variantSeries(g) {
		trials := t.trials(s)
		if trials.N > 0 && (keep == nil || keep(s.Name(), trials)) {
			b.Series[s.Name()] = metrics.Reference{N: trials.N, K: trials.K}
		}
	}
	return b, b.Validate()
}

// variantSeries lists every metric of every variant.
func variantSeries(g Generation) []Series {
	var list []Series
	for i, v := range g.Variants {
		s := Series{Scope: ScopeVariant, Family: v.Family, Severity: v.Severity, Parameter: v.Parameter, pools: [][]int{{i + 1}}}
		for _, m := range []Metric{MetricRASelf, MetricRALabel} {
			s.Metric = m
			list = append(list, s)
		}
		s.Metric = MetricRR
		for _, e := range g.Edges {
			s.Edge = e
			list = append(list, s)
		}
	}
	return list
}

// referenceOf returns the trials that a baseline has for a series, pooled from its variants: the mean over families of the
// mean of the rates of their variants, whatever the number of trials of each, out of as many trials as the variant with the
// fewest has. What a baseline says of a family is not used: it is the mean over the severities of another suite.
func referenceOf(b *metrics.Baseline, g Generation, s Series) (metrics.Trials, bool) {
	if s.Slice != "" {
		return sliceReference(b, g, s)
	}
	reference := func(i int) (metrics.Reference, bool) {
		v := g.Variants[i-1]
		r, ok := b.Series[SeriesName(s.Metric, s.Edge, v.Family, v.Parameter)]
		return r, ok && r.N > 0
	}
	fewest := math.Inf(1)
	for _, i := range slices.Concat(s.pools...) {
		r, ok := reference(i)
		if !ok {
			return metrics.Trials{}, false
		}
		fewest = min(fewest, r.N)
	}
	var sum metrics.Trials
	for _, pool := range s.pools {
		size := float64(len(pool) * len(s.pools))
		for _, i := range pool {
			r, _ := reference(i)
			w := fewest / r.N
			sum = sum.Plus(metrics.Trials{N: w * r.N / size, K: w * r.K / size})
		}
	}
	return sum, len(s.pools) > 0
}

// mature names the variant series that have at least so many trials together with all those that they are pooled with:
// families and the detector are held against one baseline, which has to have all of their variants. Labels come later than
// probes and attacks are rarer, so neither keeps the rest waiting.
func mature(g Generation, totals Counts, least int64) map[string]bool {
	type group struct {
		labels bool
		attack string
	}
	groupOf := func(s Series) group {
		if Natural(s.Family) {
			return group{labels: s.Metric == MetricRALabel}
		}
		return group{s.Metric == MetricRALabel, s.Family}
	}
	t := newTally(g, 0)
	t.add(totals)
	fewest := map[group]float64{}
	for _, s := range variantSeries(g) {
		n, in := t.trials(s).N, groupOf(s)
		if most, ok := fewest[in]; !ok || n < most {
			fewest[in] = n
		}
	}
	names := map[string]bool{}
	for _, s := range variantSeries(g) {
		names[s.Name()] = fewest[groupOf(s)] >= float64(least)
	}
	return names
}

// hand gives a generation that traffic has just reached what its predecessor leaves. While the predecessor is itself in an
// episode that is not its counts but the baseline it fails against: a bad version must not excuse the next one.
func (r *run) hand(to *GenerationState, g Generation) {
	before, ok := r.registration(r.st.Choice.Active)
	if !ok || before.ID == g.ID {
		return
	}
	if a := r.st.Alerts[Paging]; a != nil && a.Episode != nil {
		if own := r.st.Generations[before.ID].Baselines; len(own) > 0 {
			b := own[0]
			b.Kind, b.Approved = metrics.Predecessor, nil
			b.Reason = fmt.Sprintf("handed on by version %s, which is in an episode", before.Version)
			to.Handed = served(b, g.ID)
		}
		return
	}
	reason := fmt.Sprintf("rates of version %s when traffic first reached version %s", before.Version, g.Version)
	whole := mature(before.Generation, r.in.Totals[before.ID], r.m.cfg.Predecessor.MinProbes)
	b, err := FreezeBaseline(metrics.Predecessor, before.Generation, r.in.Totals[before.ID], r.mark, reason,
		func(name string, _ metrics.Trials) bool { return whole[name] })
	if err == nil { // an error says that it had too few probes
		r.handSlices(&b, before.Generation)
		to.Handed = served(b, g.ID)
	}
}

func served(b metrics.Baseline, generation string) *metrics.Baseline {
	provenance := map[string]string{}
	for k, v := range b.Provenance {
		provenance[k] = v
	}
	provenance[ProvenanceServes] = generation
	b.Provenance = provenance
	return &b
}

// settle freezes what the active generation is held against, in the configured order. What the first baseline lacks, such
// as labels that lag, is added by a burn-in of its own. It returns what was frozen now.
func (r *run) settle() []metrics.Baseline {
	r.meetSlices()
	var frozen []metrics.Baseline
	for _, kind := range r.m.cfg.Baseline {
		switch {
		case kind == metrics.BurnIn:
			frozen = append(frozen, r.burnIn()...)
		case len(r.gen.Baselines) > 0 || kind == metrics.Objective:
		case kind == metrics.File || kind == metrics.Predecessor:
			if b := r.given(kind); b != nil && r.m.serves(r.active.Generation, b) {
				frozen = append(frozen, r.gen.use(*b))
			}
		}
	}
	return frozen
}

// given finds a baseline that exists already: read from a file, restored after a loss of the store, or handed over.
func (r *run) given(kind metrics.BaselineKind) *metrics.Baseline {
	for i := range r.m.known {
		b := &r.m.known[i]
		if b.Kind != kind && (kind != metrics.File || b.Kind == metrics.Objective) { // a file may hold what was exported
			continue
		}
		if b.Provenance[ProvenanceServes] == r.active.ID || kind == metrics.File &&
			(b.Generation == r.active.ID || r.active.Digest != "" && b.Provenance[ProvenanceModel] == r.active.Digest) {
			return b
		}
	}
	if kind == metrics.Predecessor {
		return r.gen.Handed
	}
	return nil
}

// serves says whether a baseline has any series of a generation.
func (m *Machine) serves(g Generation, b *metrics.Baseline) bool {
	return slices.ContainsFunc(variantSeries(g), func(s Series) bool { _, ok := referenceOf(b, g, s); return ok })
}

// burnIn freezes the series that no baseline has, once they have matured.
func (r *run) burnIn() []metrics.Baseline {
	if len(r.gen.Baselines) == 0 {
		if b := r.given(metrics.BurnIn); b != nil {
			return []metrics.Baseline{r.gen.use(*b)}
		}
	}
	cfg := r.m.cfg.BurnIn
	if r.gen.First.IsZero() || r.mark.Sub(r.gen.First) < cfg.MinDuration || r.st.Trust.State != "" {
		return nil
	}
	lacking := r.lacking()
	if len(lacking) == 0 && len(r.lackingSlices(cfg)) == 0 {
		return nil
	}
	reason := fmt.Sprintf("first probes of version %s, %s to %s", r.active.Version, stamp(r.gen.First), stamp(r.mark))
	whole := mature(r.active.Generation, r.in.Totals[r.active.ID], cfg.MinProbes)
	b, err := FreezeBaseline(metrics.BurnIn, r.active.Generation, r.in.Totals[r.active.ID], r.mark, reason,
		func(name string, _ metrics.Trials) bool { return whole[name] && lacking[name] })
	if len(b.Series) > 0 && err != nil {
		return nil
	}
	if r.freezeSlices(&b, r.lackingSlices(cfg), r.total); len(b.Series) == 0 { // nothing has matured, or everything has a reference
		return nil
	}
	b = *served(b, r.active.ID)
	if cfg.Approval {
		r.gen.propose(b)
		return nil
	}
	r.beginAfter(b)
	return []metrics.Baseline{r.gen.use(b)}
}

// held says whether a baseline has a series: one in use, or a burn-in that waits for its approval.
func (r *run) held(s Series) bool {
	has := func(b metrics.Baseline) bool {
		_, ok := referenceOf(&b, r.active.Generation, s)
		return ok
	}
	return slices.ContainsFunc(r.gen.Baselines, has) || r.m.cfg.BurnIn.Approval &&
		slices.ContainsFunc(r.gen.Proposed, func(b metrics.Baseline) bool { return b.Kind == metrics.BurnIn && has(b) })
}

// lacking names the variant series that any series without a baseline is made of: its own, a family's or the detector's.
func (r *run) lacking() map[string]bool {
	names := map[string]bool{}
	list, _ := SeriesOf(r.active.Generation, nil)
	for _, s := range list {
		if len(s.pools) == 0 || r.held(s) {
			continue
		}
		for _, i := range slices.Concat(s.pools...) {
			v := r.active.Variants[i-1]
			names[SeriesName(s.Metric, s.Edge, v.Family, v.Parameter)] = true
		}
	}
	return names
}

// beginAfter keeps the probes that made a baseline out of the evidence against it.
func (r *run) beginAfter(b metrics.Baseline) {
	list, _ := SeriesOf(r.active.Generation, nil, sortedKeys(r.in.Slices)...)
	for _, s := range list {
		if _, ok := referenceOf(&b, r.active.Generation, s); ok && !r.held(s) {
			r.series(s.id()).Gain = metrics.Gain{Folded: r.trials(s)}
		}
	}
}
