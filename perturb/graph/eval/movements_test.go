//go:build cgo

package eval_test

import (
	"testing"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/onnx"
)

func TestShapes(t *testing.T) {
	r := newMaker(10)
	x := r.normal(2, 3, 4, 5)
	i64 := r.integers(onnx.TensorProto_INT64, -9, 9, 2, 3, 4, 5)
	flat := func(v int64) *eval.Tensor {
		return &eval.Tensor{Type: onnx.TensorProto_INT64, Dims: []int64{}, I: []int64{v}}
	}
	var cases []single
	for _, s := range [][]int64{{6, 20}, {0, -1}, {-1}, {2, 0, 20}, {2, 3, 4, 5, 1}, {0, 0, -1, 5}} {
		cases = append(cases, single{op: "Reshape", opset: 13, in: tensors{x, ints(s...)}}, single{op: "Reshape", opset: 14, in: tensors{i64, ints(s...)}})
	}
	cases = append(cases,
		single{op: "Reshape", opset: 14, in: tensors{r.normal(0, 3, 4), ints(3, 4, 0)}, attrs: attrs{graph.IntAttr("allowzero", 1)}},
		single{op: "Reshape", opset: 14, in: tensors{r.normal(1), ints()}},
		single{op: "Squeeze", opset: 11, in: tensors{r.normal(1, 3, 1, 5)}},
		single{op: "Squeeze", opset: 11, in: tensors{r.normal(1, 3, 1, 5)}, attrs: attrs{graph.IntsAttr("axes", -2)}},
		single{op: "Squeeze", opset: 13, in: tensors{r.normal(1, 3, 1, 5), ints(0, 2)}},
		single{op: "Squeeze", opset: 13, in: tensors{r.normal(1, 3, 1, 5)}},
		single{op: "Unsqueeze", opset: 11, in: tensors{r.normal(3, 5)}, attrs: attrs{graph.IntsAttr("axes", 0, -1)}},
		single{op: "Unsqueeze", opset: 13, in: tensors{r.normal(3, 5), ints(3, 1)}},
		single{op: "Unsqueeze", opset: 13, in: tensors{scalar(3), ints(0)}},
		single{op: "Transpose", opset: 13, in: tensors{x}},
		single{op: "Transpose", opset: 13, in: tensors{x}, attrs: attrs{graph.IntsAttr("perm", 0, 2, 3, 1)}},
		single{op: "Transpose", opset: 13, in: tensors{i64}, attrs: attrs{graph.IntsAttr("perm", 3, 1, 0, 2)}},
		single{op: "Transpose", opset: 13, in: tensors{r.normal(2, 1, 3, 2, 2)}, attrs: attrs{graph.IntsAttr("perm", 4, 1, 0, 2, 3)}},
		single{op: "Expand", opset: 13, in: tensors{r.normal(3, 1), ints(2, 1, 6)}},
		single{op: "Expand", opset: 13, in: tensors{r.normal(3, 4), ints(1)}},
		single{op: "Expand", opset: 13, in: tensors{r.integers(onnx.TensorProto_BOOL, 0, 1, 3, 1), ints(3, 4)}},
		single{op: "Tile", opset: 13, in: tensors{r.normal(2, 3), ints(2, 3)}},
		single{op: "Tile", opset: 13, in: tensors{i64, ints(1, 2, 1, 3)}},
		single{op: "Shape", opset: 13, in: tensors{x}},
		single{op: "Shape", opset: 15, in: tensors{x}, attrs: attrs{graph.IntAttr("start", 1), graph.IntAttr("end", -1)}},
		single{op: "Shape", opset: 15, in: tensors{x}, attrs: attrs{graph.IntAttr("start", -9), graph.IntAttr("end", 9)}},
		single{op: "Shape", opset: 15, in: tensors{x}, attrs: attrs{graph.IntAttr("start", 3), graph.IntAttr("end", 1)}},
		single{op: "Size", opset: 13, in: tensors{x}},
		single{op: "ConstantOfShape", opset: 13, in: tensors{ints(2, 3)}},
		single{op: "ConstantOfShape", opset: 13, in: tensors{ints(2, 0)}},
		single{op: "Range", opset: 13, in: tensors{flat(3), flat(-8), flat(-3)}},
		single{op: "Range", opset: 13, in: tensors{scalar(.5), scalar(3), scalar(.25)}, fixed: true},
		single{op: "OneHot", opset: 13, in: tensors{ints(0, 2, -1, 5, -7), ints(4), floats(0, 1)}},
		single{op: "OneHot", opset: 13, in: tensors{r.integers(onnx.TensorProto_INT64, 0, 3, 2, 3), ints(4), floats(-1, 2)}, attrs: attrs{graph.IntAttr("axis", 1)}},
		single{op: "Trilu", opset: 14, in: tensors{x}},
		single{op: "Trilu", opset: 14, in: tensors{x, flat(1)}},
		single{op: "Trilu", opset: 14, in: tensors{r.normal(5, 4), flat(-1)}, attrs: attrs{graph.IntAttr("upper", 0)}},
		single{op: "SpaceToDepth", opset: 13, in: tensors{r.normal(2, 3, 4, 6)}, attrs: attrs{graph.IntAttr("blocksize", 2)}},
		single{op: "DepthToSpace", opset: 13, in: tensors{r.normal(2, 8, 3, 2)}, attrs: attrs{graph.IntAttr("blocksize", 2)}},
		single{op: "DepthToSpace", opset: 13, in: tensors{r.normal(2, 12, 3, 2)}, attrs: attrs{graph.IntAttr("blocksize", 2), graph.StringAttr("mode", "CRD")}})
	for axis := int64(-4); axis <= 4; axis++ {
		cases = append(cases, single{op: "Flatten", opset: 13, in: tensors{x}, attrs: attrs{graph.IntAttr("axis", axis)}})
	}
	check(t, cases)
}

func TestJoinsAndCuts(t *testing.T) {
	r := newMaker(11)
	var cases []single
	for axis := int64(-3); axis < 3; axis++ {
		a, b, c := []int64{2, 3, 4}, []int64{2, 3, 4}, []int64{2, 3, 4}
		at := (axis + 3) % 3
		b[at], c[at] = 1, 0
		cases = append(cases,
			single{op: "Concat", opset: 13, in: tensors{r.normal(a...), r.normal(b...), r.normal(c...)}, attrs: attrs{graph.IntAttr("axis", axis)}},
			single{op: "Split", opset: 11, in: tensors{r.normal(4, 6, 8)}, attrs: attrs{graph.IntAttr("axis", axis)}, outputs: 2},
			single{op: "Split", opset: 11, in: tensors{r.normal(5, 5, 5)}, attrs: attrs{graph.IntAttr("axis", axis), graph.IntsAttr("split", 1, 4)}, outputs: 2},
			single{op: "Split", opset: 13, in: tensors{r.normal(5, 5, 5), ints(2, 0, 3)}, attrs: attrs{graph.IntAttr("axis", axis)}, outputs: 3},
			single{op: "Split", opset: 18, in: tensors{r.normal(7, 7, 7)}, attrs: attrs{graph.IntAttr("axis", axis), graph.IntAttr("num_outputs", 3)}, outputs: 3})
	}
	for range 80 {
		x := r.normal(r.sizes(3, 1, 7)...)
		var starts, ends, axes, steps []int64
		for axis := range int64(3) {
			if r.IntN(3) > 0 {
				starts, ends = append(starts, r.between(-9, 9)), append(ends, r.pick(-1<<63, -9, -4, -2, -1, 0, 1, 2, 3, 5, 9, 1<<63-1))
				axes, steps = append(axes, axis-3*int64(r.IntN(2))), append(steps, r.pick(-3, -2, -1, 1, 1, 2, 3, 1<<62, -1<<62))
			}
		}
		if len(axes) > 0 {
			cases = append(cases, single{op: "Slice", opset: 13, in: tensors{x, ints(starts...), ints(ends...), ints(axes...), ints(steps...)}},
				single{op: "Slice", opset: 11, in: tensors{x, ints(starts...), ints(ends...), ints(axes...)}},
				single{op: "Slice", opset: 11, in: tensors{x, ints(starts...), ints(ends...)}})
		}
	}
	for i := range 80 {
		mode := []string{"constant", "edge", "reflect", "wrap"}[i%4]
		size := r.sizes(3, 3, 5)
		var pads []int64
		for range 6 {
			pads = append(pads, r.between(-1, 2))
		}
		if mode == "wrap" { // runtimes do not agree on cropping and wrapping at once
			for i := range pads {
				pads[i] = max(0, pads[i])
			}
		}
		c := single{op: "Pad", opset: 19, in: tensors{r.normal(size...), ints(pads...)}, attrs: attrs{graph.StringAttr("mode", mode)}}
		if mode == "constant" {
			c.in = append(c.in, scalar(1.5))
			if i%8 == 0 {
				c.opset, c.attrs = 11, nil
			}
		}
		if i%3 == 0 && c.opset == 19 {
			for len(c.in) < 3 {
				c.in = append(c.in, nil)
			}
			c.in[1], c.in = ints(pads[0], pads[1], pads[3], pads[4]), append(c.in, ints(-1, 0))
		}
		cases = append(cases, c)
	}
	check(t, cases)
}

func TestGathers(t *testing.T) {
	r := newMaker(12)
	i64 := onnx.TensorProto_INT64
	var cases []single
	for axis := int64(-3); axis < 3; axis++ {
		at := attrs{graph.IntAttr("axis", axis)}
		cases = append(cases,
			single{op: "Gather", opset: 13, in: tensors{r.normal(3, 4, 5), r.integers(i64, -3, 2, 2, 2)}, attrs: at},
			single{op: "Gather", opset: 13, in: tensors{r.normal(3, 4, 5), r.integers(onnx.TensorProto_INT32, 0, 2)}, attrs: at},
			single{op: "GatherElements", opset: 13, in: tensors{r.normal(3, 4, 5), r.integers(i64, -3, 2, 3, 4, 5)}, attrs: at},
			single{op: "GatherElements", opset: 13, in: tensors{r.normal(3, 4, 5), r.integers(i64, -3, 2, 2, 1, 2)}, attrs: at})
	}
	permutation := ints(2, 0, 1, 1, 2, 0)
	permutation.Dims = []int64{2, 3}
	cases = append(cases,
		single{op: "GatherND", opset: 13, in: tensors{r.normal(3, 4, 5), r.integers(i64, -3, 2, 2, 2)}},
		single{op: "GatherND", opset: 13, in: tensors{r.normal(3, 4, 5), r.integers(i64, 0, 2, 2, 2, 3)}},
		single{op: "GatherND", opset: 13, in: tensors{r.normal(3, 4, 5), r.integers(i64, 0, 2, 3, 2, 1)}, attrs: attrs{graph.IntAttr("batch_dims", 1)}},
		single{op: "GatherND", opset: 13, in: tensors{r.normal(2, 3, 4, 5), r.integers(i64, 0, 2, 2, 3, 2)}, attrs: attrs{graph.IntAttr("batch_dims", 2)}},
		single{op: "ScatterElements", opset: 13, in: tensors{r.normal(2, 3), permutation, r.normal(2, 3)}, attrs: attrs{graph.IntAttr("axis", 1)}},
		single{op: "ScatterElements", opset: 18, in: tensors{r.normal(2, 3), r.integers(i64, 0, 2, 2, 3), r.normal(2, 3)}, attrs: attrs{graph.IntAttr("axis", 1), graph.StringAttr("reduction", "add")}},
		single{op: "ScatterND", opset: 13, in: tensors{r.normal(4, 3), {Type: i64, Dims: []int64{2, 1}, I: []int64{3, 0}}, r.normal(2, 3)}},
		single{op: "ScatterND", opset: 18, in: tensors{r.normal(4, 3), {Type: i64, Dims: []int64{3, 2}, I: []int64{3, 0, 1, 1, 3, 0}}, r.normal(3)}, attrs: attrs{graph.StringAttr("reduction", "max")}})
	check(t, cases)
}

func TestCasts(t *testing.T) {
	r := newMaker(13)
	var cases []single
	types := []onnx.TensorProto_DataType{onnx.TensorProto_FLOAT, onnx.TensorProto_INT64, onnx.TensorProto_INT32, onnx.TensorProto_BOOL, onnx.TensorProto_UINT8, onnx.TensorProto_DOUBLE}
	for _, to := range types {
		for _, from := range types {
			x := r.scaled(9, 120, 2, 5)
			x.F[3] = 0
			x.Type = from
			if from != onnx.TensorProto_FLOAT && from != onnx.TensorProto_DOUBLE {
				x = r.integers(from, 0, 1, 2, 5)
				if from != onnx.TensorProto_BOOL {
					x = r.integers(from, 0, 200, 2, 5)
				}
			}
			cases = append(cases, single{op: "Cast", opset: 13, in: tensors{x}, attrs: attrs{graph.IntAttr("to", int64(to))}, fed: true})
			if to == onnx.TensorProto_INT64 {
				cases = append(cases, single{op: "CastLike", opset: 19, in: tensors{x, ints(1)}})
			}
		}
	}
	wide := r.integers(onnx.TensorProto_INT64, -1<<40, 1<<40, 20)
	cases = append(cases, single{op: "Cast", opset: 13, in: tensors{wide}, attrs: attrs{graph.IntAttr("to", int64(onnx.TensorProto_INT32))}, fed: true},
		single{op: "Cast", opset: 13, in: tensors{wide}, attrs: attrs{graph.IntAttr("to", int64(onnx.TensorProto_UINT8))}, fed: true},
		single{op: "Cast", opset: 13, in: tensors{r.scaled(9, 0, 20)}, attrs: attrs{graph.IntAttr("to", int64(onnx.TensorProto_INT32))}})
	check(t, cases)
}

func TestResize(t *testing.T) {
	r := newMaker(14)
	var cases []single
	for i := range 300 {
		x := r.normal(append([]int64{1, 2}, r.sizes(2, 2, 7)...)...)
		mode := []string{"nearest", "linear", "cubic"}[i%3]
		c := single{op: "Resize", opset: r.pick(11, 13, 18, 19), attrs: attrs{graph.StringAttr("mode", mode)}}
		transforms := []string{"half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"}
		if c.opset == 19 {
			transforms = append(transforms, "half_pixel_symmetric")
		}
		c.attrs = append(c.attrs, graph.StringAttr("coordinate_transformation_mode", transforms[r.IntN(len(transforms))]))
		if mode == "nearest" {
			c.attrs = append(c.attrs, graph.StringAttr("nearest_mode", []string{"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}[r.IntN(4)]))
		}
		if mode == "cubic" {
			c.attrs = append(c.attrs, graph.FloatAttr("cubic_coeff_a", -.5), graph.IntAttr("exclude_outside", r.pick(0, 1)))
		}
		roi := eval.Floats(nil, 0)
		if r.IntN(2) == 0 {
			c.in = tensors{x, roi, floats(1, 1, float64(r.pick(1, 2, 3, 5))/float64(r.pick(1, 2, 4)), float64(r.pick(1, 2, 3, 5))/float64(r.pick(1, 2, 4)))}
		} else {
			c.in = tensors{x, roi, eval.Floats(nil, 0), ints(1, 2, r.between(1, 12), r.between(1, 12))}
			if c.opset >= 13 {
				c.in[1], c.in[2] = nil, nil
			}
		}
		c.fixed = true
		cases = append(cases, c)
	}
	for _, x := range []*eval.Tensor{r.normal(1, 2, 9, 7), r.normal(1, 1, 20, 30)} {
		for _, mode := range []string{"linear", "cubic"} {
			for _, to := range [][]int64{{4, 3}, {7, 12}, {20, 5}} {
				cases = append(cases, single{op: "Resize", opset: 18, fixed: true, in: tensors{x, nil, nil, ints(to...)},
					attrs: attrs{graph.StringAttr("mode", mode), graph.IntAttr("antialias", 1), graph.IntsAttr("axes", 2, 3)}})
			}
		}
	}
	cases = append(cases,
		single{op: "Resize", opset: 18, in: tensors{r.normal(1, 2, 4, 6), nil, nil, ints(7, 8)}, attrs: attrs{graph.IntsAttr("axes", 2, 3), graph.StringAttr("keep_aspect_ratio_policy", "not_larger")}},
		single{op: "Resize", opset: 18, in: tensors{r.normal(1, 2, 4, 6), nil, nil, ints(7, 8)}, attrs: attrs{graph.IntsAttr("axes", 2, 3), graph.StringAttr("keep_aspect_ratio_policy", "not_smaller")}},
		single{op: "Resize", opset: 13, in: tensors{r.integers(onnx.TensorProto_UINT8, 0, 255, 1, 2, 4, 6), nil, nil, ints(1, 2, 8, 9)}, fed: false})
	check(t, cases)
}

// TestResizePositions: positions are quotients of float32. From 10 samples to 6, number 3 falls on 5 that way and just below 5
// otherwise, and its floor is another sample.
func TestResizePositions(t *testing.T) {
	r := newMaker(15)
	var cases []single
	for _, in := range []int64{7, 10, 14, 20} {
		for out := int64(1); out <= 24; out++ {
			for _, nearest := range []string{"floor", "ceil"} {
				cases = append(cases, single{op: "Resize", opset: 13, fixed: true, in: tensors{r.normal(1, 1, 1, in), nil, nil, ints(1, 1, 1, out)},
					attrs: attrs{graph.StringAttr("coordinate_transformation_mode", "asymmetric"), graph.StringAttr("nearest_mode", nearest)}})
			}
		}
	}
	check(t, cases)
}
