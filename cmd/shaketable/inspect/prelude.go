package inspect

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/onnx"
)

// step is one thing that the graph does to pixels before it has learned anything.
type step struct {
	op     string // "divide", "multiply", "subtract", "add", "resize", "crop or pad", "transpose", "reorder colours"
	values []float64
}

func (s step) String() string {
	if len(s.values) == 0 {
		return s.op
	}
	words := make([]string, len(s.values))
	for i, v := range s.values {
		words[i] = fmt.Sprintf("%.4g", v)
	}
	return s.op + " " + strings.Join(words, ", ")
}

// steps lists what the graph does to the picture itself, in order.
func (m *Model) steps() (list []step) {
	at := m.Input.Name
	for _, n := range m.prelude() {
		values, picture := m.constantBeside(n, at)
		switch op := n.GetOpType(); op {
		case "Sub", "Add", "Mul", "Div":
			if values == nil || op == "Div" && !picture || op == "Sub" && !picture {
				return list
			}
			list = append(list, step{map[string]string{"Sub": "subtract", "Add": "add", "Mul": "multiply by", "Div": "divide by"}[op], values})
		case "Resize", "Upsample":
			list = append(list, step{op: "resize"})
		case "Pad", "Slice":
			list = append(list, step{op: "crop or pad"})
		case "Transpose":
			list = append(list, step{op: "transpose"})
		case "Gather":
			list = append(list, step{op: "reorder colours", values: values})
		case "BatchNormalization":
			return append(list, step{op: "normalise by learned statistics (BatchNormalization)"})
		}
		if len(n.GetOutput()) > 0 {
			at = n.GetOutput()[0]
		}
	}
	return list
}

// constantBeside returns the constant operand of a node, equal values once; picture says that the picture comes first.
func (m *Model) constantBeside(n *onnx.NodeProto, at string) (values []float64, picture bool) {
	in := n.GetInput()
	if len(in) < 2 {
		return nil, true
	}
	other := in[1]
	picture = in[0] == at
	if !picture {
		other = in[0]
	}
	t := m.constant(other, 4)
	if t == nil || len(t.F) > 16 || len(t.F) == 0 {
		return nil, picture
	}
	values = slices.Clone(t.F)
	if !slices.ContainsFunc(values, func(v float64) bool { return v != values[0] }) {
		values = values[:1]
	}
	return values, picture
}

// constant is the value of an initializer or of a Constant node, through a few copies; nil if it is neither.
func (m *Model) constant(name string, depth int) *eval.Tensor {
	for _, t := range m.proto.GetGraph().GetInitializer() {
		if t.GetName() == name {
			if v, err := eval.FromProto(t); err == nil {
				return v
			}
			return nil
		}
	}
	for _, n := range m.proto.GetGraph().GetNode() {
		if depth == 0 || len(n.GetOutput()) == 0 || n.GetOutput()[0] != name {
			continue
		}
		switch n.GetOpType() {
		case "Constant":
			for _, a := range n.GetAttribute() {
				switch {
				case a.GetT() != nil:
					if v, err := eval.FromProto(a.GetT()); err == nil {
						return v
					}
				case a.GetName() == "value_float":
					return eval.Floats([]float64{float64(a.GetF())})
				}
			}
		case "Identity", "Cast", "Unsqueeze", "Reshape":
			return m.constant(n.GetInput()[0], depth-1)
		}
	}
	return nil
}

// levels decides scale, mean and std.
func (s *settling) levels(shape Shape) {
	steps := s.model.steps()
	var words []string
	arithmetic := false
	for _, st := range steps {
		words = append(words, st.String())
		arithmetic = arithmetic || len(st.values) > 0 && st.op != "reorder colours"
		if st.op == "resize" {
			s.add("in the graph", Warning, "the graph itself resizes the picture", "perturbations act before that, at the input's size; give the input the size of your service's pictures")
		}
	}
	switch {
	case shape.Bytes:
		s.in.Scale = "byte"
		s.add("scale", Found, "byte: pixels 0 to 255", "the input is uint8")
		s.add("mean, std", Found, "none", "the input is uint8: whatever is done to it is in the graph")
	case arithmetic:
		s.levelsInGraph(steps, strings.Join(words, "; then "))
	default:
		s.add("scale", Verify, "unit: pixels / 255", "the graph begins with what it has learned; the scale was applied before it")
		s.add("mean, std", Verify, "none", "they were applied before the graph, so that no file holds them")
	}
}

// levelsInGraph reads the scale from what the graph subtracts or divides by.
func (s *settling) levelsInGraph(steps []step, words string) {
	s.add("mean, std", Found, "none", "the graph does it itself: "+words)
	for _, st := range steps {
		if len(st.values) == 0 {
			continue
		}
		v := st.values[0]
		near := func(x float64) bool { return math.Abs(v-x) <= 1e-3*x }
		switch {
		case st.op == "divide by" && (near(255) || near(127.5) || near(128)), st.op == "multiply by" && (near(1./255) || near(1/127.5)):
			s.in.Scale = "byte"
			s.add("scale", Found, "byte: pixels 0 to 255", "the graph begins: "+st.String())
			return
		case (st.op == "subtract" || st.op == "add") && math.Abs(v) > 2:
			s.in.Scale = "byte"
			s.add("scale", Guessed, "byte: pixels 0 to 255", "the graph begins: "+st.String()+", which fits no smaller numbers")
			return
		case (st.op == "subtract" || st.op == "add") && math.Abs(v) > .05 && math.Abs(v) <= 1:
			s.add("scale", Guessed, "unit: pixels / 255", "the graph begins: "+st.String()+", which fits numbers from 0 to 1")
			return
		case st.op == "multiply by" && v == 2:
			s.add("scale", Guessed, "unit: pixels / 255", "the graph begins: "+st.String()+", usual for numbers from 0 to 1")
			return
		}
		break
	}
	s.add("scale", Verify, "unit: pixels / 255", "the numbers in the graph do not tell it: "+words)
}
