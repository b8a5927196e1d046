package gradient

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/onnx"
)

// Opsets of the spellings that simplify replaces, and the one that it lifts older models to: the last that does not change
// the meaning of any operator but those, and that has ScatterElements with a reduction.
const (
	lowestOpset   = 17
	softmaxByAxis = 13
	axesAsInput   = 13
)

// simplifier rewrites a graph for fixed shapes.
type simplifier struct {
	graph *onnx.GraphProto
	facts *eval.Facts
	opset int64
	alias map[string]string // values that are another value
	taken map[string]bool   // names of values
	nodes []*onnx.NodeProto
}

// simplify folds constants, removes nodes that do nothing, writes every change of shape as a Reshape to a constant shape,
// folds batch normalisation into convolutions, and lifts old opsets. The graph's inputs and outputs keep their names.
func simplify(m *onnx.ModelProto, facts *eval.Facts) error {
	g := m.GetGraph()
	s := &simplifier{graph: g, facts: facts, opset: graph.Opset(m), alias: map[string]string{}, taken: map[string]bool{}}
	g.Input = graph.Inputs(g) // weights that older exporters list as inputs are not constant for a runtime
	for _, t := range g.GetInitializer() {
		s.taken[t.GetName()] = true
	}
	for _, n := range g.GetNode() {
		for _, o := range n.GetOutput() {
			s.taken[o] = true
		}
	}
	for _, n := range g.GetNode() {
		if err := s.node(n); err != nil {
			return err
		}
	}
	g.Node = s.nodes
	graph.Prune(g)
	foldFactors(g)
	foldNormalization(g)
	graph.Prune(g)
	graph.DropShapes(g)
	for _, o := range m.GetOpsetImport() {
		if o.GetDomain() == "" || o.GetDomain() == "ai.onnx" {
			o.Version = proto.Int64(max(o.GetVersion(), lowestOpset))
		}
	}
	return nil
}

func (s *simplifier) isOutput(name string) bool {
	return slices.ContainsFunc(s.graph.GetOutput(), func(o *onnx.ValueInfoProto) bool { return o.GetName() == name })
}

// node keeps, replaces or drops one node.
func (s *simplifier) node(n *onnx.NodeProto) error {
	s.renameInputs(n)
	if s.folded(n) {
		return nil
	}
	if standard(n) && len(n.GetOutput()) > 0 {
		if s.nothing(n) {
			s.alias[n.Output[0]] = n.Input[0]
			return nil
		}
		s.respell(n)
		if n.GetOpType() == "BatchNormalization" && s.opset < 14 && len(n.GetOutput()) > 1 {
			return fmt.Errorf("BatchNormalization (%s) has the outputs of training: export the model for inference", n.GetName())
		}
	}
	s.nodes = append(s.nodes, n)
	return nil
}

func (s *simplifier) renameInputs(n *onnx.NodeProto) {
	to := func(name string) string {
		if a, ok := s.alias[name]; ok {
			return a
		}
		return name
	}
	for i, in := range n.GetInput() {
		n.Input[i] = to(in)
	}
	for _, a := range n.GetAttribute() {
		if a.GetG() != nil {
			renameCaptured(a.GetG(), to)
		}
	}
}

// renameCaptured renames what a body takes from the graph around it; names are unique over all levels.
func renameCaptured(g *onnx.GraphProto, to func(string) string) {
	for _, n := range g.GetNode() {
		for i, in := range n.GetInput() {
			n.Input[i] = to(in)
		}
		for _, a := range n.GetAttribute() {
			if a.GetG() != nil {
				renameCaptured(a.GetG(), to)
			}
		}
	}
	for _, o := range g.GetOutput() {
		o.Name = proto.String(to(o.GetName()))
	}
}

// folded replaces a node by its constant outputs.
func (s *simplifier) folded(n *onnx.NodeProto) bool {
	var constants []*onnx.TensorProto
	for _, o := range n.GetOutput() {
		if o == "" {
			continue
		}
		t, ok := s.facts.Const(o)
		if !ok || s.isOutput(o) {
			return false
		}
		constants = append(constants, t.Proto(o))
	}
	s.graph.Initializer = append(s.graph.Initializer, constants...)
	return true
}

// nothing tells whether a node's first output is its first input.
func (s *simplifier) nothing(n *onnx.NodeProto) bool {
	if s.isOutput(n.Output[0]) || len(n.GetInput()) == 0 {
		return false
	}
	in, known := s.facts.Dims(n.Input[0])
	out, _ := s.facts.Dims(n.Output[0])
	same := known && out != nil && slices.Equal(in, out)
	switch n.GetOpType() {
	case "Identity":
		return true
	case "Dropout":
		if len(n.GetOutput()) > 1 && n.Output[1] != "" && s.isOutput(n.Output[1]) {
			return false
		}
		return dropsNothing(n, s.facts)
	case "Cast", "CastLike":
		t := s.facts.Type(n.Input[0])
		return t != onnx.TensorProto_UNDEFINED && t == s.facts.Type(n.Output[0])
	case "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand", "Tile", "Pad", "Slice":
		return same && (n.GetOpType() != "Slice" || s.forward(n)) && (n.GetOpType() != "Pad" || s.unpadded(n))
	case "Concat":
		return len(n.GetInput()) == 1
	}
	return false
}

func inputName(n *onnx.NodeProto, i int) string {
	if i < len(n.GetInput()) {
		return n.Input[i]
	}
	return ""
}

// forward tells whether a Slice that keeps the shape keeps the order.
func (s *simplifier) forward(n *onnx.NodeProto) bool {
	steps, ok := s.facts.Const(inputName(n, 4))
	return inputName(n, 4) == "" || ok && !slices.ContainsFunc(steps.I, func(v int64) bool { return v < 0 })
}

// unpadded tells whether all pads are 0: padding on one side and cutting the other keeps the shape, too.
func (s *simplifier) unpadded(n *onnx.NodeProto) bool {
	pads, ok := s.facts.Const(inputName(n, 1))
	return ok && !slices.ContainsFunc(pads.I, func(v int64) bool { return v != 0 })
}

// ints adds a constant vector of integers.
func (s *simplifier) ints(hint string, v []int64) string {
	for s.taken[hint] {
		hint += "_"
	}
	s.taken[hint] = true
	s.graph.Initializer = append(s.graph.Initializer, graph.Int64Tensor(hint, v, int64(len(v))))
	return hint
}

// respell writes a node as newer opsets do, in place, and changes of shape as Reshape.
func (s *simplifier) respell(n *onnx.NodeProto) {
	out, known := s.facts.Dims(n.Output[0])
	switch n.GetOpType() {
	case "Reshape", "Flatten", "Squeeze", "Unsqueeze":
		if known && len(n.GetInput()) > 0 {
			n.OpType = proto.String("Reshape")
			n.Input = []string{n.Input[0], s.ints(n.Output[0]+"/shape", out)}
			n.Attribute = nil
			if slices.Contains(out, 0) {
				n.Attribute = []*onnx.AttributeProto{graph.IntAttr("allowzero", 1)}
			}
		}
	case "MaxPool", "AveragePool":
		s.pool(n)
	case "Softmax", "LogSoftmax":
		if s.opset < softmaxByAxis && known {
			s.softmax(n, out)
		}
	case "ReduceSum":
		if s.opset < axesAsInput {
			s.attributeToInput(n, "axes")
		}
	case "Split":
		if s.opset < axesAsInput {
			s.attributeToInput(n, "split")
		}
	}
}

// pool writes the padding of a pooling out, without auto_pad and, where padding can do the same, without ceil_mode: runtimes
// disagree with themselves on shapes where ceil_mode drops a window that would begin in the padding.
func (s *simplifier) pool(n *onnx.NodeProto) {
	x, known := s.facts.Dims(n.Input[0])
	y, done := s.facts.Dims(n.Output[0])
	if !known || !done || len(x) < 3 {
		return
	}
	v := &node{NodeProto: n}
	w := windowOf(v, x[2:], y[2:], v.intsAttr("kernel_shape", len(x)-2, 1))
	ceil := v.intAttr("ceil_mode", 0)
	after := slices.Clone(w.after)
	for i := range w.kernel {
		switch _, used := w.reach(i); {
		case ceil == 0 || (x[i+2]+w.before[i]+w.after[i]-w.extent(i))/w.stride[i]+1 == w.out[i]:
		case used < w.kernel[i] && (n.GetOpType() == "MaxPool" || v.intAttr("count_include_pad", 0) == 0):
			after[i] = used
		default:
			return
		}
	}
	setAttributes(n, []string{"auto_pad", "ceil_mode", "pads"}, graph.IntsAttr("pads", slices.Concat(w.before, after)...))
}

// setAttributes replaces attributes of some names by others.
func setAttributes(n *onnx.NodeProto, names []string, attrs ...*onnx.AttributeProto) {
	kept := slices.DeleteFunc(n.Attribute, func(a *onnx.AttributeProto) bool { return slices.Contains(names, a.GetName()) })
	n.Attribute = append(kept, attrs...)
}

// attributeToInput moves a list of integers; left out, it stays out.
func (s *simplifier) attributeToInput(n *onnx.NodeProto, name string) {
	i := slices.IndexFunc(n.GetAttribute(), func(a *onnx.AttributeProto) bool { return a.GetName() == name })
	if i < 0 {
		return
	}
	n.Input = append(n.Input[:1:1], s.ints(n.Output[0]+"/"+name, n.Attribute[i].GetInts()))
	n.Attribute = slices.Delete(n.Attribute, i, i+1)
}

// softmax: before opset 13, Softmax worked on a matrix, flattened at the axis (default 1).
func (s *simplifier) softmax(n *onnx.NodeProto, dims []int64) {
	at := (&node{NodeProto: n}).intAttr("axis", 1)
	a := axis(at, len(dims))
	n.Attribute = []*onnx.AttributeProto{graph.IntAttr("axis", -1)}
	if elements(dims[min(a+1, len(dims)):]) == 1 && a < len(dims) {
		n.Attribute = []*onnx.AttributeProto{graph.IntAttr("axis", int64(a))}
		return
	}
	out := n.Output[0]
	flat := s.fresh(out + "/flat")
	matrix := s.fresh(out + "/softmax")
	s.nodes = append(s.nodes,
		&onnx.NodeProto{OpType: proto.String("Reshape"), Name: proto.String(flat), Output: []string{flat},
			Input: []string{n.Input[0], s.ints(out+"/matrix", []int64{elements(dims[:a]), elements(dims[a:])})}},
		&onnx.NodeProto{OpType: n.OpType, Name: n.Name, Input: []string{flat}, Output: []string{matrix}, Attribute: n.Attribute})
	n.OpType, n.Name, n.Attribute = proto.String("Reshape"), proto.String(out+"/back"), nil
	n.Input = []string{matrix, s.ints(out+"/shape", dims)}
}

func (s *simplifier) fresh(hint string) string {
	for s.taken[hint] {
		hint += "_"
	}
	s.taken[hint] = true
	return hint
}
