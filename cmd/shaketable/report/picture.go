package report

import (
	"math"
	"math/rand/v2"
	"slices"

	"shaketable/metrics"
)

// What a detector did to single pictures, over the natural families.

// failure is what a row did to a medium: 1 if it failed, NaN if it did not run.
type failure func(medium, row int) float64

// turned fails where the verdict is another one.
func (s *subject) turned(medium, row int) float64 {
	if math.IsNaN(s.Probs[medium][row]) {
		return math.NaN()
	}
	if s.fake(medium, row) != s.fake(medium, 0) {
		return 1
	}
	return 0
}

// left fails where the probability moved by more than .05.
func (s *subject) left(medium, row int) float64 {
	d, ran := s.moved(medium, row)
	switch {
	case !ran:
		return math.NaN()
	case d > headline:
		return 1
	}
	return 0
}

// distance is |p'-p|.
func (s *subject) distance(medium, row int) float64 {
	return math.Abs(s.Probs[medium][row] - s.Probs[medium][0])
}

// mean is the mean over families of the mean over their levels, of one medium.
func mean(families []family, medium int, of failure) float64 {
	sum, n := 0., 0.
	for _, f := range families {
		inside, levels := 0., 0.
		for _, l := range f.Levels {
			if v := of(medium, l.row); !math.IsNaN(v) {
				inside, levels = inside+v, levels+1
			}
		}
		if levels > 0 {
			sum, n = sum+inside/levels, n+1
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return sum / n
}

// means is the mean of every medium of a set.
func means(families []family, media []int, of failure) []float64 {
	out := make([]float64, len(media))
	for i, m := range media {
		out[i] = mean(families, m, of)
	}
	return out
}

// largest is the most of a measure over the levels of some families.
func largest(families []family, medium int, of failure) (most float64, at level, name string) {
	most = math.NaN()
	for _, f := range families {
		for _, l := range f.Levels {
			if v := of(medium, l.row); !math.IsNaN(v) && !(v <= most) {
				most, at, name = v, l, f.Name
			}
		}
	}
	return most, at, name
}

// shareOf is the rate of success of media whose failures may be fractions.
func shareOf(failures []float64) (rate, error) {
	sum, n := 0., 0.
	for _, v := range failures {
		if !math.IsNaN(v) {
			sum, n = sum+v, n+1
		}
	}
	return heldRate(metrics.Trials{N: n, K: sum})
}

// draws is how often pictures are drawn anew for a band without a formula, fewDraws where there are more than manyProbes.
const (
	draws      = 400
	fewDraws   = 100
	manyProbes = 100_000
)

// draws is how often the pictures of a detector are drawn.
func (s *subject) draws() int {
	if s.Pictures*s.natural > manyProbes {
		return fewDraws
	}
	return draws
}

// bootstrapped is the 95 % percentile interval of a figure over draws of as many media with replacement. Source: Efron and
// Tibshirani (1993), "An introduction to the bootstrap", chapter 13.
func bootstrapped(media []int, draws int, of func([]int) float64) metrics.Interval {
	rng := rand.New(rand.NewPCG(1, uint64(len(media))))
	values := make([]float64, draws)
	drawn := make([]int, len(media))
	for i := range values {
		for j := range drawn {
			drawn[j] = media[rng.IntN(len(media))]
		}
		values[i] = of(drawn)
	}
	slices.Sort(values)
	return metrics.Interval{Lower: values[draws*25/1000], Upper: values[(draws*975+999)/1000-1]}
}
