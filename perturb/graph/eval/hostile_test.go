package eval

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/onnx"
)

// operators are all that have a kernel.
const operators = `ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSum ReduceLogSumExp
Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Cast CastLike Ceil Celu Clip Concat
Constant ConstantOfShape Conv ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear Div Dropout Einsum Elu Equal Erf Exp
Expand Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual
GroupNormalization HardSigmoid HardSwish Identity If InstanceNormalization IsInf IsNaN LRN LayerNormalization LeakyRelu Less
LessOrEqual Log LogSoftmax LpNormalization LpPool MatMul Max MaxPool Mean Min Mish Mod Mul Neg Not OneHot Or PRelu Pad Pow
QuantizeLinear Range Reciprocal Relu Reshape Resize Round ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size
Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu
Unsqueeze  Where Xor`

// attributes are names that kernels read, with the kind of value.
const attributes = `axis:i axes:l keepdims:i alpha:f beta:f epsilon:f kernel_shape:l strides:l dilations:l pads:l group:i auto_pad:s
ceil_mode:i count_include_pad:i output_padding:l output_shape:l p:i size:i blocksize:i mode:s perm:l to:i start:i end:i allowzero:i
num_outputs:i split:l num_groups:i equation:s batch_dims:i exclusive:i reverse:i upper:i noop_with_empty_axes:i transA:i transB:i
coordinate_transformation_mode:s nearest_mode:s cubic_coeff_a:f exclude_outside:i antialias:i keep_aspect_ratio_policy:s
select_last_index:i fmod:i reduction:s approximate:s value_int:i value_ints:l value_floats:l storage_order:i training_mode:i k:i largest:i sorted:i`

// words are values of string attributes.
const words = `NOTSET VALID SAME_UPPER SAME_LOWER constant reflect edge wrap nearest linear cubic DCR CRD half_pixel asymmetric align_corners
pytorch_half_pixel half_pixel_symmetric floor ceil round_prefer_ceil ij,jk->ik i,j ...i,ij->...j ii->i ij-> not_larger not_smaller add max none tanh`

// hostile draws nodes that no exporter writes.
type hostile struct{ *rand.Rand }

func (r hostile) number() int64 {
	if r.IntN(3) > 0 {
		return int64(r.IntN(6)) - 1
	}
	return []int64{-1 << 63, -1 << 40, -1 << 31, -9, -3, -2, 7, 16, 1000, 1 << 20, 1 << 31, 1 << 40, 1 << 62, 1<<63 - 1}[r.IntN(14)]
}

func (r hostile) numbers() []int64 {
	list := make([]int64, r.IntN(6))
	for i := range list {
		list[i] = r.number()
	}
	return list
}

func (r hostile) tensor() *Tensor {
	types := []onnx.TensorProto_DataType{float32Type, float32Type, float32Type, int64Type, int64Type, boolType, uint8Type, onnx.TensorProto_INT32}
	t := &Tensor{Type: types[r.IntN(len(types))], Dims: make([]int64, r.IntN(6))}
	for i := range t.Dims {
		t.Dims[i] = []int64{1, 2, 2, 3, 3, 4, 0}[r.IntN(7)]
	}
	t.allocate()
	for i := range t.F {
		t.F[i] = r.NormFloat64() * 3
	}
	for i := range t.I {
		t.I[i] = wrap(t.Type, r.number())
	}
	return t
}

func (r hostile) attribute() *onnx.AttributeProto {
	list := strings.Fields(attributes)
	name, kind, _ := strings.Cut(list[r.IntN(len(list))], ":")
	switch kind {
	case "i":
		return graph.IntAttr(name, r.number())
	case "l":
		return graph.IntsAttr(name, r.numbers()...)
	case "f":
		return graph.FloatAttr(name, float32(r.NormFloat64()))
	default:
		all := strings.Fields(words)
		return graph.StringAttr(name, all[r.IntN(len(all))])
	}
}

// model is one node with random inputs, of which some are fed.
func (r hostile) model() (*onnx.ModelProto, map[string]*Tensor) {
	ops := strings.Fields(operators)
	node := &onnx.NodeProto{OpType: proto.String(ops[r.IntN(len(ops))]), Name: proto.String("n"), Output: []string{"o0", "o1", "o2"}[:1+r.IntN(3)]}
	g := &onnx.GraphProto{Node: []*onnx.NodeProto{node}, Output: []*onnx.ValueInfoProto{{Name: proto.String("o0")}}}
	feeds := map[string]*Tensor{}
	first := r.tensor()
	for i := range r.IntN(6) {
		name := string(rune('a' + i))
		t := r.tensor()
		if r.IntN(2) == 0 { // inputs that fit each other reach deeper
			t.Type, t.Dims, t.F, t.I = first.Type, slices.Clone(first.Dims), first.F, first.I
		}
		switch r.IntN(8) {
		case 0:
			name = ""
		case 1, 2, 3:
			g.Input, feeds[name] = append(g.Input, graph.Value(name, t.Type, t.Dims...)), t
		default:
			g.Initializer = append(g.Initializer, t.Proto(name))
		}
		node.Input = append(node.Input, name)
	}
	for range r.IntN(4) {
		node.Attribute = append(node.Attribute, r.attribute())
	}
	opset := []int64{10, 11, 12, 13, 17, 18, 21, 24}[r.IntN(8)]
	return &onnx.ModelProto{Graph: g, OpsetImport: []*onnx.OperatorSetIdProto{{Version: proto.Int64(opset)}}}, feeds
}

// TestHostileNodes computes nonsense: it must be refused with an error, or give values of the shape that was inferred.
func TestHostileNodes(t *testing.T) {
	r := hostile{rand.New(rand.NewPCG(1, 2))}
	ran := map[string]int{}
	for i := range 60000 {
		m, feeds := r.model()
		shapes := map[string][]int64{}
		for name, f := range feeds {
			shapes[name] = f.Dims
		}
		facts, err := Infer(m, shapes)
		got, runErr := runWithin(m, feeds, nil, machine{largest: 1 << 16, effort: 1 << 22})
		if runErr != nil {
			continue
		}
		op := m.GetGraph().GetNode()[0].GetOpType()
		ran[op]++
		if err != nil {
			t.Fatalf("node %d: %v is computed, but infer says %v", i, m.GetGraph().GetNode()[0], err)
		}
		if d, ok := facts.Dims("o0"); ok && (!slices.Equal(d, got["o0"].Dims) || facts.Type("o0") != got["o0"].Type) {
			t.Fatalf("node %d: %v has shape %v, inferred was %v", i, m.GetGraph().GetNode()[0], got["o0"].Dims, d)
		}
		if err := got["o0"].check(); err != nil {
			t.Fatalf("node %d: %v: %v", i, m.GetGraph().GetNode()[0], err)
		}
	}
	t.Logf("%d of %d operators were computed at least once", len(ran), len(strings.Fields(operators)))
	if len(ran) < 90 {
		t.Errorf("only %d operators were reached", len(ran))
	}
}
