package gradient

import "slices"

// window is the geometry of a convolution or pooling over spatial axes: out = floor or ceil of
// (size + before + after - (dilation*(kernel-1) + 1)) / stride + 1, per axis.
type window struct {
	size, out, kernel, stride, dilation, before, after []int64
}

// windowOf reads the geometry of a node; auto_pad is resolved with the static shapes.
//
// VALID pads nothing; SAME_UPPER and SAME_LOWER pad (out-1)*stride + extent - size in all, the odd one at the end or at the
// start (the definition of ONNX).
func windowOf(n *node, size, out, kernel []int64) window {
	k := len(kernel)
	pads := n.intsAttr("pads", 2*k, 0)
	w := window{size: size, out: out, kernel: kernel, stride: n.intsAttr("strides", k, 1), dilation: n.intsAttr("dilations", k, 1),
		before: pads[:k:k], after: pads[k:]}
	mode := n.text("auto_pad", "NOTSET")
	if mode == "NOTSET" {
		return w
	}
	for i := range k {
		total := int64(0)
		if mode != "VALID" {
			total = max((out[i]-1)*w.stride[i]+w.extent(i)-size[i], 0)
		}
		w.before[i], w.after[i] = total/2, total-total/2
		if mode == "SAME_LOWER" {
			w.before[i], w.after[i] = total-total/2, total/2
		}
	}
	return w
}

// extent is how many elements of axis i a window spans.
func (w window) extent(i int) int64 { return w.dilation[i]*(w.kernel[i]-1) + 1 }

func (w window) unitStride() bool {
	return !slices.ContainsFunc(w.stride, func(s int64) bool { return s != 1 })
}

// poolWindow reads the geometry of a pooling node.
func poolWindow(n *node) window {
	x, y := n.x(0), n.y()
	kernel := n.intsAttr("kernel_shape", len(x.dims)-2, 1)
	return windowOf(n, x.dims[2:], y.dims[2:], kernel)
}

// reach is the padding of axis i that the windows really use: less than declared where the stride leaves some over, more
// with ceil_mode; negative where elements of the picture are left over.
func (w window) reach(i int) (before, after int64) {
	return w.before[i], (w.out[i]-1)*w.stride[i] + w.extent(i) - w.size[i] - w.before[i]
}

// overhangs tells whether padding is as wide as the kernel, which pooling operators refuse.
func (w window) overhangs() bool {
	for i := range w.kernel {
		if before, after := w.reach(i); max(before, after) >= w.kernel[i] {
			return true
		}
	}
	return false
}

// identity tells whether nothing happens along axis i.
func (w window) identity(i int) bool {
	return w.kernel[i] == 1 && w.stride[i] == 1 && w.size[i] == w.out[i]
}

// largeMap is the number of elements of a map from which unfolding as a ConvTranspose is faster than by joining pieces.
const largeMap = 256

// everyOther takes elements 0, stride, 2 stride … of an axis, as the maxima of windows of one element.
func (s *sweep) everyOther(x tensor, i int, w window) tensor {
	one := window{size: w.size, out: slices.Clone(w.out), kernel: slices.Repeat([]int64{1}, len(w.kernel)), stride: w.stride,
		dilation: slices.Repeat([]int64{1}, len(w.kernel)), before: make([]int64, len(w.kernel)), after: make([]int64, len(w.kernel))}
	one.out[i] = (w.size[i]-1)/w.stride[i] + 1
	return s.maxAlong(x, i, one)
}

// unfold is the adjoint of cutting an axis into taps: tap k of window o goes back to o*stride + k*dilation - padding, taps that
// meet are summed, and what falls into the padding is dropped.
//
// On large maps that is a ConvTranspose whose kernel k is one at tap k. Otherwise taps of the same phase (k*dilation mod
// stride) are summed at their own resolution, and the phases are interleaved at the end.
func (s *sweep) unfold(taps []tensor, i int, w window) tensor {
	axis, dims := i+2, taps[0].dims
	if elements(dims[2:]) >= largeMap {
		return s.unfoldAtOnce(taps, i, w)
	}
	before, after := w.reach(i)
	size, stride := w.size[i]+before+after, w.stride[i]
	length := (size + stride - 1) / stride // of a phase
	phases := make([]tensor, stride)
	for k, g := range taps {
		at := int64(k) * w.dilation[i]
		shift := at / stride
		g = s.pad(g, axis, shift, length-shift-w.out[i], 0)
		if p := &phases[at%stride]; p.name == "" {
			*p = g
		} else {
			*p = s.add(*p, g)
		}
	}
	x := s.slice(s.interleave(phases, axis, length, dims), axis, 0, size)
	return s.pad(x, axis, -before, -after, 0)
}

func (s *sweep) unfoldAtOnce(taps []tensor, i int, w window) tensor {
	dims, count := taps[0].dims, int64(len(taps))
	maps, rows, columns := elements(dims[:2]), elements(dims[2:i+2]), elements(dims[i+3:])
	parts := make([]tensor, count)
	for k, g := range taps {
		parts[k] = s.reshape(g, []int64{maps, 1, rows, w.out[i], columns})
	}
	view := window{size: []int64{rows, w.size[i], columns}, out: []int64{rows, w.out[i], columns}, kernel: []int64{1, count, 1},
		stride: []int64{1, w.stride[i], 1}, dilation: []int64{1, w.dilation[i], 1}, before: []int64{0, w.before[i], 0}, after: []int64{0, 0, 0}}
	if rows == 1 || columns == 1 { // two axes are enough, and faster than three
		keep := []int{0, 1}
		if columns > 1 {
			keep = []int{1, 2}
		}
		view = view.axes(keep)
		for k := range parts {
			parts[k] = s.reshape(parts[k], append([]int64{maps, 1}, view.out...))
		}
	}
	unit := make([]float32, count*count)
	for k := range count {
		unit[k*count+k] = 1
	}
	x := s.transposed(s.concat(1, parts...), s.constant(unit, append([]int64{count, 1}, view.kernel...)...), view, 1)
	out := slices.Clone(dims)
	out[i+2] = w.size[i]
	return s.reshape(x, out)
}

// axes is the geometry of some axes.
func (w window) axes(keep []int) window {
	pick := func(v []int64) []int64 {
		out := make([]int64, len(keep))
		for k, i := range keep {
			out[k] = v[i]
		}
		return out
	}
	return window{pick(w.size), pick(w.out), pick(w.kernel), pick(w.stride), pick(w.dilation), pick(w.before), pick(w.after)}
}

// interleave takes elements of the phases in turn along an axis; a phase without a name is zero.
func (s *sweep) interleave(phases []tensor, axis int, length int64, like []int64) tensor {
	if len(phases) == 1 {
		return phases[0]
	}
	before, after := elements(like[:axis])*length, elements(like[axis+1:])
	parts := make([]tensor, len(phases))
	for i, p := range phases {
		if p.name == "" {
			parts[i] = s.dense(s.zeros([]int64{1}), []int64{before, 1, after})
			continue
		}
		parts[i] = s.reshape(p, []int64{before, 1, after})
	}
	dims := slices.Clone(like)
	dims[axis] = length * int64(len(phases))
	return s.reshape(s.concat(1, parts...), dims)
}
