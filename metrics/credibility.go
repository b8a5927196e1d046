package metrics

// Credibility returns the smallest severity, counted from 1, at which the verdict on one media turns, and 0 where it
// turns at none: the more distortion it takes, the more the verdict can be believed. flips says, per severity from mild
// to strong, whether the decision differs from the clean one. A verdict that turns and turns back counts from the first
// time on: it was chance that brought it back.
func Credibility(flips []bool) int {
	for i, flipped := range flips {
		if flipped {
			return i + 1
		}
	}
	return 0
}

// Ambiguous says whether probabilities of fake that several detectors (or several runs) gave to one media fall on both
// sides of the threshold, so that the verdict depends on who is asked. The decision is p >= threshold; fewer than two
// probabilities are never ambiguous, and one that is not a number decides nothing. Source: Marx, Calmon, Ustun (2020),
// "Predictive multiplicity in classification", ICML: ambiguity is the share of such media.
func Ambiguous(p []float64, threshold float64) bool {
	fake, real := false, false
	for _, x := range p {
		fake = fake || x >= threshold
		real = real || x < threshold
	}
	return fake && real
}
