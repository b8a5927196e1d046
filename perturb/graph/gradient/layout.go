package gradient

import (
	"errors"
	"fmt"
	"slices"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/onnx"
)

// reshape: dX is dY in the shape of x.
func reshape(n *node) error {
	dy, dims := n.dy(), n.x(0).dims
	if elements(dy.dims) == 1 { // constant: so is dX
		n.give(0, n.s.reshape(dy, aligned(nil, len(dims))))
		return nil
	}
	n.give(0, n.s.reshape(n.dense(), dims))
	return nil
}

// pass: dX = dY. A Cast between floating types rounds, which is ignored.
func pass(n *node) error {
	if n.GetOpType() == "Dropout" && !dropsNothing(n.NodeProto, n.s.facts) {
		return errors.New("training_mode is on: the output is random")
	}
	n.give(0, n.dy())
	return nil
}

// quantize is straight through where nothing saturates: y = round(x/scale) + zero, dX = dY/scale, and 0 where x/scale + zero rounds
// to no integer of y. Quantisers drop a Relu or a Clip that saturation does as well, so its mask has to be here.
func quantize(n *node) error {
	scale, err := n.quantum()
	if err != nil {
		return err
	}
	lo, hi, ok := eval.Limits(n.s.facts.Type(n.Output[0]))
	if !ok {
		return fmt.Errorf("the result is of type %v", n.s.facts.Type(n.Output[0]))
	}
	s, level := n.s, n.s.div(n.x(0), scale)
	if n.has(2) {
		zero, known := n.constant(2)
		if !known {
			return errors.New("the zero is no constant")
		}
		values := make([]float32, len(zero.I))
		for i, v := range zero.I {
			values[i] = float32(v)
		}
		dims := scale.dims
		if len(values) == 1 {
			dims = []int64{}
		}
		level = s.add(level, s.constant(values, dims...))
	}
	inside := s.mul(s.above(level, float64(lo)-.5), s.below(level, float64(hi)+.5)) // what rounds to a bound is not beyond it
	n.give(0, s.mul(s.div(n.dy(), scale), inside))
	return nil
}

// dequantize: y = (x - zero)*scale, dX = dY*scale.
func dequantize(n *node) error {
	scale, err := n.quantum()
	if err != nil {
		return err
	}
	n.give(0, n.s.mul(n.dy(), scale))
	return nil
}

// quantum is the scale, shaped to the axis that it belongs to.
func (n *node) quantum() (tensor, error) {
	x, scale := n.x(0), n.x(1)
	if n.wants(1) {
		return tensor{}, errors.New("the scale depends on the picture")
	}
	if elements(scale.dims) == 1 {
		return n.s.reshape(scale, []int64{}), nil
	}
	if len(scale.dims) != 1 || n.intAttr("block_size", 0) != 0 {
		return tensor{}, errors.New("only one scale, or one per channel")
	}
	dims := slices.Repeat([]int64{1}, len(x.dims)-axis(n.intAttr("axis", 1), len(x.dims)))
	dims[0] = scale.dims[0]
	return n.s.reshape(scale, dims), nil
}

// transpose: dX is dY with the axes put back.
func transpose(n *node) error {
	x := n.x(0)
	rank := len(x.dims)
	perm := make([]int64, rank)
	for i := range perm {
		perm[i] = int64(rank - 1 - i)
	}
	if a := n.attr("perm"); a != nil {
		perm = a.GetInts()
	}
	inverse := make([]int64, rank)
	for i, p := range perm {
		inverse[p] = int64(i)
	}
	dy := n.dy()
	n.give(0, n.s.transpose(n.s.reshape(dy, aligned(dy.dims, rank)), inverse))
	return nil
}

// concat: every operand gets its part of dY.
func concat(n *node) error {
	rank := len(n.y().dims)
	a := axis(n.intAttr("axis", 0), rank)
	dy := n.dy()
	dy = n.s.reshape(dy, aligned(dy.dims, rank))
	at := int64(0)
	for i := range n.GetInput() {
		size := n.x(i).dims[a]
		if n.wants(i) && dy.dims[a] == 1 {
			n.give(i, dy)
		} else if n.wants(i) {
			n.give(i, n.s.slice(dy, a, at, at+size))
		}
		at += size
	}
	return nil
}

// split: dX joins the adjoints of the parts, zeros where nothing depends on a part.
func split(n *node) error {
	x := n.x(0)
	a := axis(n.intAttr("axis", 0), len(x.dims))
	var parts []tensor
	first, last, at := int64(-1), int64(0), int64(0)
	for i, o := range n.GetOutput() {
		dims := n.s.value(o).dims
		if g := n.grads[i]; g != nil {
			if first < 0 {
				first = at
			}
			last = at + dims[a]
			parts = append(parts, n.s.dense(*g, dims))
		} else if first >= 0 {
			parts = append(parts, n.s.dense(n.s.zeros(dims), dims))
		}
		at += dims[a]
	}
	whole := n.s.concat(a, parts...)
	whole = n.s.slice(whole, a, 0, last-first)
	n.give(0, n.s.pad(whole, a, first, x.dims[a]-last, 0))
	return nil
}

// expand: dX sums dY where x was repeated.
func expand(n *node) error {
	n.giveSum(0, n.dy())
	return nil
}

// tile: dX sums dY over the copies of x.
func tile(n *node) error {
	s, x := n.s, n.x(0)
	y := n.y().dims
	var view, axes []int64
	for i, d := range x.dims {
		view = append(view, y[i]/d, d)
		axes = append(axes, int64(2*i))
	}
	n.give(0, s.reshape(s.total("ReduceSum", s.reshape(n.dense(), view), axes...), x.dims))
	return nil
}

// depthToSpace and spaceToDepth move blocks of channels to blocks of pixels and back: each is the adjoint of the other.
func depthToSpace(n *node) error {
	s, x := n.s, n.x(0)
	b := n.intAttr("blocksize", 1)
	if n.text("mode", "DCR") == "DCR" {
		n.give(0, tensor{s.Op("SpaceToDepth", []string{n.dense().name}, graph.IntAttr("blocksize", b)), x.dims})
		return nil
	}
	// CRD: y[n, c, h*b+i, w*b+j] = x[n, c*b*b + i*b + j, h, w]
	c, h, w := x.dims[1]/(b*b), x.dims[2], x.dims[3]
	g := s.reshape(n.dense(), []int64{x.dims[0], c, h, b, w, b})
	n.give(0, s.reshape(s.transpose(g, []int64{0, 1, 3, 5, 2, 4}), x.dims))
	return nil
}

func spaceToDepth(n *node) error {
	g := n.s.Op("DepthToSpace", []string{n.dense().name}, graph.IntAttr("blocksize", n.intAttr("blocksize", 1)))
	n.give(0, tensor{g, n.x(0).dims})
	return nil
}

// dropsNothing tells whether a Dropout passes all on: its training mode is off, or its ratio is 0, with which some exporters
// leave the mode on.
func dropsNothing(n *onnx.NodeProto, facts *eval.Facts) bool {
	if inputName(n, 2) == "" {
		return true
	}
	mode, known := facts.Const(inputName(n, 2))
	if known && len(mode.I) == 1 && mode.I[0] == 0 {
		return true
	}
	ratio, known := facts.Const(inputName(n, 1))
	return known && len(ratio.F) == 1 && ratio.F[0] == 0
}
