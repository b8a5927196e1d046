package gradient

import (
	"fmt"
	"strings"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/onnx"
)

// UnsupportedError lists what stands between an output and the input that it was to be differentiated by.
type UnsupportedError struct {
	// Operators are "OpType (node name): why", in the order of the graph.
	Operators []string
}

func (e *UnsupportedError) Error() string {
	return "no gradient rule for " + strings.Join(e.Operators, "; ")
}

// sweep is one walk over the nodes of a forward graph, from last to first. It carries the adjoints of values and appends
// nodes to the builder, which has the forward graph already.
type sweep struct {
	*graph.Builder
	facts   *eval.Facts
	forward []*onnx.NodeProto
	makers  map[string]*onnx.NodeProto // of values, by their name
	active  map[string]bool            // values that depend on the input in a differentiable way
	pending map[string][]tensor        // contributions to the adjoint of a value, by those of its users that were visited
	faults  []string
	blind   bool // a node was met that has values of unknown shape
}

// newSweep finds out which values depend on x.
func newSweep(b *graph.Builder, facts *eval.Facts, x string) *sweep {
	s := &sweep{Builder: b, facts: facts, forward: b.Nodes(), makers: map[string]*onnx.NodeProto{},
		active: map[string]bool{x: true}, pending: map[string][]tensor{}}
	for _, p := range s.forward {
		for _, o := range p.GetOutput() {
			s.makers[o] = p
		}
		n := &node{NodeProto: p, s: s}
		if !n.depends() || constantAlmostEverywhere(p) {
			continue
		}
		for _, o := range p.GetOutput() {
			s.active[o] = o != "" && (s.continuous(o) || p.GetOpType() == "QuantizeLinear")
		}
	}
	return s
}

// continuous tells whether a value can have a derivative: floating ones, and those about which nothing is known.
func (s *sweep) continuous(name string) bool {
	switch s.facts.Type(name) {
	case onnx.TensorProto_UNDEFINED, onnx.TensorProto_FLOAT, onnx.TensorProto_DOUBLE, onnx.TensorProto_FLOAT16, onnx.TensorProto_BFLOAT16:
		return true
	}
	return false
}

// run appends d(sum of y)/dx, of the shape of x.
func (s *sweep) run(y, x string) (tensor, error) {
	if err := s.missing(y); err != nil {
		return tensor{}, err
	}
	dims := s.value(x).dims
	if !s.active[y] {
		return s.dense(s.zeros(dims), dims), nil
	}
	rank := len(s.value(y).dims)
	s.pending[y] = []tensor{s.constant([]float32{1}, aligned(nil, rank)...)}
	for i := len(s.forward) - 1; i >= 0; i-- {
		s.visit(s.forward[i])
	}
	if faults := s.allFaults(); len(faults) > 0 {
		return tensor{}, &UnsupportedError{faults}
	}
	g, ok := s.adjoint(x)
	if !ok { // every way from x to y was closed by a rule, such as a Slice that leaves nothing
		g = s.zeros(dims)
	}
	return s.dense(g, dims), nil
}

// allFaults are the faults in the order of the graph. Where shapes are not known, the operators that hide them are named
// and not those behind them.
func (s *sweep) allFaults() []string {
	if !s.blind {
		return reversed(s.faults)
	}
	var hidden []string
	for _, u := range s.facts.Unsupported() {
		hidden = append(hidden, u+": the shape of its result is not known")
	}
	for _, f := range reversed(s.faults) {
		if len(hidden) == 0 || !strings.HasSuffix(f, unknownShape) {
			hidden = append(hidden, f)
		}
	}
	return hidden
}

// missing lists the operators between x and y that have no rule, or about which nothing is known.
func (s *sweep) missing(y string) error {
	wanted, faults := map[string]bool{y: true}, []string(nil)
	for i := len(s.forward) - 1; i >= 0; i-- {
		n := &node{NodeProto: s.forward[i], s: s}
		reached := false
		for _, o := range n.GetOutput() {
			reached = reached || wanted[o] && s.active[o]
		}
		if !reached {
			continue
		}
		for _, in := range n.GetInput() {
			wanted[in] = wanted[in] || s.active[in]
		}
		if ruleOf(n.NodeProto) == nil {
			faults = append(faults, n.fault("no rule"))
		}
	}
	if len(faults) > 0 {
		return &UnsupportedError{reversed(faults)}
	}
	return nil
}

// visit carries the adjoints of a node's outputs over to its inputs.
func (s *sweep) visit(p *onnx.NodeProto) {
	n := &node{NodeProto: p, s: s, grads: make([]*tensor, len(p.GetOutput()))}
	reached := false
	for i, o := range p.GetOutput() {
		if g, ok := s.adjoint(o); ok {
			n.grads[i] = &g
			reached = true
		}
	}
	if !reached || !n.depends() {
		return
	}
	err := n.known()
	if err == nil {
		err = ruleOf(p)(n)
	}
	if err == nil {
		return
	}
	s.faults = append(s.faults, n.fault(err.Error()))
	s.blind = s.blind || strings.HasSuffix(err.Error(), unknownShape)
	for _, in := range p.GetInput() { // walk on: all faults at once
		if s.active[in] && len(s.pending[in]) == 0 {
			dims, _ := s.facts.Dims(in)
			s.pending[in] = []tensor{s.zeros(dims)}
		}
	}
}

// adjoint is the sum of what the users of a value have contributed; ok is false if there was nothing.
func (s *sweep) adjoint(name string) (sum tensor, ok bool) {
	parts := s.pending[name]
	if name == "" || !s.active[name] || len(parts) == 0 {
		return tensor{}, false
	}
	sum = parts[0]
	for _, p := range parts[1:] {
		sum = s.add(sum, p)
	}
	s.pending[name] = []tensor{sum}
	return sum, true
}

func reversed(list []string) []string {
	out := make([]string, 0, len(list))
	for i := len(list) - 1; i >= 0; i-- {
		out = append(out, list[i])
	}
	return out
}

func (n *node) fault(why string) string {
	return fmt.Sprintf("%s (%s): %s", n.operator(), n.label(), why)
}
