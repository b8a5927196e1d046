package graph_test

import (
	"strings"
	"testing"

	"shaketable/perturb/graph"
)

// TestExtend goes on with a finished graph: the old nodes stay, new names are new, even where the prefix is taken.
func TestExtend(t *testing.T) {
	m := small(17)
	m.Graph.Node[0].Output[0], m.Graph.Node[1].Input[0] = "more/sum", "more/sum"
	b := graph.Extend(m, "more/")
	if b.Opset() != 17 || len(b.Nodes()) != len(m.Graph.Node) {
		t.Fatalf("opset %d, %d nodes", b.Opset(), len(b.Nodes()))
	}
	z := b.Call("Add", "y", b.Float(2))
	if !strings.HasPrefix(z, "more/_") {
		t.Errorf("a new value is named %q", z)
	}
	b.Output("z", z, graph.Float32)
	extended := b.Model(m)
	if got := graph.Names(extended.GetGraph().GetOutput()); got != "y, z" {
		t.Errorf("outputs are %s", got)
	}
	seen := map[string]bool{}
	for _, n := range extended.GetGraph().GetNode() {
		for _, o := range n.GetOutput() {
			if seen[o] {
				t.Errorf("%q is made twice", o)
			}
			seen[o] = true
		}
	}
}
