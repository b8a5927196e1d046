package suspect

import (
	"math"
	"slices"
)

// formed are the service's scores, taken for one form.
type formed struct {
	form     Form
	p        []float64 // as probabilities
	rounding float64   // half a unit of the last digit, as a probability
	spread   float64
}

// forms lists what scores can be, the natural one first: probabilities if all are in [0,1], else percent if all are in
// [0,100], else logits. Rounding is half a unit of their last digit; real says that they are about real, not fake.
func forms(scores []float64, real bool, rounding float64) []formed {
	as := func(form Form, slope float64, p func(float64) float64) formed {
		f := formed{form: form, rounding: rounding * slope, p: make([]float64, len(scores))}
		for i, s := range scores {
			if f.p[i] = p(s); real {
				f.p[i] = 1 - f.p[i]
			}
		}
		f.spread = spread(f.p)
		return f
	}
	logit := as(Logit, .25, sigmoid) // the slope of the logistic function is 1/4 at most
	lo, hi := slices.Min(scores), slices.Max(scores)
	switch {
	case lo >= 0 && hi <= 1:
		return []formed{as(Probability, 1, func(s float64) float64 { return s }), logit}
	case lo >= 0 && hi <= 100:
		return []formed{as(Percent, .01, func(s float64) float64 { return s / 100 }), logit}
	}
	return []formed{logit}
}

// chance bounds the probability that a search among so many combinations finds one that is as near as c is, if none of
// them had anything to do with the scores: each picture is then within the median difference with the probability that a
// uniform number is, and at least half of the pictures are (binomial tail, times the number of combinations).
func chance(c Comparison, theirs []float64, rounding float64, tried int) float64 {
	width := slices.Max(theirs) - slices.Min(theirs)
	if width <= 0 {
		return 1
	}
	q := min(1, 2*(c.Median+rounding+sameLeast)/width)
	return min(1, float64(tried)*binomialTail(c.N, (c.N+1)/2, q))
}

// nearer is the probability that a fit is nearer on so many pictures as it is, if it were as likely to be farther on each
// (one-sided sign test; ties are left out).
func nearer(lead, configured Fit) float64 {
	wins, n := 0, 0
	for i := range lead.Ours {
		a, b := math.Abs(lead.Ours[i]-lead.Theirs[i]), math.Abs(configured.Ours[i]-configured.Theirs[i])
		if a == b {
			continue
		}
		n++
		if a < b {
			wins++
		}
	}
	return binomialTail(n, wins, .5)
}

// binomialTail is P(X >= k) of a binomial variable.
func binomialTail(n, k int, q float64) float64 {
	if q >= 1 {
		return 1
	}
	lgamma := func(v int) float64 { g, _ := math.Lgamma(float64(v)); return g }
	sum := 0.
	for i := k; i <= n; i++ {
		sum += math.Exp(lgamma(n+1) - lgamma(i+1) - lgamma(n-i+1) + float64(i)*math.Log(q) + float64(n-i)*math.Log1p(-q))
	}
	return min(1, sum)
}

// rankAgreement is Spearman's correlation of the ranks of two lists, with ties at their mean rank.
func rankAgreement(a, b []float64) float64 {
	ra, rb := ranks(a), ranks(b)
	mean := float64(len(a)+1) / 2
	var ab, aa, bb float64
	for i := range ra {
		x, y := ra[i]-mean, rb[i]-mean
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}

func ranks(v []float64) []float64 {
	sorted := slices.Clone(v)
	slices.Sort(sorted)
	out := make([]float64, len(v))
	for i, x := range v {
		first, _ := slices.BinarySearch(sorted, x)
		last := first
		for last < len(sorted) && sorted[last] == x {
			last++
		}
		out[i] = float64(first+1+last) / 2
	}
	return out
}
