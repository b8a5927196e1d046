package attack

import (
	"context"
	"math"
)

// cw is the L2 attack of Carlini and Wagner (2017, arXiv 1608.04644) on a detector of two classes:
//
//	minimise |x'-x|^2 + c f(x')     f = max(confidence - way, 0)     way = +-(margin(x') - logit(threshold))
//
// by Adam (Kingma and Ba 2015, beta .9 and .999), over w with x' = (tanh w + 1)/2, or over the clipped pixels themselves. Way is
// how far x' is beyond the threshold, so f is 0 where the decision has turned with that confidence. Searches over c: from
// the c given, halving between the largest that failed and the smallest that succeeded, times ten while none has.
//
// Kept is the turned picture nearest to the clean one; if none turned, the one whose margin is best. The budget bounds what is
// scored: a picture beyond eps is drawn back to the ball along the straight line to the clean picture.
//
// The default rate is .001: Adam's first steps are as long as the rate in every pixel whatever the gradient, which with the
// .01 that libraries use is an L2 distance of 2 at 256 x 256, a dozen times what it takes to turn a decision.
//
// It stops just beyond the threshold, by changes of less than a grey level, which rounding undoes. So where a form (uint8,
// jpeg90) has turned back, the same change is made longer and scored again, up to the length of the budget: see lengthen.
//
// The target delta has no decision to turn: there f = -way, a search succeeds while it stays inside the ball, so c goes
// up then and down otherwise; kept is the picture that moved p most, of those inside the ball and the last of each search,
// drawn back to it.
func (s *search) cw() (point, error) {
	found := nearest{point: s.clean, distance: math.Inf(1)}
	if s.turned(s.clean.value) { // a decision that is wrong already needs no step
		return s.clean, nil
	}
	c, low, high := s.spec.C, 0., math.Inf(1)
	for range s.spec.Searches {
		success, err := s.descend(c, &found)
		if err != nil {
			return point{}, err
		}
		if success != (s.spec.Target == "delta") { // c may be smaller
			high = c
		} else {
			low = c
		}
		if c = (low + high) / 2; math.IsInf(high, 1) {
			c = low * 10
		}
	}
	x := append([]float32(nil), found.x...)
	s.project(x, bounds{})
	return s.at(x)
}

// nearest is the best picture so far.
type nearest struct {
	point
	distance float64
	turned   bool
}

// way is how far a value is beyond the threshold, in the direction of the search.
func (s *search) way(v value) float64 {
	t := max(1e-7, min(1-1e-7, s.set.Threshold))
	return s.sign * (v.margin - math.Log(t/(1-t)))
}

// turned says whether the decision is the target's, with the confidence that was asked for.
func (s *search) turned(v value) bool {
	if s.spec.Target == "delta" {
		return false
	}
	return (v.p >= s.set.Threshold) == (s.sign > 0) && s.way(v) >= s.spec.Confidence
}

// consider keeps a picture if it is better than the one found so far.
func (f *nearest) consider(s *search, x []float32, v value) {
	_, l2 := distance(x, s.clean.x)
	turned := s.turned(v)
	better := false
	switch {
	case s.spec.Target == "delta":
		better = l2 <= s.spec.Eps && s.farther(v, f.value)
	case turned != f.turned:
		better = turned
	case turned:
		better = l2 < f.distance
	default:
		better = s.ahead(v, f.value)
	}
	if better {
		*f = nearest{point{append([]float32(nil), x...), v}, l2, turned}
	}
}

// descend runs Adam for one c. Success: a picture turned, or for the target delta, the last one lies in the ball.
func (s *search) descend(c float64, found *nearest) (success bool, err error) {
	v := s.variable()
	x, g := append([]float32(nil), s.clean.x...), make([]float32, len(s.clean.x))
	for step := 1; step <= s.spec.Steps; step++ {
		at, err := s.slope(x, g)
		if err != nil {
			return false, err
		}
		found.consider(s, x, at)
		success = success || s.turned(at)
		if s.way(at) >= s.spec.Confidence && s.spec.Target != "delta" {
			clear(g) // f is flat beyond the confidence
		}
		v.step(x, g, s.clean.x, c, s.spec.Rate, step)
	}
	_, l2 := distance(x, s.clean.x)
	if s.spec.Target == "delta" {
		success = l2 <= s.spec.Eps
		s.project(x, bounds{})
	}
	last, err := s.at(x)
	if err != nil {
		return false, err
	}
	found.consider(s, x, last.value)
	return success || s.turned(last.value), nil
}

// variable is what Adam moves, with its two moments.
type variable struct {
	tanh          bool
	w             []float32 // nil: the pixels themselves
	first, second []float32
}

func (s *search) variable() *variable {
	n := len(s.clean.x)
	v := &variable{tanh: s.spec.Variable == "tanh", first: make([]float32, n), second: make([]float32, n)}
	if v.tanh {
		const inside = 1 - 1e-6 // black and white would lie at infinity
		v.w = make([]float32, n)
		for i, x := range s.clean.x {
			v.w[i] = float32(math.Atanh((2*float64(x) - 1) * inside))
		}
	}
	return v
}

// step takes the gradient of the loss and moves x. G points where way grows.
func (v *variable) step(x, g, clean []float32, c, rate float64, step int) {
	const beta1, beta2, epsilon = .9, .999, 1e-8
	correct1, correct2 := 1-math.Pow(beta1, float64(step)), 1-math.Pow(beta2, float64(step))
	for i := range x {
		slope := 2*float64(x[i]-clean[i]) - c*float64(g[i])
		tanh := 0.
		if v.tanh {
			tanh = 2*float64(x[i]) - 1
			slope *= (1 - tanh*tanh) / 2
		}
		m := beta1*float64(v.first[i]) + (1-beta1)*slope
		n := beta2*float64(v.second[i]) + (1-beta2)*slope*slope
		v.first[i], v.second[i] = float32(m), float32(n)
		move := rate * (m / correct1) / (math.Sqrt(n/correct2) + epsilon)
		if !v.tanh {
			x[i] = float32(max(0, min(1, float64(x[i])-move)))
			continue
		}
		v.w[i] = float32(float64(v.w[i]) - move)
		x[i] = float32(1 / (1 + math.Exp(-2*float64(v.w[i])))) // (tanh w + 1)/2
	}
}

// longer is how many lengths between that of cw's change and the budget are tried for a form that has turned back.
const longer = 4

// lengthens says whether the forms of an attack may be scored several times.
func (s Spec) lengthens() bool { return s.Method == "cw" && s.Target != "delta" }

// lengthen returns the first turned picture of a form along the straight line from the clean picture through the one that
// the attack found, at lengths in geometric steps up to the budget; at, if the form has turned already or none does.
func (t *trial) lengthen(ctx context.Context, s Spec, form string, found, at point) (point, int, error) {
	sign, _ := t.direction(s, 0)
	turned := func(v value) bool { return (v.p >= t.set.Threshold) == (sign > 0) }
	_, length := distance(found.x, t.clean.x)
	if form == "float" || length == 0 || length >= s.Eps || !turned(found.value) || turned(at.value) {
		return at, 0, nil
	}
	queries, x := 0, make([]float32, len(found.x))
	for i := 1; i <= longer; i++ {
		factor := math.Pow(s.Eps/length, float64(i)/longer)
		for j, clean := range t.clean.x {
			x[j] = float32(max(0, min(1, float64(clean)+factor*float64(found.x[j]-clean))))
		}
		next, extra, err := t.form(ctx, s, form, point{x: x})
		queries += extra
		if err != nil {
			return point{}, queries, err
		}
		if turned(next.value) {
			return next, queries, nil
		}
	}
	return at, queries, nil
}
