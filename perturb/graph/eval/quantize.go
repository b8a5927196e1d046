package eval

import (
	"math"
	"slices"

	"shaketable/perturb/graph/onnx"
)

// quantizeLinear is saturate(round(x / scale) + zero), ties to even.
func quantizeLinear(c *call) func() {
	x, scale, zero := c.float(0), c.float(1), c.optional(2)
	to := uint8Type
	if zero != nil {
		to = zero.Type
	}
	if t := onnx.TensorProto_DataType(c.attrIntSince(21, "output_dtype", 0)); t != 0 {
		to = t
	}
	if !integral(to) || to == boolType {
		c.unsupported("type %v", to)
	}
	moves := c.quantized(x, scale, zero)
	o := c.output(to, x.Dims...)
	return func() {
		lo, hi := limits(to)
		rows(x.Dims, [][]int{strides(x.Dims), moves}, func(at, step []int, n int) {
			for i := range n {
				p := at[1] + i*step[1]
				v := math.RoundToEven(x.F[at[0]+i] / scale.F[p])
				if zero != nil {
					v += float64(zero.I[p])
				}
				o.I[at[0]+i] = max(lo, min(hi, toInt(int64Type, v)))
			}
		})
	}
}

// dequantizeLinear is (x - zero) scale.
func dequantizeLinear(c *call) func() {
	x, scale, zero := c.indices(0), c.float(1), c.optional(2)
	if zero != nil && zero.Type != x.Type {
		c.fail("input has type %v, its zero %v", x.Type, zero.Type)
	}
	moves := c.quantized(x, scale, zero)
	o := c.output(scale.Type, x.Dims...)
	return func() {
		rows(x.Dims, [][]int{strides(x.Dims), moves}, func(at, step []int, n int) {
			for i := range n {
				p := at[1] + i*step[1]
				v := x.I[at[0]+i]
				if zero != nil {
					v -= zero.I[p]
				}
				o.F[at[0]+i] = float64(v) * scale.F[p]
			}
		})
	}
}

// quantized checks scale and zero, one for all or one per element of an axis, and returns how they move along x.
func (c *call) quantized(x, scale, zero *Tensor) []int {
	axis := c.attrInt("axis", 1)
	c.ignore("saturate")
	if c.attrIntSince(21, "block_size", 0) != 0 {
		c.unsupported("block_size")
	}
	// ONNX Runtime's own quantiser writes a scale of shape [1] beside a zero that is a scalar
	single := zero != nil && zero.Len() == 1 && scale.Len() == 1 && len(zero.Dims) <= 1 && len(scale.Dims) <= 1
	if zero != nil && (!integral(zero.Type) || !single && !slices.Equal(zero.Dims, scale.Dims)) {
		c.fail("scale has shape %v, zero is %v %v", scale.Dims, zero.Type, zero.Dims)
	}
	moves := make([]int, len(x.Dims))
	if scale.Len() == 1 && len(scale.Dims) <= 1 {
		return moves
	}
	a := c.axis(axis, len(x.Dims))
	if len(scale.Dims) != 1 || scale.Dims[0] != x.Dims[a] {
		c.fail("scale of shape %v does not fit axis %d of %v", scale.Dims, a, x.Dims)
	}
	moves[a] = 1
	return moves
}

// attrIntSince is an attribute that exists from an opset on.
func (c *call) attrIntSince(opset int64, name string, otherwise int64) int64 {
	if c.opset < opset {
		return otherwise
	}
	return c.attrInt(name, otherwise)
}
