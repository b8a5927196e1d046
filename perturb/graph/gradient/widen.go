package gradient

import (
	"math"

	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/onnx"
)

// widen turns half and double precision into float32, in place: weights, constants, casts and declared types. Derivatives in
// half precision would lose small adjoints, and mixed ones would need a cast at every edge. Values of double precision
// beyond float32 become its largest.
func widen(m *onnx.ModelProto) { widenGraph(m.GetGraph()) }

// narrowType tells whether a type is a floating one other than float32.
func narrowType(t int32) bool {
	switch onnx.TensorProto_DataType(t) {
	case onnx.TensorProto_FLOAT16, onnx.TensorProto_BFLOAT16, onnx.TensorProto_DOUBLE:
		return true
	}
	return false
}

func widenGraph(g *onnx.GraphProto) {
	for _, t := range g.GetInitializer() {
		widenTensor(t)
	}
	for _, values := range [][]*onnx.ValueInfoProto{g.GetInput(), g.GetOutput(), g.GetValueInfo()} {
		for _, v := range values {
			if t := v.GetType().GetTensorType(); t != nil && narrowType(t.GetElemType()) {
				float := int32(onnx.TensorProto_FLOAT)
				t.ElemType = &float
			}
		}
	}
	for _, n := range g.GetNode() {
		for _, a := range n.GetAttribute() {
			widenAttribute(a)
		}
	}
}

func widenAttribute(a *onnx.AttributeProto) {
	switch {
	case a.GetT() != nil:
		widenTensor(a.GetT())
	case a.GetG() != nil:
		widenGraph(a.GetG())
	case (a.GetName() == "to" || a.GetName() == "dtype") && narrowType(int32(a.GetI())):
		float := int64(onnx.TensorProto_FLOAT)
		a.I = &float
	}
	for _, g := range a.GetGraphs() {
		widenGraph(g)
	}
}

// widenTensor leaves alone what it cannot read: the type then shows up where a rule meets it.
func widenTensor(t *onnx.TensorProto) {
	if !narrowType(t.GetDataType()) {
		return
	}
	value, err := eval.FromProto(t)
	if err != nil {
		return
	}
	for i, v := range value.F {
		if !math.IsInf(v, 0) {
			value.F[i] = max(min(v, math.MaxFloat32), -math.MaxFloat32)
		}
	}
	value.Type = onnx.TensorProto_FLOAT
	wide := value.Proto(t.GetName())
	t.DataType, t.RawData = wide.DataType, wide.RawData
	t.FloatData, t.DoubleData, t.Int32Data = wide.FloatData, nil, nil
}
