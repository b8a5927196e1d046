package inspect

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"shaketable/cmd/shaketable/suspect"
	"shaketable/perturb/graph/onnx"
)

// Read decides what the output means. Runs are the outputs for several pictures, at several scales of their pixels, so that
// a bounded output shows as one; the first is for an ordinary picture.
func (m *Model) Read(settled Settled, runs [][]suspect.Output) Settled {
	s := &settling{model: m, in: settled.Input, out: settled.Output, lines: settled.Lines}
	s.out.Meaning = "fake"
	chosen := s.chooseOutput(runs)
	s.kind(chosen, valuesOf(runs, chosen))
	s.meaning(chosen, len(valuesOf(runs, chosen)[0]))
	if values := valuesOf(runs, chosen); s.out.Kind != "" && len(values) > 2 && alike(values) {
		s.add("scores", Warning, "the same for every picture",
			"whatever is done to a picture cannot move them: was the model exported with its weights, and does it take pixels of another scale?")
	}
	return Settled{Input: s.in, Output: s.out, Lines: s.lines}
}

// alike says that a model answered the same every time, to the last digits of a float32.
func alike(values [][]float32) bool {
	for _, v := range values[1:] {
		for i := range min(len(v), len(values[0])) {
			if math.Abs(float64(v[i]-values[0][i])) > 1e-6*math.Max(1, math.Abs(float64(v[i]))) {
				return false
			}
		}
	}
	return true
}

// valuesOf are the values of one output, run by run.
func valuesOf(runs [][]suspect.Output, name string) (list [][]float32) {
	for _, run := range runs {
		for _, o := range run {
			if o.Name == name {
				list = append(list, o.Values)
			}
		}
	}
	return list
}

// chooseOutput picks the output that is most likely the score.
func (s *settling) chooseOutput(runs [][]suspect.Output) string {
	rank := func(o suspect.Output) int {
		named := 0
		if words := wordsOf(o.Name); hasAny(words, fakeWords()...) || hasAny(words, realWords()...) || hasAny(words, "prob", "logit", "score", "cls", "output", "pred") {
			named = -1
		}
		switch n := len(o.Values); {
		case n <= 2:
			return named
		case n <= 16:
			return 2 + named
		}
		return 4
	}
	list := slices.Clone(runs[0])
	slices.SortStableFunc(list, func(a, b suspect.Output) int { return rank(a) - rank(b) })
	s.out.Name = list[0].Name
	var others []string
	for _, o := range list[1:] {
		others = append(others, fmt.Sprintf("%s (%d values)", o.Name, len(o.Values)))
	}
	for _, t := range s.model.Others {
		others = append(others, fmt.Sprintf("%s (%s)", t.Name, t.Element))
	}
	what := fmt.Sprintf("%s, %d value(s) per picture", list[0].Name, len(list[0].Values))
	switch {
	case len(others) == 0:
		s.add("output", Found, what, "the only one")
	case len(list) > 1 && rank(list[0]) == rank(list[1]):
		s.add("output", Guessed, what, "the first of several that could be the score: "+strings.Join(others, ", ")+"; verify tries all")
	default:
		s.add("output", Guessed, what, "the likeliest; there are also "+strings.Join(others, ", "))
	}
	return list[0].Name
}

// kind decides between probability, logit and logits.
func (s *settling) kind(name string, values [][]float32) {
	n := len(values[0])
	last, picked := s.model.lastActivation(name)
	bounded, summing := bounds(values)
	switch {
	case last == "Sigmoid" || last == "HardSigmoid":
		s.out.Kind = "probability"
		s.add("kind", Found, "probability", "the graph ends in "+last)
	case last == "Softmax" && (n > 1 || picked):
		s.out.Kind = "probability"
		s.add("kind", Found, "probability", "the graph ends in Softmax")
	case last == "Softmax":
		s.out.Kind = "probability"
		s.add("kind", Warning, "probability, always 1", "the graph ends in a Softmax over one value: export it again with a sigmoid, or without either")
	case last == "LogSoftmax":
		s.out.Kind = "logits"
		s.add("kind", Found, "logits", "the graph ends in LogSoftmax, of which the softmax is the probability")
	case last == "Tanh":
		s.out.Kind = "logit"
		s.add("kind", Warning, "logit", "the graph ends in Tanh, -1 to 1, which is neither a probability nor a logit: export it again with a sigmoid")
	case bounded && (n == 1 || summing):
		s.out.Kind = "probability"
		s.add("kind", Guessed, "probability", "whatever picture it is given, it returns 0 to 1"+map[bool]string{true: ", and the classes sum to 1"}[n > 1])
	case n > 1:
		s.out.Kind = "logits"
		s.add("kind", certain(last, bounded), "logits: a softmax is applied", unbounded(last, bounded, values))
	default:
		s.out.Kind = "logit"
		s.add("kind", certain(last, bounded), "logit: a sigmoid is applied", unbounded(last, bounded, values))
	}
	if n > mostClasses {
		s.add("classes", Warning, fmt.Sprintf("%d classes", n), "a detector has one or two: is this the right file? An ImageNet classifier has 1000")
	}
}

// mostClasses is more than any detector of fakes tells apart.
const mostClasses = 64

// certain: numbers beyond 0 and 1 are no probabilities; that nothing else was done to logits is likely, and no more.
func certain(last string, bounded bool) Certainty {
	if last == "" && !bounded {
		return Found
	}
	return Guessed
}

func unbounded(last string, bounded bool, values [][]float32) string {
	lo, hi := rangeOf(values)
	switch {
	case last != "":
		return fmt.Sprintf("the graph ends in %s; it returned %.3g to %.3g", last, lo, hi)
	case bounded:
		return fmt.Sprintf("the graph ends without an activation, though all it returned was %.3g to %.3g", lo, hi)
	}
	return fmt.Sprintf("the graph ends without an activation, and it returned %.3g to %.3g", lo, hi)
}

func rangeOf(values [][]float32) (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		for _, x := range v {
			lo, hi = min(lo, float64(x)), max(hi, float64(x))
		}
	}
	return lo, hi
}

// bounds says whether all values are in [0,1], and whether those of each picture sum to 1.
func bounds(values [][]float32) (bounded, summing bool) {
	lo, hi := rangeOf(values)
	bounded, summing = lo >= -1e-6 && hi <= 1+1e-6, true
	for _, v := range values {
		sum := 0.
		for _, x := range v {
			sum += float64(x)
		}
		summing = summing && math.Abs(sum-1) <= 1e-3
	}
	return bounded, summing
}

// lastActivation is the operator behind which the output only changes its shape or type: "" if that is a product, a sum or a
// convolution, as logits come from. Picked says that only some of its values are returned.
func (m *Model) lastActivation(output string) (op string, picked bool) {
	makers := map[string]*onnx.NodeProto{}
	for _, n := range m.proto.GetGraph().GetNode() {
		for _, o := range n.GetOutput() {
			makers[o] = n
		}
	}
	at := output
	for range len(makers) + 1 {
		n := makers[at]
		if n == nil {
			return "", picked
		}
		switch op := n.GetOpType(); op {
		case "Slice", "Gather", "Split":
			picked = true
			at = n.GetInput()[0]
		case "Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Dropout":
			at = n.GetInput()[0]
		case "Gemm", "MatMul", "Conv", "Add", "GlobalAveragePool", "ReduceMean", "QLinearMatMul", "DequantizeLinear":
			return "", picked
		default:
			return op, picked
		}
	}
	return "", picked
}

// meaning decides the class, and whether it is that of fakes.
func (s *settling) meaning(output string, classes int) {
	names := s.model.classNames()
	if i, meaning, key := named(names, classes); meaning != "" {
		s.out.Index, s.out.Meaning = i, meaning
		s.add("meaning", Found, fmt.Sprintf("value %d is P(%s)", i, meaning), fmt.Sprintf("the file's metadata says so: %s = %v", key, names[key]))
		return
	}
	words := wordsOf(output)
	fake, real := hasAny(words, fakeWords()...), hasAny(words, realWords()...)
	switch {
	case classes == 1 && fake != real:
		if real {
			s.out.Meaning = "real"
		}
		s.add("meaning", Guessed, fmt.Sprintf("P(%s)", s.out.Meaning), fmt.Sprintf("the output is called %s", output))
	case classes == 1:
		s.add("meaning", Verify, "P(fake)", "nothing in the file says whether it is the probability of fake or of real")
	case classes == 2:
		s.out.Index = 1
		s.add("meaning", Verify, "value 1 is P(fake)", "nothing in the file says which of the two classes is the fake one")
	default:
		s.add("meaning", Verify, "value 0 is P(fake)", fmt.Sprintf("nothing in the file says which of the %d classes is the fake one", classes))
	}
}

// wordsOf splits a name: prob_real, probReal and prob-real are two words each.
func wordsOf(name string) []string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' && name[i-1] >= 'a' && name[i-1] <= 'z' {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return strings.FieldsFunc(strings.ToLower(b.String()), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

func fakeWords() []string {
	return []string{"fake", "deepfake", "spoof", "spoofed", "forged", "forgery", "manipulated", "manipulation", "synthetic", "generated", "attack", "ai", "tampered"}
}

func realWords() []string {
	return []string{"real", "genuine", "live", "bonafide", "original", "pristine", "authentic", "human"}
}

func hasAny(words []string, any ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(any, w) })
}
