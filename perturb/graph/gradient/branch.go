package gradient

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/onnx"
)

// deepest bounds branches within branches.
const deepest = 16

// straighten replaces, in place, every If whose condition is constant (exporters ask for ranks and sizes, which are fixed
// here) by the branch that is taken, and returns the facts about what is left.
func straighten(m *onnx.ModelProto) (*eval.Facts, error) {
	for depth := range deepest {
		facts, err := infer(m)
		if err != nil || !takeBranches(m.GetGraph(), facts, fmt.Sprintf("branch%d/", depth)) {
			return facts, err
		}
	}
	return nil, fmt.Errorf("branches are nested deeper than %d", deepest)
}

// takeBranches replaces the Ifs of one level; false if there were none to replace.
func takeBranches(g *onnx.GraphProto, facts *eval.Facts, prefix string) bool {
	var nodes []*onnx.NodeProto
	for i, n := range g.GetNode() {
		body := taken(n, facts)
		if body == nil {
			nodes = append(nodes, n)
			continue
		}
		body = proto.CloneOf(body)
		renameInside(body, fmt.Sprintf("%s%d/", prefix, i))
		g.Initializer = append(g.Initializer, body.GetInitializer()...)
		nodes = append(nodes, body.GetNode()...)
		for k, o := range n.GetOutput() {
			nodes = append(nodes, &onnx.NodeProto{OpType: proto.String("Identity"), Name: proto.String(o), Input: []string{body.Output[k].GetName()}, Output: []string{o}})
		}
	}
	changed := !slices.Equal(nodes, g.Node)
	g.Node = nodes
	return changed
}

// taken is the branch of an If that is always taken, or nil.
func taken(n *onnx.NodeProto, facts *eval.Facts) *onnx.GraphProto {
	if !standard(n) || n.GetOpType() != "If" || len(n.GetInput()) != 1 {
		return nil
	}
	condition, ok := facts.Const(n.Input[0])
	if !ok || len(condition.I) != 1 {
		return nil
	}
	name := "else_branch"
	if condition.I[0] != 0 {
		name = "then_branch"
	}
	body := (&node{NodeProto: n}).attr(name).GetG()
	if len(body.GetOutput()) != len(n.GetOutput()) {
		return nil
	}
	return body
}

// renameInside gives a prefix to what a body makes itself; what it takes from the graph around it keeps its name.
func renameInside(body *onnx.GraphProto, prefix string) {
	own := map[string]bool{}
	for _, t := range body.GetInitializer() {
		own[t.GetName()] = true
	}
	for _, n := range body.GetNode() {
		for _, o := range n.GetOutput() {
			own[o] = true
		}
	}
	graph.Rename(body, func(name string) string {
		if own[name] {
			return prefix + name
		}
		return name
	})
}
