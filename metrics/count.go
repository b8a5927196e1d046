package metrics

import (
	"errors"
	"fmt"
	"math"
)

// Interval is a closed interval of a rate or of a difference of rates.
type Interval struct {
	Lower float64 `json:"lower"`
	Upper float64 `json:"upper"`
}

// Count is how many of N probes have a property, known exactly (Lower = Upper) or only within bounds. It is what the
// figures are made of: ratios are never stored, and each figure carries its n.
type Count struct {
	Lower int64 `json:"lower"`
	Upper int64 `json:"upper"`
	N     int64 `json:"n"`
}

// Exact says whether the count is known exactly.
func (c Count) Exact() bool { return c.Lower == c.Upper }

// Share returns the bounds of the share, and false where N is 0: no probe, no figure.
func (c Count) Share() (Interval, bool) {
	if c.N <= 0 {
		return Interval{}, false
	}
	n := float64(c.N)
	return Interval{Lower: float64(c.Lower) / n, Upper: float64(c.Upper) / n}, true
}

// WithInconclusive adds probes that could not be concluded: at the lower bound all of them lack the property, at the
// upper bound all have it.
func (c Count) WithInconclusive(probes int64) Count {
	return Count{Lower: c.Lower, Upper: c.Upper + probes, N: c.N + probes}
}

// Failures returns the complement as trials for a statistic. It is an error where the count is not exact: a test on a
// bound would be a guess.
func (c Count) Failures() (Trials, error) {
	if !c.Exact() {
		return Trials{}, fmt.Errorf("count lies in %d..%d of %d: ask at an edge of the histogram", c.Lower, c.Upper, c.N)
	}
	return Trials{N: float64(c.N), K: float64(c.N - c.Lower)}, nil
}

// Trials are N conclusive probes of a series, K of them failures. Both may be fractional: see [Pool].
type Trials struct {
	N float64 `json:"n"`
	K float64 `json:"k"`
}

// Rate returns the failure rate K/N, and false where N is 0.
func (t Trials) Rate() (float64, bool) {
	if t.N <= 0 {
		return 0, false
	}
	return t.K / t.N, true
}

// Plus returns the sum of two sets of trials of the same series.
func (t Trials) Plus(u Trials) Trials { return Trials{N: t.N + u.N, K: t.K + u.K} }

// Validate reports trials that cannot be: not finite, negative, or more failures than trials. Failures may exceed
// trials by a rounding error of the sums that Pool makes.
func (t Trials) Validate() error {
	if math.IsNaN(t.N) || math.IsInf(t.N, 0) || math.IsNaN(t.K) || math.IsInf(t.K, 0) {
		return fmt.Errorf("%v failures of %v trials: both must be finite", t.K, t.N)
	}
	if t.N < 0 || t.K < 0 || t.K > t.N*(1+1e-12) {
		return fmt.Errorf("%v failures of %v trials: want 0 <= failures <= trials", t.K, t.N)
	}
	return nil
}

// Pool returns the trials of a family or of a detector from those of its V variants: N = Σ N_v / V, K = Σ K_v / V, so a
// probe counts once, with the mean of its variants as its failure.
//
// [ESR] keeps its guarantee on them for the null E[mean failure | past] <= q0. Let one probe have concluded the share w
// of its variants, with mean failure y over those. It adds w y to K and w to N, so its factor is
// ((q/q0)^y ((1-q)/(1-q0))^(1-y))^w <= (1 + λ(y-q0))^w <= 1 + w λ(y-q0), with λ = (q-q0)/(q0(1-q0)), first by the weighted
// inequality of means and then by Bernoulli's inequality: its expectation is at most 1.
func Pool(variants []Trials) (Trials, error) {
	if len(variants) == 0 {
		return Trials{}, errors.New("pooling trials: no variants given")
	}
	var sum Trials
	for i, t := range variants {
		if err := t.Validate(); err != nil {
			return Trials{}, fmt.Errorf("pooling trials: variant %d: %w", i, err)
		}
		sum = sum.Plus(t)
	}
	v := float64(len(variants))
	return Trials{N: sum.N / v, K: sum.K / v}, nil
}
