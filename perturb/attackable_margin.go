package perturb

import (
	"fmt"
	"slices"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/onnx"
)

// saturation is how close to 0 and 1 a probability is taken where its logit can only be had from itself.
const saturation = 1e-7

// mostClasses bounds the classes of a softmax whose logits are compared pairwise.
const mostClasses = 1024

// margin emits the logit of the probability of fake, float32 [n], and says where it was found. The derivative of a saturated
// probability is 0 in float32; that of its logit is not, so the logit is taken from before the last activation.
func (d *detector) margin(b *graph.Builder, origin *onnx.ModelProto, y, p string, n int64) (margin, words string, err error) {
	facts := attackableFacts(b, origin)
	switch d.out.Kind {
	case "logit":
		margin, words = b.Reshape(b.Gather(b.Reshape(b.Cast(y, graph.Float32), n, -1), 1, int64(d.out.Index)), -1), "the model's output is a logit"
	case "logits":
		classes := d.classes(facts, y, n)
		if classes == 0 {
			margin, words = marginOfProbability(b, p)
			return margin, words, nil
		}
		margin, words, err = d.marginOfLogits(b, y, n, classes)
	default:
		finder := &logitFinder{b: b, facts: facts, makers: map[string]*onnx.NodeProto{}}
		for _, node := range b.Nodes() {
			for _, o := range node.GetOutput() {
				finder.makers[o] = node
			}
		}
		z, ok := finder.logit(y)
		if !ok {
			margin, words = marginOfProbability(b, p)
			return margin, words, nil
		}
		margin, words = b.Reshape(b.Gather(b.Reshape(z, n, -1), 1, int64(d.out.Index)), -1), finder.words
	}
	if err == nil && d.out.Meaning == "real" {
		margin = b.Call("Neg", margin)
	}
	return margin, words, err
}

// marginOfProbability is log(p/(1-p)), bounded.
func marginOfProbability(b *graph.Builder, p string) (margin, words string) {
	bounded := b.Clip(p, saturation, 1-saturation)
	margin = b.Call("Sub", b.Call("Log", bounded), b.Call("Log", b.Call("Sub", b.Float(1), bounded)))
	return margin, fmt.Sprintf("logit of the probability, kept %g away from 0 and 1 "+
		"(the last activation was not recognised; a saturated probability has no gradient)", saturation)
}

// classes is the number of logits per picture, 0 if it is not known.
func (d *detector) classes(facts *eval.Facts, y string, n int64) int64 {
	dims, ok := []int64(nil), false
	if facts != nil {
		dims, ok = facts.Dims(y)
	}
	if !ok {
		dims, _ = graph.Dims(d.graph.GetOutput()[0])
		if len(dims) < 2 || slices.Contains(dims[1:], graph.Unknown) {
			return 0
		}
		n, dims = 1, dims[1:]
	}
	count := int64(1)
	for _, v := range dims {
		count *= v
	}
	return count / n
}

// marginOfLogits is z_i minus the logarithm of the sum of exp(z_j) over the other classes.
func (d *detector) marginOfLogits(b *graph.Builder, y string, n, classes int64) (margin, words string, err error) {
	if classes < 2 || int64(d.out.Index) >= classes {
		return "", "", fmt.Errorf("output %q has %d logits per picture: output.index %d and a softmax need more", d.out.Name, classes, d.out.Index)
	}
	z := b.Reshape(b.Cast(y, graph.Float32), n, -1)
	others := []int64{}
	for i := range classes {
		if i != int64(d.out.Index) {
			others = append(others, i)
		}
	}
	rest, words := b.Gather(z, 1, others...), "difference of the two logits"
	if classes > 2 {
		rest, words = b.Reduce("ReduceLogSumExp", rest, 1), fmt.Sprintf("logit %d against the other %d", d.out.Index, classes-1)
	}
	return b.Reshape(b.Call("Sub", b.Gather(z, 1, int64(d.out.Index)), rest), -1), words, nil
}

// logitFinder rebuilds, beside a value that holds probabilities, one that holds their logits: from the operand of the
// activation that made them, through whatever has only moved, bounded or complemented them since.
type logitFinder struct {
	b      *graph.Builder
	facts  *eval.Facts
	makers map[string]*onnx.NodeProto
	words  string
}

// logit returns log(v/(1-v)) as a float32 value of v's shape, if v is made in a way that it knows.
func (f *logitFinder) logit(v string) (string, bool) {
	n := f.makers[v]
	if n == nil || n.GetDomain() != "" && n.GetDomain() != "ai.onnx" || len(n.GetInput()) == 0 {
		return "", false
	}
	switch n.GetOpType() {
	case "Sigmoid":
		f.words = "before the last Sigmoid"
		return f.b.Cast(n.Input[0], graph.Float32), true
	case "Softmax":
		return f.softmax(n)
	case "Exp":
		if inner := f.maker(n.Input[0]); inner.GetOpType() == "LogSoftmax" {
			return f.softmax(inner)
		}
	case "Sub": // 1 - v
		if f.isOne(n.Input[0]) && f.alike(v, n.Input[1]) {
			z, ok := f.logit(n.Input[1])
			return f.b.Call("Neg", z), ok
		}
	case "Cast", "Clip":
		return f.logit(n.Input[0])
	case "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Gather", "Dropout":
		z, ok := f.logit(n.Input[0])
		return f.again(n, z), ok
	case "Split":
		z, ok := f.logit(n.Input[0])
		parts := f.b.OpN("Split", append([]string{z}, n.Input[1:]...), len(n.GetOutput()), n.GetAttribute()...)
		return parts[slices.Index(n.GetOutput(), v)], ok
	case "Concat":
		return f.concat(n)
	}
	return f.decomposed(n)
}

// maker is the node that makes a value, behind casts and identities; an empty node if there is none.
func (f *logitFinder) maker(v string) *onnx.NodeProto {
	for {
		n := f.makers[v]
		if n == nil {
			return &onnx.NodeProto{}
		}
		if op := n.GetOpType(); op != "Identity" && op != "Cast" {
			return n
		}
		v = n.Input[0]
	}
}

// again emits a node a second time, on another first input.
func (f *logitFinder) again(n *onnx.NodeProto, x string) string {
	return f.b.Op(n.GetOpType(), append([]string{x}, n.Input[1:]...), n.GetAttribute()...)
}

func (f *logitFinder) concat(n *onnx.NodeProto) (string, bool) {
	parts := make([]string, len(n.GetInput()))
	for i, in := range n.GetInput() {
		z, ok := f.logit(in)
		if !ok {
			return "", false
		}
		parts[i] = z
	}
	return f.b.Op("Concat", parts, n.GetAttribute()...), true
}

// decomposed recognises activations that an exporter wrote out: 1/(1 + exp(-z)).
func (f *logitFinder) decomposed(n *onnx.NodeProto) (string, bool) {
	below := ""
	switch {
	case n.GetOpType() == "Reciprocal":
		below = n.Input[0]
	case n.GetOpType() == "Div" && f.isOne(n.Input[0]):
		below = n.Input[1]
	default:
		return "", false
	}
	sum := f.maker(below)
	if sum.GetOpType() != "Add" {
		return "", false
	}
	for i := range 2 {
		power := f.maker(sum.Input[i])
		if power.GetOpType() == "Exp" && f.isOne(sum.Input[1-i]) {
			f.words = "before the last sigmoid, 1/(1 + exp(-z))"
			return f.b.Call("Neg", f.b.Cast(power.Input[0], graph.Float32)), true
		}
	}
	return "", false
}

// isOne tells whether a value is the constant 1.
func (f *logitFinder) isOne(v string) bool {
	if f.facts == nil {
		return false
	}
	t, ok := f.facts.Const(v)
	return ok && len(t.F) > 0 && !slices.ContainsFunc(t.F, func(x float64) bool { return x != 1 })
}

// alike tells whether two values have the same shape: nothing was broadcast on the way.
func (f *logitFinder) alike(a, b string) bool {
	x, known := f.facts.Dims(a)
	y, too := f.facts.Dims(b)
	return known && too && slices.Equal(x, y)
}

// softmax: the logit of softmax(z)_i is z_i minus the logarithm of the sum of exp(z_j) over the others; with two classes,
// minus the other one.
func (f *logitFinder) softmax(n *onnx.NodeProto) (string, bool) {
	if f.facts == nil {
		return "", false
	}
	dims, ok := f.facts.Dims(n.Input[0])
	if !ok {
		return "", false
	}
	before, classes, after := softmaxView(n, dims, f.b.Opset())
	if classes < 2 || classes > mostClasses {
		return "", false
	}
	z := f.b.Reshape(f.b.Cast(n.Input[0], graph.Float32), before, classes, after)
	if classes == 2 {
		f.words = "difference of the two logits before the last " + n.GetOpType()
		z = f.b.Call("Sub", z, f.b.Gather(z, 1, 1, 0))
		return f.b.Reshape(z, dims...), true
	}
	f.words = fmt.Sprintf("one logit against the other %d before the last %s", classes-1, n.GetOpType())
	own := make([]float32, classes*classes) // leaves out each class's own logit
	for i := range classes {
		own[i*classes+i] = -1e30
	}
	each := f.b.Call("Add", f.b.Unsqueeze(z, 1), f.b.Floats(own, classes, classes, 1)) // [before, i, j, after]
	rest := f.b.Squeeze(f.b.Reduce("ReduceLogSumExp", each, 2), 2)
	return f.b.Reshape(f.b.Call("Sub", z, rest), dims...), true
}

// softmaxView is a shape seen as [before, classes, after]. Until opset 12 everything from the axis on was one distribution.
func softmaxView(n *onnx.NodeProto, dims []int64, opset int64) (before, classes, after int64) {
	old := opset < 13
	axis := int64(-1)
	if old {
		axis = 1
	}
	for _, a := range n.GetAttribute() {
		if a.GetName() == "axis" {
			axis = a.GetI()
		}
	}
	if axis < 0 {
		axis += int64(len(dims))
	}
	before, classes, after = 1, 1, 1
	for i, v := range dims {
		switch {
		case int64(i) < axis:
			before *= v
		case int64(i) == axis || old:
			classes *= v
		default:
			after *= v
		}
	}
	return before, classes, after
}
