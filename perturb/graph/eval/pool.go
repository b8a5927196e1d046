package eval

import "math"

// poolWindow is the window of a pool over x [N, C, in…].
func (c *call) poolWindow(x *Tensor) window {
	if len(x.Dims) < 3 {
		c.fail("input has shape %v, it must have a batch, channels and positions", x.Dims)
	}
	kernel := c.attrInts("kernel_shape")
	if len(kernel) != len(x.Dims)-2 {
		c.fail("attribute kernel_shape is %v for input %v", kernel, x.Dims)
	}
	return c.slide(x.Dims[2:], kernel)
}

// maxPool is the largest element under the kernel, and optionally its index in x.
func maxPool(c *call) func() {
	x := c.input(0)
	w := c.poolWindow(x)
	if c.attrInt("storage_order", 0) != 0 {
		c.unsupported("storage_order")
	}
	dims := append([]int64{x.Dims[0], x.Dims[1]}, w.out...)
	o, indices := c.output(x.Type, dims...), c.output(int64Type, dims...)
	c.work = int64(o.Len()) * int64(product(w.kernel))
	return func() {
		values, results := x.floats(), o.F
		if !floating(x.Type) {
			results = make([]float64, len(o.I))
		}
		for i := range results {
			results[i] = math.Inf(-1)
		}
		list, stride := w.runs(), int(w.stride[len(w.stride)-1])
		from, to := product(w.in), product(w.out)
		for p := range product(dims[:2]) {
			for _, r := range list {
				largestOf(results[p*to+r.out:p*to+r.out+r.n], indices.I[p*to+r.out:], values, p*from+r.in, stride)
			}
		}
		for i := range o.I {
			o.I[i] = int64(results[i])
		}
	}
}

func largestOf(o []float64, indices []int64, x []float64, at, stride int) {
	for i := range o {
		if v := x[at]; v > o[i] {
			o[i], indices[i] = v, int64(at)
		}
		at += stride
	}
}

// averagePool is the mean under the kernel. Padding counts only if asked for, and what a rounded-up size reaches beyond the
// padding never counts.
func averagePool(c *call) func() {
	x := c.float(0)
	w := c.poolWindow(x)
	padding := c.attrInt("count_include_pad", 0) != 0
	o := c.output(x.Type, append([]int64{x.Dims[0], x.Dims[1]}, w.out...)...)
	c.work = int64(o.Len()) * int64(product(w.kernel))
	return func() {
		w.sum(x.F, o.F, func(v float64) float64 { return v })
		counts := w.counts(padding)
		for i := range o.F {
			o.F[i] /= counts[i%len(counts)]
		}
	}
}

// lpPool is the p-norm of the elements under the kernel.
func lpPool(c *call) func() {
	x := c.float(0)
	w := c.poolWindow(x)
	p := float64(c.attrInt("p", 2))
	if p < 1 {
		c.fail("attribute p is %v", p)
	}
	o := c.output(x.Type, append([]int64{x.Dims[0], x.Dims[1]}, w.out...)...)
	c.work = int64(o.Len()) * int64(product(w.kernel))
	return func() {
		w.sum(x.F, o.F, func(v float64) float64 { return math.Pow(math.Abs(v), p) })
		for i, v := range o.F {
			o.F[i] = math.Pow(v, 1/p)
		}
	}
}

// sum adds f of the elements under the kernel, plane by plane.
func (w window) sum(x, o []float64, f func(float64) float64) {
	list, stride := w.runs(), int(w.stride[len(w.stride)-1])
	from, to := product(w.in), product(w.out)
	for p := range len(o) / to {
		for _, r := range list {
			at := p*from + r.in
			row := o[p*to+r.out : p*to+r.out+r.n]
			for i := range row {
				row[i] += f(x[at+i*stride])
			}
		}
	}
}

// counts is, for every position of an output plane, how many elements the mean is over.
func (w window) counts(padding bool) []float64 {
	counts := make([]float64, product(w.out))
	index := make([]int64, len(w.out))
	for i := range counts {
		unravel(index, w.out, i)
		counts[i] = 1
		for a, o := range index {
			lo, hi := int64(0), w.in[a]
			if padding {
				lo, hi = -w.before[a], w.in[a]+w.after[a]
			}
			n := 0
			for k := range w.kernel[a] {
				if p := o*w.stride[a] - w.before[a] + k*w.dilation[a]; p >= lo && p < hi {
					n++
				}
			}
			counts[i] *= float64(n)
		}
	}
	return counts
}

// globalPool reduces all positions to one.
func globalPool(op string) kernel {
	return func(c *call) func() {
		x := c.float(0)
		if len(x.Dims) < 3 {
			c.fail("input has shape %v, it must have a batch, channels and positions", x.Dims)
		}
		dims := append([]int64{}, x.Dims...)
		for i := range dims[2:] {
			dims[2+i] = 1
		}
		p := 2.0
		if op == "GlobalLpPool" {
			p = float64(c.attrInt("p", 2))
		}
		o := c.output(x.Type, dims...)
		c.work = int64(x.Len())
		return func() {
			n := product(x.Dims[2:])
			for i := range o.F {
				o.F[i] = globalValue(op, x.F[i*n:(i+1)*n], p)
			}
		}
	}
}

func globalValue(op string, x []float64, p float64) float64 {
	top, sum, norm := math.Inf(-1), 0.0, 0.0
	for _, v := range x {
		top = max(top, v)
		sum += v
		if op == "GlobalLpPool" {
			norm += math.Pow(math.Abs(v), p)
		}
	}
	switch op {
	case "GlobalMaxPool":
		return top
	case "GlobalLpPool":
		return math.Pow(norm, 1/p)
	}
	return sum / float64(len(x))
}
