package metrics

import (
	"errors"
	"fmt"
	"slices"
)

// Turn is what a perturbation did to the decision.
type Turn int

// The three halves of a histogram: a fake slipping through and a real one blocked are different nights.
const (
	Kept       Turn = iota // decision unchanged
	TurnedReal             // was fake, became real
	TurnedFake             // was real, became fake
	turns                  // how many there are
)

// String returns the name used in records and labels: kept, to_real, to_fake.
func (t Turn) String() string {
	switch t {
	case Kept:
		return "kept"
	case TurnedReal:
		return "to_real"
	case TurnedFake:
		return "to_fake"
	}
	return fmt.Sprintf("turn(%d)", int(t))
}

// TurnOf compares the decisions on the clean probability p and the perturbed q; at the threshold and above is fake.
func TurnOf(p, q, threshold float64) Turn {
	switch {
	case p >= threshold && q < threshold:
		return TurnedReal
	case p < threshold && q >= threshold:
		return TurnedFake
	}
	return Kept
}

// Histogram counts probes by their change in ticks, separately for each [Turn]. It merges and subtracts exactly, in any
// order, which sketches do not: t-digest counts half of the ties at a tolerance and cannot subtract, and DDSketch
// bounds the error of a value where RR(b) asks for a rank.
type Histogram struct {
	edges  Edges
	counts [turns][]int64
}

// NewHistogram returns an empty histogram with these edges, which it copies. Edges that do not ascend from 0 to
// TicksPerUnit are an error.
func NewHistogram(edges Edges) (*Histogram, error) {
	if err := edges.validate(); err != nil {
		return nil, fmt.Errorf("new histogram: %w", err)
	}
	h := &Histogram{edges: slices.Clone(edges)}
	for t := range h.counts {
		h.counts[t] = make([]int64, len(edges))
	}
	return h, nil
}

// Edges returns a copy of the upper bounds of the bins, in ticks.
func (h *Histogram) Edges() Edges { return slices.Clone(h.edges) }

// Add counts one probe that moved by d ticks. A d outside 0..TicksPerUnit, such as [Undefined], is an error, and nothing
// is counted: such a probe is inconclusive.
func (h *Histogram) Add(t Turn, d int64) error {
	i := h.edges.Bin(d)
	if i == Undefined {
		return fmt.Errorf("add to histogram: change of %d ticks is not in 0..%d: count the probe as inconclusive", d, TicksPerUnit)
	}
	return h.AddCount(t, h.edges[i], 1)
}

// AddCount adds probes to the bin whose upper bound is exactly edge, in ticks. An edge or a turn that the histogram
// does not have, and a bin that would become negative, are errors, and nothing is counted.
func (h *Histogram) AddCount(t Turn, edge, probes int64) error {
	if t < 0 || t >= turns {
		return fmt.Errorf("add to histogram: no half %v", t)
	}
	i, ok := h.edges.Index(edge)
	if !ok {
		return fmt.Errorf("add to histogram: no edge at %d ticks: the count was taken with other tolerances", edge)
	}
	if h.counts[t][i]+probes < 0 {
		return fmt.Errorf("add to histogram: bin %d of %v would hold %d", edge, t, h.counts[t][i]+probes)
	}
	h.counts[t][i] += probes
	return nil
}

// At returns how many probes the bin with this upper bound holds, 0 where there is no such bin.
func (h *Histogram) At(t Turn, edge int64) int64 {
	i, ok := h.edges.Index(edge)
	if !ok || t < 0 || t >= turns {
		return 0
	}
	return h.counts[t][i]
}

// Merge adds the counts of o. Other edges are an error.
func (h *Histogram) Merge(o *Histogram) error { return h.combine(o, 1) }

// Subtract takes the counts of o away. Other edges are an error, and so is a bin that would become negative: o is then
// no part of h. After an error h is unchanged.
func (h *Histogram) Subtract(o *Histogram) error { return h.combine(o, -1) }

func (h *Histogram) combine(o *Histogram, sign int64) error {
	if !slices.Equal(h.edges, o.edges) {
		return errors.New("combine histograms: their edges differ: rebin one, or keep their generations apart")
	}
	for t := range h.counts {
		for i := range h.edges {
			if h.counts[t][i]+sign*o.counts[t][i] < 0 {
				return fmt.Errorf("subtract histograms: bin %d of %v would become negative: the second is no part of the first",
					h.edges[i], Turn(t))
			}
		}
	}
	for t := range h.counts {
		for i := range h.edges {
			h.counts[t][i] += sign * o.counts[t][i]
		}
	}
	return nil
}

// Rebin returns the same counts on coarser edges. It is exact, and an edge that h does not have is an error.
func (h *Histogram) Rebin(edges Edges) (*Histogram, error) {
	coarse, err := NewHistogram(edges)
	if err != nil {
		return nil, err
	}
	for _, e := range edges {
		if _, ok := h.edges.Index(e); !ok {
			return nil, fmt.Errorf("rebin histogram: no edge at %d ticks to build on", e)
		}
	}
	for t := range h.counts {
		for i, e := range h.edges {
			coarse.counts[t][edges.Bin(e)] += h.counts[t][i]
		}
	}
	return coarse, nil
}

// N returns how many probes were counted.
func (h *Histogram) N() int64 { return h.total(Kept) + h.total(TurnedReal) + h.total(TurnedFake) }

// RASelf returns how many probes kept their decision.
func (h *Histogram) RASelf() Count {
	kept := h.total(Kept)
	return Count{Lower: kept, Upper: kept, N: h.N()}
}

// Flips returns how many decisions turned to real and to fake.
func (h *Histogram) Flips() (toReal, toFake int64) { return h.total(TurnedReal), h.total(TurnedFake) }

// RR returns how many probes moved by at most b, a probability: exactly where b is an edge, else between the counts at
// the edges around it.
func (h *Histogram) RR(b float64) Count {
	return h.within(Edge(b), Kept, TurnedReal, TurnedFake)
}

// RRStrict is like RR, and the decision did not change.
func (h *Histogram) RRStrict(b float64) Count { return h.within(Edge(b), Kept) }

// CurvePoint is one point of the RR curve: how many of N probes moved by at most Edge ticks.
type CurvePoint struct {
	Edge   int64 `json:"edge"`
	RR     int64 `json:"rr"`
	Strict int64 `json:"strict"`
	N      int64 `json:"n"`
}

// Curve returns RR and RRStrict at every edge, ascending; both never fall. [DKW] gives a band around the whole curve.
func (h *Histogram) Curve() []CurvePoint {
	curve := make([]CurvePoint, len(h.edges))
	n := h.N()
	var rr, strict int64
	for i, e := range h.edges {
		strict += h.counts[Kept][i]
		rr += h.counts[Kept][i] + h.counts[TurnedReal][i] + h.counts[TurnedFake][i]
		curve[i] = CurvePoint{Edge: e, RR: rr, Strict: strict, N: n}
	}
	return curve
}

// within counts d <= edge. Between two edges the bin around it may lie wholly above or wholly below.
func (h *Histogram) within(edge int64, halves ...Turn) Count {
	c := Count{N: h.N()}
	for _, t := range halves {
		for i, upper := range h.edges {
			n := h.counts[t][i]
			if upper <= edge {
				c.Lower += n
			}
			if i == 0 && edge >= 0 || i > 0 && h.edges[i-1] < edge {
				c.Upper += n
			}
		}
	}
	return c
}

func (h *Histogram) total(t Turn) int64 {
	var n int64
	for _, c := range h.counts[t] {
		n += c
	}
	return n
}
