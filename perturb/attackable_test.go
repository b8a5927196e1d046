//go:build cgo

package perturb_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"shaketable/perturb"
	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/graphtest"
	"shaketable/perturb/graph/onnx"
)

// attackable compiles a detector, or fails the test.
func attackable(tb testing.TB, model []byte, in perturb.Input, out perturb.Output, batch int) *perturb.Attackable {
	tb.Helper()
	a, err := perturb.CompileAttackable(model, in, out, batch)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// outputs runs a model from "x" and returns all of the named outputs.
func outputs(tb testing.TB, model []byte, x []float32, dims []int64, names ...string) [][]float32 {
	tb.Helper()
	r := newRunner(tb, model, []string{"x"}, names)
	values := make([]ort.Value, len(names))
	if err := r.session.Run([]ort.Value{tensor(tb, x, dims...)}, values); err != nil {
		tb.Fatal(err)
	}
	var out [][]float32
	for _, v := range values {
		t := v.(*ort.Tensor[float32])
		out = append(out, slices.Clone(t.GetData()))
		t.Destroy()
	}
	return out
}

// unitPlanes turns pictures [N,H,W,3] into planes in [0,1], k/255.
func unitPlanes(pixels []uint8, n, h, w int) []float32 {
	out := make([]float32, len(pixels))
	for i := range n {
		for p := range h * w {
			for c := range 3 {
				out[(i*3+c)*h*w+p] = float32(pixels[(i*h*w+p)*3+c]) / 255
			}
		}
	}
	return out
}

func offBy(got, want []float32, factor float64) float64 {
	worst, largest := 0., 0.
	for i := range want {
		d := math.Abs(float64(got[i])*factor - float64(want[i]))
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		worst, largest = max(worst, d), max(largest, math.Abs(float64(want[i])))
	}
	return worst / largest
}

// TestAttackableZoo holds gradients, through pre-processing, against those of PyTorch in float64.
func TestAttackableZoo(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(graphtest.Acceptance(t, "zoo"), "*.onnx"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no models in the zoo: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".onnx"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			golden := func(kind string) []float32 { return readFloats(t, strings.Replace(file, ".onnx", "."+kind+".f32", 1)) }
			x, logits := golden("input"), golden("logits")
			side := int(math.Sqrt(float64(len(x) / 6)))
			for i := range x {
				x[i] /= 255 // the networks take the picture as it is: scale byte undoes it
			}
			in := mesoInput()
			in.Width, in.Height, in.Scale = side, side, "byte"
			a := attackable(t, data, in, perturb.Output{Name: "logits", Kind: "logits", Index: 1, Meaning: "fake"}, 2)
			if a.Unsupported != nil || a.Margin != "difference of the two logits" {
				t.Fatalf("unsupported %v, margin %q", a.Unsupported, a.Margin)
			}
			got := outputs(t, a.Backward, x, []int64{2, 3, int64(side), int64(side)}, "p", "margin", "gradient")
			margins := []float32{logits[1] - logits[0], logits[3] - logits[2]}
			for i, m := range margins {
				if p := 1 / (1 + math.Exp(-float64(m))); math.Abs(float64(got[0][i])-p) > 1e-4 {
					t.Errorf("p of picture %d is %g, want %g", i, got[0][i], p)
				}
			}
			if d := offBy(got[1], margins, 1); !(d < 1e-4) {
				t.Errorf("margins %v, want %v", got[1], margins)
			}
			if d := offBy(got[2], golden("gradient"), 1./255); !(d < 1e-4) {
				t.Errorf("gradient is off by %.2g of the largest", d)
			}
			alone := outputs(t, a.Forward, x, []int64{2, 3, int64(side), int64(side)}, "p", "margin")
			if d := max(offBy(alone[0], got[0], 1), offBy(alone[1], got[1], 1)); !(d < 1e-5) {
				t.Errorf("forward alone gives %v, with the gradient %v", alone, got[:2])
			}
		})
	}
}

// TestAttackableMesoNet: at k/255, p is bit for bit what the fused graph gives for the bytes k; the margin is its logit; and
// the gradient is the central difference of the margin, computed in float64, at the pixels where it is largest.
func TestAttackableMesoNet(t *testing.T) {
	for i, name := range []string{"meso4-df", "mesoinception4-f2f"} {
		data, err := os.ReadFile(graphtest.Acceptance(t, "models", name+".onnx"))
		if err != nil {
			t.Fatal(err)
		}
		pixels := texture(256, 256, uint64(i)+3)
		fused, err := perturb.Compile(data, mesoInput(), mesoOutput(), suite(t, "production"), perturb.Options{Chunk: 1})
		if err != nil {
			t.Fatal(err)
		}
		clean, _ := run[float32](t, newRunner(t, fused.Model, []string{"image", "seed"}, []string{"p"}),
			ort.Value(tensor(t, pixels, 1, 256, 256, 3)), tensor(t, []int64{3}, 1))
		a := attackable(t, data, mesoInput(), mesoOutput(), 1)
		if a.Margin != "before the last Sigmoid" || a.Backward == nil {
			t.Fatalf("margin %q, unsupported %v", a.Margin, a.Unsupported)
		}
		x, dims := unitPlanes(pixels, 1, 256, 256), []int64{1, 3, 256, 256}
		got := outputs(t, a.Forward, x, dims, "p", "margin")
		if got[0][0] != clean[0] {
			t.Errorf("%s: p is %g, from the bytes %g", name, got[0][0], clean[0])
		}
		if p := 1 / (1 + math.Exp(-float64(got[1][0]))); math.Abs(p-float64(clean[0])) > 1e-6 {
			t.Errorf("%s: margin %g means %g, p is %g", name, got[1][0], p, clean[0])
		}
		g := outputs(t, a.Backward, x, dims, "gradient")[0]
		checkDifferences(t, a.Forward, x, dims, g, 6, 1e-4)
	}
}

// checkDifferences compares a gradient with central differences of the interpreted margin where it is largest, and in random
// places.
func checkDifferences(t *testing.T, forward []byte, x []float32, dims []int64, g []float32, places int, tolerance float64) {
	t.Helper()
	model, err := graph.Parse(forward)
	if err != nil {
		t.Fatal(err)
	}
	order := make([]int, len(g))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		return int(math.Copysign(1, math.Abs(float64(g[j]))-math.Abs(float64(g[i]))))
	})
	rng := rand.New(rand.NewPCG(1, 2))
	at := slices.Clone(order[:places])
	for range places {
		at = append(at, rng.IntN(len(g)))
	}
	largest := math.Abs(float64(g[order[0]]))
	if largest == 0 {
		t.Fatal("the gradient is zero")
	}
	wrong := 0
	for _, i := range at {
		const h = 1e-6
		v := [2]float64{}
		for k, step := range []float64{h, -h} {
			in := &eval.Tensor{Type: graph.Float32, Dims: dims, F: make([]float64, len(x))}
			for j := range x {
				in.F[j] = float64(x[j])
			}
			in.F[i] += step
			out, err := eval.Run(model, map[string]*eval.Tensor{"x": in}, "margin")
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range out["margin"].F {
				v[k] += m
			}
		}
		if d := (v[0] - v[1]) / (2 * h); math.Abs(d-float64(g[i])) > tolerance*largest {
			wrong++
			t.Logf("element %d: gradient %g, difference %g (largest gradient %g)", i, g[i], d, largest)
		}
	}
	if wrong > len(at)/8 { // a step may cross a kink
		t.Errorf("%d of %d elements are wrong", wrong, len(at))
	}
}

// head is a way to end a network, from two or more logits [N,C] to a score, and what is expected of it.
type head struct {
	name    string
	classes int64
	emit    func(b *graph.Builder, z string) string
	out     perturb.Output
	margin  string // a part of what Attackable.Margin says
	opset   int64
}

func heads() []head {
	one := func(b *graph.Builder) string { return b.Float(1) }
	softmax := func(axis int64) func(b *graph.Builder, z string) string {
		return func(b *graph.Builder, z string) string {
			return b.Op("Softmax", []string{z}, graph.IntAttr("axis", axis))
		}
	}
	sigmoid := func(b *graph.Builder, z string) string { return b.Call("Sigmoid", z) }
	probability := perturb.Output{Kind: "probability", Meaning: "fake"}
	second := perturb.Output{Kind: "probability", Index: 1, Meaning: "fake"}
	real := perturb.Output{Kind: "probability", Meaning: "real"}
	return []head{
		{"sigmoid", 1, sigmoid, probability, "before the last Sigmoid", 17},
		{"sigmoid of real", 1, sigmoid, real, "before the last Sigmoid", 17},
		{"sigmoid, clipped and reshaped", 1, func(b *graph.Builder, z string) string {
			return b.Reshape(b.Clip(b.Call("Identity", b.Call("Sigmoid", z)), .01, .99), -1)
		}, probability, "before the last Sigmoid", 13},
		{"complement of sigmoid", 1, func(b *graph.Builder, z string) string { return b.Call("Sub", one(b), b.Call("Sigmoid", z)) }, real, "before the last Sigmoid", 11},
		{"both from a sigmoid", 1, func(b *graph.Builder, z string) string {
			p := b.Call("Sigmoid", z)
			return b.Concat(1, b.Call("Sub", one(b), p), p)
		}, second, "before the last Sigmoid", 18},
		{"complement, one column for each of two", 1, func(b *graph.Builder, z string) string {
			return b.Call("Sub", b.Floats([]float32{1, 1}, 1, 2), b.Call("Sigmoid", z))
		}, second, "logit of the probability", 17},
		{"sigmoid written out", 1, func(b *graph.Builder, z string) string {
			return b.Call("Div", one(b), b.Call("Add", b.Call("Exp", b.Call("Neg", z)), one(b)))
		}, probability, "1/(1 + exp(-z))", 17},
		{"softmax", 2, softmax(1), second, "difference of the two logits before the last Softmax", 17},
		{"softmax, opset 11", 2, softmax(1), probability, "difference of the two logits before the last Softmax", 11},
		{"softmax, opset 12, over all axes from the first", 4, func(b *graph.Builder, z string) string {
			return softmax(1)(b, b.Reshape(z, 0, 2, 2))
		}, perturb.Output{Kind: "probability", Index: 2, Meaning: "fake"}, "one logit against the other 3 before the last Softmax", 12},
		{"softmax, opset 13, over the first axis", 4, func(b *graph.Builder, z string) string {
			return softmax(1)(b, b.Reshape(z, 0, 2, 2))
		}, perturb.Output{Kind: "probability", Index: 2, Meaning: "fake"}, "difference of the two logits before the last Softmax", 13},
		{"softmax, one column taken", 2, func(b *graph.Builder, z string) string {
			return b.Slice(softmax(-1)(b, z), 1, 1, 2)
		}, probability, "difference of the two logits", 21},
		{"softmax over three", 3, softmax(1), perturb.Output{Kind: "probability", Index: 2, Meaning: "real"}, "against the other 2", 17},
		{"exp of log softmax", 2, func(b *graph.Builder, z string) string {
			return b.Call("Exp", b.Op("LogSoftmax", []string{z}, graph.IntAttr("axis", 1)))
		}, second, "before the last LogSoftmax", 17},
		{"a logit", 1, func(_ *graph.Builder, z string) string { return z }, perturb.Output{Kind: "logit", Meaning: "real"}, "output is a logit", 17},
		{"two logits", 2, func(_ *graph.Builder, z string) string { return z }, perturb.Output{Kind: "logits", Meaning: "fake"}, "difference of the two logits", 20},
		{"four logits", 4, func(_ *graph.Builder, z string) string { return z }, perturb.Output{Kind: "logits", Index: 3, Meaning: "fake"}, "logit 3 against the other 3", 12},
		{"nothing known", 1, func(b *graph.Builder, z string) string {
			return b.Call("Mul", b.Call("Sigmoid", z), b.Float(.98))
		}, probability, "logit of the probability", 17},
	}
}

// headed is a small convolutional network before a head; gain scales its logits.
func headed(tb testing.TB, h head, element onnx.TensorProto_DataType, layout string, gain float64) []byte {
	tb.Helper()
	rng := rand.New(rand.NewPCG(5, 6))
	random := func(n int64, scale float64) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(rng.NormFloat64() * scale)
		}
		return v
	}
	b := graph.NewBuilder("headed", h.opset)
	constant := func(v []float32, dims ...int64) string { return b.Cast(b.Floats(v, dims...), element) }
	dims := []int64{graph.Unknown, 3, 20, 24}
	if layout == "NHWC" {
		dims = []int64{graph.Unknown, 20, 24, 3}
	}
	x := b.Input("picture", element, dims...)
	if layout == "NHWC" {
		x = b.Transpose(x, 0, 3, 1, 2)
	}
	x = b.Op("Conv", []string{x, constant(random(8*27, .3), 8, 3, 3, 3)}, graph.IntsAttr("strides", 2, 2), graph.IntsAttr("pads", 1, 1, 1, 1))
	x = b.Call("Tanh", x)
	x = b.Reshape(x, 0, -1)
	z := b.Call("MatMul", x, constant(random(960*h.classes, .05*gain), 960, h.classes))
	y := h.emit(b, z)
	b.Output("score", y, element)
	m := b.Model(nil)
	m.Graph.Output[0].GetType().GetTensorType().Shape = nil
	data, err := graph.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// TestAttackableHeads finds the logit behind every kind of head, and checks that it is the logit of p, that p is what the
// path over bytes gives, and that the gradient is the margin's.
func TestAttackableHeads(t *testing.T) {
	for i, h := range heads() {
		t.Run(h.name, func(t *testing.T) {
			in := perturb.Input{Width: 24, Height: 20, Layout: []string{"NCHW", "NHWC"}[i%2], Color: []string{"RGB", "BGR"}[i/2%2], Scale: []string{"unit", "byte"}[i/4%2],
				Mean: [3]float32{.5, .4, .3}, Std: [3]float32{.2, .25, .3}}
			if in.Scale == "byte" {
				in.Mean, in.Std = [3]float32{120, 110, 100}, [3]float32{60, 61, 62}
			}
			batch := 1 + i%3
			model := headed(t, h, graph.Float32, in.Layout, 1)
			a := attackable(t, model, in, h.out, batch)
			if !strings.Contains(a.Margin, h.margin) || a.Backward == nil || a.Batch != batch {
				t.Fatalf("margin %q, unsupported %v, batch %d", a.Margin, a.Unsupported, a.Batch)
			}
			pixels := make([]uint8, 0, batch*20*24*3)
			for k := range batch {
				pixels = append(pixels, texture(20, 24, uint64(k+i))...)
			}
			x, dims := unitPlanes(pixels, batch, 20, 24), []int64{int64(batch), 3, 20, 24}
			got := outputs(t, a.Backward, x, dims, "p", "margin", "gradient")
			bare, err := perturb.CompileDetector(model, in, h.out)
			if err != nil {
				t.Fatal(err)
			}
			for k := range batch {
				want, _ := run[float32](t, newRunner(t, bare.Model, []string{"image"}, []string{"p"}), ort.Value(tensor(t, pixels[k*1440:(k+1)*1440], 1, 20, 24, 3)))
				p, margin := float64(got[0][k]), float64(got[1][k])
				if math.Abs(p-float64(want[0])) > 1e-6 {
					t.Errorf("p is %g, from the bytes %g", p, want[0])
				}
				if strings.Contains(h.name, "clipped") {
					p = 1 / (1 + math.Exp(-margin))
					if p > .01 && p < .99 && math.Abs(p-float64(want[0])) > 1e-6 {
						t.Errorf("margin %g, p %g", margin, want[0])
					}
				} else if logit := math.Log(p / (1 - p)); math.Abs(logit-margin) > 1e-4 {
					t.Errorf("margin is %g, the logit of p = %g is %g", margin, p, logit)
				}
			}
			checkDifferences(t, a.Forward, x, dims, got[2], 12, 1e-4)
		})
	}
}

// TestAttackableSaturated: where p is 1 in float32, the gradient is still that of the logit.
func TestAttackableSaturated(t *testing.T) {
	for _, h := range heads() {
		if h.name != "sigmoid" && h.name != "softmax" && h.name != "softmax over three" && h.name != "two logits" {
			continue
		}
		in := perturb.Input{Width: 24, Height: 20, Layout: "NCHW", Color: "RGB", Scale: "unit", Std: [3]float32{1, 1, 1}}
		a := attackable(t, headed(t, h, graph.Float32, "NCHW", 400), in, h.out, 1)
		x := unitPlanes(texture(20, 24, 1), 1, 20, 24)
		got := outputs(t, a.Backward, x, []int64{1, 3, 20, 24}, "p", "margin", "gradient")
		if p := got[0][0]; p > 1e-9 && p < 1 {
			t.Errorf("%s: p is %g, it was to be saturated (margin %g)", h.name, p, got[1][0])
		}
		checkDifferences(t, a.Forward, x, []int64{1, 3, 20, 24}, got[2], 12, 1e-4)
	}
}

// TestAttackableSaturatedUnknown: where the logit is not found and p is exactly 0 or 1, the margin stays finite and its
// gradient is 0.
func TestAttackableSaturatedUnknown(t *testing.T) {
	for _, gain := range []float64{400, -400} {
		h := head{classes: 1, opset: 17, emit: func(b *graph.Builder, z string) string { return b.Call("HardSigmoid", z) }}
		in := perturb.Input{Width: 24, Height: 20, Layout: "NCHW", Color: "RGB", Scale: "unit", Std: [3]float32{1, 1, 1}}
		a := attackable(t, headed(t, h, graph.Float32, "NCHW", gain), in, perturb.Output{Kind: "probability", Meaning: "fake"}, 1)
		got := outputs(t, a.Backward, unitPlanes(texture(20, 24, 1), 1, 20, 24), []int64{1, 3, 20, 24}, "p", "margin", "gradient")
		p, margin := float64(got[0][0]), float64(got[1][0])
		if p != 0 && p != 1 {
			t.Fatalf("p is %v, it was to be saturated", p)
		}
		if (p == 1) != (margin > 0) || math.Abs(margin) < 15 || math.Abs(margin) > 17 {
			t.Errorf("gain %v: p is %v, the margin %v", gain, p, margin)
		}
		for i, g := range got[2] {
			if g != 0 {
				t.Fatalf("gain %v: gradient %d is %v", gain, i, g)
			}
		}
	}
}

// TestAttackablePrecision: half and double precision models have a gradient in float32, near that of the same weights in
// float32, and a Forward that still gives what the path over bytes gives.
func TestAttackablePrecision(t *testing.T) {
	in := perturb.Input{Width: 24, Height: 20, Layout: "NCHW", Color: "RGB", Scale: "unit", Std: [3]float32{1, 1, 1}}
	h := head{classes: 2, opset: 17, out: perturb.Output{Kind: "logits", Index: 1, Meaning: "fake"}, emit: func(_ *graph.Builder, z string) string { return z }}
	x, dims := unitPlanes(texture(20, 24, 4), 1, 20, 24), []int64{1, 3, 20, 24}
	want := outputs(t, attackable(t, headed(t, h, graph.Float32, "NCHW", 1), in, h.out, 1).Backward, x, dims, "gradient")[0]
	for _, element := range []onnx.TensorProto_DataType{onnx.TensorProto_FLOAT16, onnx.TensorProto_DOUBLE} {
		model := headed(t, h, element, "NCHW", 1)
		a := attackable(t, model, in, h.out, 1)
		if a.Backward == nil {
			t.Fatalf("%s: unsupported %v", element, a.Unsupported)
		}
		if d := offBy(outputs(t, a.Backward, x, dims, "gradient")[0], want, 1); !(d < 5e-3) {
			t.Errorf("%s: gradient is off by %.2g of the largest", element, d)
		}
		// the runtime has no convolutions of these types on a CPU: what runs are models with casts at their edges
		d := newToy(13)
		d.element, d.final = element, "Softmax"
		out := perturb.Output{Name: "score", Kind: "probability", Index: 1, Meaning: "real"}
		edges := attackable(t, d.model(t), d.input(), out, 1)
		pixels := texture(32, 48, 4)
		bare, err := perturb.CompileDetector(d.model(t), d.input(), out)
		if err != nil {
			t.Fatal(err)
		}
		p, _ := run[float32](t, newRunner(t, bare.Model, []string{"image"}, []string{"p"}), ort.Value(tensor(t, pixels, 1, 32, 48, 3)))
		got := outputs(t, edges.Forward, unitPlanes(pixels, 1, 32, 48), []int64{1, 3, 32, 48}, "p", "margin")
		if got[0][0] != p[0] || math.Abs(1/(1+math.Exp(-float64(got[1][0])))-float64(p[0])) > 1e-3 {
			t.Errorf("%s: p is %g, margin %g; from the bytes %g", element, got[0][0], got[1][0], p[0])
		}
	}
}

// TestAttackableWithout names what has no gradient, and still gives a Forward to ask.
func TestAttackableWithout(t *testing.T) {
	h := head{classes: 1, opset: 17, out: perturb.Output{Kind: "probability", Meaning: "fake"}, emit: func(b *graph.Builder, z string) string {
		z = b.Op("Inverse", []string{b.Reshape(z, -1, 1, 1)})
		b.Nodes()[len(b.Nodes())-1].Domain = new(string)
		*b.Nodes()[len(b.Nodes())-1].Domain = "com.microsoft"
		return b.Call("Sigmoid", b.Op("Det", []string{z}))
	}}
	in := perturb.Input{Width: 24, Height: 20, Layout: "NCHW", Color: "RGB", Scale: "unit", Std: [3]float32{1, 1, 1}}
	a := attackable(t, headed(t, h, graph.Float32, "NCHW", 1), in, h.out, 2)
	if a.Backward != nil || len(a.Unsupported) != 2 || !strings.HasPrefix(a.Unsupported[0], "com.microsoft.Inverse (") || !strings.HasPrefix(a.Unsupported[1], "Det (") {
		t.Errorf("unsupported %q", a.Unsupported)
	}
	if all := strings.Join(a.Unsupported, ""); strings.Contains(all, "detector/") {
		t.Errorf("names that the model does not have: %q", all)
	}
	x := unitPlanes(slices.Concat(texture(20, 24, 1), texture(20, 24, 2)), 2, 20, 24)
	if got := outputs(t, a.Forward, x, []int64{2, 3, 20, 24}, "p", "margin"); got[0][0] == got[0][1] {
		t.Errorf("forward gives %v", got)
	}
	d := newToy(13)
	d.element, d.layout = graph.Uint8, "NHWC"
	a = attackable(t, d.model(t), d.input(), perturb.Output{Name: "score", Kind: "logits", Meaning: "fake"}, 1)
	if a.Backward != nil || len(a.Unsupported) != 1 || !strings.Contains(a.Unsupported[0], "uint8") {
		t.Errorf("uint8: unsupported %q", a.Unsupported)
	}
	pixels := texture(32, 48, 3)
	want := d.expected(d.input(), perturb.Output{Kind: "logits", Meaning: "fake"}, pixels)
	if p := outputs(t, a.Forward, unitPlanes(pixels, 1, 32, 48), []int64{1, 3, 32, 48}, "p")[0][0]; math.Abs(float64(p)-want) > 1e-5 {
		t.Errorf("uint8: p is %g, want %g", p, want)
	}
	if _, err := perturb.CompileAttackable(d.model(t), d.input(), perturb.Output{Name: "score", Kind: "logits", Meaning: "fake"}, 0); err == nil || !strings.Contains(err.Error(), "batch is 0") {
		t.Errorf("batch 0: %v", err)
	}
}

// TestAttackableEveryByte: k/255 in float32 times 255 is k again, for every k, so no byte is moved.
func TestAttackableEveryByte(t *testing.T) {
	for k := range 256 {
		if v := float32(k) / 255 * 255; v != float32(k) {
			t.Error(fmt.Sprint(k, " becomes ", v))
		}
	}
}
