package gradient

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/onnx"
)

// Append returns a model with everything that m computes and one more output: the derivative of the sum of output y with
// respect to input x, float32, of the shape of x. The inputs of m must have fixed shapes. m itself is not changed; in the
// result half and double precision are float32, constants are folded, and the opset is at least 17.
//
// Operators without a rule between x and y are an *UnsupportedError that lists them all.
func Append(m *onnx.ModelProto, x, y, name string) (*onnx.ModelProto, error) {
	if !slices.ContainsFunc(graph.Inputs(m.GetGraph()), func(v *onnx.ValueInfoProto) bool { return v.GetName() == x }) {
		return nil, fmt.Errorf("gradient: the model has no input %q", x)
	}
	if !slices.ContainsFunc(m.GetGraph().GetOutput(), func(v *onnx.ValueInfoProto) bool { return v.GetName() == y }) {
		return nil, fmt.Errorf("gradient: the model has no output %q", y)
	}
	m, facts, err := simplified(m)
	if err != nil {
		return nil, fmt.Errorf("gradient: %w", err)
	}
	b := graph.Extend(m, "gradient/")
	s := newSweep(b, facts, x)
	g, err := s.run(y, x)
	if err != nil {
		return nil, err
	}
	b.Output(name, g.name, graph.Float32, g.dims...)
	return b.Model(m), nil
}

// shapes are the fixed shapes of a graph's inputs.
func shapes(g *onnx.GraphProto) (map[string][]int64, error) {
	out := map[string][]int64{}
	for _, in := range graph.Inputs(g) {
		dims, ok := graph.Dims(in)
		if !ok || slices.Contains(dims, graph.Unknown) {
			return nil, fmt.Errorf("input %q has no fixed shape (%v)", in.GetName(), dims)
		}
		out[in.GetName()] = dims
	}
	return out, nil
}

// infer is the facts about a model with fixed input shapes.
func infer(m *onnx.ModelProto) (*eval.Facts, error) {
	inputs, err := shapes(m.GetGraph())
	if err != nil {
		return nil, err
	}
	return eval.Infer(m, inputs)
}

// simplified is a copy of m without functions, half precision, shape arithmetic and old spellings.
func simplified(m *onnx.ModelProto) (*onnx.ModelProto, *eval.Facts, error) {
	m, err := eval.InlineFunctions(m)
	if err != nil {
		return nil, nil, err
	}
	m = proto.CloneOf(m)
	hoist(m.GetGraph())
	widen(m)
	facts, err := straighten(m)
	if err != nil {
		return nil, nil, err
	}
	if err := simplify(m, facts); err != nil {
		return nil, nil, err
	}
	facts, err = infer(m)
	return m, facts, err
}

// hoist makes initializers of tensors in Constant nodes: large ones are then read only where a rule asks for them.
func hoist(g *onnx.GraphProto) {
	outputs := map[string]bool{}
	for _, o := range g.GetOutput() {
		outputs[o.GetName()] = true
	}
	g.Node = slices.DeleteFunc(g.Node, func(n *onnx.NodeProto) bool {
		if n.GetOpType() != "Constant" || !standard(n) || len(n.GetOutput()) != 1 || outputs[n.Output[0]] {
			return false
		}
		t := (&node{NodeProto: n}).attr("value").GetT()
		if t == nil {
			return false
		}
		t.Name = proto.String(n.Output[0])
		g.Initializer = append(g.Initializer, t)
		return true
	})
}
