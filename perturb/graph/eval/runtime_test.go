//go:build cgo

package eval_test

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	ort "github.com/yalue/onnxruntime_go"
	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/graphtest"
	"shaketable/perturb/graph/onnx"
)

// startRuntime loads ONNX Runtime once per test binary.
var startRuntime = sync.OnceValue(func() error {
	ort.SetSharedLibraryPath(graphtest.Library())
	return ort.InitializeEnvironment(ort.WithLogLevelError())
})

// needRuntime starts ONNX Runtime, or skips the test.
func needRuntime(tb testing.TB) {
	tb.Helper()
	if err := startRuntime(); err != nil {
		graphtest.Absent(tb, "ONNX Runtime not found: "+err.Error())
	}
}

// runtime runs a model in ONNX Runtime, without its optimiser: the values asked for are those of the nodes as written.
func runtime(m *onnx.ModelProto, feeds map[string]*eval.Tensor) (map[string]*eval.Tensor, error) {
	data, err := graph.Marshal(m)
	if err != nil {
		return nil, err
	}
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	defer options.Destroy()
	if err := options.SetIntraOpNumThreads(1); err != nil {
		return nil, err
	}
	if err := options.SetGraphOptimizationLevel(ort.GraphOptimizationLevelDisableAll); err != nil {
		return nil, err
	}
	var inputs, outputs []string
	var values []ort.Value
	for _, in := range graph.Inputs(m.GetGraph()) {
		v, err := toRuntime(feeds[in.GetName()])
		if err != nil {
			return nil, err
		}
		defer v.Destroy()
		inputs, values = append(inputs, in.GetName()), append(values, v)
	}
	for _, o := range m.GetGraph().GetOutput() {
		outputs = append(outputs, o.GetName())
	}
	session, err := ort.NewDynamicAdvancedSessionWithONNXData(data, inputs, outputs, options)
	if err != nil {
		return nil, err
	}
	defer session.Destroy()
	results := make([]ort.Value, len(outputs))
	if err := session.Run(values, results); err != nil {
		return nil, err
	}
	out := map[string]*eval.Tensor{}
	for i, r := range results {
		if out[outputs[i]], err = fromRuntime(r); err != nil {
			return nil, err
		}
		r.Destroy()
	}
	return out, nil
}

func toRuntime(t *eval.Tensor) (ort.Value, error) {
	raw := t.Proto("").GetRawData()
	types := map[onnx.TensorProto_DataType]ort.TensorElementDataType{
		onnx.TensorProto_FLOAT: ort.TensorElementDataTypeFloat, onnx.TensorProto_INT64: ort.TensorElementDataTypeInt64,
		onnx.TensorProto_INT32: ort.TensorElementDataTypeInt32, onnx.TensorProto_UINT8: ort.TensorElementDataTypeUint8,
		onnx.TensorProto_INT8: ort.TensorElementDataTypeInt8, onnx.TensorProto_BOOL: ort.TensorElementDataTypeBool,
		onnx.TensorProto_FLOAT16: ort.TensorElementDataTypeFloat16, onnx.TensorProto_DOUBLE: ort.TensorElementDataTypeDouble,
	}
	return ort.NewCustomDataTensor(ort.NewShape(t.Dims...), raw, types[t.Type])
}

func fromRuntime(v ort.Value) (*eval.Tensor, error) {
	dims := []int64(v.GetShape())
	switch v := v.(type) {
	case *ort.Tensor[float32]:
		return &eval.Tensor{Type: onnx.TensorProto_FLOAT, Dims: dims, F: numbers[float32, float64](v.GetData())}, nil
	case *ort.Tensor[float64]:
		return &eval.Tensor{Type: onnx.TensorProto_DOUBLE, Dims: dims, F: numbers[float64, float64](v.GetData())}, nil
	case *ort.Tensor[int64]:
		return &eval.Tensor{Type: onnx.TensorProto_INT64, Dims: dims, I: numbers[int64, int64](v.GetData())}, nil
	case *ort.Tensor[int32]:
		return &eval.Tensor{Type: onnx.TensorProto_INT32, Dims: dims, I: numbers[int32, int64](v.GetData())}, nil
	case *ort.Tensor[uint8]:
		return &eval.Tensor{Type: onnx.TensorProto_UINT8, Dims: dims, I: numbers[uint8, int64](v.GetData())}, nil
	case *ort.Tensor[int8]:
		return &eval.Tensor{Type: onnx.TensorProto_INT8, Dims: dims, I: numbers[int8, int64](v.GetData())}, nil
	case *ort.Tensor[bool]:
		t := &eval.Tensor{Type: onnx.TensorProto_BOOL, Dims: dims}
		for _, b := range v.GetData() {
			if b {
				t.I = append(t.I, 1)
			} else {
				t.I = append(t.I, 0)
			}
		}
		return t, nil
	}
	return nil, fmt.Errorf("the runtime's output is a %T", v)
}

func numbers[A, B float32 | float64 | int64 | int32 | uint8 | int8](from []A) []B {
	out := make([]B, len(from))
	for i, v := range from {
		out[i] = B(v)
	}
	return out
}

// distance is the largest difference of two tensors relative to the largest element; infinite if they are not alike at all.
func distance(got, want *eval.Tensor) float64 {
	if got.Type != want.Type || !slices.Equal(got.Dims, want.Dims) || len(got.F) != len(want.F) {
		return math.Inf(1)
	}
	if !slices.Equal(got.I, want.I) {
		return math.Inf(1)
	}
	top, worst := 1e-3, 0.0
	for i, v := range want.F {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			top = max(top, math.Abs(v))
		}
		if w := got.F[i]; v == w || math.IsNaN(v) && math.IsNaN(w) {
			continue
		}
		worst = max(worst, math.Abs(v-got.F[i]))
		if math.IsNaN(v) != math.IsNaN(got.F[i]) || math.IsInf(v, 0) {
			return math.Inf(1)
		}
	}
	return worst / top
}

// single is a model of one node. Floating inputs are fed, others are constants, unless fed says otherwise.
type single struct {
	op      string
	opset   int64
	in      []*eval.Tensor // nil: left out
	attrs   []*onnx.AttributeProto
	outputs int  // 0: one
	fed     bool // all inputs are fed
	fixed   bool // none is
}

func (s single) String() string {
	text := fmt.Sprintf("%s opset %d", s.op, s.opset)
	for _, a := range s.attrs {
		text += fmt.Sprintf(" %s=%v|%v|%v|%s", a.GetName(), a.GetI(), a.GetInts(), a.GetF(), a.GetS())
	}
	for _, t := range s.in {
		if t == nil {
			text += " -"
		} else if len(t.I) > 0 && len(t.I) < 9 {
			text += fmt.Sprintf(" %v", t.I)
		} else {
			text += fmt.Sprintf(" %v%v", t.Type, t.Dims)
		}
	}
	return text
}

// model writes the node, with a first run of our own to learn the types of its outputs.
func (s single) model() (*onnx.ModelProto, map[string]*eval.Tensor, error) {
	g := &onnx.GraphProto{Name: proto.String("g")}
	node := &onnx.NodeProto{OpType: proto.String(s.op), Name: proto.String("node"), Attribute: s.attrs}
	feeds := map[string]*eval.Tensor{}
	for i, t := range s.in {
		name := fmt.Sprintf("in%d", i)
		switch {
		case t == nil:
			name = ""
		case (s.fed || t.F != nil && !s.fixed) && len(t.Dims) > 0 && t.Len() > 0: // the binding feeds no scalars and nothing empty
			g.Input = append(g.Input, graph.Value(name, t.Type, t.Dims...))
			feeds[name] = t
		default:
			g.Initializer = append(g.Initializer, t.Proto(name))
		}
		node.Input = append(node.Input, name)
	}
	if len(g.Input) == 0 { // the binding runs no model without inputs
		g.Input, feeds["unread"] = append(g.Input, graph.Value("unread", graph.Float32, 1)), floats(1)
	}
	for i := range max(1, s.outputs) {
		node.Output = append(node.Output, fmt.Sprintf("out%d", i))
	}
	g.Node = []*onnx.NodeProto{node}
	m := &onnx.ModelProto{IrVersion: proto.Int64(8), Graph: g, OpsetImport: []*onnx.OperatorSetIdProto{{Version: proto.Int64(s.opset)}}}
	got, err := eval.Run(m, feeds, node.Output...)
	if err != nil {
		return nil, nil, err
	}
	for _, o := range node.Output {
		if len(got[o].Dims) == 0 { // the binding reads no scalars: look at shape and element separately
			g.Initializer = append(g.Initializer, ints(-1).Proto("flat"))
			g.Node = append(g.Node, &onnx.NodeProto{OpType: proto.String("Shape"), Input: []string{o}, Output: []string{o + "_shape"}},
				&onnx.NodeProto{OpType: proto.String("Reshape"), Input: []string{o, "flat"}, Output: []string{o + "_flat"}})
			g.Output = append(g.Output, graph.Value(o+"_shape", graph.Int64, 0), graph.Value(o+"_flat", got[o].Type, 1))
			continue
		}
		g.Output = append(g.Output, &onnx.ValueInfoProto{Name: proto.String(o), Type: &onnx.TypeProto{Value: &onnx.TypeProto_TensorType{
			TensorType: &onnx.TypeProto_Tensor{ElemType: proto.Int32(int32(got[o].Type))}}}})
	}
	return m, feeds, nil
}

// agree checks a node against ONNX Runtime, and its facts against its values; it returns the distance.
func (s single) agree(t *testing.T) float64 {
	t.Helper()
	m, feeds, err := s.model()
	if err != nil {
		t.Errorf("%v: %v", s, err)
		return 0
	}
	got, err := eval.Run(m, feeds)
	if err != nil {
		t.Errorf("%v: %v", s, err)
		return 0
	}
	sameFacts(t, s.String(), m, feeds, got)
	want, err := runtime(m, feeds)
	if err != nil {
		t.Errorf("%v: the runtime says %v", s, err)
		return 0
	}
	worst := 0.0
	for name := range want {
		d := distance(got[name], want[name])
		if d > 1e-5 {
			t.Errorf("%v: %s is %v%v %.6v%v, the runtime has %v%v %.6v%v, off by %.2g", s, name, got[name].Type, got[name].Dims, head(got[name].F),
				head(got[name].I), want[name].Type, want[name].Dims, head(want[name].F), head(want[name].I), d)
		}
		worst = max(worst, d)
	}
	return worst
}

// survives computes a node that may make no sense: it fails, or its facts are those of its values.
func (s single) survives(t *testing.T) {
	t.Helper()
	m, feeds, err := s.model()
	if err != nil {
		return
	}
	got, err := eval.Run(m, feeds)
	if err != nil {
		t.Errorf("%v: %v", s, err)
		return
	}
	sameFacts(t, s.String(), m, feeds, got)
}

func head[T any](list []T) []T { return list[:min(8, len(list))] }

// sameFacts checks what Infer says against values.
func sameFacts(t *testing.T, what string, m *onnx.ModelProto, feeds, values map[string]*eval.Tensor) {
	t.Helper()
	shapes := map[string][]int64{}
	for name, f := range feeds {
		shapes[name] = f.Dims
	}
	facts, err := eval.Infer(m, shapes)
	if err != nil {
		t.Errorf("%s: infer: %v", what, err)
		return
	}
	for name, v := range values {
		if dims, ok := facts.Dims(name); !ok || !slices.Equal(dims, v.Dims) || facts.Type(name) != v.Type {
			t.Errorf("%s: inferred for %s is %v %v %v, its value has %v %v", what, name, facts.Type(name), dims, ok, v.Type, v.Dims)
		}
		if c, ok := facts.Const(name); ok && distance(c, v) > 0 {
			t.Errorf("%s: %s folds to %v %v, its value is %v %v", what, name, c.F, c.I, v.F, v.I)
		}
	}
}
