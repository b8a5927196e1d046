package perturb

import (
	"math/rand/v2"
	"slices"
)

// Picks chooses which variants a media is probed with where there is budget for perProbe of them: indexes into
// Fused.Variants (from 1), ascending, a function of the suite and the media's seed alone. With perProbe of 0, or as many as
// there are variants, it is all of them.
//
// The anchor, severity 2 of jpeg if the suite has it, is in every choice and takes one of the places, so that every media
// has one figure in common. Of the others, every one is equally likely, and a choice spreads over families and over
// severities as a latin square does: the table of family x severity is read along its diagonals, families and
// severities in an order drawn from the seed, from a place drawn from the seed, and round again.
func Picks(s Suite, perProbe int, seed int64) []int {
	if perProbe <= 0 || perProbe >= len(s.Variants) {
		all := make([]int, len(s.Variants))
		for i := range all {
			all[i] = i + 1
		}
		return all
	}
	random := rand.New(rand.NewPCG(seed64("picks", number(float64(seed))), uint64(len(s.Variants))))
	var chosen []int
	anchor := slices.IndexFunc(s.Variants, func(v Variant) bool { return v.Family == "jpeg" && v.Severity == 2 })
	if anchor >= 0 {
		chosen = append(chosen, anchor+1)
	}
	others := diagonals(s, anchor, random)
	from := random.IntN(max(1, len(others)))
	for i := 0; len(chosen) < perProbe; i++ {
		chosen = append(chosen, others[(from+i)%len(others)]+1)
	}
	slices.Sort(chosen)
	return chosen
}

// diagonals lists the variants of a suite but one so that neighbours differ in family and in severity where that is possible.
func diagonals(s Suite, without int, random *rand.Rand) (order []int) {
	var families [][]int // the variants of each
	row := map[string]int{}
	for i, v := range s.Variants {
		if i == without {
			continue
		}
		f, known := row[v.Family]
		if !known {
			f = len(families)
			row[v.Family] = f
			families = append(families, nil)
		}
		families[f] = append(families[f], i)
	}
	random.Shuffle(len(families), func(i, j int) { families[i], families[j] = families[j], families[i] })
	longest := 0
	for _, members := range families {
		longest = max(longest, len(members))
	}
	column := random.Perm(longest)
	for diagonal := range longest {
		for f, members := range families {
			if c := column[(f+diagonal)%longest]; c < len(members) {
				order = append(order, members[c])
			}
		}
	}
	return order
}
