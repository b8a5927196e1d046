package metrics

import (
	"errors"
	"fmt"
	"math"
)

// Weighted is the rate of something among all media, estimated from media that were sampled with unequal probabilities.
type Weighted struct {
	Rate float64 `json:"rate"`
	// N is the effective number of media: as many, sampled evenly, would tell about as much. Never above the number sampled.
	N float64 `json:"n"`
	// Band is approximate: an even sample of N media is taken for the uneven one. Say so where it is shown.
	Band Interval `json:"band"`
}

// Hajek estimates a rate from outcomes y in [0,1] (1: it has the property) and the probabilities pi in (0,1] with which
// each media had been sampled. With w = 1/pi,
//
//	rate = Σ w y / Σ w, N = (Σ w)² / Σ w², Band = Wilson(N rate, N, alpha)
//
// There must be one media at least and a probability for each. Where pi is the same for all it cancels: no weights are
// needed. Sources: Hájek (1971) in "Foundations of statistical inference", 236; Kish (1965), "Survey sampling", for N.
func Hajek(y, pi []float64, alpha float64) (Weighted, error) {
	if len(y) == 0 || len(y) != len(pi) {
		return Weighted{}, fmt.Errorf("weighted rate: %d outcomes with %d probabilities: want one each, and at least one", len(y), len(pi))
	}
	if err := checkShares("outcome", y); err != nil {
		return Weighted{}, fmt.Errorf("weighted rate: %w", err)
	}
	var sum, squares, hits float64
	for i, p := range pi {
		if !(p > 0 && p <= 1) {
			return Weighted{}, fmt.Errorf("weighted rate: probability %d is %v: want (0,1]", i, p)
		}
		w := 1 / p
		sum, squares, hits = sum+w, squares+w*w, hits+w*y[i]
	}
	est := Weighted{Rate: min(hits/sum, 1), N: sum * sum / squares}
	if math.IsNaN(est.Rate) || math.IsNaN(est.N) || est.N == 0 {
		return Weighted{}, errors.New("weighted rate: probabilities too small to weigh by")
	}
	band, err := Wilson(est.Rate*est.N, est.N, alpha)
	if err != nil {
		return Weighted{}, fmt.Errorf("weighted rate: %w", err)
	}
	est.Band = band
	return est, nil
}

// Stratum holds the trials of a fold that were sampled with one probability.
type Stratum struct {
	// Weight is the smallest sampling probability of the series over that of the stratum, in (0,1]. Both must be fixed
	// before the outcomes are seen.
	Weight float64
	Trials
}

// FoldTempered is [ESR.Fold] where strata of the media are sampled at different rates and the null is about all media:
// each bet is tempered by the weight w of its stratum, with failure y of a single trial
//
//	1 + λ_j w (y - q0), λ_j = (q_j - q0) / (q0 (1-q0))
//
// A sampled media is in the stratum of probability pi with a chance proportional to pi, so with w = pi_min/pi the mean of
// w (y - q0) over the sampled is proportional to that of y - q0 over all, and the factor's is at most 1 as long as
// all media fail at most at q0: the guarantee of [ESR] is kept. Unweighted, strata that are hard and oversampled would
// raise alarms without end. A fractional y enters through the weighted inequality of means: see [Pool]. With all weights
// 1 it is Fold.
func (e *ESR) FoldTempered(state *ESRState, gained []Stratum) (Verdict, error) {
	total := Trials{}
	for i, s := range gained {
		if err := s.Validate(); err != nil {
			return Verdict{}, fmt.Errorf("e-sr update: stratum %d: gained %w", i, err)
		}
		if !(s.Weight > 0 && s.Weight <= 1) {
			return Verdict{}, fmt.Errorf("e-sr update: stratum %d: weight %v is not in (0,1]: give the smallest sampling probability over its own", i, s.Weight)
		}
		total = total.Plus(s.Trials)
	}
	if err := e.accepts(*state); err != nil {
		return Verdict{}, err
	}
	if state.Evidence == nil {
		state.Evidence = make([]float64, len(e.failure))
	}
	for j := range state.Evidence {
		rise := math.Exp(e.failure[j]) - 1 // (q_j - q0)/q0 = λ_j (1-q0)
		for _, s := range gained {
			passed := max(s.N-s.K, 0)
			state.Evidence[j] += s.K*math.Log1p(s.Weight*rise) + passed*math.Log1p(-s.Weight*rise*e.q0/(1-e.q0))
		}
	}
	return e.conclude(state, total), nil
}
