package gradient

import (
	"errors"
	"math"
	"slices"

	"shaketable/perturb/graph"
)

// batchNormalization: y = (x - mean) * scale/sqrt(var + eps) + bias with constants, so dX = dY * scale/sqrt(var + eps).
func batchNormalization(n *node) error {
	if n.intAttr("training_mode", 0) != 0 {
		return errors.New("training_mode is on: the statistics depend on the batch")
	}
	for i := 1; i < 5; i++ {
		if n.wants(i) {
			return errors.New("its constants depend on the picture")
		}
	}
	s, x := n.s, n.x(0)
	dims := slices.Repeat([]int64{1}, max(len(x.dims)-1, 1)) // [C,1,…]
	dims[0] = x.dims[min(1, len(x.dims)-1)]
	eps := n.floatAttr("epsilon", 1e-5)
	scale, constant := n.constant(1)
	variance, known := n.constant(4)
	if !constant || !known {
		k := s.div(n.x(1), s.unary("Sqrt", s.plus(n.x(4), eps)))
		n.give(0, s.mul(n.dy(), s.reshape(k, dims)))
		return nil
	}
	k := make([]float32, len(scale.F))
	for i := range k {
		k[i] = float32(scale.F[i] / math.Sqrt(variance.F[i]+eps))
	}
	n.give(0, s.mul(n.dy(), s.constant(k, dims...)))
	return nil
}

// normalization is for InstanceNormalization, LayerNormalization and GroupNormalization: y = n*scale + bias with
// n = (x - mean)/sqrt(var + eps), mean and variance over some axes of a view of x. With g = dY*scale in that view,
//
//	dX = (g - mean(g) - n*mean(g*n)) / sqrt(var + eps)
func normalization(n *node) error {
	if n.wants(1) || n.wants(2) {
		return errors.New("scale or bias depend on the picture")
	}
	for _, g := range n.grads[1:] {
		if g != nil {
			return errors.New("mean or deviation are used as outputs")
		}
	}
	s, x := n.s, n.x(0)
	view, axes := n.normalized()
	g := s.reshape(s.mul(n.dense(), n.scale()), view)
	v := s.reshape(x, view)
	v = s.sub(v, s.total("ReduceMean", v, axes...))
	variance := s.total("ReduceMean", s.mul(v, v), axes...)
	inverse := s.unary("Reciprocal", s.unary("Sqrt", s.plus(variance, n.floatAttr("epsilon", 1e-5))))
	v = s.mul(v, inverse)
	inner := s.mul(v, s.total("ReduceMean", s.mul(g, v), axes...))
	g = s.mul(s.sub(s.sub(g, s.total("ReduceMean", g, axes...)), inner), inverse)
	n.give(0, s.reshape(g, x.dims))
	return nil
}

// normalized is the view of x in which statistics are taken, and over which axes of it.
func (n *node) normalized() (view, axes []int64) {
	x := n.x(0).dims
	switch n.GetOpType() {
	case "InstanceNormalization":
		return []int64{x[0], x[1], elements(x[2:])}, []int64{2}
	case "GroupNormalization":
		groups := n.intAttr("num_groups", 1)
		return []int64{x[0], groups, elements(x[1:]) / groups}, []int64{2}
	}
	a := axis(n.intAttr("axis", -1), len(x))
	return []int64{elements(x[:a]), elements(x[a:])}, []int64{1}
}

// scale is the scale of a normalization, shaped to multiply x. Of GroupNormalization it is per group at opset 18, per
// channel from opset 21 on.
func (n *node) scale() tensor {
	s, x, k := n.s, n.x(0).dims, n.x(1)
	if n.GetOpType() == "LayerNormalization" {
		return k
	}
	if channels := x[1]; k.dims[0] != channels {
		dims := []int64{k.dims[0], channels / k.dims[0]}
		k = s.reshape(s.dense(s.reshape(k, []int64{dims[0], 1}), dims), []int64{channels})
	}
	dims := slices.Repeat([]int64{1}, len(x)-1)
	dims[0] = x[1]
	return s.reshape(k, dims)
}

// tiny keeps divisions by a norm or a root from 0/0: there the derivative is taken as 0 or as finite.
const tiny = 1e-18

// lpNormalization: y = x/r along an axis. p = 2: dX = (dY - y*sum(dY*y))/r; p = 1: dX = (dY - sign(x)*sum(dY*y))/r.
func lpNormalization(n *node) error {
	s, x, y := n.s, n.x(0), n.y()
	a := int64(axis(n.intAttr("axis", -1), len(x.dims)))
	dy := n.dense()
	along := y
	norm := s.unary("Sqrt", s.total("ReduceSum", s.mul(x, x), a))
	if n.intAttr("p", 2) == 1 {
		along, norm = s.unary("Sign", x), s.total("ReduceSum", s.unary("Abs", x), a)
	}
	inner := s.mul(along, s.total("ReduceSum", s.mul(dy, y), a))
	n.give(0, s.div(s.sub(dy, inner), s.floor(norm)))
	return nil
}

// floor bounds a non-negative value from below by tiny.
func (s *sweep) floor(x tensor) tensor { return s.binary("Max", x, s.scalar(tiny)) }

// localResponse (LRN): y = x * d^-beta, d = bias + alpha/size * sum of x^2 over neighbouring channels, so
//
//	dX = dY*d^-beta - 2*alpha*beta/size * x * (sum over the channels that x is a neighbour of: dY*y/d)
func localResponse(n *node) error {
	s, x, y, dy := n.s, n.x(0), n.y(), n.dense()
	size, alpha, beta := n.intAttr("size", 1), n.floatAttr("alpha", 1e-4), n.floatAttr("beta", .75)
	before, after := (size-1)/2, size-1-(size-1)/2
	d := s.plus(s.times(s.neighbours(s.mul(x, x), before, after), alpha/float64(size)), n.floatAttr("bias", 1))
	direct := s.mul(dy, s.binary("Pow", d, s.scalar(-beta)))
	others := s.neighbours(s.div(s.mul(dy, y), d), after, before)
	n.give(0, s.sub(direct, s.times(s.mul(x, others), 2*alpha*beta/float64(size))))
	return nil
}

// neighbours sums channels c-before … c+after.
func (s *sweep) neighbours(x tensor, before, after int64) tensor {
	channels := x.dims[1]
	band := make([]float32, channels*channels)
	for i := range channels {
		for j := max(i-before, 0); j <= min(i+after, channels-1); j++ {
			band[i*channels+j] = 1
		}
	}
	flat := s.reshape(x, []int64{x.dims[0], channels, elements(x.dims[2:])})
	sum := s.Call("MatMul", s.constant(band, channels, channels).name, flat.name)
	return s.reshape(tensor{sum, flat.dims}, x.dims)
}

// softmax: dX = y*(dY - sum(dY*y)).
func softmax(n *node) error {
	s, y := n.s, n.y()
	a := int64(axis(n.intAttr("axis", -1), len(y.dims)))
	dy := n.dense()
	n.give(0, s.mul(y, s.sub(dy, s.total("ReduceSum", s.mul(dy, y), a))))
	return nil
}

// logSoftmax: dX = dY - exp(y)*sum(dY).
func logSoftmax(n *node) error {
	s, y := n.s, n.y()
	a := int64(axis(n.intAttr("axis", -1), len(y.dims)))
	dy := n.dense()
	n.give(0, s.sub(dy, s.mul(s.unary("Exp", y), s.total("ReduceSum", dy, a))))
	return nil
}

// cumSum: dX is the running sum of dY from the other end.
func cumSum(n *node) error {
	g := n.s.Op("CumSum", []string{n.dense().name, n.Input[1]}, graph.IntAttr("exclusive", n.intAttr("exclusive", 0)),
		graph.IntAttr("reverse", 1-flag(n.intAttr("reverse", 0))))
	n.give(0, tensor{g, n.x(0).dims})
	return nil
}

// trilu: dX = the same triangle of dY.
func trilu(n *node) error {
	in := slices.Clone(n.GetInput())
	in[0] = n.dense().name
	n.give(0, tensor{n.s.Op("Trilu", in, graph.IntAttr("upper", n.intAttr("upper", 1))), n.x(0).dims})
	return nil
}
