package eval

import "slices"

// concat joins inputs along an axis.
func concat(c *call) func() {
	first := c.input(0)
	axis := c.axis(c.attrInt("axis", 0), len(first.Dims))
	if !c.has("axis") {
		c.fail("attribute axis is missing")
	}
	dims := slices.Clone(first.Dims)
	dims[axis] = 0
	for i := range c.in {
		x := c.input(i)
		if x.Type != first.Type || len(x.Dims) != len(dims) {
			c.fail("input %d is %v %v, the first %v %v", i, x.Type, x.Dims, first.Type, first.Dims)
		}
		for a, d := range x.Dims {
			if a != axis && d != dims[a] {
				c.fail("input %d has shape %v, the first %v", i, x.Dims, first.Dims)
			}
		}
		dims[axis] += x.Dims[axis]
	}
	o := c.output(first.Type, dims...)
	return func() {
		outer, size, inner := along(dims, axis)
		at := 0
		for _, x := range c.in {
			n := int(x.Dims[axis]) * inner
			for p := range outer {
				to := p*size*inner + at
				if floating(o.Type) {
					copy(o.F[to:to+n], x.F[p*n:])
				} else {
					copy(o.I[to:to+n], x.I[p*n:])
				}
			}
			at += n
		}
	}
}

// split cuts an axis into parts of given sizes, or into equal ones of which the last may be smaller.
func split(c *call) func() {
	x := c.input(0)
	axis := c.axis(c.attrInt("axis", 0), len(x.Dims))
	sizes := c.partSizes(x.Dims[axis])
	start := int64(0)
	froms := make([][]int64, len(sizes))
	parts := make([]*Tensor, len(sizes))
	for i, n := range sizes {
		if n < 0 || n > x.Dims[axis]-start {
			c.fail("parts %v do not fit axis %d of %v", sizes, axis, x.Dims)
		}
		dims := slices.Clone(x.Dims)
		dims[axis] = n
		parts[i], froms[i] = c.output(x.Type, dims...), []int64{start, n}
		start += n
	}
	if start != x.Dims[axis] {
		c.fail("parts %v do not fit axis %d of %v", sizes, axis, x.Dims)
	}
	return func() {
		for i, p := range parts {
			take(p, x, axis, span(froms[i][0], 1, froms[i][1]), nil)
		}
	}
}

// span counts n numbers from start on.
func span(start, step, n int64) []int64 {
	s := make([]int64, n)
	for i := range s {
		s[i] = start + int64(i)*step
	}
	return s
}

func (c *call) partSizes(size int64) []int64 {
	n := int64(len(c.node.GetOutput()))
	var sizes []int64
	given := false
	if c.opset >= 13 {
		sizes, given = c.optionalInts(1)
	} else if sizes = c.attrInts("split"); sizes != nil {
		given = true
	}
	if c.opset >= 18 {
		if declared := c.attrInt("num_outputs", n); !given && declared != n {
			c.fail("attribute num_outputs is %d for %d outputs", declared, n)
		}
	}
	if given {
		if int64(len(sizes)) != n {
			c.fail("%d parts for %d outputs", len(sizes), n)
		}
		return sizes
	}
	if n == 0 || c.opset < 18 && size%n != 0 {
		c.fail("%d elements do not divide into %d parts", size, n)
	}
	each := (size + n - 1) / n
	sizes = slices.Repeat([]int64{each}, int(n))
	sizes[n-1] = size - each*(n-1)
	return sizes
}

// expand repeats axes of size 1, in the shape that both shapes spread to.
func expand(c *call) func() {
	x, want := c.input(0), c.ints(1)
	for _, d := range want {
		if d < 0 {
			c.fail("shape %v has a negative dimension", want)
		}
	}
	o := c.output(x.Type, c.broadcast(x.Dims, want)...)
	return func() { copyGrid(o, x, o.Dims, strides(o.Dims), spread(x.Dims, o.Dims)) }
}

// tile repeats whole axes.
func tile(c *call) func() {
	x, repeats := c.input(0), c.ints(1)
	if len(repeats) != len(x.Dims) {
		c.fail("%d repeats for shape %v", len(repeats), x.Dims)
	}
	picks := make([]pick, len(x.Dims))
	for a, r := range repeats {
		size := x.Dims[a]
		if r < 0 || r > maxShape/max(size, 1) {
			c.fail("repeats %v are not possible for shape %v", repeats, x.Dims)
		}
		if r == 1 {
			continue
		}
		picks[a] = pick{n: r * size, from: func() []int64 {
			from := span(0, 1, r*size)
			for i := range from {
				from[i] %= size
			}
			return from
		}}
	}
	return c.picked(x, picks, nil)
}
