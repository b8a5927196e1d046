package gradient

import "shaketable/perturb/graph/onnx"

// rule appends the adjoints of a node's inputs. It is called with at least one adjoint of an output there, and with all
// shapes known. Its error says what of the operator it cannot do.
type rule func(n *node) error

// constantAlmostEverywhere tells whether an operator's derivative is 0 wherever it exists.
func constantAlmostEverywhere(n *onnx.NodeProto) bool {
	switch n.GetOpType() {
	case "Floor", "Ceil", "Round", "Sign", "Shape", "Size", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Not", "And", "Or",
		"Xor", "IsNaN", "IsInf", "ArgMax", "ArgMin", "NonZero", "OneHot", "Hardmax", "ConstantOfShape", "EyeLike", "Range",
		"RandomNormalLike", "RandomUniformLike", "Bernoulli", "BitShift":
		return standard(n)
	}
	return false
}

func standard(n *onnx.NodeProto) bool { return n.GetDomain() == "" || n.GetDomain() == "ai.onnx" }

// ruleOf is the rule of a node's operator, or nil.
func ruleOf(n *onnx.NodeProto) rule {
	if n.GetDomain() == "com.microsoft" && n.GetOpType() == "Gelu" { // what ONNX Runtime's optimiser writes for the exact one
		return elementwiseRule("Gelu")
	}
	if !standard(n) {
		return nil
	}
	if r := elementwiseRule(n.GetOpType()); r != nil {
		return r
	}
	switch n.GetOpType() {
	case "Conv":
		return conv
	case "ConvTranspose":
		return convTranspose
	case "MaxPool":
		return maxPool
	case "AveragePool":
		return averagePool
	case "GlobalAveragePool":
		return globalAveragePool
	case "GlobalMaxPool":
		return globalMaxPool
	case "LpPool", "GlobalLpPool":
		return lpPool
	case "BatchNormalization":
		return batchNormalization
	case "InstanceNormalization", "LayerNormalization", "GroupNormalization":
		return normalization
	case "LpNormalization":
		return lpNormalization
	case "LRN":
		return localResponse
	case "Gemm":
		return gemm
	case "MatMul":
		return matMul
	case "Einsum":
		return einsum
	case "Softmax":
		return softmax
	case "LogSoftmax":
		return logSoftmax
	case "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp", "ReduceProd":
		return reduce
	}
	return layoutRule(n.GetOpType())
}

// layoutRule is for operators that move numbers about.
func layoutRule(op string) rule {
	switch op {
	case "Reshape", "Flatten", "Squeeze", "Unsqueeze":
		return reshape
	case "Identity", "Cast", "CastLike", "Dropout":
		return pass
	case "QuantizeLinear":
		return quantize
	case "DequantizeLinear":
		return dequantize
	case "Transpose":
		return transpose
	case "Concat":
		return concat
	case "Split":
		return split
	case "Slice":
		return slice
	case "Gather":
		return gather
	case "GatherElements":
		return gatherElements
	case "GatherND":
		return gatherND
	case "TopK":
		return topK
	case "Expand":
		return expand
	case "Tile":
		return tile
	case "Pad":
		return pad
	case "Resize":
		return resize
	case "DepthToSpace":
		return depthToSpace
	case "SpaceToDepth":
		return spaceToDepth
	case "CumSum":
		return cumSum
	case "Trilu":
		return trilu
	}
	return nil
}
