package graph

import (
	"slices"

	"shaketable/perturb/graph/onnx"
)

// Prune removes, in a graph and in the bodies below it, nodes that no output depends on, constants that nothing uses, and
// optional trailing outputs that nothing reads. ONNX Runtime does not do this when a caller asks for fewer outputs: it runs
// everything that is there. Graph inputs stay, used or not.
func Prune(g *onnx.GraphProto) { prune(g) }

// prune returns the names that the graph takes from the graph around it.
func prune(g *onnx.GraphProto) map[string]bool {
	needed := map[string]bool{}
	for _, o := range g.GetOutput() {
		needed[o.GetName()] = true
	}
	var kept []*onnx.NodeProto
	for _, n := range slices.Backward(g.GetNode()) { // nodes are in topological order: backwards, users come first
		if !slices.ContainsFunc(n.GetOutput(), func(o string) bool { return o != "" && needed[o] }) {
			continue
		}
		dropOutputs(n, needed)
		for _, in := range n.GetInput() {
			needed[in] = true
		}
		eachBody(n, func(body *onnx.GraphProto) {
			for name := range prune(body) {
				needed[name] = true
			}
		})
		kept = append(kept, n)
	}
	slices.Reverse(kept)
	g.Node = kept
	g.Initializer = slices.DeleteFunc(g.GetInitializer(), func(t *onnx.TensorProto) bool { return !needed[t.GetName()] })
	g.SparseInitializer = slices.DeleteFunc(g.GetSparseInitializer(), func(s *onnx.SparseTensorProto) bool {
		return !needed[s.GetValues().GetName()]
	})
	return needed // names made inside are in it too; they mean nothing outside, where names are unique
}

// dropOutputs cuts unread trailing outputs of operators where they are optional and cost something: the indices of MaxPool
// keep ONNX Runtime from its fast layout.
func dropOutputs(n *onnx.NodeProto, needed map[string]bool) {
	switch n.GetOpType() {
	case "MaxPool", "Dropout", "LayerNormalization":
		for len(n.Output) > 1 && !needed[n.Output[len(n.Output)-1]] {
			n.Output = n.Output[:len(n.Output)-1]
		}
	}
}
