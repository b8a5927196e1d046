package eval

import (
	"fmt"
	"slices"

	"shaketable/perturb/graph/onnx"
)

// kernel computes one operator. It checks its inputs, declares its outputs in order with call.output, and returns how they
// are filled; their memory is there when fill runs. A kernel gives up through call.fail, call.unsupported or by asking for
// values that are not known.
type kernel func(c *call) (fill func())

// call is one node, ready to be computed.
type call struct {
	machine *machine
	scope   *scope
	node    *onnx.NodeProto
	opset   int64
	in      []*Tensor // nil where an optional input is left out; not filled where only type and shape are known
	out     []*Tensor
	read    []string // attributes that the kernel has looked at
	static  bool     // fill needs no elements of the inputs beyond those that the kernel has read
	varies  bool     // the outputs depend on more than the inputs: on values around a body
	work    int64    // multiplications and additions of fill, if more than the outputs have elements
}

// giveUp is how a kernel ends early: it is thrown by methods of call and caught by machine.start, nowhere else.
type giveUp struct{ err error }

// unsupportedError names an operator, or a part of it, that has no kernel.
type unsupportedError struct{ what string }

func (e unsupportedError) Error() string { return e.what + " is not supported" }

// errUnknown means that a shape hangs on values that are not constant.
var errUnknown = fmt.Errorf("depends on values that are not constant")

// label names a node in messages: "Conv (features/conv1)".
func label(n *onnx.NodeProto) string {
	name := n.GetName()
	if name == "" && len(n.GetOutput()) > 0 {
		name = "output " + n.GetOutput()[0]
	}
	op := n.GetOpType()
	if d := n.GetDomain(); d != "" && d != "ai.onnx" {
		op = d + "." + op
	}
	return op + " (" + name + ")"
}

func (c *call) fail(format string, args ...any) {
	panic(giveUp{fmt.Errorf(label(c.node)+": "+format, args...)})
}

// unsupported gives up because of a part of the operator that has no kernel, such as an attribute's value.
func (c *call) unsupported(format string, args ...any) {
	panic(giveUp{unsupportedError{label(c.node) + ": " + fmt.Sprintf(format, args...)}})
}

// output declares the next output.
func (c *call) output(t onnx.TensorProto_DataType, dims ...int64) *Tensor {
	if _, err := elements(dims); err != nil {
		c.fail("output: %w", err)
	}
	o := &Tensor{Type: t, Dims: slices.Clone(dims)}
	if dims == nil {
		o.Dims = []int64{}
	}
	c.out = append(c.out, o)
	return o
}

// input is required input i.
func (c *call) input(i int) *Tensor {
	t := c.optional(i)
	if t == nil {
		c.fail("input %d is missing", i)
	}
	return t
}

// optional is input i, or nil.
func (c *call) optional(i int) *Tensor {
	if i >= len(c.in) {
		return nil
	}
	return c.in[i]
}

// float is required input i of a floating type.
func (c *call) float(i int) *Tensor {
	t := c.input(i)
	if !floating(t.Type) {
		c.fail("input %d has type %v, it must be floating", i, t.Type)
	}
	return t
}

// vector is optional input i, a floating vector of n elements.
func (c *call) vector(i int, n int64) *Tensor {
	t := c.optional(i)
	if t == nil {
		return nil
	}
	if !floating(t.Type) || len(t.Dims) != 1 || t.Dims[0] != n {
		c.fail("input %d is %v %v, it must be a floating vector of %d", i, t.Type, t.Dims, n)
	}
	return t
}

// needVector is vector for required inputs.
func (c *call) needVector(i int, n int64) *Tensor {
	c.input(i)
	return c.vector(i, n)
}

// ints are the elements of integer input i, which decide on shapes: a scalar or a vector.
func (c *call) ints(i int) []int64 {
	t := c.input(i)
	if !integral(t.Type) || len(t.Dims) > 1 {
		c.fail("input %d is %v %v, it must be a vector of integers", i, t.Type, t.Dims)
	}
	c.need(t)
	return t.I
}

// optionalInts is ints; ok is false where the input is left out.
func (c *call) optionalInts(i int) (values []int64, ok bool) {
	if c.optional(i) == nil {
		return nil, false
	}
	return c.ints(i), true
}

// one is the single element of integer input i.
func (c *call) one(i int) int64 {
	v := c.ints(i)
	if len(v) != 1 {
		c.fail("input %d has %d elements, it must have 1", i, len(v))
	}
	return v[0]
}

// need gives up where the elements of t are not known.
func (c *call) need(t *Tensor) {
	if !c.machine.fetch(t) {
		panic(giveUp{errUnknown})
	}
}

// axis checks an axis of a shape of the given rank and makes it non-negative.
func (c *call) axis(axis int64, rank int) int {
	if axis < -int64(rank) || axis >= int64(rank) {
		c.fail("axis %d is outside a shape of rank %d", axis, rank)
	}
	if axis < 0 {
		axis += int64(rank)
	}
	return int(axis)
}

// axes is axis for a list without repetitions.
func (c *call) axes(list []int64, rank int) []int {
	out := make([]int, 0, min(len(list), rank))
	for _, a := range list {
		axis := c.axis(a, rank)
		if slices.Contains(out, axis) {
			c.fail("axes %v name an axis twice", list)
		}
		out = append(out, axis)
	}
	return out
}
