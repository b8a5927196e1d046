package eval

// trilu keeps the upper or the lower triangle of matrices, from diagonal k on.
func trilu(c *call) func() {
	x := c.input(0)
	k := int64(0)
	if c.optional(1) != nil {
		k = c.one(1)
	}
	upper := c.attrInt("upper", 1) != 0
	if len(x.Dims) < 2 {
		c.fail("input has shape %v, it must hold matrices", x.Dims)
	}
	o := c.output(x.Type, x.Dims...)
	return func() {
		rows, columns := int(x.Dims[len(x.Dims)-2]), int(x.Dims[len(x.Dims)-1])
		for p := range o.Len() {
			i, j := int64(p/columns%rows), int64(p%columns)
			if upper && j >= i+k || !upper && j <= i+k {
				move(o, x, p, p, 1)
			}
		}
	}
}

// cumSum adds up an axis, optionally from the end, and without the element itself.
func cumSum(c *call) func() {
	x := c.input(0)
	axis := c.axis(c.one(1), len(x.Dims))
	exclusive, reverse := c.attrInt("exclusive", 0) != 0, c.attrInt("reverse", 0) != 0
	if x.Type == boolType {
		c.fail("input has type %v", x.Type)
	}
	o := c.output(x.Type, x.Dims...)
	return func() {
		slab(x.Dims, axis, func(start, stride, n int) {
			if reverse {
				start, stride = start+(n-1)*stride, -stride
			}
			if floating(x.Type) {
				accumulate(o.F, x.F, start, stride, n, exclusive)
			} else {
				accumulate(o.I, x.I, start, stride, n, exclusive)
			}
		})
	}
}

func accumulate[T int64 | float64](o, x []T, start, stride, n int, exclusive bool) {
	var sum T
	for i := range n {
		at := start + i*stride
		if exclusive {
			o[at] = sum
		}
		sum += x[at]
		if !exclusive {
			o[at] = sum
		}
	}
}
