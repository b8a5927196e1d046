package gradient

import (
	"slices"

	"shaketable/perturb/graph"
)

// averagePool: y[o] = sum of a window / count[o], so dX sums dY[o]/count[o] over the windows that x is in. The count is that
// of the elements of the picture in the window, with count_include_pad also of the declared padding, never of the elements
// beyond it that ceil_mode adds.
func averagePool(n *node) error {
	s, w := n.s, poolWindow(n)
	dy := n.dense()
	for i := range w.kernel {
		dy = s.mul(dy, s.perAxis(w.counts(i, n.intAttr("count_include_pad", 0) != 0), i, len(w.kernel)))
	}
	dy = s.dense(dy, n.y().dims)
	n.give(0, s.sumWindows(dy, w))
	return nil
}

// counts are 1/number of elements of each window along one axis.
func (w window) counts(i int, padding bool) []float32 {
	from, to := int64(0), w.size[i]
	if padding {
		from, to = -w.before[i], w.size[i]+w.after[i]
	}
	out := make([]float32, w.out[i])
	for o := range out {
		count := int64(0)
		for k := range w.kernel[i] {
			if p := int64(o)*w.stride[i] - w.before[i] + k*w.dilation[i]; p >= from && p < to {
				count++
			}
		}
		out[o] = 1 / float32(max(count, 1))
	}
	return out
}

// perAxis shapes numbers along spatial axis i of k to be multiplied with a tensor; a single number if all are equal.
func (s *sweep) perAxis(v []float32, i, k int) tensor {
	if !slices.ContainsFunc(v, func(x float32) bool { return x != v[0] }) {
		return s.scalar(float64(v[0]))
	}
	dims := slices.Repeat([]int64{1}, k-i)
	dims[0] = int64(len(v))
	return s.constant(v, dims...)
}

// sumWindows is the adjoint of window sums: with stride 1 window sums again, by the operator that averages; on large maps a
// ConvTranspose of ones, map by map; else axis by axis.
func (s *sweep) sumWindows(dy tensor, w window) tensor {
	k := len(w.kernel)
	x, pads, crop := slices.Concat(dy.dims[:2], w.size), make([]int64, 2*k), make([]int64, 2*k)
	for i := range k {
		crop[i], crop[k+i] = w.reach(i)
		pads[i], pads[k+i] = w.extent(i)-1-crop[i], w.extent(i)-1-crop[k+i]
	}
	dense := !slices.ContainsFunc(w.dilation, func(d int64) bool { return d != 1 })
	switch {
	case w.unitStride() && dense && slices.Min(pads) >= 0:
		sum := tensor{s.Op("AveragePool", []string{dy.name}, graph.IntsAttr("kernel_shape", w.kernel...), graph.IntsAttr("pads", pads...),
			graph.IntAttr("count_include_pad", 1)), x}
		return s.times(sum, float64(elements(w.kernel)))
	case slices.Min(crop) >= 0 && elements(w.out) >= largeMap:
		maps := elements(x[:2])
		ones := slices.Repeat([]float32{1}, int(elements(w.kernel)))
		one := s.reshape(dy, append([]int64{maps, 1}, w.out...))
		sum := s.Op("ConvTranspose", []string{one.name, s.Floats(ones, append([]int64{1, 1}, w.kernel...)...)}, graph.IntsAttr("strides", w.stride...),
			graph.IntsAttr("dilations", w.dilation...), graph.IntsAttr("pads", crop...))
		return s.reshape(tensor{sum, append([]int64{maps, 1}, w.size...)}, x)
	}
	for i := range k {
		dy = s.unfold(slices.Repeat([]tensor{dy}, int(w.kernel[i])), i, w)
	}
	return dy
}

// lpPool: y = (sum of |x|^p over a window)^(1/p), so dX = sign(x) |x|^(p-1) * the window sums' adjoint of dY/y^(p-1).
func lpPool(n *node) error {
	s, x, y, p := n.s, n.x(0), n.y(), float64(n.intAttr("p", 2))
	g := s.div(n.dense(), s.binary("Pow", s.floor(y), s.scalar(p-1)))
	if n.GetOpType() == "LpPool" {
		g = s.sumWindows(g, poolWindow(n))
	}
	size := s.unary("Abs", x)
	n.give(0, s.mul(g, s.mul(s.unary("Sign", x), s.binary("Pow", size, s.scalar(p-1)))))
	return nil
}

// globalAveragePool: y = mean over space, dX = dY / count, the same everywhere.
func globalAveragePool(n *node) error {
	n.give(0, n.s.times(n.dy(), 1/float64(elements(n.x(0).dims[2:]))))
	return nil
}

// globalMaxPool: dX is dY at the first maximum of each channel.
func globalMaxPool(n *node) error {
	s, x := n.s, n.x(0)
	count := elements(x.dims[2:])
	flat := s.reshape(x, []int64{x.dims[0], x.dims[1], count})
	first := s.Op("ArgMax", []string{flat.name}, graph.IntAttr("axis", 2), graph.IntAttr("keepdims", 1))
	places := make([]int64, count)
	for i := range places {
		places[i] = int64(i)
	}
	mask := tensor{s.Cast(s.Call("Equal", first, s.Ints(places...)), graph.Float32), flat.dims}
	g := s.mul(s.reshape(n.dense(), []int64{x.dims[0], x.dims[1], 1}), mask)
	n.give(0, s.reshape(g, x.dims))
	return nil
}
