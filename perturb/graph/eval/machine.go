package eval

import (
	"errors"
	"fmt"

	"shaketable/perturb/graph/onnx"
)

// Limits of what is computed.
const (
	maxRun     = 1 << 27 // elements of one value in Run: 1 GiB
	maxWork    = 1 << 38 // multiplications of one node in Run: minutes
	maxFold    = 1 << 20 // elements of one value that Infer computes
	maxFoldAll = 1 << 24 // and of all of them together
	freeFold   = 1 << 12 // up to here not counted: shapes must stay known however many weights are folded
	maxDepth   = 16      // bodies within bodies
)

// entry is what is known of a value; without tensor, nothing.
type entry struct {
	tensor   *Tensor
	constant bool // the same for all inputs of the given shapes
}

// scope holds the values of a graph; those of the graph around a body are in outer.
type scope struct {
	outer  *scope
	values map[string]entry
}

func (s *scope) find(name string) (entry, bool) {
	for ; s != nil; s = s.outer {
		if e, ok := s.values[name]; ok {
			return e, true
		}
	}
	return entry{}, false
}

func (s *scope) set(name string, e entry) error {
	if _, twice := s.values[name]; twice {
		return fmt.Errorf("value %q is made twice", name)
	}
	s.values[name] = e
	return nil
}

// machine computes graphs node by node.
type machine struct {
	opset       int64
	infer       bool                          // types, shapes and constants only
	budget      int64                         // elements that Infer may still compute
	protos      map[*Tensor]*onnx.TensorProto // constants that Infer has not read yet
	largest     int                           // elements of one value
	effort      int64                         // multiplications of one node
	unsupported []string
	depth       int // of bodies
}

// graph adds the values of a graph to the scope, which has its inputs already. after is called with the index of every node
// that is done; it may be nil.
func (m *machine) graph(g *onnx.GraphProto, s *scope, after func(node int)) error {
	if err := m.initializers(g, s); err != nil {
		return err
	}
	for i, n := range g.GetNode() {
		if err := m.step(n, s); err != nil {
			return err
		}
		if after != nil {
			after(i)
		}
	}
	return nil
}

// initializers adds constants of the file. Infer reads large ones only when it needs them.
func (m *machine) initializers(g *onnx.GraphProto, s *scope) error {
	for _, t := range g.GetInitializer() {
		if _, fed := s.values[t.GetName()]; fed {
			continue // an initializer is a default, which a caller may overrule
		}
		value, err := header(t)
		if err != nil {
			return err
		}
		if m.infer && value.Len() > freeFold {
			m.protos[value] = t
		} else if value, err = FromProto(t); err != nil {
			return err
		}
		s.values[t.GetName()] = entry{value, true}
	}
	for _, sparse := range g.GetSparseInitializer() {
		value, err := fromSparse(sparse)
		if err != nil {
			return err
		}
		s.values[sparse.GetValues().GetName()] = entry{value, true}
	}
	return nil
}

// step computes one node and adds its outputs to the scope.
func (m *machine) step(n *onnx.NodeProto, s *scope) error {
	c, constant, known, err := m.call(n, s)
	if err != nil {
		return err
	}
	k := kernelOf(n)
	if k == nil {
		err = unsupportedError{label(n)}
	} else if known {
		err = m.compute(c, k, constant)
	}
	var missing unsupportedError
	switch {
	case m.infer && errors.As(err, &missing):
		m.unsupported = append(m.unsupported, missing.what)
		c.out = nil
	case m.infer && errors.Is(err, errUnknown):
		c.out = nil
	case err != nil:
		return err
	}
	return c.store((constant || c.static) && !c.varies)
}

// call looks up the inputs of a node. Not known means that nothing is known of one of them.
func (m *machine) call(n *onnx.NodeProto, s *scope) (c *call, constant, known bool, err error) {
	c = &call{machine: m, scope: s, node: n, opset: m.opset, in: make([]*Tensor, len(n.GetInput()))}
	constant, known = true, true
	for i, name := range n.GetInput() {
		if name == "" {
			continue
		}
		e, ok := s.find(name)
		if !ok {
			return nil, false, false, fmt.Errorf("%s: input %q is not made by any node before it", label(n), name)
		}
		c.in[i] = e.tensor
		constant = constant && e.constant
		known = known && e.tensor != nil
	}
	return c, constant, known, nil
}

// compute runs a kernel, and what it returned where the elements are wanted.
func (m *machine) compute(c *call, k kernel, constant bool) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case giveUp:
			err = r.err
		default:
			panic(r)
		}
	}()
	fill := k(c)
	c.unread()
	constant = constant || c.static
	if fill == nil || m.infer && !(constant && m.affordable(c)) {
		return nil
	}
	if c.work > m.effort {
		c.fail("it takes %d multiplications, over the limit of %d", c.work, m.effort)
	}
	for i, o := range c.out {
		c.bounded(fmt.Sprintf("output %d", i), o.Dims)
		o.allocate()
	}
	fill()
	for _, o := range c.out {
		if constant || !floating(o.Type) {
			o.round()
		}
	}
	return nil
}

// bounded gives up on a shape that is too large to be computed.
func (c *call) bounded(what string, dims []int64) {
	if c.machine.infer && int64(product(dims)) > maxFold { // too large for a constant, not an error
		panic(giveUp{errUnknown})
	}
	if product(dims) > c.machine.largest {
		c.fail("%s has shape %v, over the limit of %d elements", what, dims, c.machine.largest)
	}
}

// affordable tells whether Infer should compute the elements of the outputs; if so, those of the inputs are there.
func (m *machine) affordable(c *call) bool {
	total := c.work >> 6 // arithmetic is cheaper than memory
	for _, o := range c.out {
		if o.Len() > maxFold {
			return false
		}
		total += int64(o.Len())
	}
	if total > m.budget && total > freeFold {
		return false
	}
	for _, t := range c.in {
		if t != nil && !c.static && !m.fetch(t) {
			return false
		}
	}
	if total > freeFold {
		m.budget -= total
	}
	return true
}

// fetch reads a constant of the file if that was put off; it tells whether the elements are there.
func (m *machine) fetch(t *Tensor) bool {
	if p := m.protos[t]; p != nil && t.Len() <= maxFold {
		read, err := FromProto(p)
		if err != nil {
			return false
		}
		t.F, t.I = read.F, read.I
		delete(m.protos, t)
	}
	return t.filled()
}

// store adds the outputs to the scope; those that the kernel did not declare are unknown.
func (c *call) store(constant bool) error {
	for i, name := range c.node.GetOutput() {
		if name == "" {
			continue
		}
		e := entry{}
		if i < len(c.out) {
			e = entry{c.out[i], constant}
		} else if !c.machine.infer {
			return fmt.Errorf("%s: output %d (%q) is not supported", label(c.node), i, name)
		}
		if err := c.scope.set(name, e); err != nil {
			return fmt.Errorf("%s: %w", label(c.node), err)
		}
	}
	return nil
}
