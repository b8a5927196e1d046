package graph

import "shaketable/perturb/graph/onnx"

// Rename gives every value and every node of a graph, and of the bodies below it, the name to(old). Bodies of If, Loop and
// Scan refer to values of the graph around them by name, so one function must serve all levels; a function that maps
// different names to different names keeps the graph valid. The empty name (an optional input left out) stays empty.
func Rename(g *onnx.GraphProto, to func(string) string) {
	walk(g, func(g *onnx.GraphProto) { renameLevel(g, to) })
}

func renameLevel(g *onnx.GraphProto, to func(string) string) {
	set := func(p *string) {
		if p != nil && *p != "" {
			*p = to(*p)
		}
	}
	for _, n := range g.GetNode() {
		set(n.Name)
		for i := range n.Input {
			set(&n.Input[i])
		}
		for i := range n.Output {
			set(&n.Output[i])
		}
	}
	for _, t := range g.GetInitializer() {
		set(t.Name)
	}
	for _, s := range g.GetSparseInitializer() {
		if s.GetValues() != nil { // a sparse tensor is known by the name of its values
			set(s.Values.Name)
		}
	}
	for _, list := range [][]*onnx.ValueInfoProto{g.GetInput(), g.GetOutput(), g.GetValueInfo()} {
		for _, v := range list {
			set(v.Name)
		}
	}
	for _, q := range g.GetQuantizationAnnotation() {
		set(q.TensorName)
		for _, p := range q.GetQuantParameterTensorNames() {
			set(p.Value)
		}
	}
}
