package eval

// conv is cross-correlation in groups of channels: x [N, C, in…], weights [M, C/group, kernel…], bias [M].
func conv(c *call) func() {
	x, weights, bias, group := c.convInputs()
	if x.Dims[1] != weights.Dims[1]*group || weights.Dims[0]%group != 0 {
		c.fail("input %v, weights %v and %d groups do not fit", x.Dims, weights.Dims, group)
	}
	w := c.slide(x.Dims[2:], c.kernelShape(weights))
	maps := weights.Dims[0]
	if bias != nil {
		c.vector(2, maps)
	}
	o := c.output(x.Type, append([]int64{x.Dims[0], maps}, w.out...)...)
	c.work = int64(o.Len()) * int64(product(weights.Dims[1:]))
	return func() {
		convolve(plane{x.F, int(x.Dims[1]), product(w.in)}, plane{o.F, int(maps), product(w.out)},
			weights.F, bias, int(x.Dims[0]), int(group), w)
	}
}

// plane are feature maps: data [N, maps, size].
type plane struct {
	data       []float64
	maps, size int
}

func (p plane) at(n, m int) []float64 {
	start := (n*p.maps + m) * p.size
	return p.data[start : start+p.size]
}

func convolve(x, o plane, weights []float64, bias *Tensor, batch, group int, w window) {
	list, kernel := w.runs(), product(w.kernel)
	stride := int(w.stride[len(w.stride)-1])
	in, out := x.maps/group, o.maps/group // of one group
	for p := range batch * o.maps {
		n, m := p/o.maps, p%o.maps
		to := o.at(n, m)
		if bias != nil {
			for i := range to {
				to[i] = bias.F[m]
			}
		}
		i := 0
		for ; i+4 <= in && stride == 1; i += 4 {
			k, taps := m/out*in+i, weights[(m*in+i)*kernel:]
			a, b, c, d := x.at(n, k), x.at(n, k+1), x.at(n, k+2), x.at(n, k+3)
			for _, r := range list {
				addScaled4(to[r.out:r.out+r.n], a[r.in:], b[r.in:], c[r.in:], d[r.in:],
					taps[r.kernel], taps[kernel+r.kernel], taps[2*kernel+r.kernel], taps[3*kernel+r.kernel])
			}
		}
		for ; i < in; i++ {
			from, taps := x.at(n, m/out*in+i), weights[(m*in+i)*kernel:]
			for _, r := range list {
				addScaled(to[r.out:r.out+r.n], from[r.in:], stride, taps[r.kernel])
			}
		}
	}
}

// addScaled4 adds four scaled vectors to o, which is read and written once for all of them.
func addScaled4(o, a, b, c, d []float64, fa, fb, fc, fd float64) {
	n := len(o)
	a, b, c, d = a[:n], b[:n], c[:n], d[:n]
	for i := range o {
		o[i] += fa*a[i] + fb*b[i] + fc*c[i] + fd*d[i]
	}
}

// addScaled adds factor times every stride-th element of x to o.
func addScaled(o, x []float64, stride int, factor float64) {
	if stride == 1 {
		x = x[:len(o)]
		for i := range o {
			o[i] += factor * x[i]
		}
		return
	}
	for i := range o {
		o[i] += factor * x[i*stride]
	}
}

// convTranspose is the transpose of a convolution from its output's shape to its input's: x [N, C, in…], weights
// [C, M/group, kernel…], bias [M].
func convTranspose(c *call) func() {
	x, weights, bias, group := c.convInputs()
	if x.Dims[1] != weights.Dims[0] || x.Dims[1]%group != 0 {
		c.fail("input %v, weights %v and %d groups do not fit", x.Dims, weights.Dims, group)
	}
	w := c.slideBack(x.Dims[2:], c.kernelShape(weights))
	maps := weights.Dims[1] * group
	if bias != nil {
		c.vector(2, maps)
	}
	o := c.output(x.Type, append([]int64{x.Dims[0], maps}, w.in...)...)
	c.work = int64(x.Len()) * int64(product(weights.Dims[1:]))
	return func() {
		scatter(plane{x.F, int(x.Dims[1]), product(w.out)}, plane{o.F, int(maps), product(w.in)},
			weights.F, bias, int(x.Dims[0]), int(group), w)
	}
}

func scatter(x, o plane, weights []float64, bias *Tensor, batch, group int, w window) {
	list, kernel := w.runs(), product(w.kernel)
	stride := int(w.stride[len(w.stride)-1])
	in, out := x.maps/group, o.maps/group
	for p := range batch * o.maps {
		n, m := p/o.maps, p%o.maps
		to := o.at(n, m)
		if bias != nil {
			for i := range to {
				to[i] = bias.F[m]
			}
		}
		for i := range in {
			k := m/out*in + i
			from, taps := x.at(n, k), weights[(k*out+m%out)*kernel:]
			for _, r := range list {
				for j, v := range from[r.out : r.out+r.n] {
					to[r.in+j*stride] += v * taps[r.kernel]
				}
			}
		}
	}
}

func (c *call) convInputs() (x, weights, bias *Tensor, group int64) {
	x, weights = c.float(0), c.float(1)
	if len(x.Dims) < 3 || len(weights.Dims) != len(x.Dims) {
		c.fail("input has shape %v and weights %v; they must have one rank of at least 3", x.Dims, weights.Dims)
	}
	group = c.attrInt("group", 1)
	if group < 1 || group > x.Dims[1] {
		c.fail("attribute group is %d for %d channels", group, x.Dims[1])
	}
	return x, weights, c.optional(2), group
}

// kernelShape is that of the weights; an attribute may repeat it.
func (c *call) kernelShape(weights *Tensor) []int64 {
	kernel := weights.Dims[2:]
	for i, k := range c.attrInts("kernel_shape") {
		if i >= len(kernel) || k != kernel[i] {
			c.fail("attribute kernel_shape does not fit weights %v", weights.Dims)
		}
	}
	return kernel
}

// slideBack is the window of the convolution whose output has the given size and whose transpose is asked for.
func (c *call) slideBack(out, kernel []int64) window {
	rank := len(out)
	w := window{in: make([]int64, rank), kernel: kernel, out: out}
	w.stride, w.dilation = c.intsOr("strides", rank, 1), c.intsOr("dilations", rank, 1)
	pads, extra := c.intsOr("pads", 2*rank, 0), c.intsOr("output_padding", rank, 0)
	w.before, w.after = pads[:rank], pads[rank:]
	c.checkWindow(w)
	auto, shape := c.attrString("auto_pad", "NOTSET"), c.attrInts("output_shape")
	if n := len(shape); n > 0 {
		if n < rank {
			c.fail("attribute output_shape has %d numbers for %d axes", n, rank)
		}
		shape = shape[n-rank:] // batch and channels may be in it
	}
	for i := range w.in {
		if extra[i] < 0 || extra[i] > maxKernel {
			c.fail("attribute output_padding is %v", extra)
		}
		full := (out[i]-1)*w.stride[i] + w.reach(i) + extra[i]
		switch {
		case len(shape) > 0:
			w.in[i] = shape[i]
		case auto == "SAME_UPPER" || auto == "SAME_LOWER":
			w.in[i] = min(out[i]*w.stride[i], full) // a kernel shorter than the stride leaves no gap at the end
		case auto == "VALID":
			w.before[i], w.after[i], w.in[i] = 0, 0, full
			continue
		default:
			w.in[i] = full - w.before[i] - w.after[i]
			continue
		}
		if w.in[i] > full {
			c.fail("output_shape %v is larger than what %v, strides %v and kernel %v reach", shape, out, w.stride, kernel)
		}
		w.before[i], w.after[i] = halves(full-w.in[i], auto == "SAME_UPPER")
	}
	for _, d := range w.in {
		if d < 1 || d > maxShape {
			c.fail("output %v is empty, or too large", w.in)
		}
	}
	return w
}
