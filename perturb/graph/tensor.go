package graph

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph/onnx"
)

// Element types that this project's graphs use; onnx.TensorProto_DataType has them all.
const (
	Float32 = onnx.TensorProto_FLOAT
	Uint8   = onnx.TensorProto_UINT8
	Int32   = onnx.TensorProto_INT32
	Int64   = onnx.TensorProto_INT64
)

// Value declares a tensor. A dimension of Unknown becomes the symbol "N": in this project only the number of pictures is open.
func Value(name string, t onnx.TensorProto_DataType, dims ...int64) *onnx.ValueInfoProto {
	shape := &onnx.TensorShapeProto{}
	for _, d := range dims {
		dim := &onnx.TensorShapeProto_Dimension{Value: &onnx.TensorShapeProto_Dimension_DimValue{DimValue: d}}
		if d == Unknown {
			dim.Value = &onnx.TensorShapeProto_Dimension_DimParam{DimParam: "N"}
		}
		shape.Dim = append(shape.Dim, dim)
	}
	return &onnx.ValueInfoProto{Name: proto.String(name), Type: &onnx.TypeProto{Value: &onnx.TypeProto_TensorType{
		TensorType: &onnx.TypeProto_Tensor{ElemType: proto.Int32(int32(t)), Shape: shape}}}}
}

// FloatTensor is a constant float32 tensor; without dims it is a scalar.
func FloatTensor(name string, data []float32, dims ...int64) *onnx.TensorProto {
	raw := make([]byte, 0, 4*len(data))
	for _, v := range data {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return tensor(name, Float32, raw, dims)
}

// Int64Tensor is a constant int64 tensor; without dims it is a scalar.
func Int64Tensor(name string, data []int64, dims ...int64) *onnx.TensorProto {
	raw := make([]byte, 0, 8*len(data))
	for _, v := range data {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	return tensor(name, Int64, raw, dims)
}

// Int32Tensor is a constant int32 tensor; without dims it is a scalar.
func Int32Tensor(name string, data []int32, dims ...int64) *onnx.TensorProto {
	raw := make([]byte, 0, 4*len(data))
	for _, v := range data {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(v))
	}
	return tensor(name, Int32, raw, dims)
}

// Uint8Tensor is a constant uint8 tensor; without dims it is a scalar.
func Uint8Tensor(name string, data []byte, dims ...int64) *onnx.TensorProto {
	return tensor(name, Uint8, append([]byte{}, data...), dims)
}

func tensor(name string, t onnx.TensorProto_DataType, raw []byte, dims []int64) *onnx.TensorProto {
	return &onnx.TensorProto{Name: proto.String(name), DataType: proto.Int32(int32(t)), Dims: dims, RawData: raw}
}
