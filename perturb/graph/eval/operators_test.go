//go:build cgo

package eval_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/onnx"
)

type (
	tensors = []*eval.Tensor
	attrs   = []*onnx.AttributeProto
)

// maker draws tensors; every test has its own, with a fixed seed.
type maker struct{ *rand.Rand }

func newMaker(seed uint64) maker { return maker{rand.New(rand.NewPCG(seed, 1))} }

// normal draws float32 values, so that the runtime gets exactly them.
func (r maker) normal(dims ...int64) *eval.Tensor { return r.scaled(1, 0, dims...) }

func (r maker) scaled(scale, shift float64, dims ...int64) *eval.Tensor {
	n := int64(1)
	for _, d := range dims {
		n *= d
	}
	data := make([]float64, n)
	for i := range data {
		data[i] = float64(float32(r.NormFloat64()*scale + shift))
	}
	return &eval.Tensor{Type: onnx.TensorProto_FLOAT, Dims: append([]int64{}, dims...), F: data}
}

// positive draws values in [.1, 1.1).
func (r maker) positive(dims ...int64) *eval.Tensor {
	t := r.normal(dims...)
	for i := range t.F {
		t.F[i] = float64(float32(.1 + r.Float64()))
	}
	return t
}

// integers draws from [lo, hi].
func (r maker) integers(kind onnx.TensorProto_DataType, lo, hi int64, dims ...int64) *eval.Tensor {
	n := int64(1)
	for _, d := range dims {
		n *= d
	}
	t := &eval.Tensor{Type: kind, Dims: append([]int64{}, dims...), I: make([]int64, n)}
	for i := range t.I {
		t.I[i] = lo + r.Int64N(hi-lo+1)
	}
	return t
}

func (r maker) pick(list ...int64) int64 { return list[r.IntN(len(list))] }

// between draws from [lo, hi].
func (r maker) between(lo, hi int64) int64 { return lo + r.Int64N(hi-lo+1) }

// damaged is a node with one number of an attribute, of a shape or of an integer input replaced, or an input taken away.
func (r maker) damaged(s single) single {
	number := func() int64 { return r.pick(-1<<63, -1<<40, -5, -2, -1, 0, 1, 2, 3, 4, 7, 1<<31, 1<<40, 1<<63-1) }
	s.attrs, s.in = slices.Clone(s.attrs), slices.Clone(s.in)
	if len(s.attrs) > 0 && r.IntN(2) == 0 {
		i := r.IntN(len(s.attrs))
		a := proto.CloneOf(s.attrs[i])
		switch s.attrs[i] = a; {
		case a.I != nil:
			a.I = proto.Int64(number())
		case len(a.Ints) > 0:
			a.Ints[r.IntN(len(a.Ints))] = number()
		default:
			s.attrs = slices.Delete(s.attrs, i, i+1)
		}
		return s
	}
	i := r.IntN(len(s.in))
	if s.in[i] == nil || r.IntN(6) == 0 {
		s.in[i] = nil
		return s
	}
	t := *s.in[i]
	s.in[i] = &t
	switch {
	case len(t.I) > 0 && len(t.I) < 9:
		t.I = slices.Clone(t.I)
		t.I[r.IntN(len(t.I))] = number()
	case len(t.Dims) > 0:
		t = *r.normal(append(slices.Clone(t.Dims[1:]), r.between(0, 3))...)
	}
	return s
}

func ints(v ...int64) *eval.Tensor {
	return &eval.Tensor{Type: onnx.TensorProto_INT64, Dims: []int64{int64(len(v))}, I: append([]int64{}, v...)}
}

func scalar(v float64) *eval.Tensor {
	return &eval.Tensor{Type: onnx.TensorProto_FLOAT, Dims: []int64{}, F: []float64{float64(float32(v))}}
}

func floats(v ...float64) *eval.Tensor {
	for i := range v {
		v[i] = float64(float32(v[i]))
	}
	return eval.Floats(v, int64(len(v)))
}

func check(t *testing.T, cases []single) {
	t.Helper()
	needRuntime(t)
	worst, which := 0.0, single{}
	r := newMaker(uint64(len(cases)))
	for _, c := range cases {
		for range 6 {
			r.damaged(c).survives(t)
		}
		if d := c.agree(t); d > worst {
			worst, which = d, c
		}
	}
	t.Logf("%d nodes, worst relative difference %.2g (%v)", len(cases), worst, which)
}

func TestUnary(t *testing.T) {
	r := newMaker(1)
	var cases []single
	for _, op := range []string{"Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Erf", "Neg", "Abs", "Exp", "Floor", "Ceil", "Round",
		"Sign", "Sin", "Cos", "Tan", "Atan", "Sinh", "Cosh", "Asinh", "LeakyRelu", "Elu", "Selu", "Celu", "HardSigmoid", "ThresholdedRelu", "Shrink", "Identity", "IsNaN", "IsInf"} {
		cases = append(cases, single{op: op, opset: 13, in: tensors{r.scaled(3, 0, 2, 3, 5)}})
	}
	for _, op := range []string{"Sqrt", "Log", "Reciprocal", "Asin", "Acos", "Atanh"} {
		x := r.positive(4, 5)
		for i := range x.F {
			x.F[i] = float64(float32(x.F[i] * .85))
		}
		cases = append(cases, single{op: op, opset: 17, in: tensors{x}})
	}
	acosh := r.positive(7)
	for i := range acosh.F {
		acosh.F[i] += 1
	}
	x := r.scaled(2, 0, 3, 7)
	cases = append(cases,
		single{op: "Acosh", opset: 17, in: tensors{acosh}},
		single{op: "HardSwish", opset: 14, in: tensors{x}},
		single{op: "Mish", opset: 18, in: tensors{x}},
		single{op: "Swish", opset: 24, in: tensors{x}, attrs: attrs{graph.FloatAttr("alpha", .7)}},
		single{op: "Gelu", opset: 20, in: tensors{x}},
		single{op: "Gelu", opset: 20, in: tensors{x}, attrs: attrs{graph.StringAttr("approximate", "tanh")}},
		single{op: "LeakyRelu", opset: 16, in: tensors{x}, attrs: attrs{graph.FloatAttr("alpha", .3)}},
		single{op: "Elu", opset: 13, in: tensors{x}, attrs: attrs{graph.FloatAttr("alpha", .7)}},
		single{op: "Selu", opset: 13, in: tensors{x}, attrs: attrs{graph.FloatAttr("alpha", 1.5), graph.FloatAttr("gamma", 1.1)}},
		single{op: "Celu", opset: 13, in: tensors{x}, attrs: attrs{graph.FloatAttr("alpha", .4)}},
		single{op: "HardSigmoid", opset: 13, in: tensors{x}, attrs: attrs{graph.FloatAttr("alpha", 1./6), graph.FloatAttr("beta", .4)}},
		single{op: "ThresholdedRelu", opset: 13, in: tensors{x}, attrs: attrs{graph.FloatAttr("alpha", .2)}},
		single{op: "Shrink", opset: 13, in: tensors{x}, attrs: attrs{graph.FloatAttr("lambd", .6), graph.FloatAttr("bias", .2)}},
		single{op: "Relu", opset: 14, in: tensors{r.integers(onnx.TensorProto_INT32, -5, 5, 9)}, fed: true},
		single{op: "Neg", opset: 13, in: tensors{r.integers(onnx.TensorProto_INT64, -5, 5, 9)}, fed: true},
		single{op: "Abs", opset: 13, in: tensors{r.integers(onnx.TensorProto_INT32, -5, 5, 9)}, fed: true},
		single{op: "Sign", opset: 13, in: tensors{r.integers(onnx.TensorProto_INT64, -2, 2, 9)}, fed: true},
		single{op: "Not", opset: 13, in: tensors{r.integers(onnx.TensorProto_BOOL, 0, 1, 9)}, fed: true},
		single{op: "Dropout", opset: 13, in: tensors{x}},
		single{op: "Dropout", opset: 11, in: tensors{x}, attrs: attrs{graph.FloatAttr("ratio", .3)}},
		single{op: "Dropout", opset: 13, in: tensors{x, scalar(.3)}, outputs: 2},
		single{op: "Clip", opset: 13, in: tensors{x, scalar(-.5), scalar(.7)}},
		single{op: "Clip", opset: 13, in: tensors{x, nil, scalar(.7)}},
		single{op: "Clip", opset: 12, in: tensors{x, scalar(0)}},
		single{op: "Clip", opset: 11, in: tensors{x}},
		single{op: "Clip", opset: 10, in: tensors{x}, attrs: attrs{graph.FloatAttr("min", -.5)}},
		single{op: "Clip", opset: 6, in: tensors{x}, attrs: attrs{graph.FloatAttr("min", -.5), graph.FloatAttr("max", .5)}},
		single{op: "Clip", opset: 13, in: tensors{r.integers(onnx.TensorProto_INT64, -9, 9, 9),
			{Type: onnx.TensorProto_INT64, Dims: []int64{}, I: []int64{-2}}, {Type: onnx.TensorProto_INT64, Dims: []int64{}, I: []int64{3}}}, fed: true},
		single{op: "PRelu", opset: 16, in: tensors{r.normal(2, 3, 4, 4), r.normal(3, 1, 1)}},
		single{op: "PRelu", opset: 9 + 4, in: tensors{r.normal(2, 3, 4), r.normal(1)}},
	)
	check(t, cases)
}

// shapePairs broadcast.
var shapePairs = [][2][]int64{{{2, 3, 4, 5}, {2, 3, 4, 5}}, {{2, 3, 4, 5}, {3, 1, 1}}, {{2, 3, 4, 5}, {}}, {{1}, {2, 3}}, {{2, 1, 4}, {3, 1}},
	{{5}, {4, 1}}, {{2, 3, 1, 1}, {2, 1, 4, 5}}, {{0, 3}, {1, 3}}, {{4, 1, 3}, {1, 2, 1}}}

func TestBinary(t *testing.T) {
	r := newMaker(2)
	var cases []single
	for _, p := range shapePairs {
		for _, op := range []string{"Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean", "Less", "Greater", "Equal"} {
			cases = append(cases, single{op: op, opset: 13, in: tensors{r.normal(p[0]...), r.normal(p[1]...)}})
		}
		for _, op := range []string{"LessOrEqual", "GreaterOrEqual"} {
			cases = append(cases, single{op: op, opset: 16, in: tensors{r.normal(p[0]...), r.normal(p[1]...)}})
		}
		for _, op := range []string{"Add", "Sub", "Mul", "Div", "Mod", "Equal", "Less", "Max", "Min"} {
			a, b := r.integers(onnx.TensorProto_INT64, -9, 9, p[0]...), r.integers(onnx.TensorProto_INT64, 1, 4, p[1]...)
			if op == "Mod" || op == "Div" {
				for i := range b.I {
					b.I[i] *= r.pick(-1, 1)
				}
			}
			cases = append(cases, single{op: op, opset: 13, in: tensors{a, b}, fed: true})
		}
		for _, op := range []string{"And", "Or", "Xor", "Equal"} {
			cases = append(cases, single{op: op, opset: 13, in: tensors{r.integers(onnx.TensorProto_BOOL, 0, 1, p[0]...), r.integers(onnx.TensorProto_BOOL, 0, 1, p[1]...)}, fed: true})
		}
		cases = append(cases,
			single{op: "Pow", opset: 13, in: tensors{r.positive(p[0]...), r.normal(p[1]...)}},
			single{op: "Pow", opset: 13, in: tensors{r.normal(p[0]...), r.integers(onnx.TensorProto_INT64, 0, 3, p[1]...)}, fed: true},
			single{op: "Pow", opset: 13, in: tensors{r.integers(onnx.TensorProto_INT64, -4, 4, p[0]...), r.integers(onnx.TensorProto_INT64, 0, 3, p[1]...)}, fed: true},
			single{op: "Mod", opset: 13, in: tensors{r.normal(p[0]...), r.positive(p[1]...)}, attrs: attrs{graph.IntAttr("fmod", 1)}},
			single{op: "Mod", opset: 13, in: tensors{r.integers(onnx.TensorProto_INT32, -9, 9, p[0]...), r.integers(onnx.TensorProto_INT32, 1, 5, p[1]...)}, attrs: attrs{graph.IntAttr("fmod", 1)}, fed: true},
			single{op: "Where", opset: 16, in: tensors{r.integers(onnx.TensorProto_BOOL, 0, 1, p[1]...), r.normal(p[0]...), r.normal(p[1]...)}, fed: true},
			single{op: "Where", opset: 9 + 2, in: tensors{r.integers(onnx.TensorProto_BOOL, 0, 1, p[0]...), r.integers(onnx.TensorProto_INT64, 0, 9, p[1]...), r.integers(onnx.TensorProto_INT64, 0, 9)}, fed: true},
			single{op: "Max", opset: 13, in: tensors{r.normal(p[0]...), r.normal(p[1]...), r.normal()}},
		)
	}
	// small integers wrap
	cases = append(cases,
		single{op: "Add", opset: 14, in: tensors{r.integers(onnx.TensorProto_UINT8, 100, 255, 9), r.integers(onnx.TensorProto_UINT8, 100, 255, 9)}, fed: true},
		single{op: "Mul", opset: 14, in: tensors{r.integers(onnx.TensorProto_INT8, -100, 100, 9), r.integers(onnx.TensorProto_INT8, -100, 100, 9)}, fed: true},
		single{op: "Sub", opset: 13, in: tensors{r.integers(onnx.TensorProto_INT32, -1<<31, 1<<31-1, 9), r.integers(onnx.TensorProto_INT32, -1<<31, 1<<31-1, 9)}, fed: true})
	check(t, cases)
}

func TestReductions(t *testing.T) {
	r := newMaker(3)
	var cases []single
	for _, op := range []string{"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"} {
		for _, opset := range []int64{11, 13, 18, 21} {
			for _, axes := range [][]int64{nil, {1}, {-1}, {2, 3}, {0, -2}, {0, 1, 2, 3}} {
				for _, keep := range []int64{0, 1} {
					x := r.positive(2, 3, 4, 5)
					if op != "ReduceLogSum" {
						x = r.scaled(1, .3, 2, 3, 4, 5) // not centred: sums near 0 have no relative precision
					}
					c := single{op: op, opset: opset, in: tensors{x}, attrs: attrs{graph.IntAttr("keepdims", keep)}}
					if input := opset >= 18 || op == "ReduceSum" && opset >= 13; input && axes != nil {
						c.in = append(c.in, ints(axes...))
					} else if axes != nil {
						c.attrs = append(c.attrs, graph.IntsAttr("axes", axes...))
					} else if input && keep == 1 {
						c.in = append(c.in, ints())
						c.attrs = append(c.attrs, graph.IntAttr("noop_with_empty_axes", 1))
						if opset >= 18 && op != "ReduceSum" && op != "ReduceMean" {
							continue // runtimes differ on what an empty reduction does besides
						}
					}
					cases = append(cases, c)
				}
			}
		}
	}
	for _, op := range []string{"ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceMean"} {
		for _, kind := range []onnx.TensorProto_DataType{onnx.TensorProto_INT32, onnx.TensorProto_INT64} {
			if op == "ReduceProd" && kind == onnx.TensorProto_INT32 {
				kind = onnx.TensorProto_INT64
			}
			cases = append(cases, single{op: op, opset: 18, in: tensors{r.integers(kind, 1, 4, 3, 4), ints(1)}})
		}
	}
	for _, op := range []string{"ArgMax", "ArgMin"} {
		for axis := int64(-3); axis < 3; axis++ {
			for _, last := range []int64{0, 1} {
				x := r.normal(3, 4, 5)
				for i := range x.F {
					x.F[i] = float64(int64(2 * x.F[i]))
				}
				cases = append(cases, single{op: op, opset: 13, in: tensors{x},
					attrs: attrs{graph.IntAttr("axis", axis), graph.IntAttr("keepdims", last), graph.IntAttr("select_last_index", last)}})
			}
		}
	}
	for _, kind := range []int64{0, 1} {
		for _, axis := range []int64{0, 1, -1} {
			cases = append(cases, single{op: "CumSum", opset: 14, in: tensors{r.normal(3, 4, 5), {Type: onnx.TensorProto_INT64, Dims: []int64{}, I: []int64{axis}}},
				attrs: attrs{graph.IntAttr("exclusive", kind), graph.IntAttr("reverse", 1-kind)}},
				single{op: "CumSum", opset: 14, in: tensors{r.normal(3, 4, 5), {Type: onnx.TensorProto_INT64, Dims: []int64{}, I: []int64{axis}}},
					attrs: attrs{graph.IntAttr("exclusive", kind), graph.IntAttr("reverse", kind)}})
		}
	}
	for axis := int64(-3); axis < 3; axis++ {
		for _, largest := range []int64{0, 1} {
			x, whole := r.normal(3, 4, 5), r.integers(onnx.TensorProto_INT64, -2, 2, 3, 4, 5)
			for i := range x.F {
				x.F[i] = float64(int64(2 * x.F[i])) // several are equal
			}
			sides := attrs{graph.IntAttr("axis", axis), graph.IntAttr("largest", largest)}
			cases = append(cases, single{op: "TopK", opset: 11, outputs: 2, in: tensors{x, ints(2)}, attrs: sides},
				single{op: "TopK", opset: 17, outputs: 2, in: tensors{whole, ints(3)}, attrs: sides},
				single{op: "TopK", opset: 10, outputs: 2, in: tensors{r.normal(3, 4, 5), ints(3)}, attrs: sides[:1]})
		}
	}
	cases = append(cases, single{op: "TopK", opset: 13, outputs: 2, in: tensors{r.normal(2, 3), ints(0)}})
	check(t, cases)
}
