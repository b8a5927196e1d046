package eval

import "shaketable/perturb/graph/onnx"

// branch computes one of two bodies. The condition must be known: exporters write If where a shape decides.
func branch(c *call) func() {
	cond := c.input(0)
	if cond.Type != boolType || cond.Len() != 1 {
		c.fail("the condition is %v %v, it must be one BOOL", cond.Type, cond.Dims)
	}
	chosen, other := c.attr("then_branch", onnx.AttributeProto_GRAPH), c.attr("else_branch", onnx.AttributeProto_GRAPH)
	c.need(cond)
	if cond.I[0] == 0 {
		chosen = other
	}
	c.body(chosen.GetG())
	return nil
}

// body computes a graph that reads values around it; its outputs become those of the node.
func (c *call) body(g *onnx.GraphProto) {
	m := c.machine
	if g == nil {
		c.fail("a body is missing")
	}
	if m.depth++; m.depth > maxDepth {
		c.fail("bodies are more than %d deep", maxDepth)
	}
	defer func() { m.depth-- }()
	inner := &scope{outer: c.scope, values: map[string]entry{}}
	if err := m.graph(g, inner, nil); err != nil {
		c.fail("in its body: %w", err)
	}
	for _, o := range g.GetOutput() {
		e, ok := inner.find(o.GetName())
		if !ok {
			c.fail("its body does not make its output %q", o.GetName())
		}
		if e.tensor == nil {
			panic(giveUp{errUnknown})
		}
		c.varies = c.varies || !e.constant
		c.out = append(c.out, e.tensor)
	}
}
