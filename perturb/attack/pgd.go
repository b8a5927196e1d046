package attack

import "math"

// pgd takes steps along the gradient and returns into the budget after each (Madry et al. 2018, arXiv 1706.06083):
//
//	x <- P(x + step sign(g))    P: into the ball of eps around the clean picture, and into [0,1]
//
// in l2 with g/|g| instead of sign(g). The start is the clean picture or a random point of the ball. Kept is the last
// iterate, or the best of all, the clean picture among them: whoever attacks may also leave it alone. The slope is the gradient
// ([search.slope]) or an estimate of it ([search.estimate]).
func (s *search) pgd(slope func(x, g []float32) (value, error)) (point, error) {
	within := s.box()
	x := append([]float32(nil), s.clean.x...)
	if s.spec.Start == "random" {
		s.scatter(x)
		s.project(x, within)
	}
	g := make([]float32, len(x))
	best := s.clean
	for range s.spec.Steps {
		v, err := slope(x, g)
		if err != nil {
			return point{}, err
		}
		if s.spec.Keep == "best" && s.better(v, best.value) {
			best = point{append([]float32(nil), x...), v}
		}
		s.advance(x, g, s.spec.Step, within)
	}
	last, err := s.at(x)
	if err != nil || s.spec.Keep == "last" || s.better(last.value, best.value) {
		return last, err
	}
	// The pass that found it also made a gradient, by another graph, which may round the last bit of p differently.
	return s.at(best.x)
}

// scatter moves x to a random point of the ball: uniform in each pixel, or in l2 uniform in the ball (a normal direction, and
// a radius that is the root of a uniform number, of the order of the dimension).
func (s *search) scatter(x []float32) {
	if s.spec.Norm == "linf" {
		for i := range x {
			x[i] += float32((2*s.random.Float64() - 1) * s.spec.Eps)
		}
		return
	}
	normal, sum := make([]float64, len(x)), 0.
	for i := range normal {
		normal[i] = s.random.NormFloat64()
		sum += normal[i] * normal[i]
	}
	radius := s.spec.Eps * math.Pow(s.random.Float64(), 1/float64(len(x))) / math.Sqrt(sum)
	for i, v := range normal {
		x[i] += float32(radius * v)
	}
}
