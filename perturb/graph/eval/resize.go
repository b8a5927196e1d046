package eval

import (
	"math"
	"slices"
)

// tap is one element of an axis with its weight.
type tap struct {
	at     int64
	weight float64
}

// resize samples every axis at the positions that an output element falls on: nearest, linear or cubic. Axis by axis, as the
// weights are products (ONNX Resize, opsets 11 to 19).
func resize(c *call) func() {
	x := c.input(0)
	s := c.sampling(x)
	axes, scales, sizes := c.targets(x)
	dims := slices.Clone(x.Dims)
	plans := make([]func(out int64) []tap, len(dims))
	for i, a := range axes {
		dims[a] = sizes[i]
		if x.Dims[a] == 0 && sizes[i] > 0 {
			c.fail("axis %d of %v is empty", a, x.Dims)
		}
		if sizes[i] != x.Dims[a] || scales[i] != 1 {
			plans[a] = s.taps(x.Dims[a], sizes[i], scales[i])
		}
	}
	if slices.Equal(dims, x.Dims) { // runtimes copy, even where factors such as 1.2 would move positions within the same size
		clear(plans)
	}
	o := c.output(x.Type, dims...)
	c.work = 4 * int64(len(dims)) * int64(o.Len())
	return func() { c.sample(o, x, plans) }
}

// sample applies the plans of the axes that change. Integers are rounded towards 0 at the end.
func (c *call) sample(o, x *Tensor, plans []func(int64) []tap) {
	current := &Tensor{Type: float32Type, Dims: x.Dims, F: x.floats()}
	for a, plan := range plans {
		if plan == nil {
			continue
		}
		outer, size, inner := along(current.Dims, a)
		next := &Tensor{Type: float32Type, Dims: slices.Clone(current.Dims)}
		next.Dims[a] = o.Dims[a]
		c.bounded("a step on the way", next.Dims)
		next.allocate()
		for i := range int(o.Dims[a]) {
			for _, t := range plan(int64(i)) {
				for p := range outer {
					to, from := (p*int(o.Dims[a])+i)*inner, (p*size+int(t.at))*inner
					addScaled(next.F[to:to+inner], current.F[from:from+inner], 1, t.weight)
				}
			}
		}
		current = next
	}
	copy(o.F, current.F)
	for i := range o.I {
		o.I[i] = toInt(o.Type, current.F[i])
	}
}

// targets are the axes that a Resize names, their factors and their sizes.
func (c *call) targets(x *Tensor) (axes []int, scales []float64, sizes []int64) {
	axes = make([]int, len(x.Dims))
	for i := range axes {
		axes[i] = i
	}
	if list := c.attrInts("axes"); list != nil {
		axes = c.axes(list, len(x.Dims))
	}
	factors := c.optional(2)
	if factors != nil && factors.Len() > 0 {
		c.need(factors)
		scales = slices.Clone(factors.floats())
		for i, a := range axes {
			if len(scales) != len(axes) || !(scales[i] > 0 && scales[i]*float64(x.Dims[a]) < maxShape) {
				c.fail("scales %v do not fit shape %v", scales, x.Dims)
			}
			sizes = append(sizes, int64(float32(x.Dims[a])*float32(scales[i]))) // in float32, as runtimes do: .7*10 is 7
		}
		return axes, scales, sizes
	}
	sizes = slices.Clone(c.ints(3))
	if len(sizes) != len(axes) {
		c.fail("sizes %v do not fit shape %v", sizes, x.Dims)
	}
	for i, a := range axes {
		if sizes[i] < 0 || sizes[i] > maxShape || x.Dims[a] == 0 {
			c.fail("sizes %v are not possible for shape %v", sizes, x.Dims)
		}
		scales = append(scales, float64(float32(sizes[i])/float32(x.Dims[a])))
	}
	return axes, c.keepRatio(x, axes, scales, sizes), sizes
}

// keepRatio gives all axes one factor if the attribute asks for it: the smallest or the largest.
func (c *call) keepRatio(x *Tensor, axes []int, scales []float64, sizes []int64) []float64 {
	if c.opset < 18 {
		return scales
	}
	factor := 0.0
	switch policy := c.attrString("keep_aspect_ratio_policy", "stretch"); policy {
	case "stretch":
		return scales
	case "not_larger":
		factor = slices.Min(scales)
	case "not_smaller":
		factor = slices.Max(scales)
	default:
		c.fail("attribute keep_aspect_ratio_policy is %q", policy)
	}
	for i, a := range axes {
		scales[i] = factor
		sizes[i] = int64(math.Round(factor * float64(x.Dims[a])))
	}
	return scales
}

// sampling is how positions of an output axis become elements of the input axis.
type sampling struct {
	mode, transform, nearest string
	cubic                    float64
	strict                   bool // taps outside the axis do not count, instead of repeating its ends
	antialias                bool
}

func (c *call) sampling(x *Tensor) sampling {
	s := sampling{
		mode:      c.attrString("mode", "nearest"),
		transform: c.attrString("coordinate_transformation_mode", "half_pixel"),
		nearest:   c.attrString("nearest_mode", "round_prefer_floor"),
		cubic:     c.attrFloat("cubic_coeff_a", -.75),
		strict:    c.attrInt("exclude_outside", 0) != 0,
		antialias: c.attrInt("antialias", 0) != 0,
	}
	c.ignore("extrapolation_value") // of tf_crop_and_resize alone
	if !slices.Contains([]string{"nearest", "linear", "cubic"}, s.mode) {
		c.unsupported("mode %q", s.mode)
	}
	if !slices.Contains([]string{"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"}, s.transform) {
		c.unsupported("coordinate_transformation_mode %q", s.transform)
	}
	if !slices.Contains([]string{"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}, s.nearest) {
		c.unsupported("nearest_mode %q", s.nearest)
	}
	if !floating(x.Type) && s.mode != "nearest" {
		c.unsupported("mode %q of %v", s.mode, x.Type)
	}
	return s
}

// position is where element i of the output falls on the input axis. It is computed in float32, as runtimes do: whether a
// position is just above or just below the middle of two elements decides which of them is the nearest.
func (s sampling) position(i, in, out int64, factor float64) float64 {
	p, scale := float32(i), float32(factor)
	switch s.transform {
	case "asymmetric":
		return float64(p / scale)
	case "align_corners":
		if out == 1 {
			return 0
		}
		return float64(p * float32(in-1) / float32(out-1))
	case "pytorch_half_pixel":
		if out == 1 {
			return 0
		}
	case "half_pixel_symmetric":
		adjust := float32(out) / (scale * float32(in))
		return float64(float32(in)/2*(1-adjust) + (p+.5)/scale - .5)
	}
	return float64((p+.5)/scale - .5)
}

// taps is what element i of an output axis is made of.
func (s sampling) taps(in, out int64, scale float64) func(i int64) []tap {
	return func(i int64) []tap {
		p := s.position(i, in, out, scale)
		if s.mode == "nearest" {
			return []tap{{max(0, min(in-1, s.round(p))), 1}}
		}
		return s.weigh(p, in, min(1, scale))
	}
}

func (s sampling) round(p float64) int64 {
	switch s.nearest {
	case "floor":
		return int64(math.Floor(p))
	case "ceil":
		return int64(math.Ceil(p))
	case "round_prefer_ceil":
		return int64(math.Floor(p + .5))
	}
	return int64(math.Ceil(p - .5))
}

// weigh weighs the elements around p with the kernel of the mode; with antialias, and a scale below 1, the kernel is
// stretched by 1/scale.
func (s sampling) weigh(p float64, in int64, scale float64) []tap {
	reach := 1.0
	if s.mode == "cubic" {
		reach = 2
	}
	if !s.antialias {
		scale = 1
	}
	if s.mode == "linear" && scale == 1 {
		p = max(0, min(p, float64(in-1)))
	}
	var list []tap
	total := 0.0
	for k := int64(math.Floor(p-reach/scale)) + 1; float64(k) < p+reach/scale; k++ {
		weight := s.kernel(math.Abs(float64(k)-p) * scale)
		if outside := k < 0 || k >= in; outside && s.strict {
			continue
		}
		list = append(list, tap{max(0, min(in-1, k)), weight})
		total += weight
	}
	for i := range list {
		list[i].weight /= total
	}
	return list
}

// kernel is the weight at distance d: a triangle, or the cubic convolution of Keys (1981) with parameter a.
func (s sampling) kernel(d float64) float64 {
	a := s.cubic
	switch {
	case s.mode == "linear":
		return max(0, 1-d)
	case d <= 1:
		return ((a+2)*d-(a+3))*d*d + 1
	case d < 2:
		return a * (((d-5)*d+8)*d - 4)
	}
	return 0
}
