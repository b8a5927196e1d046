package attack

import "math"

// FallbackPasses is how many passes Square Attack gets, at least, where it stands in for an attack that needs a gradient.
const FallbackPasses = 200

// WithoutGradient replaces the attacks that need a gradient by Square Attack with the same target, forms and eps, and the passes
// of the original if those are more than [FallbackPasses]. An L2 budget becomes the largest L-infinity ball inside it,
// eps/sqrt(3 w h), rounded down to thousandths of a grey level. Attacks that become the same row are run once. The rows are
// called square, whatever they replace.
func WithoutGradient(specs []Spec, width, height int) []Spec {
	var list []Spec
	for _, s := range specs {
		if s.Gradient() {
			s = s.square(width, height)
		}
		if distinct(append(list[:len(list):len(list)], s)) == nil {
			list = append(list, s)
		}
	}
	return list
}

func (s Spec) square(width, height int) Spec {
	m, _ := findMethod("square")
	other := m.defaults
	other.Method, other.Target, other.Forms, other.Eps = m.name, s.Target, s.Forms, s.Eps
	other.Passes = max(FallbackPasses, s.Queries())
	if s.Norm == "l2" {
		other.Eps = min(1, s.Eps/math.Sqrt(3*float64(width)*float64(height)))
		if short := math.Floor(other.Eps * 255e3); short > 0 { // a number that can be read, and not above
			other.Eps = short / 1000 / 255
		}
	}
	return other
}
