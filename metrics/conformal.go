package metrics

import (
	"fmt"
	"math"
	"slices"
)

// ConformalRadius returns r such that the probability that a detector gives to a new media after the perturbation lies
// within p ± r of the clean one with probability at least 1-alpha, if the new media is exchangeable with those that were
// measured: the split conformal quantile
//
//	the ceil((n+1)(1-alpha))-th smallest of the n moves |p'-p|
//
// and +Inf where n is too small for alpha, that is where (n+1) alpha < 1. Nothing is assumed of the detector or of how
// the moves are distributed; a shift of the media breaks it. It holds for one new media at a time, on average over the
// media measured. Unit: probability.
//
// moves must be in [0,1] (none gives +Inf) and alpha in (0,1). Source: Lei, G'Sell, Rinaldo, Tibshirani, Wasserman
// (2018), JASA 113:1094, theorem 2.
func ConformalRadius(moves []float64, alpha float64) (float64, error) {
	if err := checkAlpha(alpha); err != nil {
		return 0, fmt.Errorf("conformal radius: %w", err)
	}
	if err := checkShares("move", moves); err != nil {
		return 0, fmt.Errorf("conformal radius: %w", err)
	}
	n := len(moves)
	// (n+1) alpha is what may be left out. Its floor, unlike the ceiling of (n+1)(1-alpha), is not moved by the rounding of
	// 1-alpha; the allowance is for products such as 20 * .05.
	left := int(math.Floor(float64(n+1)*alpha + 1e-9))
	if left < 1 {
		return math.Inf(1), nil
	}
	sorted := slices.Sorted(slices.Values(moves))
	return sorted[n-left], nil // the (n+1-left)-th smallest
}
