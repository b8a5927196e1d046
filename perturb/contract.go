package perturb

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/onnx"
)

// newDetector holds the configuration against what the model declares. Where the model is silent (open dimensions) the
// configuration is believed.
func newDetector(model *onnx.ModelProto, in Input, out Output) (*detector, error) {
	d := &detector{graph: proto.CloneOf(model.GetGraph()), in: in, out: out}
	for _, check := range []func() error{d.checkWords, d.findInput, d.findOutput} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	graph.Prune(d.graph)
	return d, nil
}

// checkWords refuses words that the compiler would have to guess about.
func (d *detector) checkWords() error {
	for _, w := range []struct {
		key, value string
		allowed    []string
	}{
		{"input.layout", d.in.Layout, []string{"NCHW", "NHWC"}},
		{"input.color", d.in.Color, []string{"RGB", "BGR"}},
		{"input.scale", d.in.Scale, []string{"unit", "byte"}},
		{"output.kind", d.out.Kind, []string{"probability", "logit", "logits"}},
		{"output.meaning", d.out.Meaning, []string{"fake", "real"}},
	} {
		if !slices.Contains(w.allowed, w.value) {
			return fmt.Errorf("%s is %q: it must be %s", w.key, w.value, strings.Join(w.allowed, " or "))
		}
	}
	for i, s := range d.in.Std {
		if !(s > 0) {
			return fmt.Errorf("input.std[%d] is %g: pixels are divided by it, so it must be above 0 (1 leaves them as they are)", i, s)
		}
	}
	if d.out.Index < 0 {
		return fmt.Errorf("output.index is %d: it counts from 0", d.out.Index)
	}
	return nil
}

// findInput resolves the name of the picture's tensor and checks its type and shape.
func (d *detector) findInput() error {
	fed := graph.Inputs(d.graph)
	if len(fed) != 1 {
		return fmt.Errorf("the model has %d inputs (%s): only models with one input, the picture, can be probed", len(fed), graph.Names(fed))
	}
	v := fed[0]
	if d.in.Name == "" {
		d.in.Name = v.GetName()
	}
	if d.in.Name != v.GetName() {
		return fmt.Errorf("input.name is %q, but the model's input is %q", d.in.Name, v.GetName())
	}
	d.element = graph.Type(v)
	switch d.element {
	case onnx.TensorProto_FLOAT, onnx.TensorProto_FLOAT16, onnx.TensorProto_DOUBLE, onnx.TensorProto_BFLOAT16:
	case onnx.TensorProto_UINT8:
		if d.in.Scale != "byte" || d.in.Mean != [3]float32{} || d.in.Std != [3]float32{1, 1, 1} {
			return fmt.Errorf("input %q takes uint8 pixels: input.scale must be byte, mean [0,0,0] and std [1,1,1]", v.GetName())
		}
	default:
		return fmt.Errorf("input %q is of type %s: supported are float, float16, bfloat16, double and uint8", v.GetName(), d.element)
	}
	dims, ok := graph.Dims(v)
	if !ok {
		return nil
	}
	return d.checkShape(dims)
}

// checkShape compares declared dimensions, where they are numbers, with [batch,3,H,W] or [batch,H,W,3].
func (d *detector) checkShape(dims []int64) error {
	h, w := int64(d.in.Height), int64(d.in.Width)
	want, other := []int64{3, h, w}, []int64{h, w, 3}
	if d.in.Layout == "NHWC" {
		want, other = other, want
	}
	if len(dims) != 4 {
		return fmt.Errorf("input %q has %d dimensions %v: a picture needs 4 (%s)", d.in.Name, len(dims), dims, d.in.Layout)
	}
	if !agree(dims[1:], want) {
		hint := "set input.width and input.height (and input.layout) to what the model was exported for"
		if agree(dims[1:], other) {
			hint = "input.layout looks wrong"
		}
		return fmt.Errorf("input %q is declared as %s, but the configuration says %s %d x %d (width x height), that is [batch,%d,%d,%d]: %s",
			d.in.Name, shapeText(dims), d.in.Layout, w, h, want[0], want[1], want[2], hint)
	}
	if dims[0] == 0 {
		return fmt.Errorf("input %q is declared with a batch of 0: export the model again with an open batch", d.in.Name)
	}
	d.batch = max(dims[0], 0)
	return nil
}

func agree(declared, want []int64) bool {
	for i := range want {
		if declared[i] != graph.Unknown && declared[i] != want[i] {
			return false
		}
	}
	return true
}

func shapeText(dims []int64) string {
	words := make([]string, len(dims))
	for i, d := range dims {
		words[i] = fmt.Sprint(d)
		if d == graph.Unknown {
			words[i] = "?"
		}
	}
	return "[" + strings.Join(words, ",") + "]"
}

// findOutput resolves the name of the score, drops all other outputs, and checks kind and index against its shape.
func (d *detector) findOutput() error {
	outputs := d.graph.GetOutput()
	if d.out.Name == "" && len(outputs) > 1 {
		return fmt.Errorf("the model has outputs %s: say in output.name which one is the score", graph.Names(outputs))
	}
	i := 0
	if d.out.Name != "" {
		i = slices.IndexFunc(outputs, func(o *onnx.ValueInfoProto) bool { return o.GetName() == d.out.Name })
	}
	if i < 0 {
		return fmt.Errorf("output.name is %q, but the model's outputs are: %s", d.out.Name, graph.Names(outputs))
	}
	v := outputs[i]
	d.out.Name = v.GetName()
	d.graph.Output = outputs[i : i+1]
	switch t := graph.Type(v); t {
	case onnx.TensorProto_FLOAT:
	case onnx.TensorProto_FLOAT16, onnx.TensorProto_DOUBLE, onnx.TensorProto_BFLOAT16:
		d.half = true
	default:
		return fmt.Errorf("output %q is of type %s: a score must be float, float16, bfloat16 or double", v.GetName(), t)
	}
	return d.checkClasses(v)
}

// checkClasses counts the classes per picture, where the model declares them.
func (d *detector) checkClasses(v *onnx.ValueInfoProto) error {
	dims, ok := graph.Dims(v)
	if !ok {
		return nil
	}
	classes := int64(1)
	for i, n := range dims {
		switch {
		case i == 0 && (d.batch == 0 || n == d.batch): // the batch
		case n == graph.Unknown:
			return nil
		default: // with a fixed batch of 1, some exporters squeeze it away
			classes *= n
		}
	}
	if int64(d.out.Index) >= classes {
		return fmt.Errorf("output.index is %d, but output %q is declared as %s: %d value(s) per picture, counted from 0",
			d.out.Index, v.GetName(), shapeText(dims), classes)
	}
	if d.out.Kind == "logits" && classes < 2 {
		return fmt.Errorf("output.kind is logits, but output %q is declared as %s, one value per picture: its softmax would always be 1; use kind logit",
			v.GetName(), shapeText(dims))
	}
	return nil
}
