package metrics

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// KendallTau returns the rank correlation tau-b of two scorings of the same things: 1 for the same order, -1 for the
// opposite, ties taken into account.
//
//	(C - D) / sqrt((C + D + Ta) (C + D + Tb))
//
// C and D count the pairs that a and b order alike and unlike, Ta those tied only in a, Tb those tied only in b. a and b
// must have the same length; fewer than two values, all tied in one of them, or a value that is not a number leave no
// order to compare, which is an error. Source: Kendall (1945), Biometrika 33:239.
func KendallTau(a, b []float64) (float64, error) {
	if len(a) != len(b) {
		return 0, fmt.Errorf("kendall tau: %d values against %d: want the same things in the same order", len(a), len(b))
	}
	var score, onlyA, onlyB float64 // C - D; pairs with an order in a; pairs with an order in b
	for i := range a {
		if math.IsNaN(a[i]) || math.IsNaN(b[i]) {
			return 0, fmt.Errorf("kendall tau: value %d is not a number", i)
		}
		for j := range i {
			x, y := float64(cmp.Compare(a[i], a[j])), float64(cmp.Compare(b[i], b[j]))
			score, onlyA, onlyB = score+x*y, onlyA+x*x, onlyB+y*y
		}
	}
	if onlyA == 0 || onlyB == 0 {
		return 0, fmt.Errorf("kendall tau: %d values that do not differ have no order", len(a))
	}
	return score / math.Sqrt(onlyA*onlyB), nil
}

// RankReport says how far the ranking of families by failure rate depends on which media happened to be measured.
type RankReport struct {
	// Order holds the families from the most failures to the fewest, those with the same rate in the order given; Rates
	// their failure rates, by family.
	Order []int     `json:"order"`
	Rates []float64 `json:"rates"`
	// Ranks is, by family, the 95 % percentile interval of its rank over the draws: 1 is the most failures, ties share
	// their mean rank.
	Ranks []Interval `json:"ranks"`
	// Worst is, by family, the share of draws in which it has the most failures; ties share the draw.
	Worst []float64 `json:"worst"`
	// Tau is the mean [KendallTau] between the ranking of a draw and that of all media: near 1 for a ranking to rely on.
	// Draws that leave all families tied tell no order and count as 0.
	Tau float64 `json:"tau"`
}

// RankStability ranks families by their mean failure, and again in bootstrap draws of as many media with replacement,
// the same media for every family. failures holds a row per family and a column per media, in [0,1] (the mean over the
// severities of a family); rows must have the same length. It needs two families, two media and a draw, and families
// that do not all fail alike. The same seed gives the same report. Source: Efron and Tibshirani (1993), "An introduction
// to the bootstrap", chapters 6 and 13.
func RankStability(failures [][]float64, draws int, seed uint64) (RankReport, error) {
	media, err := checkRanking(failures, draws)
	if err != nil {
		return RankReport{}, fmt.Errorf("stability of a ranking: %w", err)
	}
	families := len(failures)
	r := RankReport{Rates: make([]float64, families), Worst: make([]float64, families), Ranks: make([]Interval, families)}
	all := make([]int, media)
	for i := range all {
		all[i] = i
	}
	for f, row := range failures {
		r.Rates[f] = meanAt(row, all)
		r.Order = append(r.Order, f)
	}
	slices.SortStableFunc(r.Order, func(f, g int) int { return cmp.Compare(r.Rates[g], r.Rates[f]) })
	if _, err := KendallTau(r.Rates, r.Rates); err != nil {
		return RankReport{}, fmt.Errorf("stability of a ranking: all families fail alike, at a rate of %v: there is no order", r.Rates[0])
	}
	rng := rand.New(rand.NewPCG(seed, uint64(draws)))
	ranks := make([][]float64, families)
	drawn, rates := make([]int, media), make([]float64, families)
	for range draws {
		for i := range drawn {
			drawn[i] = rng.IntN(media)
		}
		for f, row := range failures {
			rates[f] = meanAt(row, drawn)
		}
		if tau, err := KendallTau(rates, r.Rates); err == nil {
			r.Tau += tau
		}
		addRanks(rates, ranks, r.Worst)
	}
	r.Tau /= float64(draws)
	for f := range ranks {
		slices.Sort(ranks[f])
		r.Worst[f] /= float64(draws)
		r.Ranks[f] = Interval{Lower: ranks[f][draws*25/1000], Upper: ranks[f][(draws*975+999)/1000-1]}
	}
	return r, nil
}

// meanAt is the mean failure of some media, to nine digits: the same failures in another order must tie.
func meanAt(row []float64, media []int) float64 {
	sum := 0.
	for _, i := range media {
		sum += row[i]
	}
	return math.Round(sum/float64(len(media))*1e9) / 1e9
}

// addRanks appends the rank of every family in a draw, and shares the draw among those that fail most.
func addRanks(rates []float64, ranks [][]float64, worst []float64) {
	for f, x := range rates {
		above, tied := 0., 0.
		for _, y := range rates {
			switch {
			case y > x:
				above++
			case y == x:
				tied++
			}
		}
		ranks[f] = append(ranks[f], above+(tied+1)/2)
		if above == 0 {
			worst[f] += 1 / tied
		}
	}
}

func checkRanking(failures [][]float64, draws int) (media int, err error) {
	if len(failures) < 2 || len(failures[0]) < 2 || draws < 1 {
		return 0, errors.New("needs at least two families, two media and one draw")
	}
	media = len(failures[0])
	for f, row := range failures {
		if len(row) != media {
			return 0, fmt.Errorf("family %d has %d media, the first %d: leave out media that some family has no result for", f, len(row), media)
		}
		if err := checkShares("failure", row); err != nil {
			return 0, fmt.Errorf("family %d: %w", f, err)
		}
	}
	return media, nil
}
