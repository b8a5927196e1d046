package perturb

import (
	"errors"
	"fmt"
	"strings"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/gradient"
	"shaketable/perturb/graph/onnx"
)

// Attackable is a detector as a function of float pixels, and its gradient, as ONNX models.
//
// Input "x" float32 [Batch,3,Height,Width], RGB planes in [0,1]. Outputs "p" float32 [Batch], the probability of fake, and
// "margin" float32 [Batch], its logit before saturation: p = sigmoid(margin). Backward has "gradient" besides, float32 like x:
// the derivative of each picture's margin with respect to that picture.
//
// At x = k/255 the p of Forward is what Compile's graph gives for the bytes k. Backward computes the same with folded
// constants, and models of half or double precision in float32: its p and margin may differ in their last digits.
type Attackable struct {
	Forward, Backward    []byte   // Backward is nil if Unsupported is not empty
	Unsupported          []string // what on the way from x to the margin has no gradient: "OpType (node name): why"
	Width, Height, Batch int
	Opset                int64  // of Forward, the detector's
	Margin               string // in words, where the logit was found
}

// CompileAttackable makes the models for batch pictures at a time; a model with a fixed batch keeps its own. A model without
// a gradient is no error: its Forward can still be attacked by queries.
func CompileAttackable(model []byte, in Input, out Output, batch int) (*Attackable, error) {
	parsed, err := graph.Parse(model)
	if err != nil {
		return nil, err
	}
	if parsed, err = eval.InlineFunctions(parsed); err != nil {
		return nil, err
	}
	d, err := newDetector(parsed, in, out)
	if err != nil {
		return nil, err
	}
	if d.batch > 0 {
		batch = int(d.batch)
	}
	if batch < 1 {
		return nil, fmt.Errorf("compile attackable: batch is %d, it must be at least 1", batch)
	}
	a := &Attackable{Width: in.Width, Height: in.Height, Batch: batch, Opset: graph.Opset(parsed)}
	forward, err := a.forward(d, parsed)
	if err != nil {
		return nil, err
	}
	if a.Forward, err = graph.Marshal(forward); err != nil {
		return nil, err
	}
	if d.element == graph.Uint8 {
		a.Unsupported = []string{"Cast (input " + d.in.Name + "): the model takes uint8 pixels, which have no derivative"}
		return a, nil
	}
	return a, a.backward(forward)
}

// forward emits pre-processing, detector, probability and margin.
func (a *Attackable) forward(d *detector, origin *onnx.ModelProto) (*onnx.ModelProto, error) {
	n := int64(a.Batch)
	b := graph.NewBuilder("attackable", a.Opset)
	x := b.Input("x", graph.Float32, n, 3, int64(a.Height), int64(a.Width))
	result, err := b.Inline(d.graph, prefix, map[string]string{d.in.Name: d.fromUnit(b, x)})
	if err != nil {
		return nil, err
	}
	y, ok := result[d.out.Name]
	if !ok {
		return nil, fmt.Errorf("compile attackable: output %q was lost on the way", d.out.Name)
	}
	p := d.probability(b, y, n)
	b.Output("p", p, graph.Float32, n)
	margin, words, err := d.margin(b, origin, y, p, n)
	if err != nil {
		return nil, err
	}
	a.Margin = words
	b.Output("margin", margin, graph.Float32, n)
	return b.Model(origin), nil
}

// fromUnit turns pixels in [0,1] into the model's tensor: multiplied by 255, which gives exactly k for k/255, and from there
// by the arithmetic of the uint8 path. A model of uint8 pixels gets them rounded.
func (d *detector) fromUnit(b *graph.Builder, x string) string {
	x = b.Call("Mul", x, b.Float(255))
	if d.in.Color == "BGR" {
		x = b.Gather(x, 1, 2, 1, 0)
	}
	shape := []int64{1, 3, 1, 1}
	if d.in.Layout == "NHWC" {
		x = b.Transpose(x, 0, 2, 3, 1)
		shape = []int64{1, 1, 1, 3}
	}
	if d.element == graph.Uint8 {
		return b.Quantize(x, 1, 0)
	}
	factor, offset := d.affine()
	x = affineOp(b, "Mul", x, factor, 1, shape)
	x = affineOp(b, "Add", x, offset, 0, shape)
	if d.element != graph.Float32 {
		x = b.Cast(x, d.element)
	}
	return x
}

// backward adds the gradient, or says why there is none.
func (a *Attackable) backward(forward *onnx.ModelProto) error {
	m, err := gradient.Append(forward, "x", "margin", "gradient")
	var missing *gradient.UnsupportedError
	switch {
	case errors.As(err, &missing):
		for _, operator := range missing.Operators {
			a.Unsupported = append(a.Unsupported, strings.Replace(operator, "("+prefix, "(", 1)) // as the model calls it
		}
		return nil
	case err != nil: // what the interpreter cannot follow may still run
		a.Unsupported = []string{err.Error()}
		return nil
	}
	a.Backward, err = graph.Marshal(m)
	return err
}

// attackableFacts are what is known about the graph under construction, nil if it cannot be followed.
func attackableFacts(b *graph.Builder, origin *onnx.ModelProto) *eval.Facts {
	m := b.Model(origin)
	shapes := map[string][]int64{}
	for _, in := range graph.Inputs(m.GetGraph()) {
		shapes[in.GetName()], _ = graph.Dims(in)
	}
	facts, err := eval.Infer(m, shapes)
	if err != nil {
		return nil
	}
	return facts
}
