package eval

import (
	"math"

	"shaketable/perturb/graph/onnx"
)

// kernelOf is the kernel of a node's operator, nil if there is none. com.microsoft.Gelu is what ONNX Runtime's optimiser
// writes for the exact Gelu.
func kernelOf(n *onnx.NodeProto) kernel {
	switch n.GetDomain() {
	case "", "ai.onnx":
	case "com.microsoft":
		if n.GetOpType() == "Gelu" {
			return gelu
		}
		return nil
	default:
		return nil
	}
	for _, table := range []func(string) kernel{arithmetic, activations, layers, movements, makers} {
		if k := table(n.GetOpType()); k != nil {
			return k
		}
	}
	return nil
}

func arithmetic(op string) kernel {
	switch op {
	case "Add":
		return pairwise(add[float64], add[int64])
	case "Sub":
		return pairwise(sub[float64], sub[int64])
	case "Mul":
		return pairwise(mul[float64], mul[int64])
	case "Div":
		return div
	case "Mod":
		return mod
	case "Pow":
		return pow
	case "Min":
		return variadic(smallest[float64], smallest[int64], asIs)
	case "Max":
		return variadic(largest[float64], largest[int64], asIs)
	case "Sum":
		return variadic(add[float64], nil, asIs)
	case "Mean":
		return variadic(add[float64], nil, func(v float64, n int) float64 { return v / float64(n) })
	case "Equal":
		return compare(equal[float64], equal[int64])
	case "Less":
		return compare(less[float64], less[int64])
	case "LessOrEqual":
		return compare(lessOrEqual[float64], lessOrEqual[int64])
	case "Greater":
		return compare(greater[float64], greater[int64])
	case "GreaterOrEqual":
		return compare(greaterOrEqual[float64], greaterOrEqual[int64])
	case "And":
		return logic(func(a, b int64) int64 { return a & b })
	case "Or":
		return logic(func(a, b int64) int64 { return a | b })
	case "Xor":
		return logic(func(a, b int64) int64 { return a ^ b })
	case "Not":
		return not
	case "Where":
		return where
	}
	return functions(op)
}

func functions(op string) kernel {
	switch op {
	case "Neg":
		return signed(func(v float64) float64 { return -v }, negInt)
	case "Abs":
		return signed(math.Abs, absInt)
	case "Sign":
		return signed(sign, signInt)
	case "Reciprocal":
		return unary(func(v float64) float64 { return 1 / v })
	case "Sqrt":
		return unary(math.Sqrt)
	case "Exp":
		return unary(math.Exp)
	case "Log":
		return unary(math.Log)
	case "Floor":
		return unary(math.Floor)
	case "Ceil":
		return unary(math.Ceil)
	case "Round":
		return unary(math.RoundToEven)
	case "Erf":
		return unary(math.Erf)
	case "IsNaN":
		return test(math.IsNaN)
	case "IsInf":
		return isInf
	}
	return trigonometry(op)
}

func trigonometry(op string) kernel {
	switch op {
	case "Sin":
		return unary(math.Sin)
	case "Cos":
		return unary(math.Cos)
	case "Tan":
		return unary(math.Tan)
	case "Asin":
		return unary(math.Asin)
	case "Acos":
		return unary(math.Acos)
	case "Atan":
		return unary(math.Atan)
	case "Sinh":
		return unary(math.Sinh)
	case "Cosh":
		return unary(math.Cosh)
	case "Tanh":
		return unary(math.Tanh)
	case "Asinh":
		return unary(math.Asinh)
	case "Acosh":
		return unary(math.Acosh)
	case "Atanh":
		return unary(math.Atanh)
	}
	return nil
}

func activations(op string) kernel {
	switch op {
	case "Relu":
		return signed(relu, reluInt)
	case "LeakyRelu":
		return leakyRelu
	case "PRelu":
		return prelu
	case "ThresholdedRelu":
		return thresholdedRelu
	case "Elu":
		return elu
	case "Selu":
		return selu
	case "Celu":
		return celu
	case "Sigmoid":
		return unary(sigmoid)
	case "HardSigmoid":
		return hardSigmoid
	case "HardSwish":
		return unary(hardSwish)
	case "Swish":
		return swish
	case "Gelu":
		return gelu
	case "Mish":
		return unary(mish)
	case "Softplus":
		return unary(softplus)
	case "Softsign":
		return unary(softsign)
	case "Shrink":
		return shrink
	case "Clip":
		return clip
	case "Softmax":
		return softmax(false)
	case "LogSoftmax":
		return softmax(true)
	}
	return nil
}

func layers(op string) kernel {
	switch op {
	case "Conv":
		return conv
	case "ConvTranspose":
		return convTranspose
	case "MatMul":
		return matMul
	case "Gemm":
		return gemm
	case "Einsum":
		return einsum
	case "MaxPool":
		return maxPool
	case "AveragePool":
		return averagePool
	case "LpPool":
		return lpPool
	case "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool":
		return globalPool(op)
	case "BatchNormalization":
		return batchNormalization
	case "InstanceNormalization":
		return instanceNormalization
	case "LayerNormalization":
		return layerNormalization
	case "GroupNormalization":
		return groupNormalization
	case "LRN":
		return lrn
	case "LpNormalization":
		return lpNormalization
	case "QuantizeLinear":
		return quantizeLinear
	case "DequantizeLinear":
		return dequantizeLinear
	}
	return reductions(op)
}

func reductions(op string) kernel {
	switch op {
	case "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
		"ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp":
		return reduce
	case "ArgMax":
		return extreme(greater[float64])
	case "ArgMin":
		return extreme(less[float64])
	case "CumSum":
		return cumSum
	case "TopK":
		return topK
	}
	return nil
}

// movements put elements elsewhere.
func movements(op string) kernel {
	switch op {
	case "Identity":
		return identity
	case "Dropout":
		return dropout
	case "Reshape":
		return reshape
	case "Flatten":
		return flatten
	case "Squeeze":
		return squeeze
	case "Unsqueeze":
		return unsqueeze
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
	case "ScatterElements":
		return scatterElements
	case "ScatterND":
		return scatterND
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
	case "Trilu":
		return trilu
	}
	return nil
}

// makers make values out of attributes, shapes, other types or bodies.
func makers(op string) kernel {
	switch op {
	case "Constant":
		return constant
	case "ConstantOfShape":
		return constantOfShape
	case "Shape":
		return shapeOf
	case "Size":
		return sizeOf
	case "Range":
		return sequence
	case "OneHot":
		return oneHot
	case "Cast":
		return cast
	case "CastLike":
		return castLike
	case "If":
		return branch
	}
	return nil
}
