package eval

import (
	"slices"

	"shaketable/perturb/graph/onnx"
)

// same elements, another shape: the kernels of this file only differ in the shape.
func (c *call) reshaped(x *Tensor, dims []int64) func() {
	o := c.output(x.Type, dims...)
	if o.Len() != x.Len() {
		c.fail("%d elements of shape %v do not fit shape %v", x.Len(), x.Dims, dims)
	}
	return func() {
		copy(o.F, x.F)
		copy(o.I, x.I)
	}
}

func identity(c *call) func() {
	x := c.input(0)
	return c.reshaped(x, x.Dims)
}

// reshape: 0 copies a dimension unless allowzero is set, -1 stands for what is left.
func reshape(c *call) func() {
	x, want := c.input(0), slices.Clone(c.ints(1))
	zero := c.attrInt("allowzero", 0) != 0
	open, known := -1, int64(1)
	for i, d := range want {
		if d == 0 && !zero {
			if i >= len(x.Dims) {
				c.fail("shape %v copies dimension %d of %v", want, i, x.Dims)
			}
			want[i] = x.Dims[i]
		}
		if d == -1 {
			if open >= 0 {
				c.fail("shape %v has two open dimensions", want)
			}
			open = i
			continue
		}
		if want[i] < 0 || want[i] > maxShape/max(known, 1) {
			c.fail("shape %v is not possible", want)
		}
		known *= want[i]
	}
	if open >= 0 {
		if known == 0 || int64(x.Len())%known != 0 {
			c.fail("%d elements of shape %v do not fit shape %v", x.Len(), x.Dims, want)
		}
		want[open] = int64(x.Len()) / known
	}
	return c.reshaped(x, want)
}

// flatten makes a matrix of the axes before and after one.
func flatten(c *call) func() {
	x := c.input(0)
	axis := c.attrInt("axis", 1)
	if axis != int64(len(x.Dims)) {
		axis = int64(c.axis(axis, len(x.Dims)))
	}
	return c.reshaped(x, []int64{int64(product(x.Dims[:axis])), int64(product(x.Dims[axis:]))})
}

func squeeze(c *call) func() {
	x := c.input(0)
	list, given := c.axesOf(1, 13)
	axes := c.axes(list, len(x.Dims))
	var dims []int64
	for i, d := range x.Dims {
		drop := d == 1 && !given || slices.Contains(axes, i)
		if drop && d != 1 {
			c.fail("axis %d of %v is not 1", i, x.Dims)
		}
		if !drop {
			dims = append(dims, d)
		}
	}
	return c.reshaped(x, dims)
}

func unsqueeze(c *call) func() {
	x := c.input(0)
	list, ok := c.axesOf(1, 13)
	if !ok {
		c.fail("axes are missing")
	}
	axes := c.axes(list, len(x.Dims)+len(list))
	rest := x.Dims
	dims := make([]int64, len(x.Dims)+len(list))
	for i := range dims {
		if slices.Contains(axes, i) {
			dims[i] = 1
			continue
		}
		dims[i], rest = rest[0], rest[1:]
	}
	return c.reshaped(x, dims)
}

// transpose permutes axes, by default to the reverse.
func transpose(c *call) func() {
	x := c.input(0)
	perm := c.attrInts("perm")
	if perm == nil {
		for i := len(x.Dims) - 1; i >= 0; i-- {
			perm = append(perm, int64(i))
		}
	}
	axes := c.axes(perm, len(x.Dims))
	if len(axes) != len(x.Dims) {
		c.fail("permutation %v does not fit shape %v", perm, x.Dims)
	}
	return c.permuted(x, x.Dims, axes, nil)
}

// permuted reads x as having shape dims and permutes its axes; the result has shape out, or the permuted shape.
func (c *call) permuted(x *Tensor, dims []int64, axes []int, out []int64) func() {
	own := strides(dims)
	moved, from := make([]int64, len(axes)), make([]int, len(axes))
	for i, a := range axes {
		moved[i], from[i] = dims[a], own[a]
	}
	if out == nil {
		out = moved
	}
	o := c.output(x.Type, out...)
	return func() { copyGrid(o, x, moved, strides(moved), from) }
}

// depthToSpace moves blocks of channels into space; spaceToDepth is the way back.
func depthToSpace(c *call) func() {
	x, b := c.blocks()
	n, d, h, w := x.Dims[0], x.Dims[1], x.Dims[2], x.Dims[3]
	if d%(b*b) != 0 {
		c.fail("%d channels do not divide into blocks of %d", d, b*b)
	}
	out := []int64{n, d / (b * b), h * b, w * b}
	switch mode := c.attrString("mode", "DCR"); mode {
	case "DCR":
		return c.permuted(x, []int64{n, b, b, d / (b * b), h, w}, []int{0, 3, 4, 1, 5, 2}, out)
	case "CRD":
		return c.permuted(x, []int64{n, d / (b * b), b, b, h, w}, []int{0, 1, 4, 2, 5, 3}, out)
	default:
		c.unsupported("mode %q", mode)
		return nil
	}
}

func spaceToDepth(c *call) func() {
	x, b := c.blocks()
	n, d, h, w := x.Dims[0], x.Dims[1], x.Dims[2], x.Dims[3]
	if h%b != 0 || w%b != 0 {
		c.fail("input %v does not divide into blocks of %d", x.Dims, b)
	}
	return c.permuted(x, []int64{n, d, h / b, b, w / b, b}, []int{0, 3, 5, 1, 2, 4}, []int64{n, d * b * b, h / b, w / b})
}

func (c *call) blocks() (*Tensor, int64) {
	x, b := c.input(0), c.attrInt("blocksize", 0)
	if len(x.Dims) != 4 || b < 1 || b > maxKernel {
		c.fail("input %v and blocksize %d do not fit", x.Dims, b)
	}
	return x, b
}

// shapeOf is the shape of its input, or a part of it (opset 15).
func shapeOf(c *call) func() {
	x := c.input(0)
	rank := int64(len(x.Dims))
	clamp := func(i int64) int64 {
		if i < 0 {
			i += rank
		}
		return max(0, min(rank, i))
	}
	start, end := clamp(c.attrInt("start", 0)), clamp(c.attrInt("end", rank))
	part := x.Dims[start:max(start, end)]
	o := c.output(int64Type, int64(len(part)))
	c.static = true
	return func() { copy(o.I, part) }
}

func sizeOf(c *call) func() {
	x := c.input(0)
	o := c.output(int64Type)
	c.static = true
	return func() { o.I[0] = int64(x.Len()) }
}

// dropout passes its input on: detectors are not in training. Its second output, which elements are kept, is all true.
func dropout(c *call) func() {
	x := c.input(0)
	c.ignore("seed", "ratio")
	if t := c.optional(2); t != nil {
		c.need(t)
		if (len(t.I) != 1 || t.I[0] != 0) && !c.keepsAll() {
			c.unsupported("training_mode")
		}
	}
	fill := c.reshaped(x, x.Dims)
	mask := c.output(onnx.TensorProto_BOOL, x.Dims...)
	return func() {
		fill()
		for i := range mask.I {
			mask.I[i] = 1
		}
	}
}

// keepsAll tells whether a Dropout in training drops nothing: some exporters leave the mode on with a ratio of 0.
func (c *call) keepsAll() bool {
	ratio := c.optional(1)
	if ratio == nil {
		return false // the default is .5
	}
	c.need(ratio)
	return len(ratio.F) == 1 && ratio.F[0] == 0
}
