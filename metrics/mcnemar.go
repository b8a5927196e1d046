package metrics

import (
	"fmt"

	"gonum.org/v1/gonum/stat/distuv"
)

// McNemar returns the exact two-sided p-value of no change between two paired verdicts on the same media, from the
// pairs that disagree: b right only the first time, c right only the second. It separates harder media (the clean
// verdict falls too) from less robust verdicts, and compares two versions on the same probes.
//
//	p = min(1, 2 P(X <= min(b,c))), X ~ Binomial(b+c, 1/2)
//
// Without a pair that disagrees p is 1. Negative counts are an error. Source: McNemar (1947), Psychometrika 12:153, in
// its exact conditional form.
func McNemar(b, c int64) (float64, error) {
	if b < 0 || c < 0 {
		return 0, fmt.Errorf("mcnemar test: discordant counts %d and %d must not be negative", b, c)
	}
	if b == c {
		return 1, nil
	}
	x := distuv.Binomial{N: float64(b + c), P: .5}
	return min(1, 2*x.CDF(float64(min(b, c)))), nil
}
