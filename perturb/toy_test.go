//go:build cgo

package perturb_test

import (
	"math"
	"testing"

	"shaketable/perturb"
	"shaketable/perturb/graph"
	"shaketable/perturb/graph/onnx"
)

// toy describes a small detector: the mean of each channel, times a matrix, plus a bias, to the power of a kind of output.
type toy struct {
	opset   int64
	layout  string
	element onnx.TensorProto_DataType
	batch   int64 // graph.Unknown: open
	h, w    int64 // graph.Unknown: open
	classes int64
	flat    bool   // output [N] instead of [N,classes]
	final   string // "" | "Sigmoid" | "Softmax"
	branch  bool   // the bias is added in the body of an If
}

func newToy(opset int64) toy {
	return toy{opset: opset, layout: "NCHW", element: graph.Float32, batch: graph.Unknown, h: 32, w: 48, classes: 2}
}

// toyWeights is [3 channels, classes], toyBias per class.
func toyWeights(classes int64) (weights, bias []float32) {
	for i := range 3 * classes {
		weights = append(weights, float32(i%5)-1.7)
	}
	for i := range classes {
		bias = append(bias, .3*float32(i)-.2)
	}
	return weights, bias
}

func (d toy) model(t testing.TB) []byte {
	t.Helper()
	b := graph.NewBuilder("toy", d.opset)
	dims, spatial := []int64{d.batch, 3, d.h, d.w}, []int64{2, 3}
	if d.layout == "NHWC" {
		dims, spatial = []int64{d.batch, d.h, d.w, 3}, []int64{1, 2}
	}
	x := b.Cast(b.Input("picture", d.element, dims...), graph.Float32)
	x = b.Squeeze(b.Reduce("ReduceMean", x, spatial...), spatial...)
	weights, bias := toyWeights(d.classes)
	x = b.Call("MatMul", x, b.Floats(weights, 3, d.classes))
	if d.branch {
		x = d.addInBranch(b, x, b.Floats(bias, d.classes))
	} else {
		x = b.Call("Add", x, b.Floats(bias, d.classes))
	}
	switch d.final {
	case "Sigmoid":
		x = b.Call("Sigmoid", x)
	case "Softmax":
		x = b.Op("Softmax", []string{x}, graph.IntAttr("axis", 1))
	}
	out := []int64{d.batch, d.classes}
	if d.flat {
		x, out = b.Reshape(x, -1), []int64{max(d.batch*d.classes, d.batch)} // [N], or [C] of a batch of 1
	}
	b.Output("unused", b.Call("Neg", x), graph.Float32, out...)
	b.Output("score", b.Cast(x, d.output()), d.output(), out...)
	data, err := graph.Marshal(b.Model(nil))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (d toy) output() onnx.TensorProto_DataType {
	if d.element == graph.Uint8 {
		return graph.Float32
	}
	return d.element
}

// addInBranch adds the bias in the then-branch of an If, which names values of the graph around it.
func (d toy) addInBranch(b *graph.Builder, x, bias string) string {
	body := func(name, op string) *onnx.GraphProto {
		inner := graph.NewBuilder(name, d.opset)
		inner.Output(name+"_out", inner.Call(op, x, bias), graph.Float32, graph.Unknown, d.classes)
		return inner.Model(nil).GetGraph()
	}
	yes := b.Cast(b.Float(1), onnx.TensorProto_BOOL)
	return b.Op("If", []string{yes}, graph.GraphAttr("then_branch", body("then", "Add")), graph.GraphAttr("else_branch", body("else", "Sub")))
}

func (d toy) input() perturb.Input {
	in := perturb.Input{Width: 48, Height: 32, Layout: d.layout, Color: "RGB", Scale: "unit",
		Mean: [3]float32{.485, .456, .406}, Std: [3]float32{.229, .224, .225}}
	if d.element == graph.Uint8 {
		in.Scale, in.Mean, in.Std = "byte", [3]float32{}, [3]float32{1, 1, 1}
	}
	return in
}

// expected is the probability of fake that the toy should give for one picture [H,W,3].
func (d toy) expected(in perturb.Input, out perturb.Output, pixels []uint8) float64 {
	var mean [3]float64
	for i, v := range pixels {
		channel := i % 3
		if in.Color == "BGR" {
			channel = 2 - channel
		}
		x := float64(v)
		if in.Scale == "unit" {
			x /= 255
		}
		mean[channel] += (x - float64(in.Mean[channel])) / float64(in.Std[channel]) / float64(len(pixels)/3)
	}
	weights, bias := toyWeights(d.classes)
	y := make([]float64, d.classes)
	for j := range y {
		y[j] = float64(bias[j])
		for c := range 3 {
			y[j] += mean[c] * float64(weights[c*int(d.classes)+j])
		}
	}
	p := y[out.Index]
	switch {
	case out.Kind == "logits" || d.final == "Softmax":
		sum := 0.
		for _, v := range y {
			sum += math.Exp(v - y[out.Index])
		}
		p = 1 / sum
	case out.Kind == "logit" || d.final == "Sigmoid":
		p = 1 / (1 + math.Exp(-p))
	}
	if out.Meaning == "real" {
		p = 1 - p
	}
	return p
}
