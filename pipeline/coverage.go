package pipeline

import (
	"fmt"
	"math"

	"shaketable/metrics"
)

// Whether labels still come is a series of its own: of the pictures that are old enough, how many have one.
//
// In: the buckets that have matured since the last fold. Out: the trials of label coverage, held against those of the first
// ones. Invariant: a bucket is judged once, when it matures; labels that come later, or are corrected, change nothing.

// coverage counts as failures the probes without a label. Counters that were read while a batch arrived can be a little
// apart: then there are no trials, and the next fold sees them whole.
func coverage(probes, labelled int64) metrics.Trials {
	if labelled > probes {
		return metrics.Trials{}
	}
	return metrics.Trials{N: float64(probes), K: float64(probes - labelled)}
}

// matured counts the probes whose labels should have come since the last fold, and freezes the first of them as what the
// rest is held against.
func (r *run) matured() {
	l := r.st.Labels
	_, width := r.m.bucketsOf(l.Delay + maturing*r.m.fine)
	end := floorTo(r.mark.Add(-l.Delay), width)
	if l.Series.Score == 0 {
		l.Run = metrics.Trials{}
	}
	block := r.block(Series{Metric: MetricCoverage})
	for _, id := range probing(r.st, r.active.ID) {
		for _, c := range r.m.maturedBuckets(l, id, r.mark) {
			counts := r.in.Cells[c]
			t := coverage(counts[FieldProbes], counts[FieldLabelled(0)])
			l.Counted, l.Run = l.Counted.Plus(t), l.Run.Plus(t)
			if l.Baseline != nil {
				l.judge(t, block)
			}
		}
	}
	if l.Cursor = max(l.Cursor, end); l.Since.IsZero() && l.Counted.N > 0 {
		l.Since = r.mark
	}
	cfg := r.m.cfg.BurnIn
	if l.Baseline != nil || l.Since.IsZero() || l.Counted.N < float64(cfg.MinProbes) || r.mark.Sub(l.Since) < cfg.MinDuration || r.st.Trust.State != "" {
		return
	}
	first := l.Counted
	l.Baseline, l.Frozen, l.Counted, l.Series = &first, r.mark, metrics.Trials{}, SeriesState{}
}

// coverageNull is what label coverage may be at worst: labels come half as often as they did in the first probes. A few per
// cent less is a matter of who works today. A trial is one probe, and q0 the share without a label. Where labels are rare a
// probe without one says nothing; there a trial is a block of probes of which none has a label, and q0 the chance of that at
// half the usual rate c:
//
//	q0 = (1 - c/2)^block, block the smallest with q0 <= rareNull
//
// If each probe gets a label with probability c/2 or more given the past, a block fails with probability q0 or less. block 0
// says that too few labels came to know c.
func coverageNull(first metrics.Trials, epsilon float64) (q0 float64, block int64, err error) {
	if q0, err = metrics.Null(first.K, first.N, epsilon); err != nil {
		return 0, 0, err
	}
	c := 1 - first.K/first.N
	if q0 = max(q0, 1-c/2); metrics.Judged(q0) {
		return q0, 1, nil
	}
	if first.N-first.K < minRare {
		return q0, 0, nil
	}
	block = int64(math.Ceil(math.Log(rareNull) / math.Log1p(-c/2)))
	return math.Pow(1-c/2, float64(block)), block, nil
}

const (
	// rareNull is the chance that a block of probes has no label, at half the usual rate.
	rareNull = .25
	// minRare is how many labels the first probes need where labels are rare.
	minRare = 10
)

// judge adds matured probes to the trials. Which of them have the labels is not known, so as many blocks as can be are
// taken to have one, the one that is not whole yet included: no more fail than really do.
func (l *LabelState) judge(t metrics.Trials, block int64) {
	if block <= 1 {
		l.Judged = l.Judged.Plus(t)
		return
	}
	l.Carry = l.Carry.Plus(t)
	blocks := math.Floor(l.Carry.N / float64(block))
	if blocks == 0 {
		return
	}
	labels, rest := l.Carry.N-l.Carry.K, l.Carry.N-blocks*float64(block)
	l.Judged = l.Judged.Plus(metrics.Trials{N: blocks, K: max(0, blocks-labels)})
	l.Carry = metrics.Trials{N: rest, K: rest - min(max(0, labels-blocks), min(rest, 1))}
}

// block is how many probes are one trial of a series; 0 if it is not judged.
func (r *run) block(s Series) int64 {
	if s.Metric != MetricCoverage {
		return 1
	}
	if r.st.Labels.Baseline == nil {
		return 0
	}
	_, block, err := coverageNull(*r.st.Labels.Baseline, r.m.cfg.Epsilon)
	if err != nil {
		return 0
	}
	return block
}

// lately returns the trials of a series in the shortest window, in the unit that it is judged in.
func (r *run) lately(s Series) metrics.Trials {
	t, block := r.short().trials(s), float64(r.block(s))
	if block <= 1 || t.N <= 0 {
		return t
	}
	return metrics.Trials{N: t.N / block, K: t.N / block * math.Pow(t.K/t.N, block)}
}

// enough is how many trials of a series a recovery must rest on: those of so many probes, but never too few for a band.
func (r *run) enough(s Series) float64 {
	least := float64(r.m.cfg.Resolve.MinProbes)
	if block := r.block(s); block > 1 {
		return max(minShare, least/float64(block))
	}
	return least
}

// coverageLines say what rests on labels.
func (r *run) coverageLines() []string {
	l := r.st.Labels
	delay := "as configured"
	if l.Measured {
		delay = fmt.Sprintf("95 of 100 labels came within that, of %s", count(float64(l.Labels), "label", "labels"))
	}
	return []string{fmt.Sprintf("Means: the accuracy that needs labels rests on fewer and fewer pictures; what needs none goes on. A label is missed after %s (%s).",
		rounded(l.Delay), delay)}
}

// LabelView says how labels come.
type LabelView struct {
	// Delay in seconds, by which the windows of labelled figures end earlier; Measured says that 95 % of Labels first labels
	// came within it, else it is configured, or assumed until there are 30.
	Delay    float64 `json:"delay"`
	Measured bool    `json:"measured"`
	Labels   int64   `json:"labels"`
	// Coverage is the share of probes with a label among those old enough, since the last change of the delay; Baseline that
	// of the first ones, 0 until there are enough.
	Coverage *Rate   `json:"coverage,omitempty"`
	Baseline float64 `json:"baseline,omitempty"`
	Judged   bool    `json:"judged"`
	Why      string  `json:"why,omitempty"`
	// Corrected labels replaced another one, Contradicting ones say something else than one of the same revision and were not
	// used; of all detectors, since the store began.
	Corrected     int64 `json:"corrected"`
	Contradicting int64 `json:"contradicting"`
}

func (r *run) labelView() *LabelView {
	l := r.st.Labels
	if l == nil {
		return nil
	}
	v := &LabelView{Delay: l.Delay.Seconds(), Measured: l.Measured, Labels: l.Labels, Coverage: rateOf(l.Counted),
		Corrected: r.in.Outcomes["label.corrected"], Contradicting: r.in.Outcomes["label.conflict"]}
	if l.Baseline != nil {
		v.Baseline = 1 - l.Baseline.K/l.Baseline.N
	}
	if j := r.find(string(MetricCoverage)); j != nil {
		v.Judged, v.Why = j.detector != nil, j.why
	}
	return v
}
