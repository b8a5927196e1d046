package metrics

import (
	"errors"
	"fmt"
	"math"
)

// CalibrationBin is one bar of a reliability diagram: the media whose probability of fake lies in (Lower, Upper], the
// first bin with its lower end. A bin without media has N 0 and no figures.
type CalibrationBin struct {
	Lower float64 `json:"lower"`
	Upper float64 `json:"upper"`
	N     int     `json:"n"`
	P     float64 `json:"p"`    // mean probability of fake
	Fake  float64 `json:"fake"` // share that is fake
}

// Calibration returns the reliability diagram of probabilities of fake p against the labels, in bins of equal width: a
// detector that says .7 of many media is calibrated where 70 % of those are fake. Source: DeGroot and Fienberg (1983),
// The Statistician 32:12; bins as in scikit-learn's calibration_curve.
//
// p must be in [0,1], one label each, at least one; bins at least 1.
func Calibration(p []float64, fake []bool, bins int) ([]CalibrationBin, error) {
	if err := checkLabelled(p, fake); err != nil {
		return nil, fmt.Errorf("calibration: %w", err)
	}
	if bins < 1 {
		return nil, fmt.Errorf("calibration: %d bins: want at least 1", bins)
	}
	out := make([]CalibrationBin, bins)
	for b := range out {
		out[b].Lower, out[b].Upper = float64(b)/float64(bins), float64(b+1)/float64(bins)
	}
	for i, x := range p {
		b := &out[calibrationBin(x, bins)]
		b.N++
		b.P += x
		if fake[i] {
			b.Fake++
		}
	}
	for b := range out {
		if n := float64(out[b].N); n > 0 {
			out[b].P /= n
			out[b].Fake /= n
		}
	}
	return out, nil
}

// calibrationBin finds the b with b/bins < x <= (b+1)/bins. The product can be off by a rounding, so the edges, computed
// as they are reported, have the last word.
func calibrationBin(x float64, bins int) int {
	b := min(max(int(math.Ceil(x*float64(bins)))-1, 0), bins-1)
	for b > 0 && x <= float64(b)/float64(bins) {
		b--
	}
	for b < bins-1 && x > float64(b+1)/float64(bins) {
		b++
	}
	return b
}

// ECE returns the expected calibration error of p, the probability of fake: over the bins of [Calibration],
//
//	Σ_b n_b/n |share fake_b - mean p_b|
//
// in [0,1], 0 for a calibrated detector. It depends on the number of bins, and few media make it too large: compare only
// figures of the same bins and of like n. Source: Naeini, Cooper, Hauskrecht (2015), AAAI 29:2901, in the binary form.
func ECE(p []float64, fake []bool, bins int) (float64, error) {
	diagram, err := Calibration(p, fake, bins)
	if err != nil {
		return 0, fmt.Errorf("expected calibration error: %w", err)
	}
	sum := 0.
	for _, b := range diagram {
		sum += float64(b.N) * math.Abs(b.Fake-b.P)
	}
	return sum / float64(len(p)), nil
}

// Brier returns the mean of (p - y)², y = 1 for fake and 0 for real: in [0,1], 0 for a detector that is always sure and
// right, .25 for one that always says .5. Arguments as for [Calibration]. Source: Brier (1950), Monthly Weather Review
// 78:1, for one of two outcomes.
func Brier(p []float64, fake []bool) (float64, error) {
	if err := checkLabelled(p, fake); err != nil {
		return 0, fmt.Errorf("brier score: %w", err)
	}
	sum := 0.
	for i, x := range p {
		if fake[i] {
			x = 1 - x
		}
		sum += x * x
	}
	return sum / float64(len(p)), nil
}

func checkLabelled(p []float64, fake []bool) error {
	if len(p) != len(fake) {
		return fmt.Errorf("%d probabilities with %d labels: want one each", len(p), len(fake))
	}
	if len(p) == 0 {
		return errors.New("no labelled media: give some labels")
	}
	return checkShares("probability", p)
}

// checkShares says which of some values is not in [0,1].
func checkShares(what string, values []float64) error {
	for i, x := range values {
		if !(x >= 0 && x <= 1) {
			return fmt.Errorf("%s %d is %v: want 0..1", what, i, x)
		}
	}
	return nil
}
