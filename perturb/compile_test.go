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
	"shaketable/perturb/graph/graphtest"
	"shaketable/perturb/graph/onnx"
)

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
		"parameter":      {suite: func(s *perturb.Suite) { s.Variants[0].Parameter = "101" }, want: "q is 101: it must be 1 to 100"},
		"family":         {suite: func(s *perturb.Suite) { s.Variants[0].Family = "sepia" }, want: `unknown perturbation family "sepia"`},
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
	if _, err := perturb.Lookup("imagenet"); err == nil || !strings.Contains(err.Error(), "production, deepfake-v1") {
		t.Errorf("error is %v, want the known suites", err)
	}
}

// TestCompanyDoesNotMatter: on a CPU with a chunk of 1, every probability of a real detector is bit for bit the same alone,
// in a batch, and when the same pixels are scored by the detector on its own.
func TestCompanyDoesNotMatter(t *testing.T) {
	model, err := os.ReadFile(graphtest.Acceptance(t, "models", "meso4-df.onnx"))
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

// TestPixelsInCompany: perturbed pixels do not depend on the batch, at sizes that are no multiple of anything, and at the smallest.
func TestPixelsInCompany(t *testing.T) {
	for _, size := range [][2]int{{61, 75}, {16, 16}, {299, 17}} {
		h, w := size[0], size[1]
		size := h * w * 3
		for _, name := range []string{"deepfake-v1", "df1"} {
			s := suite(t, name)
			s.Variants = slices.DeleteFunc(s.Variants, func(v perturb.Variant) bool { return v.Severity%2 == 0 })
			pictures, seeds := append(texture(h, w, 1), append(texture(h, w, 2), texture(h, w, 3)...)...), []int64{1, 2, 3}
			together := pixelsOf(t, s, 18, pictures, h, w, seeds...)
			for i := range 3 {
				single := pixelsOf(t, s, 18, pictures[i*size:(i+1)*size], h, w, seeds[i])
				for v := range s.Variants {
					if !slices.Equal(single[v*size:(v+1)*size], together[(v*3+i)*size:(v*3+i+1)*size]) {
						t.Errorf("%d x %d, %s: %v of picture %d differs in company", h, w, name, s.Variants[v], i)
					}
				}
			}
		}
	}
}

// TestPixelsAtEveryOpset: the detector's opset changes how the graph is spelled, not what it makes.
func TestPixelsAtEveryOpset(t *testing.T) {
	const h, w = 45, 52
	s := suite(t, "deepfake-v1")
	s.Variants = append(s.Variants, suite(t, "df1").Variants[15:20]...)
	s.Variants = append(s.Variants, suite(t, "df1").Variants[25:]...)
	pixels := texture(h, w, 12)
	want := pixelsOf(t, s, 11, pixels, h, w, 9)
	for _, opset := range []int64{12, 13, 18, 25} {
		got := pixelsOf(t, s, opset, pixels, h, w, 9)
		for v := range s.Variants {
			if !slices.Equal(got[v*len(pixels):(v+1)*len(pixels)], want[v*len(pixels):(v+1)*len(pixels)]) {
				t.Errorf("opset %d: %v is not what it is at opset 11", opset, s.Variants[v])
			}
		}
	}
}

// TestAlone: a variant does not depend on what else is in its suite.
func TestAlone(t *testing.T) {
	const h, w = 45, 52
	s := suite(t, "deepfake-v1")
	pixels := texture(h, w, 13)
	together := pixelsOf(t, s, 17, pixels, h, w, 21)
	for i := range s.Variants {
		single := s
		single.Variants = s.Variants[i : i+1]
		if !slices.Equal(pixelsOf(t, single, 17, pixels, h, w, 21), together[i*len(pixels):(i+1)*len(pixels)]) {
			t.Errorf("%v alone is not what it is in the suite", s.Variants[i])
		}
	}
}
