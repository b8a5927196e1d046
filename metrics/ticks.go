package metrics

import (
	"fmt"
	"math"
	"slices"
)

// TicksPerUnit is the number of ticks in a change of probability of 1: a tick is one millionth.
const TicksPerUnit = 1_000_000

// gridStep is the spacing, in ticks, of the edges that every full histogram has: .005 of probability.
const gridStep = 5_000

// Undefined is what [Ticks] and [Edges.Bin] return where there is no change, or no bin: [Histogram.Add] refuses it.
const Undefined = -1

// Ticks returns the change of probability between the clean p and the perturbed q in ticks, round(|q-p| * 1e6), halves
// away from zero. It lies in 0..TicksPerUnit. It is [Undefined] if either is no probability: not a number, or outside
// [0,1] by more than a tick (a softmax in float32 may end one rounding above 1).
//
// Integer ticks, because floats get a tolerance wrong at its edge: .8 - .7 is .10000000000000009 in float64 and
// .10000002 in float32, so a plain comparison with .1 calls a change of exactly .1 too large.
func Ticks(p, q float64) int64 {
	const slack = 1. / TicksPerUnit
	for _, v := range [2]float64{p, q} {
		if !(v >= -slack && v <= 1+slack) {
			return Undefined
		}
	}
	return Edge(min(math.Abs(q-p), 1))
}

// Edge returns the tolerance b, a probability, in ticks: round(b * 1e6).
func Edge(b float64) int64 { return int64(math.Round(b * TicksPerUnit)) }

// Tolerance returns an edge in ticks as a probability: the inverse of [Edge].
func Tolerance(edge int64) float64 { return float64(edge) / TicksPerUnit }

// DefaultTolerances returns the tolerances at which RR(b) is reported unless the configuration names others.
func DefaultTolerances() []float64 { return []float64{.01, .02, .05, .10, .20} }

// HeadlineTolerances returns the tolerances of the figures that are shown first.
func HeadlineTolerances() []float64 { return []float64{.05, .10} }

// Edges are the upper bounds of the bins of a histogram, in ticks, ascending, from 0 to TicksPerUnit. Bin i is closed
// on the right: it covers (Edges[i-1], Edges[i]], and bin 0 holds exactly the unchanged. They match the inclusive upper
// bounds of OpenTelemetry explicit buckets and Prometheus `le`.
//
// Counts taken with different edges must not be mixed: a new edge splits a bin, and what was counted before the split
// still lies in its upper part. So the tolerances belong to what makes a generation.
type Edges []int64

// FullEdges returns the edges of a full histogram: 0, steps of .005 up to 1, and every tolerance given. A tolerance
// outside [0,1], or one that is no number, is an error.
func FullEdges(tolerances []float64) (Edges, error) {
	edges, err := CoarseEdges(tolerances)
	if err != nil {
		return nil, err
	}
	for e := int64(gridStep); e < TicksPerUnit; e += gridStep {
		edges = append(edges, e)
	}
	return sorted(edges), nil
}

// CoarseEdges returns 0, the tolerances given and 1: the fewest edges at which RR of these tolerances is exact. They are
// a subset of the [FullEdges] of the same tolerances. Errors are those of FullEdges.
func CoarseEdges(tolerances []float64) (Edges, error) {
	edges := Edges{0, TicksPerUnit}
	for _, b := range tolerances {
		if !isProbability(b) {
			return nil, fmt.Errorf("tolerance %v is not in [0,1]: it bounds a change of probability", b)
		}
		edges = append(edges, Edge(b))
	}
	return sorted(edges), nil
}

// Bin returns the index of the bin that holds a change of d ticks, or [Undefined] if d is below 0 or above the last edge.
func (e Edges) Bin(d int64) int {
	i, _ := slices.BinarySearch(e, d)
	if d < 0 || i == len(e) {
		return Undefined
	}
	return i
}

// Index returns the bin whose upper bound is exactly this edge, and whether there is one.
func (e Edges) Index(edge int64) (int, bool) { return slices.BinarySearch(e, edge) }

func (e Edges) validate() error {
	if len(e) < 2 || e[0] != 0 || e[len(e)-1] != TicksPerUnit {
		return fmt.Errorf("edges must begin at 0 and end at %d ticks: use FullEdges or CoarseEdges", TicksPerUnit)
	}
	for i := 1; i < len(e); i++ {
		if e[i] <= e[i-1] {
			return fmt.Errorf("edges must ascend: %d ticks follows %d", e[i], e[i-1])
		}
	}
	return nil
}

func sorted(e Edges) Edges {
	slices.Sort(e)
	return slices.Compact(e)
}

// isProbability is false for NaN as well: every comparison with NaN is false.
func isProbability(p float64) bool { return p >= 0 && p <= 1 }
