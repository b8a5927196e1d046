//go:build cgo

package gradient_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/gradient"
	"shaketable/perturb/graph/onnx"
)

// gradientOf is the gradient of a scored graph, interpreted and by ONNX Runtime, which must agree.
func gradientOf(t *testing.T, m *onnx.ModelProto, x *eval.Tensor) []float64 {
	t.Helper()
	gm, err := gradient.Append(m, "x", "y", "gradient")
	if err != nil {
		t.Fatal(err)
	}
	g := interpret(t, gm, x, "gradient")
	single := make([]float32, len(x.F))
	for i, v := range x.F {
		single[i] = float32(v)
	}
	got := newSession(t, marshal(t, gm), "x", "gradient").run(single, x.Dims...)[0]
	for i := range g {
		if d := float64(got[i]) - g[i]; d > 1e-5 || d < -1e-5 {
			t.Fatalf("element %d: in the runtime %v, interpreted %v", i, got[i], g[i])
		}
	}
	return g
}

// TestMaxPoolTies: of equal elements the first of the window, row by row, takes the whole adjoint. Pictures of three values
// are nearly all ties.
func TestMaxPoolTies(t *testing.T) {
	for _, c := range []struct{ kernel, stride, pad, dilation int64 }{{2, 2, 0, 1}, {3, 2, 1, 1}, {3, 1, 1, 1}, {2, 1, 0, 2}, {2, 3, 0, 1}, {7, 3, 3, 1}, {6, 1, 2, 1}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(9, uint64(c.kernel)))
			const rows, columns = 35, 36
			dims := []int64{2, 2, rows, columns}
			x := input(rng, dims, -3, 1) // padding is below negative maxima, too
			for i, v := range x.F {
				x.F[i] = float64(int(v))
			}
			out := func(size int64) int64 { return (size+2*c.pad-c.dilation*(c.kernel-1)-1)/c.stride + 1 }
			oh, ow := out(rows), out(columns)
			weights := make([]float32, 4*oh*ow)
			for i := range weights {
				weights[i] = float32(rng.NormFloat64())
			}
			b := graph.NewBuilder("ties", 13)
			y := b.Op("MaxPool", []string{b.Input("x", graph.Float32, dims...)}, ints("kernel_shape", c.kernel, c.kernel), ints("strides", c.stride, c.stride),
				ints("pads", c.pad, c.pad, c.pad, c.pad), ints("dilations", c.dilation, c.dilation))
			b.Output("y", b.Call("Mul", y, b.Floats(weights, 2, 2, oh, ow)), graph.Float32, 2, 2, oh, ow)
			got := gradientOf(t, b.Model(nil), x)
			want := make([]float64, len(x.F))
			for o, w := range weights {
				plane, i, j := int64(o)/(oh*ow), int64(o)/ow%oh, int64(o)%ow
				first, best := int64(-1), 0.
				for k := range c.kernel * c.kernel {
					r, s := i*c.stride-c.pad+k/c.kernel*c.dilation, j*c.stride-c.pad+k%c.kernel*c.dilation
					if r < 0 || r >= rows || s < 0 || s >= columns {
						continue
					}
					if at := (plane*rows+r)*columns + s; first < 0 || x.F[at] > best {
						first, best = at, x.F[at]
					}
				}
				want[first] += float64(w)
			}
			for i := range want {
				if d := got[i] - want[i]; d > 1e-6 || d < -1e-6 {
					t.Fatalf("element %d: %v, want %v", i, got[i], want[i])
				}
			}
		})
	}
}

// TestZeroGradient: what is constant almost everywhere has a gradient of zeros, and no error.
func TestZeroGradient(t *testing.T) {
	for _, name := range []string{"Sign", "Floor", "Round", "Ceil"} {
		m := scored(t, 13, 3, []int64{2, 5}, op(name))
		if g := gradientOf(t, m, input(rand.New(rand.NewPCG(1, 1)), []int64{2, 5}, -2, 2)); len(g) != 10 || slices.Max(g) != 0 || slices.Min(g) != 0 {
			t.Errorf("%s: %v", name, g)
		}
	}
}

// TestStraightThrough: quantisation passes the gradient on as if it did not round.
func TestStraightThrough(t *testing.T) {
	dims := []int64{2, 3, 4}
	square := func(quantised bool) func(l *lab, x string) string {
		return func(l *lab, x string) string {
			if quantised {
				scale, zero := l.Floats([]float32{.1, .02, .05}, 3), l.Const(graph.Uint8Tensor("", []byte{128, 100, 120}, 3))
				axis := integer("axis", 1)
				x = l.Op("DequantizeLinear", []string{l.Op("QuantizeLinear", []string{x, scale, zero}, axis), scale, zero}, axis)
			}
			return l.Call("Mul", x, l.weights(4))
		}
	}
	x := input(rand.New(rand.NewPCG(1, 1)), dims, -2, 2)
	got, want := gradientOf(t, scored(t, 13, 3, dims, square(true)), x), gradientOf(t, scored(t, 13, 3, dims, square(false)), x)
	for i := range want {
		if d := got[i] - want[i]; d > 1e-6 || d < -1e-6 {
			t.Errorf("element %d: %v, want %v", i, got[i], want[i])
		}
	}
}

// TestPolesStayFinite: at the kinks and poles of roots and norms the gradient is a number.
func TestPolesStayFinite(t *testing.T) {
	dims := []int64{2, 3}
	for name, f := range map[string]func(l *lab, x string) string{
		"norm":        func(l *lab, x string) string { return l.Reduce("ReduceL2", x, 1) },
		"root":        func(l *lab, x string) string { return l.Call("Mul", x, l.Call("Sqrt", l.Call("Relu", x))) },
		"power":       func(l *lab, x string) string { return l.Call("Pow", x, l.Float(2)) },
		"largest":     func(l *lab, x string) string { return l.Reduce("ReduceMax", x, 1) },
		"of two":      func(l *lab, x string) string { return l.Call("Max", x, l.Call("Neg", x)) },
		"product":     func(l *lab, x string) string { return l.Reduce("ReduceProd", x, 1) },
		"global pool": func(l *lab, x string) string { return l.Call("GlobalMaxPool", l.Unsqueeze(x, 2)) },
	} {
		x := &eval.Tensor{Type: graph.Float32, Dims: dims, F: make([]float64, 6)}
		g := gradientOf(t, scored(t, 17, 3, dims, f), x)
		for _, v := range g {
			if v != v || v-v != 0 {
				t.Errorf("%s: at zero the gradient is %v", name, g)
				break
			}
		}
	}
}

// TestUnsupported lists every operator on the way that has no rule, and none beside it.
func TestUnsupported(t *testing.T) {
	b := graph.NewBuilder("unsupported", 17)
	x := b.Input("x", graph.Float32, 2, 3, 3)
	y := b.Call("Relu", x)
	b.Output("beside", b.Op("Det", []string{x}), graph.Float32)
	y = b.Call("Det", b.Call("Mul", y, y))
	y = b.Call("Celu", y)
	y = b.Call("Mul", b.Op("NoSuchThing", []string{y}), b.Call("ReduceSum", x))
	b.Output("y", y, graph.Float32)
	m := b.Model(nil)
	graph.DropShapes(m.GetGraph())
	m.Graph.Node[slices.IndexFunc(m.Graph.Node, func(n *onnx.NodeProto) bool { return n.GetOpType() == "NoSuchThing" })].Domain = proto.String("com.example")
	_, err := gradient.Append(m, "x", "y", "gradient")
	var missing *gradient.UnsupportedError
	if !errors.As(err, &missing) {
		t.Fatalf("error is %v", err)
	}
	var names []string
	for _, o := range missing.Operators {
		names = append(names, strings.Fields(o)[0])
	}
	if !slices.Equal(names, []string{"Det", "com.example.NoSuchThing"}) {
		t.Errorf("listed are %q", missing.Operators)
	}
}

// TestUnsupportedForms lists all nodes whose rule does not know their form.
func TestUnsupportedForms(t *testing.T) {
	m := scored(t, 17, 3, []int64{1, 2, 4, 4}, func(l *lab, x string) string {
		x = l.Op("Conv", []string{x, l.Reshape(l.Slice(x, 2, 0, 1), 2, 2, 1, 2)})
		x = l.Call("Relu", x)
		return l.Reduce("ReduceProd", x, 1, 2)
	})
	_, err := gradient.Append(m, "x", "y", "gradient")
	var missing *gradient.UnsupportedError
	if !errors.As(err, &missing) || len(missing.Operators) != 2 ||
		!strings.Contains(missing.Operators[0], "Conv (") || !strings.Contains(missing.Operators[0], "weights depend") ||
		!strings.Contains(missing.Operators[1], "ReduceProd (") {
		t.Errorf("error is %v", err)
	}
}

func TestAppendRefuses(t *testing.T) {
	m := scored(t, 17, 3, []int64{1, 2}, op("Relu"))
	open := proto.CloneOf(m)
	open.Graph.Input[0] = graph.Value("x", graph.Float32, graph.Unknown, 2)
	for want, call := range map[string]func() error{
		`no input "z"`:   func() error { _, err := gradient.Append(m, "z", "y", "g"); return err },
		`no output "z"`:  func() error { _, err := gradient.Append(m, "x", "z", "g"); return err },
		`no fixed shape`: func() error { _, err := gradient.Append(open, "x", "y", "g"); return err },
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
}

// TestConstantBranch: an If on a shape, as exporters write it, is the branch that is taken; one on pixels has no rule.
func TestConstantBranch(t *testing.T) {
	model := func(condition func(b *graph.Builder, x string) string) *onnx.ModelProto {
		b := graph.NewBuilder("branches", 13)
		x := b.Input("x", graph.Float32, 2, 3)
		body := func(name string, f func(*graph.Builder) string) *onnx.AttributeProto {
			inner := graph.NewBuilder(name, 13)
			inner.Output(name+"_out", f(inner), graph.Float32)
			g := inner.Model(nil).GetGraph()
			g.Output[0].GetType().GetTensorType().Shape = nil
			return graph.GraphAttr(name, g)
		}
		y := b.Op("If", []string{condition(b, x)}, body("then_branch", func(i *graph.Builder) string { return i.Call("Mul", x, i.Float(3)) }),
			body("else_branch", func(i *graph.Builder) string { return i.Call("Mul", x, i.Float(5)) }))
		b.Output("y", b.Reduce("ReduceSum", b.Call("Mul", y, y), 0, 1), graph.Float32, 1, 1)
		return b.Model(nil)
	}
	x := input(rand.New(rand.NewPCG(1, 1)), []int64{2, 3}, -1, 1)
	g := gradientOf(t, model(func(b *graph.Builder, x string) string {
		return b.Call("Equal", b.Slice(b.Call("Shape", x), 0, 1, 2), b.Ints(3))
	}), x)
	for i, v := range g {
		if d := v - 18*x.F[i]; d > 1e-6 || d < -1e-6 {
			t.Errorf("element %d: %v, want %v", i, v, 18*x.F[i])
		}
	}
	_, err := gradient.Append(model(func(b *graph.Builder, x string) string {
		return b.Call("Greater", b.Reduce("ReduceMax", x, 0, 1), b.Float(0))
	}), "x", "y", "gradient")
	var missing *gradient.UnsupportedError
	if !errors.As(err, &missing) || !strings.HasPrefix(missing.Operators[0], "If (") {
		t.Errorf("error is %v", err)
	}
}
