package gradient

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/onnx"
)

// resize: interpolation is linear and works axis by axis, y = R_1 ⊗ R_2 ⊗ … x, so dX applies the transposed matrices to dY.
// A matrix is found by interpreting the same node on the unit vectors of one axis; so all modes and coordinate
// transformations that the interpreter knows are covered, with its numbers.
func resize(n *node) error {
	if n.text("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize" {
		return errors.New("coordinate_transformation_mode tf_crop_and_resize")
	}
	s, x, y := n.s, n.x(0), n.y()
	g := n.dense()
	for a := range x.dims {
		in, out := x.dims[a], y.dims[a]
		scale, given, err := n.resizeScale(a)
		if err != nil {
			return err
		}
		if in == out && (!given || scale == 1) {
			continue
		}
		m, err := n.resizeMatrix(in, out, scale, given)
		if err != nil {
			return err
		}
		if k := out / in; given && out == in*k && scale == float64(k) && replicates(m, in, k) {
			g = s.sumBlocks(g, a, k)
			continue
		}
		g = s.alongAxis(g, a, m, in)
	}
	n.give(0, g)
	return nil
}

// resizeScale is the scale of an axis; given is false if the node states sizes.
func (n *node) resizeScale(a int) (scale float64, given bool, err error) {
	if !n.has(2) {
		return 0, false, nil
	}
	t, ok := n.constant(2)
	if !ok {
		return 0, false, errors.New("scales are not constant")
	}
	if len(t.F) == 0 {
		return 0, false, nil
	}
	if at := n.attr("axes"); at != nil {
		for i, v := range at.GetInts() {
			if axis(v, len(n.x(0).dims)) == a {
				return t.F[i], true, nil
			}
		}
		return 1, true, nil
	}
	return t.F[a], true, nil
}

// resizeMatrix is R transposed, [in, out]: the node interpreted on a [in, 1, 1, in] tensor of unit vectors.
func (n *node) resizeMatrix(in, out int64, scale float64, given bool) ([]float32, error) {
	b := graph.NewBuilder("axis", n.s.Opset())
	x := b.Input("x", graph.Float32, in, 1, 1, in)
	inputs := []string{x, b.Floats(nil, 0), b.Floats([]float32{1, 1, 1, float32(scale)}, 4)}
	if !given {
		inputs = []string{x, b.Floats(nil, 0), b.Floats(nil, 0), b.Ints(in, 1, 1, out)}
	}
	var attributes []*onnx.AttributeProto
	for _, a := range n.GetAttribute() {
		if a.GetName() != "axes" && a.GetName() != "keep_aspect_ratio_policy" {
			attributes = append(attributes, proto.CloneOf(a))
		}
	}
	b.Output("y", b.Op("Resize", inputs, attributes...), graph.Float32)
	unit := make([]float64, in*in)
	for i := range in {
		unit[i*in+i] = 1
	}
	m := b.Model(nil)
	graph.DropShapes(m.GetGraph())
	result, err := eval.Run(m, map[string]*eval.Tensor{"x": {Type: graph.Float32, Dims: []int64{in, 1, 1, in}, F: unit}})
	if err != nil {
		return nil, err
	}
	y := result["y"]
	if !slices.Equal(y.Dims, []int64{in, 1, 1, out}) {
		return nil, fmt.Errorf("an axis of %d becomes %d, alone it becomes %v", in, out, y.Dims)
	}
	return narrow(y.F), nil
}

// replicates tells whether a matrix repeats every element k times.
func replicates(m []float32, in, k int64) bool {
	for i := range in {
		for o := range in * k {
			want := float32(0)
			if o/k == i {
				want = 1
			}
			if math.Abs(float64(m[i*in*k+o]-want)) > 0 {
				return false
			}
		}
	}
	return true
}

// sumBlocks sums every k elements of an axis.
func (s *sweep) sumBlocks(g tensor, a int, k int64) tensor {
	dims := slices.Clone(g.dims)
	dims[a] /= k
	before, after := elements(g.dims[:a])*dims[a], elements(g.dims[a+1:])
	return s.reshape(s.total("ReduceSum", s.reshape(g, []int64{before, k, after}), 1), dims)
}
