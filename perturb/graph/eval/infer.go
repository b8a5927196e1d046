package eval

import (
	"fmt"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/onnx"
)

// Facts are what holds for the values of a graph whenever its inputs have certain shapes.
type Facts struct {
	values      map[string]entry
	protos      map[*Tensor]*onnx.TensorProto // constants that nobody has asked for
	unsupported []string
}

// Infer finds the element type and the shape of the values of the main graph when its inputs have the given (full) shapes,
// and the elements of those that are constant: initializers, and small ones that follow from initializers and shapes. Unknown
// operators are listed, not fatal: values behind them have no facts. A graph that cannot be computed (shapes that do not
// fit, values that nobody makes) is an error that names the node.
func Infer(m *onnx.ModelProto, inputs map[string][]int64) (*Facts, error) {
	m, err := InlineFunctions(m)
	if err != nil {
		return nil, err
	}
	g := m.GetGraph()
	s := &scope{values: map[string]entry{}}
	for _, in := range graph.Inputs(g) {
		dims, ok := inputs[in.GetName()]
		if !ok {
			return nil, fmt.Errorf("input %q has no shape; the graph has inputs %s", in.GetName(), graph.Names(graph.Inputs(g)))
		}
		t := graph.Type(in)
		if !floating(t) && !integral(t) {
			return nil, fmt.Errorf("input %q has element type %v, which is not supported", in.GetName(), t)
		}
		if _, err := elements(dims); err != nil {
			return nil, fmt.Errorf("input %q: %w", in.GetName(), err)
		}
		if err := declared(in, t, dims); err != nil {
			return nil, err
		}
		s.values[in.GetName()] = entry{tensor: &Tensor{Type: t, Dims: append([]int64{}, dims...)}}
	}
	machine := &machine{opset: graph.Opset(m), infer: true, protos: map[*Tensor]*onnx.TensorProto{}, budget: maxFoldAll, largest: maxFold, effort: maxWork}
	if err := machine.graph(g, s, nil); err != nil {
		return nil, err
	}
	return &Facts{values: s.values, protos: machine.protos, unsupported: machine.unsupported}, nil
}

// Dims is the shape of a value, if it is known. The caller must not change it.
func (f *Facts) Dims(name string) ([]int64, bool) {
	if t := f.values[name].tensor; t != nil {
		return t.Dims, true
	}
	return nil, false
}

// Type is the element type of a value; TensorProto_UNDEFINED if it is not known.
func (f *Facts) Type(name string) onnx.TensorProto_DataType {
	if t := f.values[name].tensor; t != nil {
		return t.Type
	}
	return onnx.TensorProto_UNDEFINED
}

// Const is the value of a constant, if it is one and is known. The caller must not change it.
func (f *Facts) Const(name string) (*Tensor, bool) {
	e := f.values[name]
	if e.tensor == nil || !e.constant {
		return nil, false
	}
	if e.tensor.filled() {
		return e.tensor, true
	}
	if p := f.protos[e.tensor]; p != nil {
		if t, err := FromProto(p); err == nil {
			return t, true
		}
	}
	return nil, false
}

// Unsupported lists the nodes without a kernel as "OpType (node name)", in order; what of an operator is missing follows
// after a colon.
func (f *Facts) Unsupported() []string { return f.unsupported }
