package attack

import "math"

// fgsm is one step to the edge of the budget (Goodfellow et al. 2015, arXiv 1412.6572):
//
//	linf: x' = clip(x + eps sign(g))    l2: x' = clip(x + eps g/|g|)    g = d(+-margin)/dx
//
// sign(0) is 0: a pixel that moves nothing stays.
func (s *search) fgsm() (point, error) {
	g := make([]float32, len(s.clean.x))
	if _, err := s.slope(s.clean.x, g); err != nil {
		return point{}, err
	}
	x := append([]float32(nil), s.clean.x...)
	s.advance(x, g, s.spec.Eps, s.box())
	return s.at(x)
}

// box is the L-infinity ball of the search; nothing for another norm.
func (s *search) box() bounds {
	if s.spec.Norm != "linf" {
		return bounds{}
	}
	return box(s.clean.x, s.spec.Eps)
}

// advance moves x by a step along g, by its sign in every pixel or in l2 along the whole, and back into the budget.
func (s *search) advance(x, g []float32, step float64, within bounds) {
	g = g[:len(x)]
	if s.spec.Norm == "linf" {
		length := math.Float32bits(float32(step))
		lo, hi := within.lo[:len(x)], within.hi[:len(x)]
		for i, v := range g {
			if v != 0 {
				moved := x[i] + math.Float32frombits(length|math.Float32bits(v)&(1<<31))
				x[i] = max(lo[i], min(hi[i], moved))
			}
		}
		return
	}
	sum := 0.
	for _, v := range g {
		sum += float64(v) * float64(v)
	}
	if sum == 0 {
		return
	}
	factor := step / math.Sqrt(sum)
	for i, v := range g {
		x[i] += float32(factor * float64(v))
	}
	s.project(x, within)
}
