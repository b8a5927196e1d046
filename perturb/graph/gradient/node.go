package gradient

import (
	"fmt"
	"slices"

	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/onnx"
)

// node is a node of the forward graph while it is visited.
type node struct {
	*onnx.NodeProto
	s     *sweep
	grads []*tensor // adjoints of the outputs; nil where nothing depends on an output
}

// operator is the type with its domain, where that is not the standard one.
func (n *node) operator() string {
	if d := n.GetDomain(); d != "" && d != "ai.onnx" {
		return d + "." + n.GetOpType()
	}
	return n.GetOpType()
}

func (n *node) label() string {
	if n.GetName() == "" && len(n.GetOutput()) > 0 {
		return "output " + n.GetOutput()[0]
	}
	return n.GetName()
}

// depends tells whether an input of the node depends on the picture, or may: bodies see values around them.
func (n *node) depends() bool {
	return slices.ContainsFunc(n.GetInput(), func(in string) bool { return n.s.active[in] }) || n.captures()
}

// captures tells whether a body of the node reads an active value around it.
func (n *node) captures() bool {
	for _, a := range n.GetAttribute() {
		for _, inner := range a.GetG().GetNode() {
			if (&node{NodeProto: inner, s: n.s}).depends() {
				return true
			}
		}
		for _, o := range a.GetG().GetOutput() {
			if n.s.active[o.GetName()] {
				return true
			}
		}
	}
	return false
}

// unknownShape ends the fault of a node that is behind an operator whose result is not known.
const unknownShape = "of unknown shape"

// known checks that the shapes of what the rule may look at are known.
func (n *node) known() error {
	for _, name := range slices.Concat(n.GetInput(), n.GetOutput()) {
		if name == "" {
			continue
		}
		dims, ok := n.s.facts.Dims(name)
		if !ok && n.optionalOutput(name) {
			continue
		}
		if !ok {
			return fmt.Errorf("%q is %s", name, unknownShape)
		}
		if n.s.active[name] && elements(dims) == 0 {
			return fmt.Errorf("%q is empty: its shape is %v", name, dims)
		}
		if t := n.s.facts.Type(name); n.s.active[name] && n.s.continuous(name) && t != onnx.TensorProto_FLOAT {
			return fmt.Errorf("%q is of type %s: derivatives are computed in float", name, t)
		}
	}
	return nil
}

func (n *node) optionalOutput(name string) bool {
	return slices.Index(n.GetOutput(), name) > 0
}

// has tells whether input i is there.
func (n *node) has(i int) bool { return i < len(n.GetInput()) && n.Input[i] != "" }

// wants tells whether input i takes an adjoint.
func (n *node) wants(i int) bool { return n.has(i) && n.s.active[n.Input[i]] }

// x is input i; callers know that it is there.
func (n *node) x(i int) tensor { return n.s.value(n.Input[i]) }

// y is the first output.
func (n *node) y() tensor { return n.s.value(n.Output[0]) }

// dy is the adjoint of the first output, possibly smaller than it; rules of operators with one output call it.
func (n *node) dy() tensor {
	if n.grads[0] == nil {
		return n.s.zeros(n.y().dims)
	}
	return *n.grads[0]
}

// dense is the adjoint of the first output in full shape.
func (n *node) dense() tensor { return n.s.dense(n.dy(), n.y().dims) }

// give adds a contribution to the adjoint of input i.
func (n *node) give(i int, g tensor) {
	if n.wants(i) {
		n.s.pending[n.Input[i]] = append(n.s.pending[n.Input[i]], g)
	}
}

// giveSum is give for operands of elementwise operators that may have been broadcast.
func (n *node) giveSum(i int, g tensor) {
	if n.wants(i) {
		n.give(i, n.s.sumTo(g, n.y().dims, n.x(i).dims))
	}
}

// constant is the value of input i, if it is constant and known.
func (n *node) constant(i int) (*eval.Tensor, bool) {
	if !n.has(i) {
		return nil, false
	}
	return n.s.facts.Const(n.Input[i])
}

// integers are the elements of input i, which must be constant.
func (n *node) integers(i int) ([]int64, error) {
	t, ok := n.constant(i)
	if !ok || t.I == nil && elements(t.Dims) > 0 {
		return nil, fmt.Errorf("input %d is not a constant", i)
	}
	return t.I, nil
}

// single is the only element of a constant floating input.
func (n *node) single(i int) (float64, bool) {
	t, ok := n.constant(i)
	if !ok || len(t.F) != 1 {
		return 0, false
	}
	return t.F[0], true
}

func (n *node) attr(name string) *onnx.AttributeProto {
	for _, a := range n.GetAttribute() {
		if a.GetName() == name {
			return a
		}
	}
	return nil
}

func (n *node) intAttr(name string, otherwise int64) int64 {
	if a := n.attr(name); a != nil {
		return a.GetI()
	}
	return otherwise
}

func (n *node) floatAttr(name string, otherwise float64) float64 {
	if a := n.attr(name); a != nil {
		return float64(a.GetF())
	}
	return otherwise
}

func (n *node) text(name, otherwise string) string {
	if a := n.attr(name); a != nil {
		return string(a.GetS())
	}
	return otherwise
}

// intsAttr is a list of integers; left out, it is count times otherwise.
func (n *node) intsAttr(name string, count int, otherwise int64) []int64 {
	if a := n.attr(name); a != nil && len(a.GetInts()) == count {
		return slices.Clone(a.GetInts())
	}
	return slices.Repeat([]int64{otherwise}, count)
}

// axis makes an axis count from 0.
func axis(a int64, rank int) int {
	if a < 0 {
		a += int64(rank)
	}
	return int(a)
}
