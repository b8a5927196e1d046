package gradient

import (
	"errors"
	"slices"

	"shaketable/perturb/graph"
)

// largestSweep is the number of comparisons per axis beyond which max pooling goes by indices.
const largestSweep = 5

// maxPool: y[o] = max of a window, so dX sums dY[o] over the windows o whose first maximum, row by row, x is.
//
// Windows are separable: the maximum of each row first, then of the column of maxima; of equal elements the first row, and in
// it the first column, is the first of the window. Large windows go by the operator's second output, the index of the maximum.
// ONNX Runtime makes that on a path that is sixteen times slower than plain pooling, hence the other form.
func maxPool(n *node) error {
	if len(n.grads) > 1 && n.grads[1] != nil {
		return errors.New("the indices are used as numbers")
	}
	w := poolWindow(n)
	if slices.Max(w.kernel) > largestSweep || elements(w.kernel) == 1 || w.overhangs() {
		return maxByIndices(n)
	}
	s := n.s
	levels := []tensor{n.x(0)} // maxima over the last axis, the last two axes, …
	for i := len(w.kernel) - 1; i > 0; i-- {
		levels = append(levels, s.maxAlong(levels[len(levels)-1], i, w))
	}
	dy, y := n.dense(), n.y()
	for i := range w.kernel {
		x := levels[len(levels)-1-i]
		dy = s.routeMax(x, y, dy, i, w)
		y = x
	}
	n.give(0, dy)
	return nil
}

// maxAlong pools along one spatial axis.
func (s *sweep) maxAlong(x tensor, i int, w window) tensor {
	if w.identity(i) {
		return x
	}
	dims := slices.Clone(x.dims)
	dims[i+2] = w.out[i]
	k := len(w.kernel)
	kernel, stride, dilation := slices.Repeat([]int64{1}, k), slices.Repeat([]int64{1}, k), slices.Repeat([]int64{1}, k)
	kernel[i], stride[i], dilation[i] = w.kernel[i], w.stride[i], w.dilation[i]
	before, after := w.reach(i)
	pads := make([]int64, 2*k)
	pads[i], pads[k+i] = before, max(after, 0)
	maps := elements(x.dims[:2]) // each its own picture: of many channels ONNX Runtime would make blocks, and unmake them
	x = s.reshape(x, append([]int64{maps, 1}, x.dims[2:]...))
	y := s.Op("MaxPool", []string{x.name}, graph.IntsAttr("kernel_shape", kernel...), graph.IntsAttr("strides", stride...),
		graph.IntsAttr("dilations", dilation...), graph.IntsAttr("pads", pads...))
	return s.reshape(tensor{y, append([]int64{maps, 1}, dims[2:]...)}, dims)
}

// lowest stands for minus infinity in padding, where infinities would make NaN.
const lowest = -3e38

// routeMax undoes maximum pooling y of x along one axis: each element of dy goes to the first element of its window that
// equals y.
func (s *sweep) routeMax(x, y, dy tensor, i int, w window) tensor {
	if w.identity(i) {
		return dy
	}
	taps := make([]tensor, w.kernel[i])
	for k := range w.kernel[i] {
		if k == w.kernel[i]-1 {
			taps[k] = dy // whatever the others have not taken
			break
		}
		taken := s.mul(s.equal(s.tap(x, i, k, w), y), dy)
		taps[k], dy = taken, s.sub(dy, taken) // exact: what is taken is dy or 0
	}
	return s.unfold(taps, i, w)
}

// tap is the element k of every window along an axis; padding is the lowest number.
func (s *sweep) tap(x tensor, i int, k int64, w window) tensor {
	at, axis := k*w.dilation[i]-w.before[i], i+2 // of the first window
	first := max(-at+w.stride[i]-1, 0) / w.stride[i]
	last := min((w.size[i]-1-at)/w.stride[i], w.out[i]-1)
	if last < first || at >= w.size[i] { // all padding
		dims := slices.Clone(x.dims)
		dims[axis] = w.out[i]
		return s.dense(s.constant([]float32{lowest}), dims)
	}
	start, count := at+first*w.stride[i], last-first+1
	var part tensor
	if start == 0 && w.stride[i] > 1 && count == (w.size[i]-1)/w.stride[i]+1 {
		part = s.everyOther(x, i, w) // faster than a Slice with steps
	} else {
		part = s.strided(x, axis, start, w.stride[i], count)
	}
	return s.pad(part, axis, first, w.out[i]-1-last, lowest)
}

// equal is 1 where a = b, else 0.
func (s *sweep) equal(a, b tensor) tensor {
	return tensor{s.Cast(s.Call("Equal", a.name, b.name), graph.Float32), broadcast(a.dims, b.dims)}
}

// maxByIndices scatters dY to where the operator found the maxima; it counts elements over the whole tensor.
func maxByIndices(n *node) error {
	if n.intAttr("storage_order", 0) != 0 {
		return errors.New("storage_order 1 counts by columns")
	}
	s, x := n.s, n.x(0)
	for len(n.Output) < 2 {
		n.Output = append(n.Output, "")
	}
	if n.Output[1] == "" {
		n.Output[1] = n.Output[0] + "/indices"
	}
	zeros := s.dense(s.zeros([]int64{1}), []int64{elements(x.dims)})
	flat := s.Op("ScatterElements", []string{zeros.name, s.Reshape(n.Output[1], -1), s.reshape(n.dense(), []int64{elements(n.y().dims)}).name},
		graph.IntAttr("axis", 0), graph.StringAttr("reduction", "add"))
	n.give(0, s.reshape(tensor{flat, zeros.dims}, x.dims))
	return nil
}
