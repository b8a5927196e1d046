package eval_test

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/onnx"
)

func node(op string, in []string, out string, attrs ...*onnx.AttributeProto) *onnx.NodeProto {
	return &onnx.NodeProto{OpType: proto.String(op), Name: proto.String("n" + out), Input: in, Output: []string{out}, Attribute: attrs}
}

// model has one float input x of the given shape; the last node makes its output.
func model(opset int64, dims []int64, constants []*onnx.TensorProto, nodes ...*onnx.NodeProto) *onnx.ModelProto {
	last := nodes[len(nodes)-1]
	return &onnx.ModelProto{OpsetImport: []*onnx.OperatorSetIdProto{{Version: proto.Int64(opset)}}, Graph: &onnx.GraphProto{
		Input: []*onnx.ValueInfoProto{graph.Value("x", graph.Float32, dims...)}, Initializer: constants, Node: nodes,
		Output: []*onnx.ValueInfoProto{{Name: proto.String(last.Output[0])}}}}
}

func run(t *testing.T, m *onnx.ModelProto, x ...float64) *eval.Tensor {
	t.Helper()
	got, err := eval.Run(m, map[string]*eval.Tensor{"x": eval.Floats(x, int64(len(x)))})
	if err != nil {
		t.Fatal(err)
	}
	return got[m.GetGraph().GetOutput()[0].GetName()]
}

// TestPrecision: values are float64, but what the graph computes from constants alone is float32, as in a runtime.
func TestPrecision(t *testing.T) {
	tenth := graph.FloatTensor("tenth", []float32{.1})
	m := model(13, []int64{1}, []*onnx.TensorProto{tenth, graph.FloatTensor("three", []float32{3})},
		node("Mul", []string{"x", "x"}, "square"), node("Mul", []string{"tenth", "three"}, "folded"), node("Add", []string{"square", "folded"}, "y"))
	x := 1 + 1e-10
	if got, want := run(t, m, x).F[0], x*x+float64(float32(float32(.1)*3)); got != want {
		t.Errorf("y is %.17g, want %.17g", got, want)
	}
	// floor(.7f * 10) is 7 in float32 and 6 in float64: the size of a picture hangs on it
	size := model(13, []int64{10}, []*onnx.TensorProto{graph.FloatTensor("factor", []float32{.7}, 1)},
		node("Shape", []string{"x"}, "shape"), node("Cast", []string{"shape"}, "float", graph.IntAttr("to", 1)),
		node("Mul", []string{"float", "factor"}, "scaled"), node("Floor", []string{"scaled"}, "floor"),
		node("Cast", []string{"floor"}, "size", graph.IntAttr("to", 7)))
	facts, err := eval.Infer(size, map[string][]int64{"x": {10}})
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := facts.Const("size"); !ok || !slices.Equal(c.I, []int64{7}) {
		t.Errorf("the size folds to %v", c)
	}
	if got := run(t, size, make([]float64, 10)...); !slices.Equal(got.I, []int64{7}) {
		t.Errorf("the size is %v", got.I)
	}
}

func TestFacts(t *testing.T) {
	big := graph.FloatTensor("big", make([]float32, 1<<20+1), 1<<20+1)
	m := model(13, []int64{2, graph.Unknown}, []*onnx.TensorProto{big, graph.Int64Tensor("shape", []int64{0, -1, 2}, 3)},
		node("Reshape", []string{"x", "shape"}, "pairs"),
		node("NonZero", []string{"pairs"}, "where"), node("Neg", []string{"where"}, "behind"),
		node("Shape", []string{"pairs"}, "dims"), node("ReduceProd", []string{"dims"}, "count", graph.IntAttr("keepdims", 0)),
		node("Add", []string{"big", "big"}, "twice"),
		node("Dropout", []string{"pairs"}, "y"))
	facts, err := eval.Infer(m, map[string][]int64{"x": {2, 6}})
	if err != nil {
		t.Fatal(err)
	}
	if d, ok := facts.Dims("pairs"); !ok || !slices.Equal(d, []int64{2, 3, 2}) || facts.Type("pairs") != graph.Float32 {
		t.Errorf("pairs are %v %v", facts.Type("pairs"), d)
	}
	if got := facts.Unsupported(); !slices.Equal(got, []string{"NonZero (nwhere)"}) {
		t.Errorf("unsupported are %q", got)
	}
	if _, ok := facts.Dims("behind"); ok || facts.Type("behind") != onnx.TensorProto_UNDEFINED {
		t.Error("there are facts behind an unsupported operator")
	}
	if c, ok := facts.Const("count"); !ok || c.I[0] != 12 || len(c.Dims) != 0 {
		t.Errorf("the count is %v", c)
	}
	if c, ok := facts.Const("big"); !ok || len(c.F) != 1<<20+1 {
		t.Error("a large initializer is not a constant")
	}
	if _, ok := facts.Const("twice"); ok {
		t.Error("a large sum of constants was computed")
	}
	if d, ok := facts.Dims("twice"); !ok || d[0] != 1<<20+1 {
		t.Errorf("the large sum has shape %v", d)
	}
	if _, ok := facts.Const("pairs"); ok {
		t.Error("a value that depends on the input is constant")
	}
}

// TestFoldingBudget: a graph that computes many weights from constants still has all its shapes.
func TestFoldingBudget(t *testing.T) {
	nodes := []*onnx.NodeProto{node("Neg", []string{"w"}, "w0")}
	for i := range 20 {
		nodes = append(nodes, node("Neg", []string{"w" + strconv.Itoa(i)}, "w"+strconv.Itoa(i+1)))
	}
	nodes = append(nodes, node("Shape", []string{"x"}, "s"), node("Mul", []string{"s", "s"}, "y"))
	m := model(13, []int64{3}, []*onnx.TensorProto{graph.FloatTensor("w", make([]float32, 1<<20), 1<<20)}, nodes...)
	facts, err := eval.Infer(m, map[string][]int64{"x": {3}})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := facts.Const("w0"); !ok {
		t.Error("the first weight is not folded")
	}
	if _, ok := facts.Const("w20"); ok {
		t.Error("folding has no bound")
	}
	if c, ok := facts.Const("y"); !ok || c.I[0] != 9 {
		t.Errorf("the shape's square is %v", c)
	}
}

// TestErrors lists graphs that must fail, in Run and in Infer, with a message that names the node.
func TestErrors(t *testing.T) {
	shape := func(name string, v ...int64) *onnx.TensorProto { return graph.Int64Tensor(name, v, int64(len(v))) }
	big := make([]float64, 6)
	for name, test := range map[string]struct {
		model *onnx.ModelProto
		want  string
	}{
		"nobody makes it":  {model(13, []int64{6}, nil, node("Relu", []string{"z"}, "y")), `Relu (ny): input "z" is not made by any node before it`},
		"cycle":            {model(13, []int64{6}, nil, node("Add", []string{"x", "b"}, "a"), node("Relu", []string{"a"}, "b")), `input "b" is not made`},
		"made twice":       {model(13, []int64{6}, nil, node("Relu", []string{"x"}, "a"), node("Neg", []string{"x"}, "a")), `value "a" is made twice`},
		"broadcast":        {model(13, []int64{6}, []*onnx.TensorProto{graph.FloatTensor("w", make([]float32, 4), 4)}, node("Add", []string{"x", "w"}, "y")), "Add (ny): shapes [[6] [4]] do not broadcast"},
		"types":            {model(13, []int64{6}, []*onnx.TensorProto{shape("w", 1)}, node("Add", []string{"x", "w"}, "y")), "inputs have types FLOAT and INT64"},
		"missing input":    {model(13, []int64{6}, nil, node("Add", []string{"x"}, "y")), "input 1 is missing"},
		"reshape":          {model(13, []int64{6}, []*onnx.TensorProto{shape("s", 4, -1)}, node("Reshape", []string{"x", "s"}, "y")), "6 elements of shape [6] do not fit shape [4 -1]"},
		"two open":         {model(13, []int64{6}, []*onnx.TensorProto{shape("s", -1, -1)}, node("Reshape", []string{"x", "s"}, "y")), "two open dimensions"},
		"huge":             {model(13, []int64{6}, []*onnx.TensorProto{shape("s", 1<<40, 1<<40, 1)}, node("Expand", []string{"x", "s"}, "y")), "more than 2^40 elements"},
		"huge by product":  {model(13, []int64{6}, []*onnx.TensorProto{shape("s", 1<<62, 4)}, node("Reshape", []string{"x", "s"}, "y")), "is not possible"},
		"axis":             {model(13, []int64{6}, nil, node("Softmax", []string{"x"}, "y", graph.IntAttr("axis", 3))), "Softmax (ny): axis 3 is outside a shape of rank 1"},
		"axis twice":       {model(13, []int64{6}, []*onnx.TensorProto{shape("s", 0, -1)}, node("ReduceSum", []string{"x", "s"}, "y")), "name an axis twice"},
		"index":            {model(13, []int64{6}, []*onnx.TensorProto{shape("i", 6)}, node("Shape", []string{"x"}, "s"), node("Gather", []string{"s", "i"}, "y")), "index 6 is outside an axis of size 1"},
		"division by zero": {model(13, []int64{6}, []*onnx.TensorProto{shape("i", 0)}, node("Shape", []string{"x"}, "s"), node("Div", []string{"s", "i"}, "y")), "division of 6 by 0"},
		"attribute type":   {model(13, []int64{6}, nil, node("Flatten", []string{"x"}, "y", graph.FloatAttr("axis", 1))), "attribute axis has type FLOAT, it must be INT"},
		"pool":             {model(13, []int64{6}, []*onnx.TensorProto{shape("s", 1, 1, 6)}, node("Reshape", []string{"x", "s"}, "a"), node("MaxPool", []string{"a"}, "y", graph.IntsAttr("kernel_shape", 9))), "does not fit input [6]"},
		"no stride":        {model(13, []int64{6}, []*onnx.TensorProto{shape("s", 1, 1, 6)}, node("Reshape", []string{"x", "s"}, "a"), node("MaxPool", []string{"a"}, "y", graph.IntsAttr("kernel_shape", 2), graph.IntsAttr("strides", 0))), "strides [0]"},
		"equation":         {model(13, []int64{6}, nil, node("Einsum", []string{"x"}, "y", graph.StringAttr("equation", "i->j"))), `label "j" is in no term`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := eval.Run(test.model, map[string]*eval.Tensor{"x": eval.Floats(big, 6)})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("run: error is %v, want it to say %q", err, test.want)
			}
			if _, err := eval.Infer(test.model, map[string][]int64{"x": {6}}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("infer: error is %v, want it to say %q", err, test.want)
			}
		})
	}
}

// TestUnsupported names operators and attributes that have no kernel.
func TestUnsupported(t *testing.T) {
	private := node("Magic", []string{"x"}, "y")
	private.Domain = proto.String("com.example")
	for want, m := range map[string]*onnx.ModelProto{
		"NonZero (ny)":                  model(13, []int64{6}, nil, node("NonZero", []string{"x"}, "y")),
		"com.example.Magic (ny)":        model(13, []int64{6}, nil, private),
		"Relu (ny): attribute slope":    model(13, []int64{6}, nil, node("Relu", []string{"x"}, "y", graph.FloatAttr("slope", 1))),
		`Gelu (ny): approximate "fast"`: model(20, []int64{6}, nil, node("Gelu", []string{"x"}, "y", graph.StringAttr("approximate", "fast"))),
	} {
		_, err := eval.Run(m, map[string]*eval.Tensor{"x": eval.Floats(make([]float64, 6), 6)})
		if err == nil || err.Error() != want+" is not supported" {
			t.Errorf("run says %v, want %q", err, want+" is not supported")
		}
		facts, err := eval.Infer(m, map[string][]int64{"x": {6}})
		if err != nil || !slices.Equal(facts.Unsupported(), []string{want}) {
			t.Errorf("infer lists %q, %v, want %q", facts.Unsupported(), err, want)
		}
	}
}

func TestFeeds(t *testing.T) {
	m := model(13, []int64{graph.Unknown, 3}, nil, node("Relu", []string{"x"}, "y"))
	for name, test := range map[string]struct {
		feeds map[string]*eval.Tensor
		want  string
	}{
		"none":     {nil, `input "x" has no value; the graph has inputs x`},
		"unknown":  {map[string]*eval.Tensor{"x": eval.Floats(make([]float64, 3), 1, 3), "z": eval.Floats(nil, 0)}, `input "z" is not an input of the graph; it has x`},
		"shape":    {map[string]*eval.Tensor{"x": eval.Floats(make([]float64, 4), 1, 4)}, "declared with shape [-1 3], not [1 4]"},
		"rank":     {map[string]*eval.Tensor{"x": eval.Floats(make([]float64, 3), 3)}, "declared with shape [-1 3], not [3]"},
		"type":     {map[string]*eval.Tensor{"x": {Type: graph.Int64, Dims: []int64{1, 3}, I: make([]int64, 3)}}, "declared as FLOAT, not INT64"},
		"elements": {map[string]*eval.Tensor{"x": eval.Floats(make([]float64, 2), 1, 3)}, "needs 3 elements, it has 2"},
	} {
		if _, err := eval.Run(m, test.feeds); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v, want it to say %q", name, err, test.want)
		}
	}
	x := map[string]*eval.Tensor{"x": eval.Floats([]float64{-1, 0, 2}, 1, 3)}
	if _, err := eval.Run(m, x, "nothing"); err == nil || !strings.Contains(err.Error(), `no value "nothing"`) {
		t.Errorf("error is %v", err)
	}
	if got, err := eval.Run(m, x, "x", "y"); err != nil || got["x"].F[0] != -1 || got["y"].F[0] != 0 {
		t.Errorf("outputs are %v, %v", got, err)
	}
	if _, err := eval.Infer(m, nil); err == nil || !strings.Contains(err.Error(), `input "x" has no shape`) {
		t.Errorf("error is %v", err)
	}
	if _, err := eval.Infer(m, map[string][]int64{"x": {2, 4}}); err == nil || !strings.Contains(err.Error(), "declared with shape [-1 3], not [2 4]") {
		t.Errorf("error is %v", err)
	}
}

// function is slope(x, alpha) = alpha x where x < 0, else x + shift, with shift passed through.
func functions() []*onnx.FunctionProto {
	ref := func(name, to string) *onnx.AttributeProto {
		return &onnx.AttributeProto{Name: proto.String(name), RefAttrName: proto.String(to), Type: onnx.AttributeProto_FLOAT.Enum()}
	}
	inner := node("Half", []string{"t"}, "h", ref("factor", "alpha"))
	inner.Domain = proto.String("own")
	half := &onnx.FunctionProto{Domain: proto.String("own"), Name: proto.String("Half"), Input: []string{"t"}, Output: []string{"r"}, Attribute: []string{"factor"},
		Node: []*onnx.NodeProto{node("LeakyRelu", []string{"t"}, "r", ref("alpha", "factor"))}}
	slope := &onnx.FunctionProto{Domain: proto.String("own"), Name: proto.String("Slope"), Input: []string{"t", "shift"}, Output: []string{"sum", "shift"},
		AttributeProto: []*onnx.AttributeProto{graph.FloatAttr("alpha", .25)},
		OpsetImport:    []*onnx.OperatorSetIdProto{{Version: proto.Int64(13)}},
		Node:           []*onnx.NodeProto{inner, node("Add", []string{"h", "shift"}, "sum")}}
	return []*onnx.FunctionProto{half, slope}
}

func TestInlineFunctions(t *testing.T) {
	first, second := node("Slope", []string{"x", "c"}, "h"), node("Slope", []string{"h", "c"}, "s", graph.FloatAttr("alpha", .5))
	first.Domain, second.Domain = proto.String("own"), proto.String("own")
	second.Output = append(second.Output, "passed")
	m := model(13, []int64{2}, []*onnx.TensorProto{graph.FloatTensor("c", []float32{1}, 1)}, first, second, node("Add", []string{"s", "passed"}, "y"))
	m.Functions = functions()
	before := proto.CloneOf(m)
	// h = leaky(x, .25) + 1 = [0, 3]; s = leaky(h, .5) + 1 = [1, 4]; y = s + 1
	if got := run(t, m, -4, 2); !slices.Equal(got.F, []float64{2, 5}) {
		t.Errorf("y is %v, want [2 5]", got.F)
	}
	// h = -1: s = -.5 + 1
	if got := run(t, m, -8, 2); !slices.Equal(got.F, []float64{1.5, 5}) {
		t.Errorf("y is %v, want [1.5 5]", got.F)
	}
	flat, err := eval.InlineFunctions(m)
	if err != nil {
		t.Fatal(err)
	}
	if len(flat.GetFunctions()) != 0 || !proto.Equal(m, before) {
		t.Error("functions are left, or the model was changed")
	}
	for _, n := range flat.GetGraph().GetNode() {
		if n.GetDomain() != "" {
			t.Errorf("the call %v is left", n)
		}
	}
	facts, err := eval.Infer(m, map[string][]int64{"x": {2}})
	if d, ok := facts.Dims("y"); err != nil || !ok || !slices.Equal(d, []int64{2}) {
		t.Errorf("the shape is %v, %v", d, err)
	}
}

func TestInlineErrors(t *testing.T) {
	call := func(name string) *onnx.NodeProto {
		n := node(name, []string{"x"}, "y")
		n.Domain = proto.String("own")
		return n
	}
	loop := &onnx.FunctionProto{Domain: proto.String("own"), Name: proto.String("Loop"), Input: []string{"x"}, Output: []string{"y"}, Node: []*onnx.NodeProto{call("Loop")}}
	double := &onnx.FunctionProto{Domain: proto.String("own"), Name: proto.String("F0"), Input: []string{"x"}, Output: []string{"y"}, Node: []*onnx.NodeProto{node("Relu", []string{"x"}, "y")}}
	all := []*onnx.FunctionProto{double, loop}
	for i := 1; i < 30; i++ {
		first, second := call("F"+string(rune('0'+i-1))), call("F"+string(rune('0'+i-1)))
		first.Output, second.Input = []string{"z"}, []string{"z"}
		all = append(all, &onnx.FunctionProto{Domain: proto.String("own"), Name: proto.String("F" + string(rune('0'+i))), Input: []string{"x"}, Output: []string{"y"}, Node: []*onnx.NodeProto{first, second}})
	}
	old := &onnx.FunctionProto{Domain: proto.String("own"), Name: proto.String("Old"), Input: []string{"x"}, Output: []string{"y"},
		OpsetImport: []*onnx.OperatorSetIdProto{{Version: proto.Int64(9)}}}
	all = append(all, old)
	for name, want := range map[string]string{"Loop": "more than 32 deep", "F" + string(rune('0'+29)): "more than 262144 nodes", "Old": "written for opset 9, the model for 13"} {
		m := model(13, []int64{1}, nil, call(name))
		m.Functions = all
		if _, err := eval.InlineFunctions(m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %.200v, want it to say %q", name, err, want)
		}
	}
}

// TestIf computes the branch that a shape chooses, which reads a value around it.
func TestIf(t *testing.T) {
	body := func(op string) *onnx.GraphProto {
		return &onnx.GraphProto{Name: proto.String(op), Node: []*onnx.NodeProto{node(op, []string{"a"}, "inside")},
			Output: []*onnx.ValueInfoProto{{Name: proto.String("inside")}}}
	}
	m := model(13, []int64{graph.Unknown}, []*onnx.TensorProto{graph.Int64Tensor("two", []int64{2}, 1)},
		node("Neg", []string{"x"}, "a"), node("Shape", []string{"x"}, "shape"), node("Equal", []string{"shape", "two"}, "cond"),
		node("If", []string{"cond"}, "y", graph.GraphAttr("then_branch", body("Relu")), graph.GraphAttr("else_branch", body("Exp"))))
	if got := run(t, m, -3, 1); !slices.Equal(got.F, []float64{3, 0}) {
		t.Errorf("y is %v, want [3 0]", got.F)
	}
	if got := run(t, m, 1); got.F[0] != math.Exp(-1) {
		t.Errorf("y is %v, want 1/e", got.F)
	}
	facts, err := eval.Infer(m, map[string][]int64{"x": {2}})
	if d, ok := facts.Dims("y"); err != nil || !ok || !slices.Equal(d, []int64{2}) {
		t.Errorf("the shape is %v, %v", d, err)
	}
	if _, ok := facts.Const("y"); ok {
		t.Error("the branch reads the input, but its value is constant")
	}
}

// TestSpecialize takes the branches that shapes choose, also inside branches, and leaves those that depend on values.
func TestSpecialize(t *testing.T) {
	leaf := func(op string) *onnx.GraphProto {
		return &onnx.GraphProto{Name: proto.String(op), Initializer: []*onnx.TensorProto{graph.FloatTensor("c", []float32{2}, 1)},
			Node:   []*onnx.NodeProto{node("Mul", []string{"a", "c"}, "t"), node(op, []string{"t"}, "inside")},
			Output: []*onnx.ValueInfoProto{{Name: proto.String("inside")}}}
	}
	choice := func(cond, out string, then, otherwise *onnx.GraphProto) *onnx.NodeProto {
		return node("If", []string{cond}, out, graph.GraphAttr("then_branch", then), graph.GraphAttr("else_branch", otherwise))
	}
	nested := &onnx.GraphProto{Name: proto.String("nested"), Node: []*onnx.NodeProto{choice("cond", "picked", leaf("Relu"), leaf("Exp"))},
		Output: []*onnx.ValueInfoProto{{Name: proto.String("picked")}}}
	m := model(13, []int64{graph.Unknown}, []*onnx.TensorProto{graph.Int64Tensor("two", []int64{2}, 1), graph.FloatTensor("zero", []float32{0})},
		node("Neg", []string{"x"}, "a"), node("Shape", []string{"x"}, "shape"), node("Equal", []string{"shape", "two"}, "cond"),
		choice("cond", "first", leaf("Abs"), leaf("Exp")), choice("cond", "second", nested, leaf("Exp")),
		node("ReduceSum", []string{"x"}, "sum", graph.IntAttr("keepdims", 0)), node("Less", []string{"sum", "zero"}, "negative"),
		choice("negative", "third", leaf("Relu"), leaf("Abs")),
		node("Sum", []string{"first", "second", "third"}, "y"))
	before := proto.CloneOf(m)
	special, facts, err := eval.Specialize(m, map[string][]int64{"x": {2}})
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(m, before) {
		t.Error("the model was changed")
	}
	var left []string
	for _, n := range special.GetGraph().GetNode() {
		if n.GetOpType() == "If" {
			left = append(left, n.GetOutput()[0])
		}
	}
	if !slices.Equal(left, []string{"third"}) {
		t.Errorf("left are the branches %v, want only that which depends on a value", left)
	}
	if d, ok := facts.Dims("second"); !ok || !slices.Equal(d, []int64{2}) {
		t.Errorf("the shape is %v", d)
	}
	for _, x := range [][]float64{{-3, 1}, {3, -1}} {
		if got, want := run(t, special, x...), run(t, m, x...); !slices.Equal(got.F, want.F) {
			t.Errorf("for %v it gives %v, the model %v", x, got.F, want.F)
		}
	}
	if same, _, err := eval.Specialize(special, map[string][]int64{"x": {2}}); err != nil || same != special {
		t.Errorf("again it is another model: %v", err)
	}
}

// TestSparse reads a sparse constant of both spellings.
func TestSparse(t *testing.T) {
	values := graph.FloatTensor("w", []float32{5, 7}, 2)
	for _, indices := range []*onnx.TensorProto{graph.Int64Tensor("", []int64{1, 5}, 2), graph.Int64Tensor("", []int64{0, 1, 1, 2}, 2, 2)} {
		m := model(13, []int64{3}, nil, node("Mul", []string{"x", "w"}, "y"))
		m.Graph.SparseInitializer = []*onnx.SparseTensorProto{{Values: values, Indices: indices, Dims: []int64{2, 3}}}
		if got := run(t, m, 1, 2, 3); !slices.Equal(got.F, []float64{0, 10, 0, 0, 0, 21}) {
			t.Errorf("y is %v", got.F)
		}
		m.Graph.SparseInitializer[0].Dims = []int64{1, 2}
		if _, err := eval.Run(m, map[string]*eval.Tensor{"x": eval.Floats(make([]float64, 3), 3)}); err == nil {
			t.Error("indices outside the shape are accepted")
		}
	}
}
