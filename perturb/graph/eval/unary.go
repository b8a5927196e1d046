package eval

import (
	"math"

	"shaketable/perturb/graph/onnx"
)

// unary computes y = f(x) element by element.
func unary(f func(float64) float64) kernel {
	return func(c *call) func() { return c.each(f) }
}

// each is what kernels whose f depends on attributes return.
func (c *call) each(f func(float64) float64) func() {
	x := c.float(0)
	o := c.output(x.Type, x.Dims...)
	return func() {
		for i, v := range x.F {
			o.F[i] = f(v)
		}
	}
}

// signed computes operators that are defined on integers too.
func signed(f func(float64) float64, g func(int64) int64) kernel {
	return func(c *call) func() {
		x := c.input(0)
		if floating(x.Type) {
			return c.each(f)
		}
		if x.Type == boolType {
			c.fail("input 0 has type %v, it must be a number", x.Type)
		}
		o := c.output(x.Type, x.Dims...)
		return func() {
			for i, v := range x.I {
				o.I[i] = g(v)
			}
		}
	}
}

// test computes a boolean of every element.
func test(f func(float64) bool) kernel {
	return func(c *call) func() {
		x := c.float(0)
		o := c.output(boolType, x.Dims...)
		return func() {
			for i, v := range x.F {
				o.I[i] = truth(f(v))
			}
		}
	}
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func sign(v float64) float64 {
	switch {
	case v > 0:
		return 1
	case v < 0:
		return -1
	}
	return v // 0 and NaN
}

func signInt(v int64) int64 { return truth(v > 0) - truth(v < 0) }

func negInt(v int64) int64 { return -v }

func absInt(v int64) int64 { return max(v, -v) }

func isInf(c *call) func() {
	negative, positive := c.attrInt("detect_negative", 1) != 0, c.attrInt("detect_positive", 1) != 0
	return test(func(v float64) bool {
		return positive && math.IsInf(v, 1) || negative && math.IsInf(v, -1)
	})(c)
}

func not(c *call) func() {
	x := c.input(0)
	if x.Type != boolType {
		c.fail("input 0 has type %v, it must be BOOL", x.Type)
	}
	o := c.output(boolType, x.Dims...)
	return func() {
		for i, v := range x.I {
			o.I[i] = 1 - v
		}
	}
}

// clip bounds elements; until opset 10 the bounds are attributes.
func clip(c *call) func() {
	x := c.input(0)
	var lo, hi *Tensor
	if c.opset < 11 {
		c.float(0)
		lo = &Tensor{Type: x.Type, F: []float64{c.attrFloat("min", math.Inf(-1))}}
		hi = &Tensor{Type: x.Type, F: []float64{c.attrFloat("max", math.Inf(1))}}
	} else {
		lo, hi = c.bound(1, x.Type), c.bound(2, x.Type)
	}
	o := c.output(x.Type, x.Dims...)
	return func() {
		copy(o.F, x.F)
		copy(o.I, x.I)
		if lo != nil {
			limit(o.F, lo.F, func(a, b float64) bool { return a < b })
			limit(o.I, lo.I, func(a, b int64) bool { return a < b })
		}
		if hi != nil {
			limit(o.F, hi.F, func(a, b float64) bool { return a > b })
			limit(o.I, hi.I, func(a, b int64) bool { return a > b })
		}
	}
}

// bound is an optional scalar; some exporters write it with shape [1].
func (c *call) bound(i int, t onnx.TensorProto_DataType) *Tensor {
	b := c.optional(i)
	if b != nil && (b.Type != t || b.Len() != 1) {
		c.fail("input %d is %v %v, it must be one %v", i, b.Type, b.Dims, t)
	}
	return b
}

func limit[T any](values, bound []T, outside func(a, b T) bool) {
	for i, v := range values {
		if outside(v, bound[0]) {
			values[i] = bound[0]
		}
	}
}
