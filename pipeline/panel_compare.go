package pipeline

import (
	"fmt"
	"math"
	"slices"

	"shaketable/metrics"
)

// PanelComparison holds two runs of one panel against each other, picture by picture. The pictures are the same in both,
// so whatever it shows came from the model, its processing or the device, and not from the traffic.
type PanelComparison struct {
	// N is the number of pictures that both runs judged; the figures below count these.
	N int
	// Moved counts pictures whose clean probability differs by more than the noise floor.
	Moved int
	// MaxMove is the largest difference of a clean probability.
	MaxMove float64
	// OnlyBefore and OnlyAfter count pictures whose clean verdict is right in one run only; for a picture without a label,
	// right stands for fake.
	OnlyBefore, OnlyAfter int
	// Worse, Better and Same count pictures by whether the share of variants that failed rose, fell or stayed. A variant
	// fails if it turns the verdict, or moves the probability by more than the edge. Pictures of which no variant ran in
	// both runs are in none of the three.
	Worse, Better, Same int
	// P is the exact two-sided sign test of Worse against Better.
	P float64
	// RateBefore and RateAfter are the mean share of variants that failed, over the pictures of the three; 0 without one.
	RateBefore, RateAfter float64
}

// ComparePanels compares two runs of one panel. A run's own threshold decides its verdicts, threshold those of a run that
// holds none; edge is the tolerance and floor the noise floor of the clean probability, both in ticks. A picture that one
// run lacks, and a variant that did not run in one, are left out. Runs of different pictures or variants are an error: they
// have no pairs.
//
// P is McNemar's exact test of the pairs that changed ([metrics.McNemar]). Source: Dixon and Mood (1946), "The statistical
// sign test", JASA 41:557.
func ComparePanels(before, after PanelRun, threshold float64, edge, floor int64) (PanelComparison, error) {
	if before.Panel != after.Panel {
		return PanelComparison{}, fmt.Errorf("compare panels: %q and %q are different sets of pictures", before.Panel, after.Panel)
	}
	if !slices.Equal(before.Variants, after.Variants) {
		return PanelComparison{}, fmt.Errorf("compare panels: the runs have different variants, %q and %q", before.Variants, after.Variants)
	}
	earlier := make(map[string]PanelMedia, len(before.Media))
	for _, m := range before.Media {
		earlier[m.Name] = m
	}
	pair := panelPair{thresholds: [2]float64{before.threshold(threshold), after.threshold(threshold)}, edge: edge, floor: floor}
	for _, m := range after.Media {
		b, ok := earlier[m.Name]
		if !ok || !b.judged() || !m.judged() {
			continue
		}
		if want := 1 + len(before.Variants); len(b.Probs) != want || len(m.Probs) != want {
			return PanelComparison{}, fmt.Errorf("compare panels: picture %s has %d and %d probabilities, its panel %d", m.Name, len(b.Probs), len(m.Probs), want)
		}
		pair.add(b, m)
	}
	return pair.result()
}

// threshold is the run's own, or the one given for a run that holds none.
func (r PanelRun) threshold(given float64) float64 {
	if r.Threshold > 0 {
		return r.Threshold
	}
	return given
}

// judged says whether the run has a clean probability of the picture.
func (m PanelMedia) judged() bool { return len(m.Probs) > 0 && !math.IsNaN(m.Probs[0]) }

// panelPair collects a comparison; index 0 is the run before.
type panelPair struct {
	PanelComparison
	thresholds  [2]float64
	edge, floor int64
	shares      [2]float64 // sums over pictures
}

func (p *panelPair) add(before, after PanelMedia) {
	p.N++
	p.MaxMove = max(p.MaxMove, math.Abs(after.Probs[0]-before.Probs[0]))
	if metrics.Ticks(before.Probs[0], after.Probs[0]) > p.floor {
		p.Moved++
	}
	fake := after.Fake == nil || *after.Fake
	right := [2]bool{(before.Probs[0] >= p.thresholds[0]) == fake, (after.Probs[0] >= p.thresholds[1]) == fake}
	switch {
	case right[0] && !right[1]:
		p.OnlyBefore++
	case right[1] && !right[0]:
		p.OnlyAfter++
	}
	p.addVariants(before.Probs, after.Probs)
}

func (p *panelPair) addVariants(before, after []float64) {
	var failed [2]int
	ran := 0
	for i := 1; i < len(before); i++ {
		if math.IsNaN(before[i]) || math.IsNaN(after[i]) {
			continue
		}
		ran++
		for j, probs := range [2][]float64{before, after} {
			if p.fails(probs[0], probs[i], p.thresholds[j]) {
				failed[j]++
			}
		}
	}
	switch {
	case ran == 0:
		return
	case failed[1] > failed[0]:
		p.Worse++
	case failed[1] < failed[0]:
		p.Better++
	default:
		p.Same++
	}
	for j := range failed {
		p.shares[j] += float64(failed[j]) / float64(ran)
	}
}

func (p *panelPair) fails(clean, perturbed, threshold float64) bool {
	return metrics.TurnOf(clean, perturbed, threshold) != metrics.Kept || metrics.Ticks(clean, perturbed) > p.edge
}

func (p *panelPair) result() (PanelComparison, error) {
	if n := p.Worse + p.Better + p.Same; n > 0 {
		p.RateBefore, p.RateAfter = p.shares[0]/float64(n), p.shares[1]/float64(n)
	}
	var err error
	p.P, err = metrics.McNemar(int64(p.Worse), int64(p.Better))
	return p.PanelComparison, err
}
