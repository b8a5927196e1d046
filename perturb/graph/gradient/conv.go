package gradient

import (
	"errors"
	"slices"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
)

// conv: y = W * x + b, so dX is the transposed convolution of dY with the same W. With stride 1 that is a convolution with W
// flipped in space and transposed in its channels, which runtimes do at the speed of the forward pass.
func conv(n *node) error {
	if n.wants(1) || n.wants(2) {
		return errors.New("the weights depend on the picture")
	}
	x, w := n.x(0), n.x(1)
	g := windowOf(n, x.dims[2:], n.y().dims[2:], w.dims[2:])
	group := n.intAttr("group", 1)
	if t, ok := n.constant(1); ok {
		n.give(0, n.s.correlate(n.dense(), t, g, group))
		return nil
	}
	n.give(0, n.s.transposed(n.dense(), w, g, group))
	return nil
}

// correlate is the transposed convolution for constant weights.
func (s *sweep) correlate(dy tensor, w *eval.Tensor, g window, group int64) tensor {
	depthwise := group > 1 && w.Dims[1] == 1 && w.Dims[0] == group
	if !g.unitStride() && !depthwise {
		return s.transposed(dy, s.constant(narrow(w.F), w.Dims...), g, group)
	}
	if group == 1 && g.unitStride() {
		if x, ok := s.fewChannels(dy, w, g); ok {
			return x
		}
	}
	flipped := s.flip(w, group)
	for i := range g.kernel {
		dy = s.spread(dy, i+2, g.stride[i])
	}
	// position p of x is met by window o at tap k where o*stride + k*dilation = p + before
	k, pads := len(g.kernel), make([]int64, 2*len(g.kernel))
	for i := range k {
		need := g.size[i] + g.extent(i) - 1 - dy.dims[i+2] // zeros around dy so that size elements come out
		before := g.extent(i) - 1 - g.before[i]
		dy = s.pad(dy, i+2, min(before, 0), min(need-before, 0), 0)
		pads[i], pads[k+i] = max(before, 0), max(need-before, 0)
	}
	dims := append([]int64{dy.dims[0], flipped.dims[0]}, g.size...)
	return tensor{s.Op("Conv", []string{dy.name, flipped.name}, graph.IntsAttr("pads", pads...), graph.IntsAttr("dilations", g.dilation...),
		graph.IntAttr("group", group), graph.IntsAttr("kernel_shape", g.kernel...)), dims}
}

// narrowest is the number of channels up to which a blocked convolution is mostly padding: ONNX Runtime computes 8 or 16.
const narrowest = 4

// fewChannels is the transposed convolution, stride 1, down to a few channels (those of the picture, mostly). Measured on one
// thread, against the flipped convolution: one tap as a matrix product takes half, many channels as ConvTranspose take half to
// two thirds, and few channels as a convolution that makes 2 x 2 blocks of pixels out of four times the channels take half.
func (s *sweep) fewChannels(dy tensor, w *eval.Tensor, g window) (tensor, bool) {
	out, in := w.Dims[1], w.Dims[0]
	if elements(g.kernel) == 1 && slices.Equal(g.size, g.out) && out < 3*narrowest {
		flipped := s.flipMatrix(w)
		flat := s.reshape(dy, []int64{dy.dims[0], in, elements(g.out)})
		product := tensor{s.Call("MatMul", flipped.name, flat.name), []int64{dy.dims[0], out, elements(g.out)}}
		return s.reshape(product, append([]int64{dy.dims[0], out}, g.size...)), true
	}
	if out > narrowest {
		return tensor{}, false
	}
	if in >= 4*narrowest {
		return s.transposed(dy, s.constant(narrow(w.F), w.Dims...), g, 1), true
	}
	return s.inBlocks(dy, w, g)
}

// flipMatrix is flip for one tap, as a matrix [C,M].
func (s *sweep) flipMatrix(w *eval.Tensor) tensor {
	m, c := w.Dims[0], w.Dims[1]
	out := make([]float32, len(w.F))
	for i := range m {
		for j := range c {
			out[j*m+i] = float32(w.F[i*c+j])
		}
	}
	return s.constant(out, c, m)
}

// inBlocks makes 2 x 2 pixels at a time: a convolution of stride 2 whose kernels are the flipped kernel at four offsets.
func (s *sweep) inBlocks(dy tensor, w *eval.Tensor, g window) (tensor, bool) {
	if len(g.kernel) != 2 || g.size[0]%2+g.size[1]%2 != 0 || g.dilation[0]*g.dilation[1] != 1 {
		return tensor{}, false
	}
	pads := make([]int64, 4)
	for i := range 2 {
		pads[i] = g.kernel[i] - 1 - g.before[i]
		pads[2+i] = g.size[i] + g.kernel[i] - 1 - g.out[i] - pads[i]
		if pads[i] < 0 || pads[2+i] < 0 {
			return tensor{}, false
		}
	}
	out, in, kh, kw := w.Dims[1], w.Dims[0], g.kernel[0], g.kernel[1]
	blocks := make([]float32, 4*out*in*(kh+1)*(kw+1))
	for at := range 4 * out * in * kh * kw { // block row, block column, channel out, channel in, tap
		v, u, i, c := at%kw, at/kw%kh, at/kw/kh%in, at/kw/kh/in%out
		column, row := at/kw/kh/in/out%2, at/kw/kh/in/out/2
		to := ((((row*2+column)*out+c)*in+i)*(kh+1)+u+row)*(kw+1) + v + column
		blocks[to] = float32(w.F[((i*out+c)*kh+kh-1-u)*kw+kw-1-v])
	}
	y := s.Op("Conv", []string{dy.name, s.Floats(blocks, 4*out, in, kh+1, kw+1)}, graph.IntsAttr("pads", pads...), graph.IntsAttr("strides", 2, 2))
	return tensor{s.Op("DepthToSpace", []string{y}, graph.IntAttr("blocksize", 2)), []int64{dy.dims[0], out, g.size[0], g.size[1]}}, true
}

// flip turns weights [M, C/group, k…] into those of the transposed convolution, [C, M/group, k… reversed].
func (s *sweep) flip(w *eval.Tensor, group int64) tensor {
	m, c, taps := w.Dims[0]/group, w.Dims[1], elements(w.Dims[2:])
	out := make([]float32, len(w.F))
	for g := range group {
		for i := range m {
			for j := range c {
				from, to := ((g*m+i)*c+j)*taps, ((g*c+j)*m+i)*taps
				for t := range taps {
					out[to+taps-1-t] = float32(w.F[from+t])
				}
			}
		}
	}
	return s.constant(out, append([]int64{group * c, m}, w.Dims[2:]...)...)
}

// transposed is the transposed convolution as the operator of that name.
func (s *sweep) transposed(dy, w tensor, g window, group int64) tensor {
	k := len(g.kernel)
	pads, output := make([]int64, 2*k), make([]int64, k)
	for i := range k {
		full := (g.out[i]-1)*g.stride[i] + g.extent(i)
		rest := g.size[i] + g.before[i] - full // elements at the end that no window reaches, or, negative, that are padding
		pads[i], pads[k+i], output[i] = g.before[i], max(-rest, 0), max(rest, 0)
	}
	extra := make([]int64, k) // more than output_padding may be
	for i := range k {
		if limit := max(g.stride[i], g.dilation[i]) - 1; output[i] > limit {
			extra[i], output[i] = output[i]-limit, limit
		}
	}
	dims := []int64{dy.dims[0], w.dims[1] * group}
	for i := range k {
		dims = append(dims, g.size[i]-extra[i])
	}
	x := tensor{s.Op("ConvTranspose", []string{dy.name, w.name}, graph.IntsAttr("strides", g.stride...), graph.IntsAttr("pads", pads...),
		graph.IntsAttr("output_padding", output...), graph.IntsAttr("dilations", g.dilation...), graph.IntAttr("group", group),
		graph.IntsAttr("kernel_shape", g.kernel...)), dims}
	for i := range k {
		x = s.pad(x, i+2, 0, extra[i], 0)
	}
	return x
}

// spread puts stride-1 zeros behind every element of an axis.
func (s *sweep) spread(x tensor, axis int, stride int64) tensor {
	if stride == 1 {
		return x
	}
	before, after := elements(x.dims[:axis+1]), elements(x.dims[axis+1:])
	dims := slices.Clone(x.dims)
	dims[axis] *= stride
	x = s.reshape(x, []int64{before, 1, after})
	zeros := s.dense(s.zeros([]int64{1}), []int64{before, stride - 1, after})
	return s.reshape(s.concat(1, x, zeros), dims)
}

// convTranspose: y = W^T * x, so dX is the convolution of dY with the same W.
func convTranspose(n *node) error {
	if n.wants(1) || n.wants(2) {
		return errors.New("the weights depend on the picture")
	}
	x, y, w := n.x(0), n.y(), n.x(1)
	k := len(w.dims) - 2
	g := windowOf(n, y.dims[2:], x.dims[2:], w.dims[2:])
	if n.attr("output_shape") != nil {
		g.splitPads(n)
	}
	dy := n.dense()
	pads := make([]int64, 2*k)
	for i := range k {
		need := (g.out[i]-1)*g.stride[i] + g.extent(i) - g.size[i] // padding in all; negative: cut what no input reaches
		dy = n.s.pad(dy, i+2, 0, min(need-g.before[i], 0), 0)
		pads[i], pads[k+i] = g.before[i], max(need-g.before[i], 0)
	}
	n.give(0, tensor{n.s.Op("Conv", []string{dy.name, w.name}, graph.IntsAttr("strides", g.stride...), graph.IntsAttr("pads", pads...),
		graph.IntsAttr("dilations", g.dilation...), graph.IntAttr("group", n.intAttr("group", 1)), graph.IntsAttr("kernel_shape", g.kernel...)), x.dims})
	return nil
}

// splitPads computes the padding that an output_shape asks for: stride*(in-1) + output_padding + extent - size in all,
// the odd one at the start for SAME_UPPER and at the end otherwise (the definition of ConvTranspose).
func (w *window) splitPads(n *node) {
	output := n.intsAttr("output_padding", len(w.kernel), 0)
	for i := range w.kernel {
		total := w.stride[i]*(w.out[i]-1) + output[i] + w.extent(i) - w.size[i]
		w.before[i] = total / 2
		if n.text("auto_pad", "NOTSET") == "SAME_UPPER" {
			w.before[i] = total - total/2
		}
		w.after[i] = total - w.before[i]
	}
}

// narrow is the float32 form of float64 numbers.
func narrow(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}
