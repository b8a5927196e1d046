package metrics

import (
	"fmt"
	"math"
)

// nearZero stands for the limit towards a rate of 0 or 1, where the logarithms below have none.
const nearZero = 1e-15

// ConfidenceSequence returns the anytime-valid interval of a success rate after s successes and f failures: with
// probability 1-alpha it holds the true rate at every moment of the epoch at once, so it may be watched while it grows.
// It is the beta-binomial mixture, tightest near optimal trials (the expected size of the epoch):
//
//	{p : ln B(f+(1-p)m, s+pm) - ln B((1-p)m, pm) - s ln p - f ln(1-p) < ln(1/alpha)}
//	m = max(optimal / (2 ln(1/alpha) + ln(1 + 2 ln(1/alpha))) - 1, .001)
//
// Counts may be fractional, must be finite and not negative; optimal must be above 0. Without trials it is [0,1].
// Source: Howard, Ramdas, McAuliffe, Sekhon (2021), Annals of Statistics 49:1055, and their confseq library.
func ConfidenceSequence(s, f, alpha, optimal float64) (Interval, error) {
	if err := (Trials{N: s + f, K: f}).Validate(); err != nil {
		return Interval{}, fmt.Errorf("confidence sequence: %w", err)
	}
	if err := checkAlpha(alpha); err != nil {
		return Interval{}, fmt.Errorf("confidence sequence: %w", err)
	}
	if s < 0 || !(optimal > 0) || math.IsInf(optimal, 0) {
		return Interval{}, fmt.Errorf("confidence sequence: %v successes, optimal at %v trials: want >= 0 and > 0", s, optimal)
	}
	if s+f == 0 {
		return Interval{Lower: 0, Upper: 1}, nil
	}
	limit := -math.Log(alpha)
	m := max(optimal/(2*limit+math.Log1p(2*limit))-1, 1e-3)
	inside := func(p float64) bool { return logMixtureRatio(s, f, m, p) < limit }
	rate := s / (s + f)
	band := Interval{Lower: 0, Upper: 1}
	if s > 0 && !inside(nearZero) {
		band.Lower = boundary(rate, nearZero, inside)
	}
	if f > 0 && !inside(1-nearZero) {
		band.Upper = boundary(rate, 1-nearZero, inside)
	}
	return band, nil
}

// logMixtureRatio is the logarithm of the likelihood of the Beta(pm, (1-p)m) mixture over the likelihood at p. It is 0
// where there is no trial, lowest near s/(s+f), and rises to both sides.
func logMixtureRatio(s, f, m, p float64) float64 {
	a, b := p*m, (1-p)*m
	return logBeta(f+b, s+a) - logBeta(b, a) - s*math.Log(p) - f*math.Log1p(-p)
}

func logBeta(a, b float64) float64 {
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	return la + lb - lab
}

// boundary returns the point between in, where inside holds, and out, where it does not, at which inside changes. It
// halves until the floats in between are used up, so the answer depends on nothing but the arguments.
func boundary(in, out float64, inside func(float64) bool) float64 {
	for {
		mid := in + (out-in)/2
		if mid == in || mid == out {
			return mid
		}
		if inside(mid) {
			in = mid
		} else {
			out = mid
		}
	}
}
