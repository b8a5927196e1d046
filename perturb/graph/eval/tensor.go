package eval

import (
	"fmt"
	"math"
	"slices"

	"shaketable/perturb/graph/onnx"
)

// Element types that kernels make themselves.
const (
	float32Type = onnx.TensorProto_FLOAT
	int64Type   = onnx.TensorProto_INT64
	uint8Type   = onnx.TensorProto_UINT8
	boolType    = onnx.TensorProto_BOOL
)

// maxShape bounds the elements of a shape, allocated or not: products of two shapes' elements stay far from overflow.
const maxShape = 1 << 40

// Tensor is a dense tensor, row-major. F holds floating types (always as float64), I holds integers and booleans (0 or 1).
// Without dims it is a scalar.
type Tensor struct {
	Type onnx.TensorProto_DataType
	Dims []int64
	F    []float64
	I    []int64
}

// Floats is a float32 tensor of the given shape over data, which is not copied.
func Floats(data []float64, dims ...int64) *Tensor {
	return &Tensor{Type: float32Type, Dims: dims, F: data}
}

// Len is the number of elements that the shape asks for, whether they are there or not.
func (t *Tensor) Len() int { return product(t.Dims) }

// filled tells whether the elements are there.
func (t *Tensor) filled() bool {
	if floating(t.Type) {
		return len(t.F) == t.Len()
	}
	return len(t.I) == t.Len()
}

// allocate makes room for the elements.
func (t *Tensor) allocate() {
	if floating(t.Type) {
		t.F = make([]float64, t.Len())
	} else {
		t.I = make([]int64, t.Len())
	}
}

// check tells what is wrong with a tensor that a caller made.
func (t *Tensor) check() error {
	if !floating(t.Type) && !integral(t.Type) {
		return fmt.Errorf("element type %v is not supported", t.Type)
	}
	n, err := elements(t.Dims)
	if err != nil {
		return err
	}
	if have := len(t.F) + len(t.I); !t.filled() || int64(have) != n {
		return fmt.Errorf("shape %v of type %v needs %d elements, it has %d", t.Dims, t.Type, n, have)
	}
	return nil
}

// round gives every element the precision of the tensor's type.
func (t *Tensor) round() {
	switch t.Type {
	case onnx.TensorProto_DOUBLE:
	case onnx.TensorProto_FLOAT:
		for i, v := range t.F {
			t.F[i] = float64(float32(v))
		}
	case onnx.TensorProto_FLOAT16, onnx.TensorProto_BFLOAT16:
		for i, v := range t.F {
			t.F[i] = narrow(t.Type).round(v)
		}
	default:
		for i, v := range t.I {
			t.I[i] = wrap(t.Type, v)
		}
	}
}

// floating tells whether elements of the type are kept in F.
func floating(t onnx.TensorProto_DataType) bool {
	switch t {
	case onnx.TensorProto_FLOAT, onnx.TensorProto_DOUBLE, onnx.TensorProto_FLOAT16, onnx.TensorProto_BFLOAT16:
		return true
	}
	return false
}

// integral tells whether elements of the type are kept in I.
func integral(t onnx.TensorProto_DataType) bool {
	return t == boolType || bits(t) != 0
}

// bits is the width of an integer type, negative if it is signed, 0 for other types.
func bits(t onnx.TensorProto_DataType) int {
	switch t {
	case onnx.TensorProto_UINT8:
		return 8
	case onnx.TensorProto_INT8:
		return -8
	case onnx.TensorProto_UINT16:
		return 16
	case onnx.TensorProto_INT16:
		return -16
	case onnx.TensorProto_UINT32:
		return 32
	case onnx.TensorProto_INT32:
		return -32
	case onnx.TensorProto_UINT64:
		return 64
	case onnx.TensorProto_INT64:
		return -64
	case onnx.TensorProto_UINT4:
		return 4
	case onnx.TensorProto_INT4:
		return -4
	}
	return 0
}

// Limits returns the smallest and largest value of an integer type; ok is false for any other type.
func Limits(t onnx.TensorProto_DataType) (lo, hi int64, ok bool) {
	if !integral(t) {
		return 0, 0, false
	}
	lo, hi = limits(t)
	return lo, hi, true
}

// limits are the smallest and largest value of an integer type; those of uint64 end where int64 does.
func limits(t onnx.TensorProto_DataType) (lo, hi int64) {
	switch w := bits(t); {
	case t == boolType:
		return 0, 1
	case w == 64:
		return 0, math.MaxInt64
	case w > 0:
		return 0, 1<<w - 1
	default:
		return -1 << (-w - 1), 1<<(-w-1) - 1
	}
}

// wrap keeps the low bits of v that fit an integer type; booleans become 0 or 1.
func wrap(t onnx.TensorProto_DataType, v int64) int64 {
	switch w := bits(t); {
	case t == boolType && v != 0:
		return 1
	case w == 0 || w == 64 || w == -64:
		return v
	case w > 0:
		return v & (1<<w - 1)
	default:
		return v << (64 + w) >> (64 + w)
	}
}

// elements is the number of elements of a shape, checked: dims from a file may be anything.
func elements(dims []int64) (int64, error) {
	n := int64(1)
	for _, d := range dims {
		if d < 0 {
			return 0, fmt.Errorf("shape %v has a negative dimension", dims)
		}
		if d > maxShape/n {
			return 0, fmt.Errorf("shape %v has more than 2^40 elements", dims)
		}
		n *= max(d, 1)
	}
	if slices.Contains(dims, 0) {
		return 0, nil
	}
	return n, nil
}

// product is elements for shapes that are checked already.
func product(dims []int64) int {
	n := int64(1)
	for _, d := range dims {
		n *= d
	}
	return int(n)
}
