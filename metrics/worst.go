package metrics

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// WorstShare returns the highest failure rate that the same media would give in another mix: the supremum of Σ q_i z_i
// over all weights q with chi-square divergence from equal weights of at most rho,
//
//	sup { Σ q_i z_i : q_i >= 0, Σ q_i = 1, Σ (q_i - 1/n)² / (1/n) <= rho }
//	  = min over η of η + sqrt((1+rho)/n Σ max(z_i - η, 0)²)
//
// so no slice needs a name. A slice that makes up the share s of the media is within rho = 1/s - 1: for every slice of at
// least a quarter take 3. It is at least the mean, at most the largest z, and for z in {0,1} with mean f it is
// min(1, f + sqrt(rho f (1-f))). It describes these media; it is no bound with a probability on the ones to come.
//
// z (failures) are the failure, or the mean failure over variants, of each media, in [0,1], at least one; rho must be
// finite and not negative. Source: Duchi and Namkoong (2021), Annals of Statistics 49:1378, with k = 2 (their radius is
// rho/2).
func WorstShare(failures []float64, rho float64) (float64, error) {
	if len(failures) == 0 {
		return 0, errors.New("worst share: no media")
	}
	if err := checkShares("failure", failures); err != nil {
		return 0, fmt.Errorf("worst share: %w", err)
	}
	if !(rho >= 0) || math.IsInf(rho, 0) {
		return 0, fmt.Errorf("worst share: radius %v: want a finite number >= 0", rho)
	}
	z := slices.Clone(failures)
	slices.SortFunc(z, func(a, b float64) int { return cmp.Compare(b, a) })
	if rho == 0 {
		return mean(z), nil // the only mix; the minimum below is at minus infinity
	}
	c := (1 + rho) / float64(len(z))
	// Between two neighbours the k largest values exceed η, and the minimum there has a closed form: with their mean m and
	// their squares about it s, η = m - sqrt(s/(k(ck-1))). The function of η is convex, so the least of its values at the
	// minimum of every piece, where that lies in the piece, and at every end, is the minimum: at η = max z it is max z.
	best, m, squares := z[0], 0., 0.
	for i, x := range z {
		k := float64(i + 1)
		delta := x - m
		m += delta / k
		squares += delta * (x - m)
		next := math.Inf(-1)
		if i+1 < len(z) {
			next = z[i+1]
			best = min(best, next+math.Sqrt(c*(squares+k*(m-next)*(m-next))))
		}
		if room := c*k - 1; room > 0 {
			if eta := m - math.Sqrt(squares/(k*room)); eta >= next && eta <= x {
				best = min(best, m+math.Sqrt(squares/k*room))
			}
		}
	}
	return max(best, m), nil
}

func mean(z []float64) float64 {
	sum := 0.
	for _, x := range z {
		sum += x
	}
	return sum / float64(len(z))
}
