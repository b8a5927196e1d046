package attack

import "slices"

// estimate is the gradient by natural evolution strategies, from passes without gradient (Ilyas et al. 2018, arXiv 1804.08598):
//
//	g = 1/(2 pairs sigma) * sum over pairs of (margin(x + sigma u) - margin(x - sigma u)) u    u normal
//
// and one more pass gives the value at x. The probed points may lie a few sigma outside of [0,1].
func (s *search) estimate(x, g []float32) (value, error) {
	here, err := s.at(x)
	if err != nil {
		return value{}, err
	}
	clear(g)
	u := make([]float32, len(x))
	pair := make([]float32, 2*len(x))
	for range s.spec.Pairs {
		for i, v := range x {
			u[i] = float32(s.random.NormFloat64())
			d := float32(s.spec.Sigma * float64(u[i]))
			pair[i], pair[len(x)+i] = v+d, v-d
		}
		difference, err := s.difference(pair)
		if err != nil {
			return value{}, err
		}
		weight := s.sign * difference / (2 * float64(s.spec.Pairs) * s.spec.Sigma)
		for i, v := range u {
			g[i] += float32(weight * float64(v))
		}
	}
	_, err = turn(g, false)
	return here.value, err
}

// difference scores two pictures at once and returns the difference of their margins.
func (s *search) difference(pair []float32) (float64, error) {
	s.queries += 2
	s.passes.Add(2)
	p, margin, err := s.model.Score(s.ctx, pair, 2)
	if err != nil {
		return 0, err
	}
	var values [2]value
	for i := range values {
		if values[i], err = checked(slices.Clone(p[i:i+1]), margin[i:i+1]); err != nil {
			return 0, err
		}
	}
	return values[0].margin - values[1].margin, nil
}
