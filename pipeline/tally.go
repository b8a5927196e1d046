package pipeline

import (
	"strconv"
	"strings"

	"shaketable/metrics"
)

// tally is a set of cells of one generation, added up and taken apart by field.
//
// In: counters of any kind of cell. Out: the trials of any series. Every kind of cell has a bin that ends at each
// tolerance, so RR at a tolerance is exact whichever kind it was counted in.
type tally struct {
	generation   Generation
	skewEdge     int64
	probes       int64
	detections   int64
	cleanFake    int64
	skewProbes   int64
	skewBeyond   int64 // deployed score further from ours than the tolerance
	inconclusive int64
	reasons      map[string]int64
	attackFailed int64 // probes that are counted, without their attacks
	attackFaults map[string]int64
	variants     []variantTally // index 0 is the clean picture: labels only
	// labelProbes are the probes of the buckets that the labels were taken from, see [tally.addLabels].
	labelProbes int64
	provisional bool              // the labels are of pictures for which more may come
	slices      map[string]*tally // what of it is known by slice; nil in a slice's own
}

// variantTally is what one variant's fields add up to.
type variantTally struct {
	kept, toReal, toFake int64
	within, strict       []int64 // by tolerance: changed by at most that; and decision kept
	labelled, correct    int64
	revised              int64 // what corrected labels have added to correct, or taken from it
}

func (v *variantTally) probes() int64 { return v.kept + v.toReal + v.toFake }

func newTally(g Generation, skewTolerance float64) *tally {
	t := &tally{generation: g, skewEdge: metrics.Edge(skewTolerance), reasons: map[string]int64{}, attackFaults: map[string]int64{},
		variants: make([]variantTally, 1+len(g.Variants))}
	for i := range t.variants {
		t.variants[i].within = make([]int64, len(g.Edges))
		t.variants[i].strict = make([]int64, len(g.Edges))
	}
	return t
}

// slice is the part of one slice, made if it is not there yet.
func (t *tally) slice(name string) *tally {
	if t.slices[name] == nil {
		if t.slices == nil {
			t.slices = map[string]*tally{}
		}
		t.slices[name] = newTally(t.generation, metrics.Tolerance(t.skewEdge))
	}
	return t.slices[name]
}

// of is the part of one slice, all of it for "", and nothing for one that is not there.
func (t *tally) of(slice string) *tally {
	if slice == "" {
		return t
	}
	if part := t.slices[slice]; part != nil {
		return part
	}
	return newTally(t.generation, metrics.Tolerance(t.skewEdge))
}

// add adds the counters of one cell. Fields of a later version of the program are left alone.
func (t *tally) add(c Counts) {
	for field, n := range c {
		t.addField(field, n)
	}
}

func (t *tally) addField(field string, n int64) {
	switch {
	case field == FieldProbes:
		t.probes += n
	case field == FieldDetections:
		t.detections += n
	case field == FieldCleanFake:
		t.cleanFake += n
	case field == "":
	case field[0] == 's':
		t.addSkew(field[1:], n)
	case field[0] == 'x':
		t.inconclusive += n
		t.reasons[field[1:]] += n
	case field[0] == 'a':
		t.attackFailed += n
		t.attackFaults[field[1:]] += n
	default:
		t.addVariant(field, n)
	}
}

func (t *tally) addSkew(edge string, n int64) {
	e, err := strconv.ParseInt(edge, 10, 64)
	if err != nil {
		return
	}
	t.skewProbes += n
	if e > t.skewEdge {
		t.skewBeyond += n
	}
}

func (t *tally) addVariant(field string, n int64) {
	at := strings.IndexAny(field, "krfLCR")
	if at < 1 {
		return
	}
	i, err := strconv.Atoi(field[:at])
	if err != nil || i < 0 || i >= len(t.variants) {
		return
	}
	v := &t.variants[i]
	switch field[at] {
	case 'L':
		v.labelled += n
		return
	case 'C':
		v.correct += n
		return
	case 'R':
		v.revised += n
		return
	}
	if edge, err := strconv.ParseInt(field[at+1:], 10, 64); err == nil {
		v.addChange(Half(field[at]), edge, n, t.generation.Edges)
	}
}

func (v *variantTally) addChange(h Half, edge, n int64, edges []int64) {
	switch h {
	case Kept:
		v.kept += n
	case ToReal:
		v.toReal += n
	case ToFake:
		v.toFake += n
	}
	for j, e := range edges {
		if edge <= e {
			v.within[j] += n
			if h == Kept {
				v.strict[j] += n
			}
		}
	}
}

// trials returns the conclusive probes of a series and its failures.
func (t *tally) trials(s Series) metrics.Trials {
	switch {
	case s.Slice != "":
		part := t.of(s.Slice)
		s.Slice = ""
		return part.trials(s)
	case s.Metric == MetricSkew:
		return metrics.Trials{N: float64(t.skewProbes), K: float64(t.skewBeyond)}
	case s.Metric == MetricCoverage:
		return coverage(t.labelProbes, t.variants[0].labelled)
	}
	return t.pooled(s.pools, func(v *variantTally) metrics.Trials { return v.trials(s.Metric, s.index(t.generation.Edges)) })
}

// index is the position of the series' tolerance; -1 for metrics without one.
func (s Series) index(edges []int64) int {
	for j, e := range edges {
		if s.Metric == MetricRR && e == s.Edge {
			return j
		}
	}
	return -1
}

func (v *variantTally) trials(m Metric, edge int) metrics.Trials {
	n := v.probes()
	switch {
	case m == MetricRASelf:
		return metrics.Trials{N: float64(n), K: float64(n - v.kept)}
	case m == MetricRALabel:
		return metrics.Trials{N: float64(v.labelled), K: float64(v.labelled - v.correct)}
	case m == MetricRR && edge >= 0:
		return metrics.Trials{N: float64(n), K: float64(n - v.within[edge])}
	}
	return metrics.Trials{}
}

// strictTrials counts as a failure what changed by more than the tolerance or turned the decision.
func (v *variantTally) strictTrials(edge int) metrics.Trials {
	n := v.probes()
	return metrics.Trials{N: float64(n), K: float64(n - v.strict[edge])}
}

// pooled is the mean over families of the mean over their variants, where each variant has the same say however often it
// runs: with a_v = 1/(families x variants of its family),
//
//	N = Σ a_v w_v n_v,  K = Σ a_v w_v k_v,  w_v = c/r_v,  c = the smallest r_v of the series
//
// and r_v the variant's rate by design, a constant of the generation. Counted shares would not do: they know what is still
// to come. If all r_v are 1, all w_v are, and this is the plain mean.
//
// [metrics.ESR] keeps its guarantee for the null Σ a_v q_v <= q0, with q_v the failure rate of variant v given the past. A
// probe that ran the variants S adds W = Σ_S a_v w_v <= Σ a_v = 1 to N and W y to K, with y a weighted mean of zeros and
// ones. By the weighted inequality of means (or Hölder's) and Bernoulli's, for λ = (q-q0)/(q0(1-q0)), its factor is
//
//	((q/q0)^y ((1-q)/(1-q0))^(1-y))^W <= (1 + λ(y-q0))^W <= 1 + λ(W y - W q0)
//
// S is drawn from the media id by a keyed or published hash, never from what came out, so E[W y] = Σ a_v w_v r_v q_v =
// c Σ a_v q_v and E[W] = c Σ a_v = c: the expectation of the factor is at most 1 + λ c (Σ a_v q_v - q0) <= 1. A variant that
// was to run and failed (an attack out of time) is one more draw of S; it has to be rare or blind to the outcome.
//
// Counters read while a batch arrives can be a little apart from each other; what cannot be a set of trials is read as
// none, and the next fold sees it whole.
func (t *tally) pooled(pools [][]int, of func(*variantTally) metrics.Trials) metrics.Trials {
	var sum metrics.Trials
	least := t.generation.least(pools)
	for _, pool := range pools {
		var family metrics.Trials
		for _, i := range pool {
			w, v := least/t.generation.rate(i), of(&t.variants[i])
			family = family.Plus(metrics.Trials{N: w * v.N, K: w * v.K})
		}
		size := float64(len(pool) * len(pools))
		sum = sum.Plus(metrics.Trials{N: family.N / size, K: family.K / size})
	}
	if sum.Validate() != nil {
		return metrics.Trials{}
	}
	return sum
}

// minus is what is left of a tally without a part of it.
func (t *tally) minus(part *tally) *tally {
	left := newTally(t.generation, metrics.Tolerance(t.skewEdge))
	if part == nil {
		part = left
	}
	left.probes, left.detections, left.cleanFake = t.probes-part.probes, t.detections-part.detections, t.cleanFake-part.cleanFake
	left.skewProbes, left.skewBeyond = t.skewProbes-part.skewProbes, t.skewBeyond-part.skewBeyond
	left.inconclusive, left.attackFailed = t.inconclusive-part.inconclusive, t.attackFailed-part.attackFailed
	for i := range left.variants {
		v, a, b := &left.variants[i], &t.variants[i], &part.variants[i]
		v.kept, v.toReal, v.toFake = a.kept-b.kept, a.toReal-b.toReal, a.toFake-b.toFake
		v.labelled, v.correct, v.revised = a.labelled-b.labelled, a.correct-b.correct, a.revised-b.revised
		for j := range v.within {
			v.within[j], v.strict[j] = a.within[j]-b.within[j], a.strict[j]-b.strict[j]
		}
	}
	if t.slices != nil {
		left.slices = make(map[string]*tally, len(t.slices))
	}
	for name, of := range t.slices {
		left.slices[name] = of.minus(part.slices[name])
	}
	return left
}

// flips returns how many decisions turned to real and to fake, over the variants of a series.
func (t *tally) flips(pools [][]int) (toReal, toFake int64) {
	for _, pool := range pools {
		for _, i := range pool {
			toReal += t.variants[i].toReal
			toFake += t.variants[i].toFake
		}
	}
	return toReal, toFake
}
