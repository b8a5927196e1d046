package metrics

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

// The intervals of this file are for one look at a fixed n. For a figure that is watched as it grows see
// [ConfidenceSequence]; for a decision see [ESR]. All take k successes (or failures) of n trials, fractional ones
// included, and the error rate alpha in (0,1): .05 for 95 %. Without a trial every rate is possible: [0,1].

// Wilson returns the score interval, two-sided. It is the one to show for a window.
//
//	centre (p + z²/2n) / (1 + z²/n), half-width z sqrt(p(1-p)/n + z²/4n²) / (1 + z²/n), p = k/n
//
// Source: Wilson (1927), JASA 22:209; method 3 of Newcombe (1998), Statistics in Medicine 17:857.
func Wilson(k, n, alpha float64) (Interval, error) {
	if err := checkProportion(k, n, alpha); err != nil {
		return Interval{}, fmt.Errorf("wilson interval: %w", err)
	}
	if n == 0 {
		return Interval{Lower: 0, Upper: 1}, nil
	}
	p, z := k/n, -distuv.UnitNormal.Quantile(alpha/2)
	scale := 1 + z*z/n
	centre := (p + z*z/(2*n)) / scale
	half := z * math.Sqrt(p*(1-p)/n+z*z/(4*n*n)) / scale
	return clip(k, n, centre-half, centre+half), nil
}

// Jeffreys returns the equal-tailed interval of the Beta(k+1/2, n-k+1/2) posterior, extended to 0 where k = 0 and to 1
// where k = n. Source: Brown, Cai, DasGupta (2001), Statistical Science 16:101.
func Jeffreys(k, n, alpha float64) (Interval, error) {
	if err := checkProportion(k, n, alpha); err != nil {
		return Interval{}, fmt.Errorf("jeffreys interval: %w", err)
	}
	if n == 0 {
		return Interval{Lower: 0, Upper: 1}, nil
	}
	return clip(k, n, betaQuantile(alpha/2, k+.5, n-k+.5), betaQuantile(1-alpha/2, k+.5, n-k+.5)), nil
}

// ClopperPearson returns the exact two-sided interval, alpha/2 on each side: it covers with at least 1-alpha whatever
// the rate. Source: Clopper and Pearson (1934), Biometrika 26:404.
func ClopperPearson(k, n, alpha float64) (Interval, error) {
	if err := checkAlpha(alpha); err != nil {
		return Interval{}, fmt.Errorf("clopper-pearson interval: %w", err)
	}
	lower, err := ClopperPearsonLower(k, n, alpha/2)
	if err != nil {
		return Interval{}, err
	}
	upper, err := ClopperPearsonUpper(k, n, alpha/2)
	return Interval{Lower: lower, Upper: upper}, err
}

// ClopperPearsonLower returns the exact one-sided lower bound: the alpha quantile of Beta(k, n-k+1), 0 where k = 0.
func ClopperPearsonLower(k, n, alpha float64) (float64, error) {
	if err := checkProportion(k, n, alpha); err != nil {
		return 0, fmt.Errorf("clopper-pearson bound: %w", err)
	}
	if k == 0 {
		return 0, nil
	}
	return betaQuantile(alpha, k, n-k+1), nil
}

// ClopperPearsonUpper returns the exact one-sided upper bound: the 1-alpha quantile of Beta(k+1, n-k), 1 where k = n.
func ClopperPearsonUpper(k, n, alpha float64) (float64, error) {
	if err := checkProportion(k, n, alpha); err != nil {
		return 0, fmt.Errorf("clopper-pearson bound: %w", err)
	}
	if k >= n {
		return 1, nil
	}
	return betaQuantile(1-alpha, k+1, n-k), nil
}

// Newcombe returns the hybrid score interval of the difference k1/n1 - k2/n2 of two independent rates. With the Wilson
// intervals [l1,u1] and [l2,u2] of p1 and p2:
//
//	p1-p2 - sqrt((p1-l1)² + (u2-p2)²)  ..  p1-p2 + sqrt((u1-p1)² + (p2-l2)²)
//
// Both n must be above 0. Source: method 10 of Newcombe (1998), Statistics in Medicine 17:873.
func Newcombe(k1, n1, k2, n2, alpha float64) (Interval, error) {
	if n1 == 0 || n2 == 0 {
		return Interval{}, fmt.Errorf("newcombe interval: no difference between %v and %v trials: both need some", n1, n2)
	}
	a, err := Wilson(k1, n1, alpha)
	if err != nil {
		return Interval{}, fmt.Errorf("newcombe interval: first rate: %w", err)
	}
	b, err := Wilson(k2, n2, alpha)
	if err != nil {
		return Interval{}, fmt.Errorf("newcombe interval: second rate: %w", err)
	}
	p1, p2 := k1/n1, k2/n2
	return Interval{
		Lower: p1 - p2 - math.Hypot(p1-a.Lower, b.Upper-p2),
		Upper: p1 - p2 + math.Hypot(a.Upper-p1, p2-b.Lower),
	}, nil
}

// betaQuantile inverts the regularised incomplete beta function by bisection, down to neighbouring floats. The inverse
// of gonum v0.17.0 (mathext.InvRegIncBeta) is quicker but does not always converge: for the shapes .5595 and 59.9405 it
// returns .9999971 as the quantile at 1-9.5e-7, which is .1856073.
func betaQuantile(q, a, b float64) float64 {
	return boundary(0, 1, func(x float64) bool { return mathext.RegIncBeta(a, b, x) < q })
}

// clip puts the bounds into [0,1], and exactly on its ends where nothing, or everything, was a success.
func clip(k, n, lower, upper float64) Interval {
	if k == 0 {
		lower = 0
	}
	if k == n {
		upper = 1
	}
	return Interval{Lower: max(lower, 0), Upper: min(upper, 1)}
}

func checkProportion(k, n, alpha float64) error {
	if err := (Trials{N: n, K: k}).Validate(); err != nil {
		return err
	}
	return checkAlpha(alpha)
}

func checkAlpha(alpha float64) error {
	if !(alpha > 0 && alpha < 1) {
		return fmt.Errorf("alpha %v is not in (0,1): give the error rate, .05 for 95 %%", alpha)
	}
	return nil
}
