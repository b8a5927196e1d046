package eval_test

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/onnx"
)

// file is a tensor as it stands in a file.
func file(kind onnx.TensorProto_DataType, raw []byte, dims ...int64) *onnx.TensorProto {
	return &onnx.TensorProto{Name: proto.String("w"), DataType: proto.Int32(int32(kind)), Dims: dims, RawData: raw}
}

func TestFromProto(t *testing.T) {
	half := []byte{0x00, 0x3c, 0x00, 0xc0, 0xff, 0x7b, 0x01, 0x00, 0x00, 0x7c, 0x00, 0x80} // IEEE 754 binary16
	brain := []byte{0x80, 0x3f, 0x49, 0x40, 0x80, 0xff}
	floatFields := file(onnx.TensorProto_FLOAT, nil, 2)
	floatFields.FloatData = []float32{1.5, -2}
	halfFields := file(onnx.TensorProto_FLOAT16, nil, 1)
	halfFields.Int32Data = []int32{0x3555}
	boolFields := file(onnx.TensorProto_BOOL, nil, 2)
	boolFields.Int32Data = []int32{0, 1}
	wideFields := file(onnx.TensorProto_UINT32, nil, 1)
	wideFields.Uint64Data = []uint64{1<<32 - 1}
	nibbleFields := file(onnx.TensorProto_UINT4, nil, 3)
	nibbleFields.Int32Data = []int32{0x21, 0x0f}
	for name, test := range map[string]struct {
		file *onnx.TensorProto
		f    []float64
		i    []int64
	}{
		"float32":       {file(onnx.TensorProto_FLOAT, binary.LittleEndian.AppendUint32(nil, math.Float32bits(.1)), 1), []float64{float64(float32(.1))}, nil},
		"double":        {file(onnx.TensorProto_DOUBLE, binary.LittleEndian.AppendUint64(nil, math.Float64bits(.1))), []float64{.1}, nil},
		"float16":       {file(onnx.TensorProto_FLOAT16, half, 6), []float64{1, -2, 65504, 5.960464477539063e-08, math.Inf(1), 0}, nil},
		"bfloat16":      {file(onnx.TensorProto_BFLOAT16, brain, 3), []float64{1, 3.140625, math.Inf(-1)}, nil},
		"int8":          {file(onnx.TensorProto_INT8, []byte{0x80, 0x7f}, 2), nil, []int64{-128, 127}},
		"uint16":        {file(onnx.TensorProto_UINT16, []byte{0xff, 0xff}, 1), nil, []int64{65535}},
		"int32":         {file(onnx.TensorProto_INT32, []byte{0xff, 0xff, 0xff, 0xff}, 1), nil, []int64{-1}},
		"int4":          {file(onnx.TensorProto_INT4, []byte{0xf1, 0x08}, 3), nil, []int64{1, -1, -8}},
		"bool":          {file(onnx.TensorProto_BOOL, []byte{0, 7}, 2), nil, []int64{0, 1}},
		"empty":         {file(onnx.TensorProto_INT64, nil, 0, 5), nil, []int64{}},
		"float fields":  {floatFields, []float64{1.5, -2}, nil},
		"half fields":   {halfFields, []float64{.333251953125}, nil},
		"bool fields":   {boolFields, nil, []int64{0, 1}},
		"uint32 fields": {wideFields, nil, []int64{1<<32 - 1}},
		"uint4 fields":  {nibbleFields, nil, []int64{1, 2, 15}},
	} {
		got, err := eval.FromProto(test.file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(got.F) != len(test.f) || len(got.I) != len(test.i) {
			t.Errorf("%s: read %v %v", name, got.F, got.I)
			continue
		}
		for i, v := range test.f {
			if got.F[i] != v {
				t.Errorf("%s: element %d is %v, want %v", name, i, got.F[i], v)
			}
		}
		for i, v := range test.i {
			if got.I[i] != v {
				t.Errorf("%s: element %d is %v, want %v", name, i, got.I[i], v)
			}
		}
		again, err := eval.FromProto(got.Proto("again"))
		if err != nil || len(again.F) != len(got.F) || len(again.I) != len(got.I) {
			t.Errorf("%s: written and read again it is %v, %v", name, again, err)
		}
	}
}

func TestFromProtoErrors(t *testing.T) {
	external := file(onnx.TensorProto_FLOAT, nil, 1)
	external.DataLocation = onnx.TensorProto_EXTERNAL.Enum()
	for name, test := range map[string]struct {
		file *onnx.TensorProto
		want string
	}{
		"too short": {file(onnx.TensorProto_FLOAT, make([]byte, 7), 2), `"w": shape [2] of type FLOAT needs 2 elements, the file has 1`},
		"too long":  {file(onnx.TensorProto_INT64, make([]byte, 24), 2), "needs 2 elements, the file has 3"},
		"missing":   {file(onnx.TensorProto_FLOAT, nil, 1<<39), "the file has 0"},
		"huge":      {file(onnx.TensorProto_FLOAT, nil, 1<<33, 1<<33), "more than 2^40 elements"},
		"overflow":  {file(onnx.TensorProto_FLOAT, nil, 1<<62, 4), "more than 2^40 elements"},
		"negative":  {file(onnx.TensorProto_FLOAT, nil, -1), "negative dimension"},
		"strings":   {file(onnx.TensorProto_STRING, nil, 1), "type STRING is not supported"},
		"undefined": {file(onnx.TensorProto_UNDEFINED, nil, 1), "type UNDEFINED is not supported"},
		"external":  {external, "in another file"},
	} {
		if _, err := eval.FromProto(test.file); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v, want it to say %q", name, err, test.want)
		}
	}
}

// TestNarrowFloats writes every 16-bit pattern back, and rounds between neighbours to the even one.
func TestNarrowFloats(t *testing.T) {
	for _, kind := range []onnx.TensorProto_DataType{onnx.TensorProto_FLOAT16, onnx.TensorProto_BFLOAT16} {
		raw := make([]byte, 0, 1<<17)
		for b := range 1 << 16 {
			raw = binary.LittleEndian.AppendUint16(raw, uint16(b))
		}
		all, err := eval.FromProto(file(kind, raw, 1<<16))
		if err != nil {
			t.Fatal(err)
		}
		back := all.Proto("").GetRawData()
		for b := range 1 << 16 {
			if got := binary.LittleEndian.Uint16(back[2*b:]); got != uint16(b) && !math.IsNaN(all.F[b]) {
				t.Fatalf("%v: pattern %#x (%v) is written as %#x", kind, b, all.F[b], got)
			}
		}
		for b := 1; b < 0x7b00; b += 7 {
			middle := &eval.Tensor{Type: kind, Dims: []int64{1}, F: []float64{(all.F[b] + all.F[b+1]) / 2}}
			if got := int(binary.LittleEndian.Uint16(middle.Proto("").GetRawData())); got != b+b%2 {
				t.Fatalf("%v: between %#x and %#x it rounds to %#x", kind, b, b+1, got)
			}
		}
	}
}
