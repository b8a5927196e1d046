package graph_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/onnx"
)

// small is y = relu(x + 1), with a dead node and an unused constant.
func small(opset int64) *onnx.ModelProto {
	b := graph.NewBuilder("small", opset)
	x := b.Input("x", graph.Float32, graph.Unknown, 3)
	b.Output("y", b.Call("Relu", b.Call("Add", x, b.Float(1))), graph.Float32, graph.Unknown, 3)
	m := b.Model(nil)
	m.Graph.Node = append(m.Graph.Node, &onnx.NodeProto{OpType: proto.String("Neg"), Input: []string{"x"}, Output: []string{"dead"}})
	m.Graph.Initializer = append(m.Graph.Initializer, graph.FloatTensor("unused", []float32{1, 2}, 2))
	return m
}

func marshal(t testing.TB, m *onnx.ModelProto) []byte {
	t.Helper()
	data, err := graph.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func operators(g *onnx.GraphProto) (names []string) {
	for _, n := range g.GetNode() {
		names = append(names, n.GetOpType())
	}
	return names
}

func TestParseErrors(t *testing.T) {
	external := small(17)
	external.Graph.Initializer[0].DataLocation = onnx.TensorProto_EXTERNAL.Enum()
	inBody := small(17)
	inner := &onnx.GraphProto{Initializer: []*onnx.TensorProto{{Name: proto.String("w"), ExternalData: []*onnx.StringStringEntryProto{{}}}}}
	inBody.Graph.Node[0].Attribute = []*onnx.AttributeProto{graph.GraphAttr("body", inner)}
	private := small(17)
	private.Graph.Node[0].Domain = proto.String("com.example")
	silent := small(17)
	silent.OpsetImport = nil
	twice := small(17)
	twice.OpsetImport = append(twice.OpsetImport, &onnx.OperatorSetIdProto{Domain: proto.String("ai.onnx"), Version: proto.Int64(18)})
	headless := small(17)
	headless.Graph.Output = nil
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"empty":           {nil, "empty (0 bytes)"},
		"no protobuf":     {[]byte("PK\x03\x04 not a model"), "not an onnx model"},
		"no outputs":      {marshal(t, headless), "no graph with outputs"},
		"opset too old":   {marshal(t, small(10)), "opset 10; supported are 11 to 25"},
		"opset too new":   {marshal(t, small(26)), "opset 26; supported are 11 to 25"},
		"no opset":        {marshal(t, silent), "does not say its opset"},
		"two opsets":      {marshal(t, twice), "twice, at versions 17 and 18"},
		"external":        {marshal(t, external), "keeps its data in another file"},
		"external inside": {marshal(t, inBody), `tensor "w" keeps its data in another file`},
		"private domain":  {marshal(t, private), `domain "com.example"`},
	} {
		if _, err := graph.Parse(test.data); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v, want it to say %q", name, err, test.want)
		}
	}
	private.Functions = []*onnx.FunctionProto{{Domain: proto.String("com.example"), Name: proto.String("Add")}}
	if _, err := graph.Parse(marshal(t, private)); err != nil {
		t.Errorf("a function of the model is not known: %v", err)
	}
}

// TestUnknownFieldsSurvive adds fields that no version of the schema has, at three depths.
func TestUnknownFieldsSurvive(t *testing.T) {
	m := small(17)
	extra := func(text string) []byte {
		return protowire.AppendString(protowire.AppendTag(nil, 900, protowire.BytesType), text)
	}
	m.ProtoReflect().SetUnknown(extra("in the model"))
	m.Graph.Node[0].ProtoReflect().SetUnknown(extra("in a node"))
	m.Graph.Initializer[0].ProtoReflect().SetUnknown(extra("in a tensor"))
	parsed, err := graph.Parse(marshal(t, m))
	if err != nil {
		t.Fatal(err)
	}
	graph.Prune(parsed.Graph)
	graph.Rename(parsed.Graph, func(s string) string { return "a/" + s })
	data := marshal(t, parsed)
	for _, text := range []string{"in the model", "in a node", "in a tensor"} {
		if !bytes.Contains(data, []byte(text)) {
			t.Errorf("the field %q is lost", text)
		}
	}
}

func TestPrune(t *testing.T) {
	m := small(17)
	graph.Prune(m.Graph)
	if got := operators(m.Graph); !slices.Equal(got, []string{"Add", "Relu", "Identity"}) || len(m.Graph.Initializer) != 1 {
		t.Errorf("left are nodes %v and %d constants", got, len(m.Graph.Initializer))
	}
	// what only a body uses is used; unread indices of a pool go, parts of a split stay
	b := graph.NewBuilder("bodies", 17)
	x := b.Input("x", graph.Float32, 1, 4, 8, 8)
	pooled := b.OpN("MaxPool", []string{x}, 2, graph.IntsAttr("kernel_shape", 2, 2))
	parts := b.Split(pooled[0], 1, 1, 3)
	body := graph.NewBuilder("body", 17)
	body.Output("inside", body.Call("Neg", parts[0]), graph.Float32)
	cond := b.Cast(b.Float(1), onnx.TensorProto_BOOL)
	g := body.Model(nil).GetGraph()
	b.Output("y", b.Op("If", []string{cond}, graph.GraphAttr("then_branch", g), graph.GraphAttr("else_branch", proto.CloneOf(g))), graph.Float32)
	pruned := b.Model(nil).GetGraph()
	if got := operators(pruned); !slices.Equal(got, []string{"MaxPool", "Split", "Cast", "If", "Identity"}) {
		t.Errorf("left are nodes %v", got)
	}
	if n := len(pruned.Node[0].Output); n != 1 {
		t.Errorf("the pool has %d outputs, want 1", n)
	}
	if n := len(pruned.Node[1].Output); n != 2 {
		t.Errorf("the split has %d outputs, want 2", n)
	}
}

func TestRenameReachesBodies(t *testing.T) {
	inner := &onnx.GraphProto{Name: proto.String("body"),
		Node:   []*onnx.NodeProto{{OpType: proto.String("Clip"), Input: []string{"outer", "", "high"}, Output: []string{"z"}}},
		Output: []*onnx.ValueInfoProto{graph.Value("z", graph.Float32)}, Input: []*onnx.ValueInfoProto{graph.Value("i", graph.Int64)}}
	g := &onnx.GraphProto{Node: []*onnx.NodeProto{{Name: proto.String("n"), OpType: proto.String("Loop"), Input: []string{"outer"},
		Output: []string{"y"}, Attribute: []*onnx.AttributeProto{graph.GraphAttr("body", inner)}}},
		Initializer:            []*onnx.TensorProto{graph.FloatTensor("high", []float32{1})},
		QuantizationAnnotation: []*onnx.TensorAnnotation{{TensorName: proto.String("y")}}}
	graph.Rename(g, func(s string) string { return "p/" + s })
	got := append(slices.Clone(inner.Node[0].Input), inner.Node[0].Output[0], inner.Output[0].GetName(), inner.Input[0].GetName(),
		g.Node[0].GetName(), g.Initializer[0].GetName(), g.QuantizationAnnotation[0].GetTensorName())
	want := []string{"p/outer", "", "p/high", "p/z", "p/z", "p/i", "p/n", "p/high", "p/y"}
	if !slices.Equal(got, want) {
		t.Errorf("names are %q, want %q", got, want)
	}
}

func TestFreeze(t *testing.T) {
	m := small(17)
	m.Graph.ValueInfo = []*onnx.ValueInfoProto{graph.Value("stale", graph.Float32, 7)}
	if err := graph.Freeze(m.Graph, "x", []int64{5, 3}); err != nil {
		t.Fatal(err)
	}
	if dims, ok := graph.Dims(m.Graph.Input[0]); !ok || !slices.Equal(dims, []int64{5, 3}) || len(m.Graph.ValueInfo) != 0 {
		t.Errorf("input is %v, %d stale shapes", dims, len(m.Graph.ValueInfo))
	}
	for name, test := range map[string]struct {
		input string
		dims  []int64
		want  string
	}{
		"other size": {"x", []int64{5, 4}, "declared as [5 3], not [5 4]"},
		"other rank": {"x", []int64{5, 3, 1}, "2 dimensions"},
		"other name": {"z", []int64{5, 3}, "the graph has inputs x"},
	} {
		if err := graph.Freeze(m.Graph, test.input, test.dims); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v, want it to say %q", name, err, test.want)
		}
	}
}

func TestInlineErrors(t *testing.T) {
	b := graph.NewBuilder("outer", 17)
	x := b.Input("image", graph.Float32, graph.Unknown, 3)
	if _, err := b.Inline(small(17).Graph, "a/", nil); err == nil || !strings.Contains(err.Error(), `input "x" has no value`) {
		t.Errorf("error is %v", err)
	}
	out, err := b.Inline(small(17).Graph, "a/", map[string]string{"x": x})
	if err != nil || out["y"] != "a/y" {
		t.Fatalf("outputs %v, error %v", out, err)
	}
	if _, err := b.Inline(small(17).Graph, "a/", map[string]string{"x": x}); err == nil || !strings.Contains(err.Error(), "is taken by") {
		t.Errorf("error is %v", err)
	}
}

// TestSpelling pins where axes, sizes and regions of interest go, by opset (onnx/docs/Changelog.md).
func TestSpelling(t *testing.T) {
	for _, test := range []struct {
		opset       int64
		op          string
		emit        func(*graph.Builder)
		inputs      int
		attribute   string
		hasSpelling bool
	}{
		{17, "ReduceMax", func(b *graph.Builder) { b.Reduce("ReduceMax", "x", 1) }, 1, "axes", true},
		{18, "ReduceMax", func(b *graph.Builder) { b.Reduce("ReduceMax", "x", 1) }, 2, "axes", false},
		{12, "ReduceSum", func(b *graph.Builder) { b.Reduce("ReduceSum", "x", 1) }, 1, "axes", true},
		{13, "ReduceSum", func(b *graph.Builder) { b.Reduce("ReduceSum", "x", 1) }, 2, "axes", false},
		{12, "Split", func(b *graph.Builder) { b.Split("x", 1, 1, 2) }, 1, "split", true},
		{13, "Split", func(b *graph.Builder) { b.Split("x", 1, 1, 2) }, 2, "split", false},
		{12, "Squeeze", func(b *graph.Builder) { b.Squeeze("x", 1) }, 1, "axes", true},
		{13, "Unsqueeze", func(b *graph.Builder) { b.Unsqueeze("x", 1) }, 2, "axes", false},
	} {
		b := graph.NewBuilder("spelling", test.opset)
		b.Input("x", graph.Float32, 1, 3, 4, 4)
		test.emit(b)
		i := slices.IndexFunc(b.Nodes(), func(n *onnx.NodeProto) bool { return n.GetOpType() == test.op })
		n := b.Nodes()[i]
		has := slices.ContainsFunc(n.GetAttribute(), func(a *onnx.AttributeProto) bool { return a.GetName() == test.attribute })
		if len(n.GetInput()) != test.inputs || has != test.hasSpelling {
			t.Errorf("opset %d: %s has %d inputs, attribute %s: %v", test.opset, test.op, len(n.GetInput()), test.attribute, has)
		}
	}
}

// TestConstantsAreShared: equal constants are stored once, different ones are not confused.
func TestConstantsAreShared(t *testing.T) {
	b := graph.NewBuilder("constants", 17)
	if a := b.Ints(1, 2); a != b.Ints(1, 2) || a == b.Ints(1, 3) || a == b.Const(graph.Int64Tensor("", []int64{1, 2}, 2, 1)) {
		t.Error("constants are mixed up")
	}
	if b.Float(1) == b.Const(graph.Int32Tensor("", []int32{0x3f800000})) {
		t.Error("types are mixed up")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(marshal(f, small(17)))
	f.Add([]byte{})
	f.Add([]byte{0x3a, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := graph.Parse(data)
		if err != nil {
			return
		}
		graph.Prune(m.GetGraph())
		graph.Rename(m.GetGraph(), func(s string) string { return "p/" + s })
		for _, v := range graph.Inputs(m.GetGraph()) {
			graph.Dims(v)
			graph.Type(v)
		}
		graph.DropShapes(m.GetGraph())
		again, err := graph.Marshal(m)
		if err != nil {
			t.Fatalf("parsed but not written: %v", err)
		}
		if err := proto.Unmarshal(again, &onnx.ModelProto{}); err != nil {
			t.Fatalf("written but not read: %v", err)
		}
	})
}
