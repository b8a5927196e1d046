package metrics

import (
	"fmt"
	"math"
)

// lilRate is the constant A of the time-uniform bound, as its authors chose it.
const lilRate = .85

// DKW returns the half-width, in probability, of a band around the whole RR curve of n probes: with probability 1-alpha
// the true curve lies inside at every tolerance at once. For one look at a fixed n.
//
//	sqrt(ln(2/alpha) / 2n)
//
// n must be above 0. Source: Dvoretzky, Kiefer, Wolfowitz (1956) with the constant of Massart (1990), Annals of
// Probability 18:1269.
func DKW(n, alpha float64) (float64, error) {
	if err := checkAlpha(alpha); err != nil {
		return 0, fmt.Errorf("dkw band: %w", err)
	}
	if !(n > 0) {
		return 0, fmt.Errorf("dkw band: n is %v: a curve needs a probe", n)
	}
	return math.Sqrt(math.Log(2/alpha) / (2 * n)), nil
}

// DKWAnytime is like [DKW] but holds at every n >= nMin at once, so the curve may be watched while it grows:
//
//	.85 sqrt((ln(1 + ln(n/nMin)) + C) / n)
//
// where C solves alpha = inf over eta > 1 of 4 exp(-g² C) (1 + 1/((g²-1) ln eta)), g = sqrt(2/eta) (.85 - sqrt(2(eta-1)/C)) > 1.
// nMin must be at least 1 and n at least nMin; alpha at least 1e-12. Source: Howard and Ramdas (2022),
// Bernoulli 28:1704, and their confseq library.
func DKWAnytime(n, nMin, alpha float64) (float64, error) {
	if err := checkAlpha(alpha); err != nil || alpha < 1e-12 {
		return 0, fmt.Errorf("anytime dkw band: alpha %v is not in [1e-12,1)", alpha)
	}
	if !(nMin >= 1 && n >= nMin) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("anytime dkw band: n %v, from %v on: want 1 <= nMin <= n", n, nMin)
	}
	// The error rate falls as C grows: from above 1 at 5 to below 1e-12 at 60.
	c := boundary(60, 5, func(c float64) bool { return lilError(c) <= alpha })
	return lilRate * math.Sqrt((math.Log1p(math.Log(n/nMin))+c)/n), nil
}

// lilError is the error rate that C = c guarantees, at the best eta.
func lilError(c float64) float64 {
	at := func(eta float64) float64 {
		g := math.Sqrt(2/eta) * (lilRate - math.Sqrt(2*(eta-1)/c))
		if g <= 1 {
			return math.Inf(1)
		}
		return 4 * math.Exp(-g*g*c) * (1 + 1/((g*g-1)*math.Log(eta)))
	}
	// One minimum between eta = 1 and the eta at which g falls to 1, infinite at both ends.
	low, high := 1., boundary(1, 2*lilRate*lilRate, func(eta float64) bool {
		return math.Sqrt(2/eta)*(lilRate-math.Sqrt(2*(eta-1)/c)) > 1
	})
	for range 200 {
		a, b := low+(high-low)/3, high-(high-low)/3
		if at(a) < at(b) {
			high = b
		} else {
			low = a
		}
	}
	return at((low + high) / 2)
}
