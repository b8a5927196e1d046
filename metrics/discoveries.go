package metrics

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// EBH says which of many cells to name as worse than their null, from one e-value each: the e-BH procedure rejects the
// k* largest,
//
//	k* = max {k : e_(k) >= C / (alpha k)}, C = number of cells
//
// and the expected share of false ones among them is at most alpha, however the cells depend on each other: nested
// tolerances and severities do, strongly. Of an [ESR] after at most N updates, M/N is such a value. e must not be
// negative or NaN; alpha in (0,1). Source: Wang and Ramdas (2022), Journal of the Royal Statistical Society B 84:822.
func EBH(e []float64, alpha float64) ([]bool, error) {
	if err := checkAlpha(alpha); err != nil {
		return nil, fmt.Errorf("e-bh: %w", err)
	}
	for i, x := range e {
		if !(x >= 0) {
			return nil, fmt.Errorf("e-bh: e-value %d is %v: want >= 0", i, x)
		}
	}
	order := ranking(len(e), func(i, j int) int { return cmp.Compare(e[j], e[i]) })
	return discovered(order, func(k, i int) bool { return e[i] >= float64(len(e))/(alpha*float64(k)) }), nil
}

// BH is the same for p-values of independent tests: the Benjamini-Hochberg procedure rejects the k* smallest,
//
//	k* = max {k : p_(k) <= alpha k / C}
//
// It is for one look at a finished batch, such as the media of an evaluation. p must be in [0,1], alpha in (0,1). Source:
// Benjamini and Hochberg (1995), Journal of the Royal Statistical Society B 57:289.
func BH(p []float64, alpha float64) ([]bool, error) {
	if err := checkAlpha(alpha); err != nil {
		return nil, fmt.Errorf("benjamini-hochberg: %w", err)
	}
	adjusted, err := BHAdjusted(p)
	if err != nil {
		return nil, err
	}
	reject := make([]bool, len(p))
	for i, q := range adjusted {
		reject[i] = q <= alpha
	}
	return reject, nil
}

// BHAdjusted returns the adjusted p-values: the smallest alpha at which [BH] rejects each,
//
//	min over l >= k of min(1, p_(l) C / l)
func BHAdjusted(p []float64) ([]float64, error) {
	if err := checkShares("p-value", p); err != nil {
		return nil, fmt.Errorf("benjamini-hochberg: %w", err)
	}
	order := ranking(len(p), func(i, j int) int { return cmp.Compare(p[i], p[j]) })
	adjusted, lowest := make([]float64, len(p)), 1.
	for k := len(p); k > 0; k-- {
		i := order[k-1]
		lowest = math.Min(lowest, p[i]*float64(len(p))/float64(k))
		adjusted[i] = lowest
	}
	return adjusted, nil
}

func ranking(n int, compare func(i, j int) int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, compare)
	return order
}

// discovered marks the first k* of an order, k* being the last k that passes.
func discovered(order []int, passes func(k, i int) bool) []bool {
	marked := make([]bool, len(order))
	for k := len(order); k > 0; k-- {
		if passes(k, order[k-1]) {
			for _, i := range order[:k] {
				marked[i] = true
			}
			return marked
		}
	}
	return marked
}
