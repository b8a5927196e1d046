package eval

import (
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph/onnx"
)

// FromProto reads a tensor of an ONNX file, from raw_data or from the field of its type. Types: float32, float64, float16,
// bfloat16, booleans, and signed and unsigned integers of 4 to 64 bits.
func FromProto(t *onnx.TensorProto) (*Tensor, error) {
	out, err := header(t)
	if err != nil {
		return nil, err
	}
	if raw := t.GetRawData(); len(raw) > 0 {
		fromRaw(out, raw)
	} else {
		fromFields(out, t)
	}
	return out, nil
}

// header is FromProto without the elements; that they are there is checked.
func header(t *onnx.TensorProto) (*Tensor, error) {
	out := &Tensor{Type: onnx.TensorProto_DataType(t.GetDataType()), Dims: append([]int64{}, t.GetDims()...)}
	bad := func(format string, args ...any) (*Tensor, error) {
		return nil, fmt.Errorf("onnx tensor %q: %w", t.GetName(), fmt.Errorf(format, args...))
	}
	if !floating(out.Type) && !integral(out.Type) {
		return bad("element type %v is not supported", out.Type)
	}
	if t.GetDataLocation() == onnx.TensorProto_EXTERNAL {
		return bad("its data is in another file")
	}
	n, err := elements(out.Dims)
	if err != nil {
		return bad("%w", err)
	}
	if have := stored(out.Type, t, n); have != n {
		return bad("shape %v of type %v needs %d elements, the file has %d", out.Dims, out.Type, n, have)
	}
	return out, nil
}

// stored is how many elements the file has for a tensor that should have n.
func stored(kind onnx.TensorProto_DataType, t *onnx.TensorProto, n int64) int64 {
	packed := func(bytes int) int64 { // 4-bit elements fill up their last byte
		if width := int64(rawBits(kind)); int64(bytes) != (n*width+7)/8 {
			return int64(bytes) * 8 / width
		}
		return n
	}
	if len(t.GetRawData()) > 0 {
		return packed(len(t.GetRawData()))
	}
	switch kind {
	case onnx.TensorProto_FLOAT:
		return int64(len(t.GetFloatData()))
	case onnx.TensorProto_DOUBLE:
		return int64(len(t.GetDoubleData()))
	case onnx.TensorProto_INT64:
		return int64(len(t.GetInt64Data()))
	case onnx.TensorProto_UINT32, onnx.TensorProto_UINT64:
		return int64(len(t.GetUint64Data()))
	case onnx.TensorProto_INT4, onnx.TensorProto_UINT4:
		return packed(len(t.GetInt32Data()))
	default:
		return int64(len(t.GetInt32Data()))
	}
}

// fromRaw decodes little-endian bytes.
func fromRaw(out *Tensor, raw []byte) {
	out.allocate()
	for i := range out.F {
		out.F[i] = rawFloat(out.Type, raw, i)
	}
	for i := range out.I {
		out.I[i] = wrap(out.Type, rawInt(rawBits(out.Type), raw, i))
	}
}

func rawBits(t onnx.TensorProto_DataType) int {
	switch t {
	case boolType:
		return 8
	case onnx.TensorProto_FLOAT:
		return 32
	case onnx.TensorProto_DOUBLE:
		return 64
	case onnx.TensorProto_FLOAT16, onnx.TensorProto_BFLOAT16:
		return 16
	}
	return max(bits(t), -bits(t))
}

func rawFloat(t onnx.TensorProto_DataType, raw []byte, i int) float64 {
	switch t {
	case onnx.TensorProto_DOUBLE:
		return math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:]))
	case onnx.TensorProto_FLOAT:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
	default:
		return narrow(t).decode(binary.LittleEndian.Uint16(raw[2*i:]))
	}
}

func rawInt(width int, raw []byte, i int) int64 {
	switch width {
	case 4: // two to a byte, the first in the low half
		return int64(raw[i/2] >> (4 * (i % 2)))
	case 8:
		return int64(raw[i])
	case 16:
		return int64(binary.LittleEndian.Uint16(raw[2*i:]))
	case 32:
		return int64(binary.LittleEndian.Uint32(raw[4*i:]))
	default:
		return int64(binary.LittleEndian.Uint64(raw[8*i:]))
	}
}

// fromFields decodes the repeated field that the schema names for the type.
func fromFields(out *Tensor, t *onnx.TensorProto) {
	switch out.Type {
	case onnx.TensorProto_FLOAT:
		convert(&out.F, t.GetFloatData(), func(v float32) float64 { return float64(v) })
	case onnx.TensorProto_DOUBLE:
		convert(&out.F, t.GetDoubleData(), func(v float64) float64 { return v })
	case onnx.TensorProto_FLOAT16, onnx.TensorProto_BFLOAT16:
		convert(&out.F, t.GetInt32Data(), func(v int32) float64 { return narrow(out.Type).decode(uint16(v)) })
	case onnx.TensorProto_INT64:
		convert(&out.I, t.GetInt64Data(), func(v int64) int64 { return v })
	case onnx.TensorProto_UINT32, onnx.TensorProto_UINT64:
		convert(&out.I, t.GetUint64Data(), func(v uint64) int64 { return wrap(out.Type, int64(v)) })
	case onnx.TensorProto_INT4, onnx.TensorProto_UINT4:
		var raw []byte
		for _, v := range t.GetInt32Data() {
			raw = append(raw, byte(v))
		}
		fromRaw(out, raw)
	default:
		convert(&out.I, t.GetInt32Data(), func(v int32) int64 { return wrap(out.Type, int64(v)) })
	}
}

func convert[A, B any](to *[]B, from []A, f func(A) B) {
	*to = make([]B, len(from))
	for i, v := range from {
		(*to)[i] = f(v)
	}
}

// Proto writes the tensor for an ONNX file, its elements rounded to its type.
func (t *Tensor) Proto(name string) *onnx.TensorProto {
	var raw []byte
	for _, v := range t.F {
		switch t.Type {
		case onnx.TensorProto_DOUBLE:
			raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(v))
		case onnx.TensorProto_FLOAT16, onnx.TensorProto_BFLOAT16:
			raw = binary.LittleEndian.AppendUint16(raw, narrow(t.Type).encode(v))
		default:
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(v)))
		}
	}
	width := rawBits(t.Type)
	for i, v := range t.I {
		switch low := wrap(t.Type, v); {
		case width == 4 && i%2 == 1:
			raw[len(raw)-1] |= byte(low) << 4
		case width == 4:
			raw = append(raw, byte(low)&0xf)
		default:
			raw = append(raw, binary.LittleEndian.AppendUint64(nil, uint64(low))[:width/8]...)
		}
	}
	return &onnx.TensorProto{Name: proto.String(name), DataType: proto.Int32(int32(t.Type)), Dims: append([]int64{}, t.Dims...), RawData: raw}
}
