//go:build cgo

package gradient_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/gradient"
	"shaketable/perturb/graph/onnx"
)

// lab builds small graphs with random constants.
type lab struct {
	*graph.Builder
	rng *rand.Rand
}

func (l *lab) numbers(n int64, scale float64) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(l.rng.NormFloat64() * scale)
	}
	return v
}

func count(dims []int64) int64 {
	n := int64(1)
	for _, d := range dims {
		n *= d
	}
	return n
}

// weights is a random constant.
func (l *lab) weights(dims ...int64) string { return l.Floats(l.numbers(count(dims), .7), dims...) }

// positive is a random constant, above .2.
func (l *lab) positive(dims ...int64) string {
	v := l.numbers(count(dims), 1)
	for i := range v {
		v[i] = float32(math.Abs(float64(v[i]))) + .2
	}
	return l.Floats(v, dims...)
}

// scored is the model y = sum(w * f(x)), with random w, so that every element of f(x) counts.
func scored(t testing.TB, opset int64, seed uint64, dims []int64, f func(*lab, string) string) *onnx.ModelProto {
	t.Helper()
	l := &lab{graph.NewBuilder("scored", opset), rand.New(rand.NewPCG(seed, 1))}
	x := l.Input("x", graph.Float32, dims...)
	y := f(l, x)
	probe := &lab{graph.NewBuilder("probe", opset), rand.New(rand.NewPCG(seed, 1))}
	probe.Output("out", f(probe, probe.Input("x", graph.Float32, dims...)), graph.Float32)
	m := probe.Model(nil)
	graph.DropShapes(m.GetGraph())
	facts, err := eval.Infer(m, map[string][]int64{"x": dims})
	if err != nil {
		t.Fatal(err)
	}
	shape, ok := facts.Dims("out")
	if !ok {
		t.Fatalf("the shape of the output is not known: %v", facts.Unsupported())
	}
	flat := l.Reshape(l.Call("Mul", y, l.weights(shape...)), 1, -1)
	l.Output("y", l.Reduce("ReduceSum", flat, 1), graph.Float32, 1, 1)
	return l.Model(nil)
}

// input is a random tensor away from zero and of distinct elements.
func input(rng *rand.Rand, dims []int64, low, high float64) *eval.Tensor {
	t := &eval.Tensor{Type: graph.Float32, Dims: dims, F: make([]float64, count(dims))}
	for i := range t.F {
		t.F[i] = float64(float32(low + (high-low)*rng.Float64()))
	}
	return t
}

func interpret(t testing.TB, m *onnx.ModelProto, x *eval.Tensor, name string) []float64 {
	t.Helper()
	out, err := eval.Run(m, map[string]*eval.Tensor{"x": x}, name)
	if err != nil {
		t.Fatal(err)
	}
	return out[name].F
}

// differentiate checks the synthesised gradient of y, interpreted in float64, against central differences of the forward
// graph, and what ONNX Runtime computes of it in float32 against the interpreted.
func differentiate(t testing.TB, m *onnx.ModelProto, x *eval.Tensor, places int) {
	t.Helper()
	gm, err := gradient.Append(m, "x", "y", "gradient")
	if err != nil {
		t.Fatal(err)
	}
	g := interpret(t, gm, x, "gradient")
	if len(g) != len(x.F) {
		t.Fatalf("gradient has %d elements, x has %d", len(g), len(x.F))
	}
	largest := 1e-2
	for _, v := range g {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			t.Fatalf("gradient is %v", v)
		}
		largest = max(largest, math.Abs(v))
	}
	stride := max(1, len(g)/places)
	for i := 0; i < len(g); i += stride {
		if d := difference(t, m, x, i); math.Abs(d-g[i]) > 1e-6*largest {
			t.Errorf("element %d: gradient %.9g, difference %.9g (largest %.3g)", i, g[i], d, largest)
		}
	}
	single := make([]float32, len(x.F))
	for i, v := range x.F {
		single[i] = float32(v)
	}
	if t.Failed() {
		return
	}
	got := newSession(t, marshal(t, gm), "x", "y", "gradient").run(single, x.Dims...)
	want := interpret(t, m, x, "y")[0]
	if math.Abs(float64(got[0][0])-want) > 1e-4*(1+math.Abs(want)) {
		t.Errorf("y is %v, interpreted %v", got[0][0], want)
	}
	for i := range g {
		if !(math.Abs(float64(got[1][i])-g[i]) <= 1e-4*largest) {
			t.Fatalf("element %d: in the runtime %v, interpreted %v (largest %.3g)", i, got[1][i], g[i], largest)
		}
	}
}

// difference is (y(x+h) - y(x-h)) / 2h for one element.
func difference(t testing.TB, m *onnx.ModelProto, x *eval.Tensor, i int) float64 {
	t.Helper()
	const h = 1e-6
	y := [2]float64{}
	for k, step := range []float64{h, -h} {
		moved := *x
		moved.F = append([]float64(nil), x.F...)
		moved.F[i] += step
		y[k] = interpret(t, m, &moved, "y")[0]
	}
	return (y[0] - y[1]) / (2 * h)
}

// operatorCase is a graph of one operator, or few.
type operatorCase struct {
	name      string
	dims      []int64
	f         func(l *lab, x string) string
	opset     int64   // lowest
	low, high float64 // of x; 0, 0: -1.5 to 1.5
}

var ints, integer, float, text = graph.IntsAttr, graph.IntAttr, graph.FloatAttr, graph.StringAttr

func op(name string, attrs ...*onnx.AttributeProto) func(l *lab, x string) string {
	return func(l *lab, x string) string { return l.Op(name, []string{x}, attrs...) }
}

// someOpsets are the oldest opset that a case can do, and one other, in turn.
func someOpsets(lowest int64, i int) []int64 {
	if lowest > 21 {
		return []int64{lowest}
	}
	all := slices.DeleteFunc([]int64{11, 13, 17, 18, 21}, func(o int64) bool { return o < lowest })
	return slices.Compact([]int64{all[0], all[i%len(all)]})
}

func TestOperators(t *testing.T) {
	var cases []operatorCase
	for _, list := range [][]operatorCase{convolutions(), pools(), functions(), arithmetic(), norms(), products(), reductions(), layouts(), resizes()} {
		cases = append(cases, list...)
	}
	for i, c := range cases {
		for _, opset := range someOpsets(c.opset, i) {
			t.Run(fmt.Sprintf("%s/opset %d", c.name, opset), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(i), 7))
				low, high := c.low, c.high
				if low == high {
					low, high = -1.5, 1.5
				}
				m := scored(t, opset, uint64(i), c.dims, c.f)
				differentiate(t, m, input(rng, c.dims, low, high), 40)
			})
		}
	}
}

func convolutions() []operatorCase {
	conv := func(kind string, dims, w []int64, attrs ...*onnx.AttributeProto) operatorCase {
		return operatorCase{name: fmt.Sprint(kind, dims, w, attrs), dims: dims, f: func(l *lab, x string) string {
			return l.Op(kind, []string{x, l.weights(w...)}, attrs...)
		}}
	}
	var out []operatorCase
	for _, size := range [][2]int64{{7, 7}, {8, 6}, {9, 12}} {
		image := []int64{2, 4, size[0], size[1]}
		for _, stride := range []int64{1, 2, 3} {
			s := ints("strides", stride, stride)
			out = append(out, conv("Conv", image, []int64{3, 4, 3, 3}, s),
				conv("Conv", image, []int64{3, 4, 3, 3}, s, ints("pads", 1, 1, 1, 1)),
				conv("Conv", image, []int64{3, 4, 1, 1}, s),
				conv("Conv", image, []int64{6, 2, 2, 3}, s, ints("pads", 0, 2, 1, 0), integer("group", 2)),
				conv("Conv", image, []int64{19, 4, 3, 3}, s, ints("pads", 1, 0, 1, 2)),
				conv("Conv", image, []int64{4, 1, 3, 3}, s, ints("pads", 1, 1, 1, 1), integer("group", 4)),
				conv("Conv", image, []int64{8, 1, 5, 5}, s, ints("pads", 2, 2, 2, 2), integer("group", 4)))
		}
	}
	image := []int64{1, 3, 10, 11}
	return append(out,
		conv("Conv", image, []int64{2, 3, 3, 3}, ints("dilations", 2, 3), ints("pads", 2, 3, 2, 3)),
		conv("Conv", []int64{1, 3, 10, 12}, []int64{2, 3, 3, 3}, ints("dilations", 1, 2), ints("pads", 1, 2, 1, 2)),
		conv("Conv", image, []int64{2, 3, 3, 2}, ints("dilations", 2, 3), ints("strides", 2, 3)),
		conv("Conv", image, []int64{3, 1, 3, 3}, ints("dilations", 2, 2), ints("strides", 3, 2), integer("group", 3)),
		conv("Conv", image, []int64{2, 3, 1, 1}, ints("pads", 1, 2, 3, 1)),
		conv("Conv", image, []int64{2, 3, 1, 1}, ints("strides", 4, 3), ints("pads", 1, 0, 0, 1)),
		conv("Conv", image, []int64{2, 3, 3, 3}, text("auto_pad", "SAME_UPPER"), ints("strides", 2, 2)),
		conv("Conv", image, []int64{2, 3, 4, 4}, text("auto_pad", "SAME_LOWER"), ints("strides", 2, 3)),
		conv("Conv", image, []int64{2, 3, 2, 2}, text("auto_pad", "SAME_LOWER")),
		conv("Conv", image, []int64{2, 3, 3, 3}, text("auto_pad", "VALID"), ints("strides", 2, 2)),
		conv("Conv", []int64{2, 4, 13}, []int64{6, 2, 3}, ints("strides", 2), ints("pads", 1, 1), integer("group", 2)),
		conv("Conv", []int64{2, 4, 13}, []int64{6, 4, 5}, ints("pads", 2, 2)),
		conv("ConvTranspose", image, []int64{3, 2, 3, 3}),
		conv("ConvTranspose", image, []int64{3, 2, 3, 3}, ints("strides", 2, 2), ints("pads", 1, 1, 1, 1), ints("output_padding", 1, 1)),
		conv("ConvTranspose", []int64{2, 4, 5, 4}, []int64{4, 3, 2, 4}, ints("strides", 2, 3), integer("group", 2)),
		conv("ConvTranspose", image, []int64{3, 2, 3, 2}, ints("dilations", 2, 3), ints("pads", 2, 0, 1, 1)),
		conv("ConvTranspose", image, []int64{3, 2, 2, 2}, ints("strides", 3, 3), ints("output_padding", 0, 2)),
		conv("ConvTranspose", []int64{2, 4, 7}, []int64{4, 3, 4}, ints("strides", 2), ints("pads", 1, 1)),
		operatorCase{name: "Conv with bias, then BatchNormalization", dims: []int64{2, 3, 6, 5}, f: func(l *lab, x string) string {
			x = l.Op("Conv", []string{x, l.weights(4, 3, 3, 3), l.weights(4)}, ints("strides", 2, 1))
			return l.Call("Relu", l.Call("BatchNormalization", x, l.weights(4), l.weights(4), l.weights(4), l.positive(4)))
		}},
		operatorCase{name: "Conv used twice, BatchNormalization not folded", dims: []int64{2, 3, 6, 5}, f: func(l *lab, x string) string {
			x = l.Op("Conv", []string{x, l.weights(4, 3, 3, 3)})
			return l.Call("Add", x, l.Call("BatchNormalization", x, l.weights(4), l.weights(4), l.weights(4), l.positive(4)))
		}},
	)
}

func pools() []operatorCase {
	var out []operatorCase
	add := func(opset int64, dims []int64, name string, attrs ...*onnx.AttributeProto) {
		out = append(out, operatorCase{name: fmt.Sprint(name, dims, attrs), dims: dims, f: op(name, attrs...), opset: opset})
	}
	for _, size := range [][2]int64{{8, 8}, {9, 7}, {10, 13}} {
		image := []int64{2, 3, size[0], size[1]}
		for _, ceil := range []int64{0, 1} {
			c := integer("ceil_mode", ceil)
			for _, name := range []string{"MaxPool", "AveragePool"} {
				add(11, image, name, c, ints("kernel_shape", 2, 2), ints("strides", 2, 2))
				add(11, image, name, c, ints("kernel_shape", 3, 3), ints("strides", 2, 2), ints("pads", 1, 1, 1, 1))
				add(11, image, name, c, ints("kernel_shape", 3, 2), ints("strides", 1, 3), ints("pads", 0, 1, 1, 0))
				add(11, image, name, c, ints("kernel_shape", 2, 3), ints("strides", 3, 4))
				add(11, image, name, c, ints("kernel_shape", 3, 3), ints("pads", 1, 1, 1, 1))
			}
			add(11, image, "MaxPool", c, ints("kernel_shape", 2, 3), ints("dilations", 3, 2), ints("strides", 2, 1), ints("pads", 1, 0, 0, 2))
			add(11, image, "MaxPool", c, ints("kernel_shape", 7, 7), ints("pads", 3, 3, 3, 3), ints("strides", 1, 2))
			add(11, image, "AveragePool", c, integer("count_include_pad", 1), ints("kernel_shape", 3, 3), ints("strides", 2, 2), ints("pads", 1, 1, 1, 1))
			add(11, image, "AveragePool", c, integer("count_include_pad", 1), ints("kernel_shape", 4, 3), ints("strides", 3, 2), ints("pads", 2, 0, 1, 1))
		}
		add(11, image, "MaxPool", text("auto_pad", "SAME_UPPER"), ints("kernel_shape", 3, 3), ints("strides", 2, 2))
		add(11, image, "MaxPool", text("auto_pad", "SAME_LOWER"), ints("kernel_shape", 2, 2), ints("strides", 2, 3))
		add(11, image, "AveragePool", text("auto_pad", "SAME_UPPER"), ints("kernel_shape", 3, 3), ints("strides", 2, 2))
		add(11, image, "AveragePool", text("auto_pad", "SAME_LOWER"), ints("kernel_shape", 2, 3), ints("strides", 3, 2))
		add(19, image, "AveragePool", ints("dilations", 2, 1), ints("kernel_shape", 3, 3), ints("strides", 1, 2), ints("pads", 1, 1, 1, 1))
		add(11, image, "GlobalAveragePool")
		add(11, image, "GlobalMaxPool")
		add(11, image, "GlobalLpPool", integer("p", 3))
		add(11, image, "LpPool", ints("kernel_shape", 3, 2), ints("strides", 2, 2), ints("pads", 1, 0, 1, 1), integer("p", 2))
	}
	large := []int64{1, 2, 41, 38}
	for _, name := range []string{"MaxPool", "AveragePool"} { // maps of more than 256 elements are put together in another way
		add(11, large, name, ints("kernel_shape", 2, 2), ints("strides", 2, 2))
		add(11, large, name, ints("kernel_shape", 3, 3), ints("strides", 2, 2), ints("pads", 1, 1, 1, 1))
		add(11, large, name, ints("kernel_shape", 3, 2), ints("strides", 2, 2), ints("pads", 1, 0, 0, 1), integer("ceil_mode", 1))
		add(11, large, name, ints("kernel_shape", 2, 3), ints("strides", 2, 1), ints("pads", 0, 1, 1, 1))
		add(11, large, name, ints("kernel_shape", 3, 3))
	}
	add(11, large, "MaxPool", ints("kernel_shape", 3, 3), ints("strides", 1, 2), ints("dilations", 2, 3))
	add(11, []int64{2, 3, 11}, "MaxPool", ints("kernel_shape", 3), ints("strides", 2), ints("pads", 1, 1))
	add(11, []int64{2, 3, 11}, "AveragePool", ints("kernel_shape", 3), ints("strides", 2), ints("pads", 1, 1))
	add(11, []int64{1, 2, 4, 5, 6}, "MaxPool", ints("kernel_shape", 2, 2, 3), ints("strides", 2, 1, 2))
	add(11, []int64{2, 3, 11}, "GlobalAveragePool")
	return out
}

func functions() []operatorCase {
	var out []operatorCase
	add := func(opset int64, low, high float64, name string, attrs ...*onnx.AttributeProto) {
		out = append(out, operatorCase{name: fmt.Sprint(name, attrs), dims: []int64{2, 3, 5}, f: op(name, attrs...), opset: opset, low: low, high: high})
	}
	for _, name := range []string{"Relu", "LeakyRelu", "ThresholdedRelu", "Elu", "Selu", "Sigmoid", "HardSigmoid", "Softplus", "Softsign", "Tanh",
		"Erf", "Neg", "Abs", "Exp", "Sin", "Cos", "Tan", "Sinh", "Cosh", "Asinh", "Atan", "Identity", "Dropout"} {
		add(11, -1.4, 1.4, name)
	}
	add(11, -4, 4, "LeakyRelu", float("alpha", .3))
	add(11, -4, 4, "LeakyRelu", float("alpha", -.3))
	add(11, -4, 4, "LeakyRelu", float("alpha", 1.5))
	add(11, -4, 4, "ThresholdedRelu", float("alpha", -.5))
	add(11, -4, 4, "Elu", float("alpha", .4))
	add(11, -4, 4, "Selu", float("alpha", 1.2), float("gamma", .8))
	add(12, -4, 4, "Celu")
	add(12, -4, 4, "Celu", float("alpha", .4))
	add(11, -6, 6, "HardSigmoid", float("alpha", .15), float("beta", .4))
	add(14, -6, 6, "HardSwish")
	add(24, -4, 4, "Swish")
	add(24, -4, 4, "Swish", float("alpha", .6))
	add(18, -6, 6, "Mish")
	add(20, -4, 4, "Gelu")
	add(11, -3, 3, "Shrink", float("lambd", .7), float("bias", .2))
	add(20, -4, 4, "Gelu", text("approximate", "tanh"))
	for _, name := range []string{"Sqrt", "Log", "Reciprocal"} {
		add(11, .1, 3, name)
	}
	for _, name := range []string{"Asin", "Acos", "Atanh"} {
		add(11, -.9, .9, name)
	}
	add(11, 1.1, 3, "Acosh")
	many := []int64{2, 3, 4, 5}
	for name, f := range map[string]func(l *lab, x string) string{
		"Clip":               func(l *lab, x string) string { return l.Clip(x, -.5, .7) },
		"Clip below":         func(l *lab, x string) string { return l.Call("Clip", x, l.Float(-.5)) },
		"Clip above":         func(l *lab, x string) string { return l.Call("Clip", x, "", l.Float(.5)) },
		"Clip, open":         func(l *lab, x string) string { return l.Call("Clip", x) },
		"Relu6":              func(l *lab, x string) string { return l.Clip(l.Call("Mul", x, l.Float(8)), 0, 6) },
		"PRelu by channel":   func(l *lab, x string) string { return l.Call("PRelu", x, l.weights(3, 1, 1)) },
		"PRelu by one":       func(l *lab, x string) string { return l.Call("PRelu", x, l.weights(1)) },
		"PRelu variable":     func(l *lab, x string) string { return l.Call("PRelu", x, l.Reduce("ReduceMean", x, 0, 2)) },
		"SiLU":               func(l *lab, x string) string { return l.Call("Mul", x, l.Call("Sigmoid", x)) },
		"Gelu written out":   writtenGelu,
		"squeeze and excite": squeezeExcite,
		"masked by a step": func(l *lab, x string) string {
			return l.Call("Mul", x, l.Cast(l.Call("Greater", x, l.Float(.1)), graph.Float32))
		},
		"quantised straight through, nothing on the way": func(l *lab, x string) string { return l.Call("Add", x, l.Call("Floor", x)) },
	} {
		out = append(out, operatorCase{name: name, dims: many, f: f})
	}
	return out
}

func writtenGelu(l *lab, x string) string {
	erf := l.Call("Erf", l.Call("Div", x, l.Float(math.Sqrt2)))
	return l.Call("Mul", l.Call("Mul", x, l.Call("Add", erf, l.Float(1))), l.Float(.5))
}

func squeezeExcite(l *lab, x string) string {
	s := l.Call("GlobalAveragePool", x)
	s = l.Call("Relu", l.Call("Conv", s, l.weights(2, 3, 1, 1), l.weights(2)))
	s = l.Call("Sigmoid", l.Call("Conv", s, l.weights(3, 2, 1, 1)))
	return l.Call("Mul", x, s)
}

func arithmetic() []operatorCase {
	var out []operatorCase
	dims := []int64{2, 3, 4}
	add := func(name string, f func(l *lab, x string) string) {
		out = append(out, operatorCase{name: name, dims: dims, f: f})
	}
	for _, name := range []string{"Add", "Sub", "Mul", "Div", "Max", "Min"} {
		for _, shape := range [][]int64{{2, 3, 4}, {3, 4}, {3, 1}, {1}, {}, {5, 1, 3, 4}, {2, 1, 1}} {
			add(fmt.Sprint(name, " x, constant ", shape), func(l *lab, x string) string { return l.Call(name, x, l.positive(shape...)) })
		}
		add(name+" constant, x", func(l *lab, x string) string {
			return l.Call(name, l.weights(5, 2, 3, 4), l.Call("Add", l.Call("Abs", x), l.Float(.3)))
		})
		add(name+" x, x", func(l *lab, x string) string { return l.Call(name, x, x) })
		add(name+" x, smaller variable", func(l *lab, x string) string {
			return l.Call(name, x, l.Call("Exp", l.Reduce("ReduceMean", x, 0, 2)))
		})
		add(name+" smaller variable, x", func(l *lab, x string) string {
			return l.Call(name, l.Reduce("ReduceMean", x, 1), l.Call("Exp", x))
		})
	}
	for _, name := range []string{"Sum", "Mean", "Max", "Min"} {
		add(name+" of three", func(l *lab, x string) string {
			return l.Call(name, x, l.weights(3, 1), l.Call("Neg", l.Reduce("ReduceMean", x, 2)))
		})
	}
	for _, e := range []float32{1, 2, 3, .5, -1, 1.7} {
		add(fmt.Sprint("Pow ", e), func(l *lab, x string) string { return l.Call("Pow", l.Call("Exp", x), l.Float(e)) })
	}
	add("Pow 3 of negative numbers", func(l *lab, x string) string { return l.Call("Pow", x, l.Float(3)) })
	add("Pow, exponents per element", func(l *lab, x string) string { return l.Call("Pow", l.Call("Exp", x), l.weights(3, 1)) })
	add("Pow, variable exponent", func(l *lab, x string) string { return l.Call("Pow", l.positive(3, 4), x) })
	add("Pow, both variable", func(l *lab, x string) string {
		return l.Call("Pow", l.Call("Exp", x), l.Reduce("ReduceMean", x, 1))
	})
	add("Where", func(l *lab, x string) string {
		return l.Call("Where", l.Call("Less", x, l.weights(3, 1)), l.Call("Exp", x), l.Reduce("ReduceSum", x, 0))
	})
	add("Mod", func(l *lab, x string) string {
		return l.Op("Mod", []string{x, l.Float(.7)}, integer("fmod", 1))
	})
	return out
}

func norms() []operatorCase {
	image := []int64{2, 4, 5, 3}
	w := func(name string, n int64, attrs ...*onnx.AttributeProto) func(l *lab, x string) string {
		return func(l *lab, x string) string { return l.Op(name, []string{x, l.weights(n), l.weights(n)}, attrs...) }
	}
	layer := func(dims []int64, attrs ...*onnx.AttributeProto) func(l *lab, x string) string {
		return func(l *lab, x string) string {
			return l.Op("LayerNormalization", []string{x, l.weights(dims...), l.weights(dims...)}, attrs...)
		}
	}
	return []operatorCase{
		{name: "BatchNormalization", dims: image, f: func(l *lab, x string) string {
			return l.Op("BatchNormalization", []string{x, l.weights(4), l.weights(4), l.weights(4), l.positive(4)}, float("epsilon", .01))
		}},
		{name: "BatchNormalization of a matrix", dims: []int64{3, 4}, f: func(l *lab, x string) string {
			return l.Op("BatchNormalization", []string{x, l.weights(4), l.weights(4), l.weights(4), l.positive(4)})
		}},
		{name: "InstanceNormalization", dims: image, f: w("InstanceNormalization", 4)},
		{name: "InstanceNormalization of a line", dims: []int64{2, 3, 9}, f: w("InstanceNormalization", 3, float("epsilon", .1))},
		{name: "LayerNormalization", dims: image, f: layer([]int64{3}), opset: 17},
		{name: "LayerNormalization axis 1", dims: image, f: layer([]int64{4, 5, 3}, integer("axis", 1)), opset: 17},
		{name: "LayerNormalization without bias", dims: image, opset: 17, f: func(l *lab, x string) string {
			return l.Op("LayerNormalization", []string{x, l.weights(5, 3)}, integer("axis", -2))
		}},
		{name: "GroupNormalization", dims: image, f: w("GroupNormalization", 4, integer("num_groups", 2)), opset: 21},
		{name: "LRN", dims: image, f: op("LRN", integer("size", 3), float("alpha", .9), float("bias", 1.3))},
		{name: "LRN, wider", dims: []int64{2, 7, 3, 2}, f: op("LRN", integer("size", 5), float("alpha", .9), float("beta", .6))},
		{name: "LpNormalization 2", dims: image, f: op("LpNormalization", integer("axis", 1))},
		{name: "LpNormalization 1", dims: image, f: op("LpNormalization", integer("p", 1))},
		{name: "Softmax 1", dims: image, f: op("Softmax", integer("axis", 1))},
		{name: "Softmax", dims: image, f: op("Softmax")},
		{name: "Softmax -1", dims: image, f: op("Softmax", integer("axis", -1))},
		{name: "LogSoftmax 2", dims: image, f: op("LogSoftmax", integer("axis", 2))},
		{name: "LogSoftmax", dims: image, f: op("LogSoftmax")},
	}
}

func products() []operatorCase {
	var out []operatorCase
	for _, ta := range []int64{0, 1} {
		for _, tb := range []int64{0, 1} {
			a, w := []int64{3, 4}, []int64{4, 5}
			if ta == 1 {
				a = []int64{4, 3}
			}
			if tb == 1 {
				w = []int64{5, 4}
			}
			attrs := []*onnx.AttributeProto{integer("transA", ta), integer("transB", tb), float("alpha", .6), float("beta", 1.4)}
			out = append(out, operatorCase{name: fmt.Sprint("Gemm ", ta, tb), dims: a, f: func(l *lab, x string) string {
				return l.Op("Gemm", []string{x, l.weights(w...), l.weights(5)}, attrs...)
			}}, operatorCase{name: fmt.Sprint("Gemm, all variable ", ta, tb), dims: a, f: func(l *lab, x string) string {
				b := l.Call("MatMul", l.weights(w[0], a[0]), l.Call("MatMul", x, l.weights(a[1], w[1])))
				c := l.Call("MatMul", l.Reduce("ReduceMean", x, 0), l.weights(a[1], 5))
				return l.Op("Gemm", []string{x, b, c}, attrs...)
			}})
		}
	}
	for _, dims := range [][2][]int64{{{3, 4}, {4, 5}}, {{2, 3, 4}, {4, 5}}, {{2, 3, 4}, {2, 4, 5}}, {{3, 4}, {2, 4, 5}}, {{2, 1, 3, 4}, {6, 4, 5}},
		{{4}, {4, 5}}, {{4}, {4}}, {{3, 4}, {4}}, {{2, 3, 4}, {4}}, {{4}, {2, 4, 5}}} {
		out = append(out, operatorCase{name: fmt.Sprint("MatMul ", dims), dims: dims[0], f: func(l *lab, x string) string {
			return l.Call("MatMul", x, l.weights(dims[1]...))
		}}, operatorCase{name: fmt.Sprint("MatMul, constant on the left ", dims), dims: dims[1], f: func(l *lab, x string) string {
			return l.Call("MatMul", l.weights(dims[0]...), x)
		}})
	}
	out = append(out, operatorCase{name: "attention", dims: []int64{2, 5, 6}, f: func(l *lab, x string) string {
		heads := func(v string) string {
			return l.Transpose(l.Reshape(l.Call("MatMul", v, l.weights(6, 6)), 2, 5, 3, 2), 0, 2, 1, 3)
		}
		q, k, v := heads(x), heads(x), heads(x)
		a := l.Op("Softmax", []string{l.Call("MatMul", q, l.Transpose(k, 0, 1, 3, 2))}, integer("axis", -1))
		return l.Reshape(l.Transpose(l.Call("MatMul", a, v), 0, 2, 1, 3), 2, 5, 6)
	}, opset: 13})
	for _, e := range []string{"bij,jk->bik", "bij,jk->ikb", "bij,jk->b", "bij,jk->bijk"} {
		out = append(out, operatorCase{name: "Einsum " + e, dims: []int64{2, 3, 4}, opset: 12, f: func(l *lab, x string) string {
			return l.Op("Einsum", []string{x, l.weights(4, 5)}, text("equation", e))
		}}, operatorCase{name: "Einsum, second, " + e, dims: []int64{4, 5}, opset: 12, f: func(l *lab, x string) string {
			return l.Op("Einsum", []string{l.weights(2, 3, 4), x}, text("equation", e))
		}})
	}
	return append(out, operatorCase{name: "Einsum of itself", dims: []int64{2, 3, 4}, opset: 12, f: func(l *lab, x string) string {
		return l.Op("Einsum", []string{x, x}, text("equation", "bij, bkj -> bik"))
	}})
}

func reductions() []operatorCase {
	var out []operatorCase
	dims := []int64{2, 3, 4, 2}
	for _, name := range []string{"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp", "ReduceProd"} {
		for _, keep := range []int64{0, 1} {
			for _, axes := range [][]int64{{1}, {-1}, {2, 3}, {0, -2}, nil} {
				if name == "ReduceProd" && len(axes) != 1 {
					continue
				}
				out = append(out, operatorCase{name: fmt.Sprint(name, axes, keep), dims: dims, low: .2, high: 2, f: func(l *lab, x string) string {
					if name != "ReduceLogSum" {
						x = l.Call("Sub", x, l.Float(1.1))
					}
					in, attrs := []string{x}, []*onnx.AttributeProto{integer("keepdims", keep)}
					switch {
					case axes == nil:
					case l.Opset() >= 18 || name == "ReduceSum" && l.Opset() >= 13:
						in = append(in, l.Ints(axes...))
					default:
						attrs = append(attrs, ints("axes", axes...))
					}
					return l.Op(name, in, attrs...)
				}})
			}
		}
	}
	out = append(out, operatorCase{name: "ReduceMean of what was broadcast", dims: []int64{2, 3, 1, 2}, f: func(l *lab, x string) string {
		return l.Reduce("ReduceMean", l.Call("Add", x, l.weights(3, 4, 2)), 0, 2)
	}})
	out = append(out, operatorCase{name: "ReduceSum of nothing", dims: dims, opset: 13, f: func(l *lab, x string) string {
		return l.Op("ReduceSum", []string{x}, integer("noop_with_empty_axes", 1))
	}})
	for _, axis := range []int64{0, 2} {
		out = append(out, operatorCase{name: fmt.Sprint("CumSum ", axis), dims: dims, f: func(l *lab, x string) string {
			return l.Op("CumSum", []string{x, l.Const(graph.Int64Tensor("", []int64{axis}))}, integer("exclusive", axis/2))
		}})
	}
	for axis := int64(-2); axis < 4; axis++ {
		out = append(out, operatorCase{name: fmt.Sprint("TopK ", axis), dims: dims, f: func(l *lab, x string) string {
			return l.OpN("TopK", []string{x, l.Ints(2)}, 2, integer("axis", axis), integer("largest", axis&1))[0]
		}})
	}
	return out
}
