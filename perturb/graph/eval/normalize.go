package eval

import "math"

// slab calls visit with start and stride of every vector along one axis of a shape.
func slab(dims []int64, axis int, visit func(start, stride, n int)) {
	outer, size, inner := along(dims, axis)
	for o := range outer {
		for i := range inner {
			visit(o*size*inner+i, inner, size)
		}
	}
}

// softmax computes e^x / sum e^x along an axis, or its logarithm. Before opset 13, all axes from the given one on count as
// a single one.
func softmax(log bool) kernel {
	return func(c *call) func() {
		x := c.float(0)
		dims, axis := x.Dims, 0
		if c.opset < 13 {
			a := c.attrInt("axis", 1)
			if a < 0 || a > int64(len(dims)) { // here the axis may be the rank
				a = int64(c.axis(a, len(dims)))
			}
			dims, axis = []int64{int64(product(dims[:a])), int64(product(dims[a:]))}, 1
		} else {
			axis = c.axis(c.attrInt("axis", -1), len(dims))
		}
		o := c.output(x.Type, x.Dims...)
		return func() {
			slab(dims, axis, func(start, stride, n int) { softmaxVector(x.F[start:], o.F[start:], stride, n, log) })
		}
	}
}

func softmaxVector(x, o []float64, stride, n int, log bool) {
	top, sum := math.Inf(-1), 0.0
	for i := range n {
		top = max(top, x[i*stride])
	}
	for i := range n {
		sum += math.Exp(x[i*stride] - top)
	}
	for i := range n {
		if log {
			o[i*stride] = x[i*stride] - top - math.Log(sum)
		} else {
			o[i*stride] = math.Exp(x[i*stride]-top) / sum
		}
	}
}

// batchNormalization is scale (x - mean) / sqrt(variance + epsilon) + bias per channel, with the statistics of training.
func batchNormalization(c *call) func() {
	x := c.float(0)
	epsilon := c.attrFloat("epsilon", 1e-5)
	c.ignore("momentum")
	if len(x.Dims) < 2 {
		c.fail("input has shape %v, it must have a batch and channels", x.Dims)
	}
	if c.attrInt("training_mode", 0) != 0 {
		c.unsupported("training_mode")
	}
	n := x.Dims[1]
	scale, bias, mean, variance := c.needVector(1, n), c.needVector(2, n), c.needVector(3, n), c.needVector(4, n)
	o := c.output(x.Type, x.Dims...)
	return func() {
		outer, channels, inner := along(x.Dims, 1)
		for p := range outer * channels {
			k := p % channels
			factor := scale.F[k] / math.Sqrt(variance.F[k]+epsilon)
			for i := p * inner; i < (p+1)*inner; i++ {
				o.F[i] = (x.F[i]-mean.F[k])*factor + bias.F[k]
			}
		}
	}
}

// standardize writes (x - mean) / sqrt(variance + epsilon) of x to o, and returns mean and 1/sqrt(variance + epsilon).
func standardize(o, x []float64, epsilon float64) (mean, inverse float64) {
	for _, v := range x {
		mean += v
	}
	mean /= float64(len(x))
	variance := 0.0
	for _, v := range x {
		variance += (v - mean) * (v - mean)
	}
	inverse = 1 / math.Sqrt(variance/float64(len(x))+epsilon)
	for i, v := range x {
		o[i] = (v - mean) * inverse
	}
	return mean, inverse
}

func instanceNormalization(c *call) func() {
	x := c.float(0)
	epsilon := c.attrFloat("epsilon", 1e-5)
	if len(x.Dims) < 3 {
		c.fail("input has shape %v, it must have a batch, channels and positions", x.Dims)
	}
	scale, bias := c.needVector(1, x.Dims[1]), c.needVector(2, x.Dims[1])
	o := c.output(x.Type, x.Dims...)
	return func() {
		outer, channels, inner := along(x.Dims, 1)
		for p := range outer * channels {
			row := o.F[p*inner : (p+1)*inner]
			standardize(row, x.F[p*inner:(p+1)*inner], epsilon)
			affine(row, scale.F[p%channels], bias.F[p%channels])
		}
	}
}

func affine(row []float64, scale, bias float64) {
	for i := range row {
		row[i] = row[i]*scale + bias
	}
}

// groupNormalization standardizes groups of channels. Scale and bias are per group in opset 18, per channel from 21 on.
func groupNormalization(c *call) func() {
	x := c.float(0)
	epsilon, groups := c.attrFloat("epsilon", 1e-5), c.attrInt("num_groups", 0)
	c.ignore("stash_type")
	if len(x.Dims) < 3 || groups <= 0 || x.Dims[1]%groups != 0 {
		c.fail("input %v does not have channels in %d groups", x.Dims, groups)
	}
	parameters := x.Dims[1]
	if c.opset < 21 {
		parameters = groups
	}
	scale, bias := c.needVector(1, parameters), c.needVector(2, parameters)
	o := c.output(x.Type, x.Dims...)
	return func() {
		outer, channels, inner := along(x.Dims, 1)
		size := channels / int(groups) * inner
		for p := range outer * int(groups) {
			standardize(o.F[p*size:(p+1)*size], x.F[p*size:(p+1)*size], epsilon)
		}
		for p := range outer * channels {
			k := p % channels * int(parameters) / channels
			affine(o.F[p*inner:(p+1)*inner], scale.F[k], bias.F[k])
		}
	}
}

// layerNormalization standardizes all axes from the given one on; scale and bias spread to them. Mean and 1/deviation are
// its second and third output.
func layerNormalization(c *call) func() {
	x := c.float(0)
	axis := c.axis(c.attrInt("axis", -1), len(x.Dims))
	epsilon := c.attrFloat("epsilon", 1e-5)
	c.ignore("stash_type")
	scale, bias := c.float(1), c.optional(2)
	c.spreads(scale, x.Dims[axis:])
	if bias != nil {
		c.spreads(c.float(2), x.Dims[axis:])
	}
	o := c.output(x.Type, x.Dims...)
	kept := append([]int64{}, x.Dims...)
	for i := axis; i < len(kept); i++ {
		kept[i] = 1
	}
	mean, inverse := c.output(float32Type, kept...), c.output(float32Type, kept...)
	return func() {
		size := product(x.Dims[axis:])
		for p := range mean.F {
			mean.F[p], inverse.F[p] = standardize(o.F[p*size:(p+1)*size], x.F[p*size:(p+1)*size], epsilon)
		}
		combine(o.F, o.F, scale.F, o.Dims, o.Dims, scale.Dims, mul[float64])
		if bias != nil {
			combine(o.F, o.F, bias.F, o.Dims, o.Dims, bias.Dims, add[float64])
		}
	}
}

// spreads checks that a parameter spreads to a shape without changing it.
func (c *call) spreads(t *Tensor, dims []int64) {
	if out := c.broadcast(t.Dims, dims); len(out) != len(dims) || product(out) != product(dims) {
		c.fail("parameter of shape %v does not spread to %v", t.Dims, dims)
	}
}

// lrn divides by the energy of neighbouring channels: x / (bias + alpha/size sum x^2)^beta.
func lrn(c *call) func() {
	x := c.float(0)
	alpha, beta, bias := c.attrFloat("alpha", 1e-4), c.attrFloat("beta", .75), c.attrFloat("bias", 1)
	size := int(c.attrInt("size", 0))
	if len(x.Dims) < 2 || size < 1 {
		c.fail("input %v and size %d do not fit", x.Dims, size)
	}
	o := c.output(x.Type, x.Dims...)
	return func() {
		slab(x.Dims, 1, func(start, stride, n int) {
			for i := range n {
				sum := 0.0
				for j := max(0, i-(size-1)/2); j <= min(n-1, i+size/2); j++ {
					sum += x.F[start+j*stride] * x.F[start+j*stride]
				}
				at := start + i*stride
				o.F[at] = x.F[at] / math.Pow(bias+alpha/float64(size)*sum, beta)
			}
		})
	}
}

// lpNormalization divides by the norm along an axis.
func lpNormalization(c *call) func() {
	x := c.float(0)
	axis, p := c.axis(c.attrInt("axis", -1), len(x.Dims)), c.attrInt("p", 2)
	if p != 1 && p != 2 {
		c.unsupported("p=%d", p)
	}
	o := c.output(x.Type, x.Dims...)
	return func() {
		slab(x.Dims, axis, func(start, stride, n int) {
			norm := 0.0
			for i := range n {
				v := math.Abs(x.F[start+i*stride])
				norm += math.Pow(v, float64(p))
			}
			norm = math.Pow(norm, 1/float64(p))
			for i := range n {
				o.F[start+i*stride] = x.F[start+i*stride] / norm
			}
		})
	}
}
