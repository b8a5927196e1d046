//go:build cgo

package perturb_test

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

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

// checkToy compiles a toy with the suite `production` and compares every row with the definition, on the pixels that
// CompilePixels gives.
func checkToy(t *testing.T, d toy, in perturb.Input, out perturb.Output, opt perturb.Options, tolerance float64) *perturb.Fused {
	t.Helper()
	s := suite(t, "production")
	f, err := perturb.Compile(d.model(t), in, out, s, opt)
	if err != nil {
		t.Fatal(err)
	}
	const n, h, w = 3, 32, 48
	pictures := append(texture(h, w, 1), append(texture(h, w, 2), texture(h, w, 3)...)...)
	seeds := []int64{5, 6, 7}
	p, shape := run[float32](t, newRunner(t, f.Model, []string{"image", "seed"}, []string{"p"}),
		ort.Value(tensor(t, pictures, n, h, w, 3)), tensor(t, seeds, n))
	if !slices.Equal(shape, []int64{9, n}) {
		t.Fatalf("shape of p is %v", shape)
	}
	rows := append(slices.Clone(pictures), pixelsOf(t, s, d.opset, pictures, h, w, seeds...)...)
	for i, got := range p {
		want := d.expected(in, out, rows[i*h*w*3:(i+1)*h*w*3])
		if !(math.Abs(float64(got)-want) <= tolerance) {
			t.Fatalf("%s of picture %d: p is %.6f, want %.6f", f.Variants[i/n].Family, i%n, got, want)
		}
	}
	return f
}

func TestFusedAgreesWithItsParts(t *testing.T) {
	score := func(kind, meaning string, index int) perturb.Output {
		return perturb.Output{Name: "score", Kind: kind, Index: index, Meaning: meaning}
	}
	for _, opset := range []int64{11, 12, 13, 17, 18, 21, 24} {
		for _, chunk := range []int{0, 4} {
			t.Run(fmt.Sprintf("opset %d, chunk %d", opset, chunk), func(t *testing.T) {
				d := newToy(opset)
				checkToy(t, d, d.input(), score("logits", "fake", 1), perturb.Options{Chunk: chunk}, 2e-6)
			})
		}
	}
	tests := map[string]struct {
		change    func(*toy)
		in        func(*perturb.Input)
		out       perturb.Output
		tolerance float64
	}{
		"channels last":    {change: func(d *toy) { d.layout = "NHWC" }, out: score("logits", "real", 0)},
		"blue first":       {in: func(in *perturb.Input) { in.Color = "BGR" }, out: score("logits", "fake", 0)},
		"blue first, last": {change: func(d *toy) { d.layout = "NHWC" }, in: func(in *perturb.Input) { in.Color = "BGR" }, out: score("logits", "fake", 0)},
		"bytes": {in: func(in *perturb.Input) {
			in.Scale, in.Mean, in.Std = "byte", [3]float32{127, 127, 127}, [3]float32{128, 128, 128}
		}, out: score("logit", "fake", 1)},
		"uint8 input":        {change: func(d *toy) { d.element = graph.Uint8 }, out: score("logits", "fake", 1)},
		"half precision":     {change: func(d *toy) { d.element = onnx.TensorProto_FLOAT16 }, out: score("logits", "fake", 1), tolerance: 3e-3},
		"double precision":   {change: func(d *toy) { d.element = onnx.TensorProto_DOUBLE }, out: score("logits", "fake", 1)},
		"probability, [N]":   {change: func(d *toy) { d.classes, d.flat, d.final = 1, true, "Sigmoid" }, out: score("probability", "real", 0)},
		"probability, [N,C]": {change: func(d *toy) { d.classes, d.final = 3, "Softmax" }, out: score("probability", "fake", 2)},
		"logit, [N,1]":       {change: func(d *toy) { d.classes = 1 }, out: score("logit", "fake", 0)},
		"fixed batch of 1":   {change: func(d *toy) { d.batch = 1 }, out: score("logits", "fake", 1)},
		"fixed batch of 4":   {change: func(d *toy) { d.batch = 4 }, out: score("logits", "fake", 1)},
		"squeezed batch":     {change: func(d *toy) { d.batch, d.flat, d.final = 1, true, "Softmax" }, out: score("probability", "fake", 1)},
		"open height, width": {change: func(d *toy) { d.h, d.w = graph.Unknown, graph.Unknown }, out: score("logits", "fake", 1)},
		"branch":             {change: func(d *toy) { d.branch = true }, out: score("logits", "fake", 1)},
	}
	for name, test := range tests {
		for _, chunk := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s, chunk %d", name, chunk), func(t *testing.T) {
				d := newToy(17)
				if test.change != nil {
					test.change(&d)
				}
				in := d.input()
				if test.in != nil {
					test.in(&in)
				}
				f := checkToy(t, d, in, test.out, perturb.Options{Chunk: chunk}, max(test.tolerance, 2e-6))
				if d.batch > 0 && f.Chunk != int(d.batch) {
					t.Errorf("chunk is %d for a model with a fixed batch of %d", f.Chunk, d.batch)
				}
			})
		}
	}
	t.Run("frozen batch", func(t *testing.T) {
		d := newToy(17)
		checkToy(t, d, d.input(), score("logits", "fake", 1), perturb.Options{Batch: 3}, 2e-6)
	})
}

// TestCompileDetector: the detector alone has the same edges, one row.
func TestCompileDetector(t *testing.T) {
	for _, batch := range []int64{graph.Unknown, 1, 4} {
		d := newToy(13)
		d.batch = batch
		out := perturb.Output{Name: "score", Kind: "logits", Index: 1, Meaning: "fake"}
		f, err := perturb.CompileDetector(d.model(t), d.input(), out)
		if err != nil {
			t.Fatal(err)
		}
		pictures := append(texture(32, 48, 1), texture(32, 48, 2)...)
		p, shape := run[float32](t, newRunner(t, f.Model, []string{"image"}, []string{"p"}), ort.Value(tensor(t, pictures, 2, 32, 48, 3)))
		if !slices.Equal(shape, []int64{2}) {
			t.Fatalf("batch %d: shape of p is %v", batch, shape)
		}
		for i, got := range p {
			if want := d.expected(d.input(), out, pictures[i*32*48*3:(i+1)*32*48*3]); math.Abs(float64(got)-want) > 2e-6 {
				t.Errorf("batch %d, picture %d: p is %.6f, want %.6f", batch, i, got, want)
			}
		}
	}
}

func TestCompileErrors(t *testing.T) {
	d := newToy(17)
	good := perturb.Output{Name: "score", Kind: "logits", Index: 1, Meaning: "fake"}
	tests := map[string]struct {
		toy    func(*toy)
		in     func(*perturb.Input)
		out    func(*perturb.Output)
		suite  func(*perturb.Suite)
		option perturb.Options
		want   string
	}{
		"input name":     {in: func(in *perturb.Input) { in.Name = "image" }, want: `input.name is "image", but the model's input is "picture"`},
		"output name":    {out: func(o *perturb.Output) { o.Name = "prob" }, want: `output.name is "prob", but the model's outputs are: unused, score`},
		"which output":   {out: func(o *perturb.Output) { o.Name = "" }, want: "say in output.name which one"},
		"size":           {in: func(in *perturb.Input) { in.Width = 64 }, want: "declared as [?,3,32,48], but the configuration says NCHW 64 x 32"},
		"layout":         {in: func(in *perturb.Input) { in.Layout = "NHWC" }, want: "input.layout looks wrong"},
		"layout word":    {in: func(in *perturb.Input) { in.Layout = "CHW" }, want: "it must be NCHW or NHWC"},
		"deviation":      {in: func(in *perturb.Input) { in.Std[1] = 0 }, want: "input.std[1] is 0"},
		"index":          {out: func(o *perturb.Output) { o.Index = 2 }, want: "2 value(s) per picture"},
		"negative index": {out: func(o *perturb.Output) { o.Index = -1 }, want: "counts from 0"},
		"kind":           {out: func(o *perturb.Output) { o.Kind = "score" }, want: "it must be probability or logit or logits"},
		"meaning":        {out: func(o *perturb.Output) { o.Meaning = "" }, want: "it must be fake or real"},
		"softmax of one": {toy: func(d *toy) { d.classes = 1 }, out: func(o *perturb.Output) { o.Index = 0 }, want: "use kind logit"},
		"uint8 and unit": {toy: func(d *toy) { d.element = graph.Uint8 }, in: func(in *perturb.Input) { in.Scale = "unit" }, want: "input.scale must be byte"},
		"integer input":  {toy: func(d *toy) { d.element = graph.Int64 }, want: "of type INT64"},
		"too small":      {toy: func(d *toy) { d.h = graph.Unknown }, in: func(in *perturb.Input) { in.Height = 8 }, want: "must be 16 to"},
		"old opset":      {toy: func(d *toy) { d.opset = 10 }, want: "opset 10; supported are 11 to 25"},
		"no variants":    {suite: func(s *perturb.Suite) { s.Variants = nil }, want: "no variants"},
		"severity":       {suite: func(s *perturb.Suite) { s.Variants[0].Severity = 6 }, want: "severity 6"},
		"family":         {suite: func(s *perturb.Suite) { s.Variants[0].Family = "fog" }, want: `unknown perturbation family "fog"`},
		"twice":          {suite: func(s *perturb.Suite) { s.Variants[0] = s.Variants[1] }, want: "in the suite twice"},
		"negative chunk": {option: perturb.Options{Chunk: -1}, want: "must not be negative"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d, out, s := d, good, suite(t, "production")
			if test.toy != nil {
				test.toy(&d)
			}
			in := d.input()
			if test.in != nil {
				test.in(&in)
			}
			if test.out != nil {
				test.out(&out)
			}
			if test.suite != nil {
				test.suite(&s)
			}
			_, err := perturb.Compile(d.model(t), in, out, s, test.option)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want it to say %q", err, test.want)
			}
		})
	}
	if _, err := perturb.Lookup("imagenet-c"); err == nil || !strings.Contains(err.Error(), "production, deepfake-v1") {
		t.Errorf("error is %v, want the known suites", err)
	}
}

// TestCompanyDoesNotMatter: on a CPU with a chunk of 1, every probability of a real detector is bit for bit the same alone,
// in a batch, and when the same pixels are scored by the detector on its own.
func TestCompanyDoesNotMatter(t *testing.T) {
	model, err := os.ReadFile(acceptance(t, "models", "meso4-df.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	s := suite(t, "deepfake-v1")
	f, err := perturb.Compile(model, mesoInput(), mesoOutput(), s, perturb.Options{Chunk: 1})
	if err != nil {
		t.Fatal(err)
	}
	bare, err := perturb.CompileDetector(model, mesoInput(), mesoOutput())
	if err != nil {
		t.Fatal(err)
	}
	fused := newRunner(t, f.Model, []string{"image", "seed"}, []string{"p"})
	alone := newRunner(t, bare.Model, []string{"image"}, []string{"p"})
	const n, size = 3, 256 * 256 * 3
	pictures, seeds := append(texture(256, 256, 1), append(texture(256, 256, 2), texture(256, 256, 3)...)...), []int64{11, 12, 13}
	together, _ := run[float32](t, fused, ort.Value(tensor(t, pictures, n, 256, 256, 3)), tensor(t, seeds, n))
	pixels := append(slices.Clone(pictures), pixelsOf(t, s, 13, pictures, 256, 256, seeds...)...)
	for i := range n {
		single, _ := run[float32](t, fused, ort.Value(tensor(t, pictures[i*size:(i+1)*size], 1, 256, 256, 3)), tensor(t, seeds[i:i+1], 1))
		for v, p := range single {
			if together[v*n+i] != p {
				t.Errorf("%v of picture %d: %v in company, %v alone", f.Variants[v], i, together[v*n+i], p)
			}
			row := v*n + i
			plain, _ := run[float32](t, alone, ort.Value(tensor(t, pixels[row*size:(row+1)*size], 1, 256, 256, 3)))
			if plain[0] != p {
				t.Errorf("%v of picture %d: %v fused, %v by the detector alone", f.Variants[v], i, p, plain[0])
			}
		}
	}
}

// TestPixelsInCompany: perturbed pixels do not depend on the batch, at sizes that are no multiple of anything.
func TestPixelsInCompany(t *testing.T) {
	const h, w, size = 61, 75, 61 * 75 * 3
	s := suite(t, "deepfake-v1")
	pictures, seeds := append(texture(h, w, 1), append(texture(h, w, 2), texture(h, w, 3)...)...), []int64{1, 2, 3}
	together := pixelsOf(t, s, 18, pictures, h, w, seeds...)
	for i := range 3 {
		single := pixelsOf(t, s, 18, pictures[i*size:(i+1)*size], h, w, seeds[i])
		for v := range s.Variants {
			if !slices.Equal(single[v*size:(v+1)*size], together[(v*3+i)*size:(v*3+i+1)*size]) {
				t.Errorf("%v of picture %d differs in company", s.Variants[v], i)
			}
		}
	}
}
