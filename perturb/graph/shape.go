package graph

import (
	"fmt"
	"slices"
	"strings"

	"shaketable/perturb/graph/onnx"
)

// Unknown stands for a dimension without a number: a symbol such as "batch", or nothing at all.
const Unknown int64 = -1

// Inputs are the graph's inputs that a caller must feed: older exporters also list the weights, which have a value already.
func Inputs(g *onnx.GraphProto) []*onnx.ValueInfoProto {
	var fed []*onnx.ValueInfoProto
	for _, in := range g.GetInput() {
		if !slices.ContainsFunc(g.GetInitializer(), func(t *onnx.TensorProto) bool { return t.GetName() == in.GetName() }) {
			fed = append(fed, in)
		}
	}
	return fed
}

// Names lists the names of values, for error messages.
func Names(values []*onnx.ValueInfoProto) string {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = v.GetName()
	}
	return strings.Join(names, ", ")
}

// Type is the element type of a declared value; TensorProto_UNDEFINED if it is no tensor.
func Type(v *onnx.ValueInfoProto) onnx.TensorProto_DataType {
	return onnx.TensorProto_DataType(v.GetType().GetTensorType().GetElemType())
}

// Dims is the declared shape of a value, Unknown where there is no number; ok is false if no shape is declared.
func Dims(v *onnx.ValueInfoProto) (dims []int64, ok bool) {
	shape := v.GetType().GetTensorType().GetShape()
	if shape == nil {
		return nil, false
	}
	for _, d := range shape.GetDim() {
		if _, isNumber := d.GetValue().(*onnx.TensorShapeProto_Dimension_DimValue); isNumber && d.GetDimValue() >= 0 {
			dims = append(dims, d.GetDimValue())
		} else {
			dims = append(dims, Unknown)
		}
	}
	return dims, true
}

// Freeze fixes the shape of a graph input, so that ONNX Runtime folds shape arithmetic when it loads the model. Declared
// numbers must agree. What was declared about other values is dropped: it may be stale, and the runtime infers it again.
func Freeze(g *onnx.GraphProto, input string, dims []int64) error {
	i := slices.IndexFunc(g.GetInput(), func(v *onnx.ValueInfoProto) bool { return v.GetName() == input })
	if i < 0 {
		return fmt.Errorf("freeze input %q: the graph has inputs %s", input, Names(g.GetInput()))
	}
	declared, ok := Dims(g.Input[i])
	if ok && len(declared) != len(dims) {
		return fmt.Errorf("freeze input %q: it is declared with %d dimensions %v, not %v", input, len(declared), declared, dims)
	}
	for j, d := range declared {
		if d != Unknown && d != dims[j] {
			return fmt.Errorf("freeze input %q: it is declared as %v, not %v", input, declared, dims)
		}
	}
	g.Input[i] = Value(input, Type(g.Input[i]), dims...)
	DropShapes(g)
	return nil
}

// DropShapes forgets what is declared about the shapes of intermediate values and outputs, in bodies too.
func DropShapes(g *onnx.GraphProto) {
	walk(g, func(level *onnx.GraphProto) {
		level.ValueInfo = nil
		for _, o := range level.GetOutput() {
			if t := o.GetType().GetTensorType(); t != nil {
				t.Shape = nil
			}
		}
	})
}
