package graph

import "shaketable/perturb/graph/onnx"

// Opsets at which the spelling of operators changed.
const (
	opsetAxesInput       = 13 // Squeeze, Unsqueeze, Split and ReduceSum take axes or sizes as an input
	opsetReduceAxesInput = 18 // so do the other Reduce operators, and Split wants num_outputs where sizes are left out
	opsetResizeOptional  = 13 // Resize may leave out roi
)

// Reduce reduces axes with op (ReduceMax, ReduceMean, ReduceSum, …) and keeps them with size 1.
func (b *Builder) Reduce(op, x string, axes ...int64) string {
	if b.opset >= opsetReduceAxesInput || op == "ReduceSum" && b.opset >= opsetAxesInput {
		return b.Op(op, []string{x, b.Ints(axes...)}, IntAttr("keepdims", 1))
	}
	return b.Op(op, []string{x}, IntsAttr("axes", axes...), IntAttr("keepdims", 1))
}

// Unsqueeze inserts axes of size 1.
func (b *Builder) Unsqueeze(x string, axes ...int64) string { return b.axes("Unsqueeze", x, axes) }

// Squeeze removes axes of size 1.
func (b *Builder) Squeeze(x string, axes ...int64) string { return b.axes("Squeeze", x, axes) }

func (b *Builder) axes(op, x string, axes []int64) string {
	if b.opset >= opsetAxesInput {
		return b.Op(op, []string{x, b.Ints(axes...)})
	}
	return b.Op(op, []string{x}, IntsAttr("axes", axes...))
}

// Split cuts x along an axis into parts of the given sizes.
func (b *Builder) Split(x string, axis int64, sizes ...int64) []string {
	if b.opset >= opsetAxesInput {
		return b.OpN("Split", []string{x, b.Ints(sizes...)}, len(sizes), IntAttr("axis", axis))
	}
	return b.OpN("Split", []string{x}, len(sizes), IntAttr("axis", axis), IntsAttr("split", sizes...))
}

// Slice takes the elements [from, to) of an axis.
func (b *Builder) Slice(x string, axis, from, to int64) string {
	return b.Call("Slice", x, b.Ints(from), b.Ints(to), b.Ints(axis))
}

// Reshape gives x another shape; 0 copies a dimension and -1 stands for what is left, as in ONNX.
func (b *Builder) Reshape(x string, dims ...int64) string {
	return b.Call("Reshape", x, b.Ints(dims...))
}

// Transpose permutes the axes of x.
func (b *Builder) Transpose(x string, perm ...int64) string {
	return b.Op("Transpose", []string{x}, IntsAttr("perm", perm...))
}

// Concat joins values along an axis.
func (b *Builder) Concat(axis int64, xs ...string) string {
	if len(xs) == 1 {
		return xs[0]
	}
	return b.Op("Concat", xs, IntAttr("axis", axis))
}

// Gather picks the elements with the given indices along an axis.
func (b *Builder) Gather(x string, axis int64, indices ...int64) string {
	return b.Op("Gather", []string{x, b.Ints(indices...)}, IntAttr("axis", axis))
}

// Cast converts x to another element type.
func (b *Builder) Cast(x string, t onnx.TensorProto_DataType) string {
	return b.Op("Cast", []string{x}, IntAttr("to", int64(t)))
}

// Clip bounds float32 values to [lo, hi].
func (b *Builder) Clip(x string, lo, hi float32) string {
	return b.Call("Clip", x, b.Float(lo), b.Float(hi))
}

// PadEdge repeats the border of x: before[i] and after[i] elements on axis i.
func (b *Builder) PadEdge(x string, before, after []int64) string {
	pads := append(append([]int64{}, before...), after...)
	return b.Op("Pad", []string{x, b.Ints(pads...)}, StringAttr("mode", "edge"))
}

// Quantize rounds x/scale + zero to the nearest uint8, ties to even, and saturates at 0 and 255.
func (b *Builder) Quantize(x string, scale float32, zero uint8) string {
	return b.Call("QuantizeLinear", x, b.Float(scale), b.Const(Uint8Tensor("", []byte{zero})))
}

// Upsample2 doubles the last two axes of a float32 [A,B,H,W] tensor: bilinear, half-pixel centres, borders repeated.
// The weights are 1/4 and 3/4, exact in float32.
func (b *Builder) Upsample2(x string) string {
	roi := ""
	if b.opset < opsetResizeOptional {
		roi = b.Floats(nil, 0)
	}
	return b.Op("Resize", []string{x, roi, b.Floats([]float32{1, 1, 2, 2}, 4)}, StringAttr("mode", "linear"))
}

// Round rounds float32 values of magnitude below 2^22 to integers, ties to even: adding 1.5*2^23 leaves no bits for a
// fraction. Two additions cost less than the operator Round, which is not vectorised on CPU. They stay two nodes: a
// runtime that reorders float additions would be wrong by the standard.
func (b *Builder) Round(x string) string {
	magic := b.Float(3 << 22)
	return b.Call("Sub", b.Call("Add", x, magic), magic)
}
