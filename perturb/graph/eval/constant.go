package eval

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"shaketable/perturb/graph/onnx"
)

// constant is the value of its only attribute, of any numeric kind.
func constant(c *call) func() {
	c.static = true
	if len(c.node.GetAttribute()) != 1 {
		c.fail("it has %d attributes, it must have 1", len(c.node.GetAttribute()))
	}
	a := c.node.Attribute[0]
	c.read = append(c.read, a.GetName())
	value := &Tensor{}
	switch a.GetName() {
	case "value":
		t, err := FromProto(a.GetT())
		if err != nil {
			c.fail("%w", err)
		}
		value = t
	case "value_float":
		value = &Tensor{Type: float32Type, F: []float64{float64(a.GetF())}}
	case "value_int":
		value = &Tensor{Type: int64Type, I: []int64{a.GetI()}}
	case "value_ints":
		value = &Tensor{Type: int64Type, Dims: []int64{int64(len(a.GetInts()))}, I: a.GetInts()}
	case "value_floats":
		value = &Tensor{Type: float32Type, Dims: []int64{int64(len(a.GetFloats()))}}
		for _, v := range a.GetFloats() {
			value.F = append(value.F, float64(v))
		}
	case "sparse_value":
		t, err := fromSparse(a.GetSparseTensor())
		if err != nil {
			c.fail("%w", err)
		}
		value = t
	default:
		c.unsupported("attribute %s", a.GetName())
	}
	o := c.output(value.Type, value.Dims...)
	return func() {
		copy(o.F, value.F)
		copy(o.I, value.I)
	}
}

// fromSparse writes a sparse tensor of a file out in full: indices are offsets, or rows of coordinates.
func fromSparse(s *onnx.SparseTensorProto) (*Tensor, error) {
	values, err := FromProto(s.GetValues())
	if err != nil {
		return nil, err
	}
	indices, err := FromProto(s.GetIndices())
	if err != nil {
		return nil, err
	}
	bad := func(err error) (*Tensor, error) {
		return nil, fmt.Errorf("sparse onnx tensor %q: %w", s.GetValues().GetName(), err)
	}
	n, err := elements(s.GetDims())
	if err != nil {
		return bad(err)
	}
	rank, count := len(s.GetDims()), values.Len()
	tuples := len(indices.Dims) == 2 && indices.Dims[1] == int64(rank)
	if n > maxRun || indices.Type != int64Type || !tuples && len(indices.Dims) != 1 || len(indices.Dims) == 0 || indices.Dims[0] != int64(count) {
		return bad(fmt.Errorf("indices %v do not fit %d values in shape %v", indices.Dims, count, s.GetDims()))
	}
	out := &Tensor{Type: values.Type, Dims: slices.Clone(s.GetDims())}
	out.allocate()
	for i := range count {
		at := int64(0)
		if tuples {
			for a, d := range out.Dims {
				at = at*d + indices.I[i*rank+a]
			}
		} else {
			at = indices.I[i]
		}
		if at < 0 || at >= n {
			return bad(errors.New("an index is outside the shape"))
		}
		move(out, values, int(at), i, 1)
	}
	return out, nil
}

// constantOfShape is one value everywhere, by default a float32 0.
func constantOfShape(c *call) func() {
	dims := c.ints(0)
	c.static = true
	value := &Tensor{Type: float32Type, F: []float64{0}}
	if a := c.attr("value", onnx.AttributeProto_TENSOR); a != nil {
		t, err := FromProto(a.GetT())
		if err != nil {
			c.fail("%w", err)
		}
		if t.Len() != 1 {
			c.fail("attribute value has %d elements, it must have 1", t.Len())
		}
		value = t
	}
	o := c.output(value.Type, dims...)
	return func() { spreadScalar(o, value) }
}

func spreadScalar(o, value *Tensor) {
	for i := range o.F {
		o.F[i] = value.F[0]
	}
	for i := range o.I {
		o.I[i] = value.I[0]
	}
}

// sequence counts from start to limit (exclusive) by delta.
func sequence(c *call) func() {
	start, limit, delta := c.input(0), c.input(1), c.input(2)
	for i, t := range []*Tensor{start, limit, delta} {
		if t.Type != start.Type || t.Len() != 1 || t.Type == boolType {
			c.fail("input %d is %v %v, it must be one number", i, t.Type, t.Dims)
		}
		c.need(t)
	}
	s, e, d := start.floats()[0], limit.floats()[0], delta.floats()[0]
	n := max(0, math.Ceil((e-s)/d))
	if d == 0 || math.IsNaN(n) || n > maxShape {
		c.fail("range from %v to %v by %v", s, e, d)
	}
	o := c.output(start.Type, int64(n))
	return func() {
		for i := range o.F {
			o.F[i] = s + float64(i)*d
		}
		for i := range o.I {
			o.I[i] = start.I[0] + int64(i)*delta.I[0]
		}
	}
}

// oneHot writes on at the index along a new axis, off elsewhere; indices outside the depth leave off everywhere.
func oneHot(c *call) func() {
	indices, depth, values := c.input(0), c.input(1), c.input(2)
	if depth.Len() != 1 || values.Len() != 2 {
		c.fail("depth %v and values %v do not fit", depth.Dims, values.Dims)
	}
	c.need(depth)
	d := depth.floats()[0]
	if !(d >= 1 && d <= maxShape) {
		c.fail("depth is %v", d)
	}
	axis := c.axis(c.attrInt("axis", -1), len(indices.Dims)+1)
	o := c.output(values.Type, slices.Insert(slices.Clone(indices.Dims), axis, int64(d))...)
	return func() {
		outer, size, inner := along(o.Dims, axis)
		at := indices.floats()
		for p := range outer * size * inner {
			i := int64(at[p/(size*inner)*inner+p%inner])
			if i < 0 {
				i += int64(size)
			}
			move(o, values, p, int(truth(i == int64(p/inner%size))), 1)
		}
	}
}

// cast converts to another type. Floating values keep their float64 precision, see the package's documentation.
func cast(c *call) func() {
	c.ignore("saturate", "round_mode")
	to := onnx.TensorProto_DataType(c.attrInt("to", 0))
	return c.castTo(to)
}

func castLike(c *call) func() {
	c.ignore("saturate", "round_mode")
	return c.castTo(c.input(1).Type)
}

func (c *call) castTo(to onnx.TensorProto_DataType) func() {
	x := c.input(0)
	if !floating(to) && !integral(to) {
		c.unsupported("type %v", to)
	}
	o := c.output(to, x.Dims...)
	return func() {
		switch {
		case floating(to):
			copy(o.F, x.floats())
		case floating(x.Type):
			for i, v := range x.F {
				o.I[i] = toInt(to, v)
			}
		default:
			copy(o.I, x.I) // wrapped to the type after this
		}
	}
}

// toInt drops the fraction; what int64 cannot hold becomes its nearest end, NaN 0.
func toInt(t onnx.TensorProto_DataType, v float64) int64 {
	switch {
	case t == boolType:
		return truth(v != 0)
	case math.IsNaN(v):
		return 0
	case v >= math.MaxInt64:
		return math.MaxInt64
	case v <= math.MinInt64:
		return math.MinInt64
	}
	return int64(v)
}
