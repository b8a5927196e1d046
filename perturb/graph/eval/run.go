package eval

import (
	"fmt"
	"slices"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/onnx"
)

// Run computes a model in float64. feeds are the graph's inputs by name (initializers may be overruled too); outputs are
// names of any values of the main graph, by default those of the graph's outputs. Floating values come back as float64
// whatever their ONNX type. Errors name the node, and what is wrong with it.
func Run(m *onnx.ModelProto, feeds map[string]*Tensor, outputs ...string) (map[string]*Tensor, error) {
	return runWithin(m, feeds, outputs, machine{largest: maxRun, effort: maxWork})
}

func runWithin(m *onnx.ModelProto, feeds map[string]*Tensor, outputs []string, machine machine) (map[string]*Tensor, error) {
	m, err := InlineFunctions(m)
	if err != nil {
		return nil, err
	}
	g := m.GetGraph()
	values, err := feed(g, feeds)
	if err != nil {
		return nil, err
	}
	if len(outputs) == 0 {
		for _, o := range g.GetOutput() {
			outputs = append(outputs, o.GetName())
		}
	}
	s := &scope{values: values}
	machine.opset = graph.Opset(m)
	if err := machine.graph(g, s, forget(g, s, outputs)); err != nil {
		return nil, err
	}
	result := make(map[string]*Tensor, len(outputs))
	for _, name := range outputs {
		e, ok := s.values[name]
		if !ok || e.tensor == nil {
			return nil, fmt.Errorf("the graph has no value %q", name)
		}
		result[name] = e.tensor
	}
	return result, nil
}

// feed checks the inputs of a run against what the graph declares.
func feed(g *onnx.GraphProto, feeds map[string]*Tensor) (map[string]entry, error) {
	for _, in := range graph.Inputs(g) {
		if feeds[in.GetName()] == nil {
			return nil, fmt.Errorf("input %q has no value; the graph has inputs %s", in.GetName(), graph.Names(graph.Inputs(g)))
		}
	}
	values := map[string]entry{}
	for name, t := range feeds {
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("input %q: %w", name, err)
		}
		i := slices.IndexFunc(g.GetInput(), func(v *onnx.ValueInfoProto) bool { return v.GetName() == name })
		if i < 0 {
			return nil, fmt.Errorf("input %q is not an input of the graph; it has %s", name, graph.Names(g.GetInput()))
		}
		if err := declared(g.Input[i], t.Type, t.Dims); err != nil {
			return nil, err
		}
		values[name] = entry{tensor: t}
	}
	return values, nil
}

// declared checks a type and a shape against the declaration of an input.
func declared(in *onnx.ValueInfoProto, t onnx.TensorProto_DataType, dims []int64) error {
	if want := graph.Type(in); want != t && !(floating(want) && floating(t)) {
		return fmt.Errorf("input %q is declared as %v, not %v", in.GetName(), want, t)
	}
	want, ok := graph.Dims(in)
	if !ok {
		return nil
	}
	if len(want) != len(dims) {
		return fmt.Errorf("input %q is declared with shape %v, not %v", in.GetName(), want, dims)
	}
	for i, d := range want {
		if d != graph.Unknown && d != dims[i] {
			return fmt.Errorf("input %q is declared with shape %v, not %v", in.GetName(), want, dims)
		}
	}
	return nil
}

// forget returns what drops a value after the last node that reads it: otherwise a run holds every activation.
func forget(g *onnx.GraphProto, s *scope, keep []string) func(node int) {
	last := map[string]int{}
	for i, n := range g.GetNode() {
		for _, name := range n.GetOutput() {
			last[name] = i
		}
		for _, name := range reads(n, nil) {
			last[name] = i
		}
	}
	dead := make([][]string, len(g.GetNode()))
	for name, i := range last {
		if !slices.Contains(keep, name) {
			dead[i] = append(dead[i], name)
		}
	}
	return func(node int) {
		for _, name := range dead[node] {
			if e, ok := s.values[name]; ok {
				s.values[name] = entry{constant: e.constant}
			}
		}
	}
}

// reads appends the names that a node reads, in its bodies too.
func reads(n *onnx.NodeProto, to []string) []string {
	to = append(to, n.GetInput()...)
	for _, a := range n.GetAttribute() {
		for _, body := range bodies(a) {
			for _, inner := range body.GetNode() {
				to = reads(inner, to)
			}
			for _, o := range body.GetOutput() {
				to = append(to, o.GetName())
			}
		}
	}
	return to
}

func bodies(a *onnx.AttributeProto) []*onnx.GraphProto {
	if a.GetG() == nil {
		return a.GetGraphs()
	}
	return append([]*onnx.GraphProto{a.GetG()}, a.GetGraphs()...)
}
