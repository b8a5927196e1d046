package eval

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/onnx"
)

// Specialize is a model for inputs of fixed shapes: calls of its own functions are replaced by their nodes, and every If
// whose condition follows from constants and shapes by the branch that it takes. The facts are those of the result. The
// model itself is not changed.
func Specialize(m *onnx.ModelProto, inputs map[string][]int64) (*onnx.ModelProto, *Facts, error) {
	m, err := InlineFunctions(m)
	if err != nil {
		return nil, nil, err
	}
	for depth := 0; ; depth++ {
		facts, err := Infer(m, inputs)
		if err != nil {
			return nil, nil, err
		}
		next := takeBranches(m, facts, depth)
		if next == m {
			return m, facts, nil
		}
		if depth == maxDepth {
			return nil, nil, fmt.Errorf("branches are more than %d deep", maxDepth)
		}
		m = next
	}
}

// takeBranches replaces each If of the main graph whose condition is known; without one the model is returned as it is.
func takeBranches(m *onnx.ModelProto, facts *Facts, depth int) *onnx.ModelProto {
	var out *onnx.ModelProto
	var nodes []*onnx.NodeProto
	for i, n := range m.GetGraph().GetNode() {
		body := branchTaken(n, facts)
		if body == nil {
			nodes = append(nodes, n)
			continue
		}
		if out == nil {
			out = proto.CloneOf(m)
		}
		body = proto.CloneOf(body)
		g := out.GetGraph()
		prefix := fmt.Sprintf("%sbranch%d.%d/", unusedPrefix(m.GetGraph()), depth, i)
		renameInside(body, prefix)
		g.Initializer = append(g.Initializer, body.GetInitializer()...)
		g.SparseInitializer = append(g.SparseInitializer, body.GetSparseInitializer()...)
		nodes = append(nodes, body.GetNode()...)
		for k, o := range n.GetOutput() {
			if o != "" && k < len(body.GetOutput()) {
				nodes = append(nodes, &onnx.NodeProto{OpType: proto.String("Identity"), Name: proto.String(prefix + o),
					Input: []string{body.Output[k].GetName()}, Output: []string{o}})
			}
		}
	}
	if out == nil {
		return m
	}
	out.Graph.Node = nodes
	return out
}

// branchTaken is the body of an If that is always taken, nil if that is not known.
func branchTaken(n *onnx.NodeProto, facts *Facts) *onnx.GraphProto {
	if n.GetOpType() != "If" || n.GetDomain() != "" && n.GetDomain() != "ai.onnx" || len(n.GetInput()) != 1 {
		return nil
	}
	cond, ok := facts.Const(n.Input[0])
	if !ok || len(cond.I) != 1 {
		return nil
	}
	if cond.I[0] != 0 {
		return named(n.GetAttribute(), "then_branch").GetG()
	}
	return named(n.GetAttribute(), "else_branch").GetG()
}

// renameInside gives the values that a body makes names of their own: branches may use the same ones.
func renameInside(body *onnx.GraphProto, prefix string) {
	inside := map[string]bool{}
	for _, name := range names(body) {
		inside[name] = true
	}
	graph.Rename(body, func(name string) string {
		if inside[name] {
			return prefix + name
		}
		return name
	})
}
