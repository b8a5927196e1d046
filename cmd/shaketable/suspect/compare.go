package suspect

import (
	"cmp"
	"math"
	"slices"
)

// Comparison is how far two lists of probabilities are apart, picture by picture.
type Comparison struct {
	N           int
	Max, Median float64
	// Trimmed is the mean of the smallest nine tenths of the differences.
	Trimmed float64
	// Bounded is the mean of the differences, none of which counts for more than a bound, and Beyond the share of those that
	// reach it: a stale score costs every explanation the same, and the few pictures that tell explanations apart all count.
	Bounded, Beyond float64
	// Within are the shares of pictures that differ by at most .001, .01 and .05.
	Within [3]float64
	// Worst are the indexes of the pictures that differ most, worst first.
	Worst []int
	// Spread is the mean distance of the service's probabilities from their median: how much there is to explain.
	Spread float64
}

// Bounds are the differences that Comparison.Within counts.
func Bounds() [3]float64 { return [3]float64{.001, .01, .05} }

// worstShown is how many indexes Worst has at most.
const worstShown = 5

// Compare compares ours with theirs; both are of the same length, at least 1.
func Compare(ours, theirs []float64) Comparison { return compare(ours, theirs, spread(theirs)) }

// mostBound is the largest bound of a difference: more than another decoder makes of a picture. Where scores spread over
// less than the scale, it is a third of their spread.
const mostBound = .1

// bound is what a difference counts for at most.
func (c Comparison) bound() float64 { return min(mostBound, c.Spread/3) }

// compare is Compare among scores of a spread that is known.
func compare(ours, theirs []float64, spread float64) Comparison {
	c := Comparison{N: len(ours), Spread: spread}
	gaps := make([]float64, c.N)
	order := make([]int, c.N)
	for i := range ours {
		gaps[i], order[i] = math.Abs(ours[i]-theirs[i]), i
		c.Bounded += min(gaps[i], c.bound()) / float64(c.N)
		if gaps[i] >= c.bound() {
			c.Beyond += 1 / float64(c.N)
		}
		for b, bound := range Bounds() {
			if gaps[i] <= bound+1e-12 {
				c.Within[b] += 1 / float64(c.N)
			}
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(gaps[b], gaps[a]) })
	c.Worst = order[:min(worstShown, c.N)]
	slices.Sort(gaps)
	c.Max, c.Median, c.Trimmed = gaps[c.N-1], median(gaps), trimmed(gaps)
	return c
}

// Relative is the bounded difference in units of what there is to explain.
func (c Comparison) Relative() float64 {
	if c.Spread == 0 {
		return math.Inf(1)
	}
	return c.Bounded / c.Spread
}

// noise is the bounded difference of the pictures within the bound: what is left where an explanation holds.
func (c Comparison) noise() float64 { return max(c.Bounded-c.Beyond*c.bound(), 0) }

// alike is how far from the scores another explanation may be that cannot be told from this one.
func (c Comparison) alike(rounding float64) float64 {
	return c.Bounded + (alikeAt-1)*c.noise() + rounding + sameLeast
}

// trimmed is the mean of sorted values without the largest tenth, rounded up; fewer than five are all kept.
func trimmed(sorted []float64) float64 {
	kept := sorted
	if n := len(sorted); n >= 5 {
		kept = sorted[:n-(n+9)/10]
	}
	sum := 0.
	for _, v := range kept {
		sum += v
	}
	return sum / float64(len(kept))
}

func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// spread is the mean absolute deviation from the median.
func spread(v []float64) float64 {
	sorted := slices.Clone(v)
	slices.Sort(sorted)
	middle, sum := median(sorted), 0.
	for _, x := range sorted {
		sum += math.Abs(x - middle)
	}
	return sum / float64(len(sorted))
}

// Verdict is what a comparison amounts to.
type Verdict string

// The verdicts, from best to worst.
const (
	Same      Verdict = "same"      // but for the rounding of floating numbers
	Close     Verdict = "close"     // the same pre-processing but for details: another decoder, another resize, half precision
	Different Verdict = "different" // something is done otherwise
)

// Limits of the verdicts, for scores that spread over the scale; where they spread over less than fullSpread, they shrink with it,
// because the scores of an undecided model are alike whatever is done to its pictures.
const (
	sameMax     = 1e-3 // of the largest difference: half precision, and TF32 on a GPU, stay below
	sameLeast   = 2e-6 // float32 itself
	closeMedian = .02  // a picture that was decoded or scaled otherwise moves by this, usually
	closeTail   = .1   // of nine tenths of the pictures
	fullSpread  = .1
)

// Verdict judges a comparison. Rounding is half a unit of the last digit that the service writes, as a probability.
func (c Comparison) Verdict(rounding float64) Verdict {
	shrink := min(1, c.Spread/fullSpread)
	switch {
	case c.Max <= max(sameLeast, sameMax*shrink)+rounding:
		return Same
	case c.Median <= closeMedian*shrink+rounding && c.Trimmed <= closeTail*shrink+rounding:
		return Close
	}
	return Different
}
