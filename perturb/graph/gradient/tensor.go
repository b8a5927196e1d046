package gradient

import (
	"math"
	"slices"

	"shaketable/perturb/graph"
)

// tensor is a float32 value of the graph under construction, with its static shape. As an adjoint its shape may be smaller
// than that of the value it belongs to, by the broadcasting rules of ONNX: the adjoint is then constant along those axes.
type tensor struct {
	name string
	dims []int64
}

// elements is the number of elements of a shape.
func elements(dims []int64) int64 {
	n := int64(1)
	for _, d := range dims {
		n *= d
	}
	return n
}

// broadcast is the shape of an elementwise operation over a and b; callers know that they fit.
func broadcast(a, b []int64) []int64 {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := slices.Clone(a)
	for i := range b {
		j := len(a) - len(b) + i
		if out[j] == 1 {
			out[j] = b[i]
		}
	}
	return out
}

// aligned is dims with leading ones up to a rank.
func aligned(dims []int64, rank int) []int64 {
	out := make([]int64, 0, rank)
	for range rank - len(dims) {
		out = append(out, 1)
	}
	return append(out, dims...)
}

// value is a value of the forward graph.
func (s *sweep) value(name string) tensor {
	dims, _ := s.facts.Dims(name) // checked before any rule runs
	return tensor{name, dims}
}

func (s *sweep) scalar(v float64) tensor { return tensor{s.Float(float32(v)), nil} }

func (s *sweep) constant(data []float32, dims ...int64) tensor {
	return tensor{s.Floats(data, dims...), dims}
}

func (s *sweep) zeros(dims []int64) tensor {
	ones := make([]int64, len(dims))
	for i := range ones {
		ones[i] = 1
	}
	return s.constant([]float32{0}, ones...)
}

func (s *sweep) unary(op string, x tensor) tensor { return tensor{s.Call(op, x.name), x.dims} }

func (s *sweep) binary(op string, a, b tensor) tensor {
	return tensor{s.Call(op, a.name, b.name), broadcast(a.dims, b.dims)}
}

func (s *sweep) add(a, b tensor) tensor { return s.binary("Add", a, b) }
func (s *sweep) sub(a, b tensor) tensor { return s.binary("Sub", a, b) }
func (s *sweep) mul(a, b tensor) tensor { return s.binary("Mul", a, b) }
func (s *sweep) div(a, b tensor) tensor { return s.binary("Div", a, b) }

// times is x times a number; by 1 it is x.
func (s *sweep) times(x tensor, v float64) tensor {
	if v == 1 {
		return x
	}
	return s.mul(x, s.scalar(v))
}

// plus is x plus a number; plus 0 it is x.
func (s *sweep) plus(x tensor, v float64) tensor {
	if v == 0 {
		return x
	}
	return s.add(x, s.scalar(v))
}

// huge makes steps out of ramps: HardSigmoid(huge*x) is 1 for every normal float32 above 0, and 0 for 0 and below.
const huge = 3e38

// positive is 1 where x > 0, else 0. One HardSigmoid takes less than half the time of Greater and Where.
func (s *sweep) positive(x tensor) tensor { return s.ramp(x, huge, 0) }

// ramp is min(max(alpha*x + beta, 0), 1).
func (s *sweep) ramp(x tensor, alpha, beta float32) tensor {
	return tensor{s.Op("HardSigmoid", []string{x.name}, graph.FloatAttr("alpha", alpha), graph.FloatAttr("beta", beta)), x.dims}
}

// complement is 1 - x for x in [0,1], as a HardSigmoid: ONNX Runtime keeps its blocked layout across activations, Add and Mul,
// but not across Sub.
func (s *sweep) complement(x tensor) tensor { return s.ramp(x, -1, 1) }

// above is 1 where x > v, else 0; below is 1 where x < v. One ramp, as steep as float32 allows: with a power of two as the
// slope, slope*(x - v) is exact near v.
func (s *sweep) above(x tensor, v float64) tensor {
	k := steepest(v)
	return s.ramp(x, float32(k), float32(-v*k))
}

func (s *sweep) below(x tensor, v float64) tensor {
	k := steepest(v)
	return s.ramp(x, float32(-k), float32(v*k))
}

// steepest is the largest power of two that v can be multiplied with in float32, up to 2^126.
func steepest(v float64) float64 {
	_, exponent := math.Frexp(v)
	return math.Ldexp(1, 126-max(exponent, 0))
}

func (s *sweep) reshape(x tensor, dims []int64) tensor {
	if slices.Equal(x.dims, dims) {
		return x
	}
	shape := slices.Clone(dims)
	if len(shape) == 0 {
		return tensor{s.Call("Reshape", x.name, s.Const(graph.Int64Tensor("", nil, 0))), dims}
	}
	return tensor{s.Reshape(x.name, shape...), dims}
}

// dense gives an adjoint the full shape of its value.
func (s *sweep) dense(x tensor, dims []int64) tensor {
	if slices.Equal(x.dims, dims) {
		return x
	}
	if elements(x.dims) == elements(dims) {
		return s.reshape(x, dims)
	}
	return tensor{s.Call("Expand", x.name, s.Ints(dims...)), dims}
}

func (s *sweep) transpose(x tensor, perm []int64) tensor {
	dims := make([]int64, len(perm))
	moved, same := false, true
	last := int64(-1)
	for i, p := range perm {
		dims[i] = x.dims[p]
		same = same && p == int64(i)
		if dims[i] > 1 {
			moved = moved || p < last
			last = p
		}
	}
	switch {
	case same:
		return x
	case !moved: // only axes of size 1 change places
		return s.reshape(x, dims)
	}
	return tensor{s.Transpose(x.name, perm...), dims}
}

// total sums (op ReduceSum) or averages (ReduceMean) axes and keeps them with size 1.
func (s *sweep) total(op string, x tensor, axes ...int64) tensor {
	dims, left := slices.Clone(x.dims), []int64{}
	for _, a := range axes {
		if dims[a] != 1 {
			left = append(left, a)
		}
		dims[a] = 1
	}
	if len(left) == 0 {
		return x
	}
	return tensor{s.Reduce(op, x.name, left...), dims}
}

// sumTo brings the adjoint of an elementwise result of shape full back to an operand of shape target: it sums where the
// operand was broadcast.
func (s *sweep) sumTo(g tensor, full, target []int64) tensor {
	rank := len(full)
	have, want := aligned(g.dims, rank), aligned(target, rank)
	factor, axes := 1., []int64{}
	for i := range full {
		if want[i] != 1 || full[i] == 1 {
			continue
		}
		if have[i] == 1 {
			factor *= float64(full[i])
		} else {
			axes = append(axes, int64(i))
		}
	}
	g = s.reshape(g, have)
	g = s.times(s.total("ReduceSum", g, axes...), factor)
	return s.reshape(g, g.dims[rank-len(target):])
}

// slice takes [from, to) of an axis.
func (s *sweep) slice(x tensor, axis int, from, to int64) tensor {
	if from == 0 && to == x.dims[axis] {
		return x
	}
	dims := slices.Clone(x.dims)
	dims[axis] = to - from
	return tensor{s.Slice(x.name, int64(axis), from, to), dims}
}

// strided takes count elements of an axis: from, from+step, …
func (s *sweep) strided(x tensor, axis int, from, step, count int64) tensor {
	if step == 1 {
		return s.slice(x, axis, from, from+count)
	}
	dims := slices.Clone(x.dims)
	dims[axis] = count
	name := s.Call("Slice", x.name, s.Ints(from), s.Ints(from+(count-1)*step+1), s.Ints(int64(axis)), s.Ints(step))
	return tensor{name, dims}
}

// pad adds elements of the given value around an axis; negative numbers cut. A thin border is joined on as a constant, which
// ONNX Runtime does in half the time of a Pad.
func (s *sweep) pad(x tensor, axis int, before, after int64, value float64) tensor {
	if cutB, cutA := max(-before, 0), max(-after, 0); cutB+cutA > 0 {
		x = s.slice(x, axis, cutB, x.dims[axis]-cutA)
	}
	before, after = max(before, 0), max(after, 0)
	if before+after == 0 {
		return x
	}
	if 4*(before+after) <= x.dims[axis] {
		return s.border(x, axis, before, after, value)
	}
	pads := make([]int64, 2*len(x.dims))
	pads[axis], pads[len(x.dims)+axis] = before, after
	dims := slices.Clone(x.dims)
	dims[axis] += before + after
	in := []string{x.name, s.Ints(pads...)}
	if value != 0 {
		in = append(in, s.Float(float32(value)))
	}
	return tensor{s.Op("Pad", in), dims}
}

func (s *sweep) border(x tensor, axis int, before, after int64, value float64) tensor {
	parts := []tensor{x}
	for i, width := range []int64{before, after} {
		if width == 0 {
			continue
		}
		dims := slices.Clone(x.dims)
		dims[axis] = width
		side := s.constant(slices.Repeat([]float32{float32(value)}, int(elements(dims))), dims...)
		parts = slices.Insert(parts, i*len(parts), side)
	}
	return s.concat(axis, parts...)
}

func (s *sweep) concat(axis int, xs ...tensor) tensor {
	names, dims := make([]string, len(xs)), slices.Clone(xs[0].dims)
	dims[axis] = 0
	for i, x := range xs {
		names[i] = x.name
		dims[axis] += x.dims[axis]
	}
	return tensor{s.Concat(int64(axis), names...), dims}
}

func (s *sweep) gather(x tensor, axis int, index []int64) tensor {
	dims := slices.Clone(x.dims)
	dims[axis] = int64(len(index))
	return tensor{s.Gather(x.name, int64(axis), index...), dims}
}
