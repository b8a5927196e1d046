//go:build cgo

package gradient_test

import (
	"fmt"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/onnx"
)

func layouts() []operatorCase {
	dims := []int64{2, 3, 4, 5}
	var out []operatorCase
	add := func(opset int64, name string, f func(l *lab, x string) string) {
		// a square behind it: a wrong order of elements then has wrong values, too
		out = append(out, operatorCase{name: name, dims: dims, opset: opset, f: func(l *lab, x string) string {
			y := f(l, x)
			return l.Call("Mul", y, y)
		}})
	}
	add(11, "Reshape", func(l *lab, x string) string { return l.Reshape(x, 0, -1, 2) })
	add(11, "Flatten", op("Flatten", integer("axis", 2)))
	add(11, "Flatten 0", op("Flatten", integer("axis", 0)))
	add(11, "Unsqueeze, Squeeze", func(l *lab, x string) string { return l.Squeeze(l.Unsqueeze(x, 0, 3), 0) })
	add(11, "Transpose", op("Transpose", ints("perm", 2, 0, 3, 1)))
	add(11, "Transpose, default", op("Transpose"))
	add(11, "Concat", func(l *lab, x string) string {
		return l.Concat(1, l.Call("Exp", x), l.weights(2, 2, 4, 5), x, l.Call("Sin", x))
	})
	add(11, "Concat of means", func(l *lab, x string) string {
		return l.Reduce("ReduceMean", l.Concat(-3, x, l.Call("Sin", x)), 2, 3)
	})
	add(11, "Split, two of three", func(l *lab, x string) string {
		s := l.Split(x, 3, 1, 2, 2)
		return l.Concat(3, s[2], s[0])
	})
	add(11, "Split, the middle", func(l *lab, x string) string { return l.Split(x, 3, 1, 3, 1)[1] })
	add(11, "Split, first and last", func(l *lab, x string) string {
		s := l.Split(x, 3, 1, 3, 1)
		return l.Call("Sub", s[2], s[0])
	})
	add(11, "Split, equal parts", func(l *lab, x string) string {
		var attrs []*onnx.AttributeProto
		if l.Opset() >= 18 {
			attrs = append(attrs, integer("num_outputs", 2))
		}
		s := l.OpN("Split", []string{x}, 2, append(attrs, integer("axis", 2))...)
		return l.Call("Mul", s[0], s[1])
	})
	add(11, "Slice", func(l *lab, x string) string {
		return l.Call("Slice", x, l.Ints(1, -4), l.Ints(3, 1000), l.Ints(1, 3))
	})
	add(11, "Slice without axes", func(l *lab, x string) string { return l.Call("Slice", x, l.Ints(0, 1), l.Ints(1, 2)) })
	add(11, "Slice with steps", func(l *lab, x string) string {
		return l.Call("Slice", x, l.Ints(1, 0), l.Ints(4, 5), l.Ints(2, 3), l.Ints(2, 3))
	})
	add(11, "Slice backwards", func(l *lab, x string) string {
		return l.Call("Slice", x, l.Ints(-1, 100), l.Ints(-1000, -5), l.Ints(-1, 2), l.Ints(-1, -2))
	})
	add(11, "Slice twice", func(l *lab, x string) string {
		return l.Call("Add", l.Slice(x, 2, 0, 3), l.Slice(x, 2, 1, 4))
	})
	add(11, "Gather", func(l *lab, x string) string { return l.Gather(x, 1, 2, 1, 0) })
	add(11, "Gather with repeats", func(l *lab, x string) string { return l.Gather(x, 2, 1, 1, -1, 0, 1) })
	add(11, "Gather with many repeats", func(l *lab, x string) string { return l.Gather(x, 3, 1, 1, 2, 1, 1, 1, 1, 4) })
	add(11, "Gather one", func(l *lab, x string) string {
		return l.Op("Gather", []string{x, l.Const(graph.Int64Tensor("", []int64{-2}))}, integer("axis", 2))
	})
	add(11, "Gather a matrix", func(l *lab, x string) string {
		return l.Op("Gather", []string{x, l.Const(graph.Int64Tensor("", []int64{0, 2, 2, 1, 0, 0}, 2, 3))}, integer("axis", -3))
	})
	add(11, "Gather where it is largest", func(l *lab, x string) string {
		at := l.Op("ArgMax", []string{l.Reduce("ReduceMean", x, 0, 1, 3)}, integer("axis", 2), integer("keepdims", 0))
		return l.Op("Gather", []string{x, l.Reshape(at, -1)}, integer("axis", 2))
	})
	add(11, "GatherElements", func(l *lab, x string) string {
		at := l.Op("ArgMax", []string{x}, integer("axis", 3), integer("keepdims", 1))
		return l.Op("GatherElements", []string{x, at}, integer("axis", 3))
	})
	add(11, "GatherND", func(l *lab, x string) string {
		return l.Call("GatherND", x, l.Const(graph.Int64Tensor("", []int64{0, 1, 1, 2, 0, 1}, 3, 2)))
	})
	add(11, "Expand", func(l *lab, x string) string { return l.Call("Expand", x, l.Ints(3, 1, 1, 1, 1)) })
	add(11, "Expand of a mean", func(l *lab, x string) string {
		return l.Call("Mul", x, l.Call("Expand", l.Reduce("ReduceMean", x, 1, 2), l.Ints(2, 3, 4, 5)))
	})
	add(11, "Tile", func(l *lab, x string) string { return l.Call("Tile", x, l.Ints(1, 2, 1, 3)) })
	add(11, "Cast to whole numbers beside x", func(l *lab, x string) string {
		return l.Call("Add", x, l.Cast(l.Cast(x, graph.Int64), graph.Float32))
	})
	for _, mode := range []string{"constant", "reflect", "edge", "wrap"} {
		opset := int64(11)
		if mode == "wrap" {
			opset = 19
		}
		add(opset, "Pad "+mode, func(l *lab, x string) string {
			return l.Op("Pad", []string{x, l.Ints(0, 0, 2, 1, 0, 0, 1, 3)}, text("mode", mode))
		})
	}
	add(11, "Pad with a value, and cut", func(l *lab, x string) string {
		return l.Call("Pad", x, l.Ints(0, 1, -1, 2, 0, 0, 2, -3), l.Float(.7))
	})
	add(18, "Pad some axes", func(l *lab, x string) string {
		return l.Op("Pad", []string{x, l.Ints(1, 2, 0, 1), "", l.Ints(-1, 1)}, text("mode", "edge"))
	})
	for _, upper := range []int64{0, 1} {
		add(14, fmt.Sprint("Trilu ", upper), op("Trilu", integer("upper", upper)))
	}
	blocks := []int64{2, 12, 4, 6}
	for name, f := range map[string]func(l *lab, x string) string{
		"DepthToSpace":     op("DepthToSpace", integer("blocksize", 2)),
		"DepthToSpace CRD": op("DepthToSpace", integer("blocksize", 2), text("mode", "CRD")),
		"SpaceToDepth":     op("SpaceToDepth", integer("blocksize", 2)),
		"channel shuffle": func(l *lab, x string) string {
			return l.Reshape(l.Transpose(l.Reshape(x, 2, 3, 4, 4, 6), 0, 2, 1, 3, 4), 2, 12, 4, 6)
		},
		"quantised": func(l *lab, x string) string { // straight through: differences see steps, so what it is compared with is x itself
			return l.Call("Identity", x)
		},
	} {
		out = append(out, operatorCase{name: name, dims: blocks, f: func(l *lab, x string) string { y := f(l, x); return l.Call("Mul", y, y) }})
	}
	return out
}

func resizes() []operatorCase {
	var out []operatorCase
	dims := []int64{1, 2, 5, 6}
	for _, mode := range []string{"linear", "nearest", "cubic"} {
		for _, coordinates := range []string{"half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"} {
			for _, scale := range [][2]float32{{2, 2}, {1, 1.7}, {.6, 1}, {3, 2}} {
				attrs := []*onnx.AttributeProto{text("mode", mode), text("coordinate_transformation_mode", coordinates)}
				if mode == "nearest" {
					attrs = append(attrs, text("nearest_mode", "floor"))
				}
				if mode == "cubic" {
					attrs = append(attrs, float("cubic_coeff_a", -.5))
				}
				out = append(out, operatorCase{name: fmt.Sprint("Resize ", mode, coordinates, scale), dims: dims, f: func(l *lab, x string) string {
					y := l.Op("Resize", []string{x, l.Floats(nil, 0), l.Floats([]float32{1, 1, scale[0], scale[1]}, 4)}, attrs...)
					return l.Call("Mul", y, y)
				}})
			}
		}
	}
	for _, sizes := range [][2]int64{{10, 12}, {7, 3}, {5, 13}} {
		out = append(out, operatorCase{name: fmt.Sprint("Resize to ", sizes), dims: dims, f: func(l *lab, x string) string {
			y := l.Op("Resize", []string{x, l.Floats(nil, 0), l.Floats(nil, 0), l.Ints(1, 2, sizes[0], sizes[1])}, text("mode", "linear"))
			return l.Call("Mul", y, y)
		}})
	}
	return out
}
