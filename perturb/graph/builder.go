package graph

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph/onnx"
)

// irVersion is written into models that this package starts itself: the first that newer runtimes and older ones share.
const irVersion = 8

// Builder makes a graph node by node. Values are known by their names: every operator method appends a node and returns the
// name of its result. Constants of equal value are stored once. Builders are for one goroutine.
type Builder struct {
	opset  int64
	graph  *onnx.GraphProto
	consts map[string]string
	count  *int   // shared with bodies: a body's names must differ from those of the graph around it
	prefix string // of the names that the builder makes up
}

// NewBuilder starts an empty graph whose operators are those of the given opset.
func NewBuilder(name string, opset int64) *Builder {
	return newBuilder(name, opset, new(int))
}

// Extend goes on with the graph of a model: it appends to it, in place, under names that begin with prefix, or with a longer
// form of it if the graph has such names already.
func Extend(m *onnx.ModelProto, prefix string) *Builder {
	b := newBuilder("", Opset(m), new(int))
	b.graph = m.GetGraph()
	taken := slices.Concat(b.names(), valueNames(b.graph))
	for slices.ContainsFunc(taken, func(name string) bool { return strings.HasPrefix(name, prefix) }) {
		prefix += "_"
	}
	b.prefix = prefix
	return b
}

// valueNames are the names of a graph's inputs, and of its nodes.
func valueNames(g *onnx.GraphProto) (names []string) {
	for _, v := range g.GetInput() {
		names = append(names, v.GetName())
	}
	for _, n := range g.GetNode() {
		names = append(names, n.GetName())
	}
	return names
}

func newBuilder(name string, opset int64, count *int) *Builder {
	return &Builder{opset: opset, graph: &onnx.GraphProto{Name: proto.String(name)}, consts: map[string]string{}, count: count}
}

// Opset is the version of the standard operators that the builder emits.
func (b *Builder) Opset() int64 { return b.opset }

// Nodes are the nodes made so far, in order.
func (b *Builder) Nodes() []*onnx.NodeProto { return b.graph.GetNode() }

// Input declares a graph input and returns its name.
func (b *Builder) Input(name string, t onnx.TensorProto_DataType, dims ...int64) string {
	b.graph.Input = append(b.graph.Input, Value(name, t, dims...))
	return name
}

// Output declares that value x leaves the graph under the given name.
func (b *Builder) Output(name, x string, t onnx.TensorProto_DataType, dims ...int64) {
	b.node("Identity", []string{x}, []string{name}, nil)
	b.graph.Output = append(b.graph.Output, Value(name, t, dims...))
}

// Op appends a node with one result.
func (b *Builder) Op(op string, in []string, attrs ...*onnx.AttributeProto) string {
	return b.OpN(op, in, 1, attrs...)[0]
}

// OpN appends a node with n results.
func (b *Builder) OpN(op string, in []string, n int, attrs ...*onnx.AttributeProto) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = b.fresh(op)
	}
	b.node(op, in, out, attrs)
	return out
}

// Call is Op for operators without attributes.
func (b *Builder) Call(op string, in ...string) string { return b.Op(op, in) }

func (b *Builder) node(op string, in, out []string, attrs []*onnx.AttributeProto) {
	b.graph.Node = append(b.graph.Node, &onnx.NodeProto{OpType: proto.String(op), Name: proto.String(b.fresh("n" + op)),
		Input: slices.Clone(in), Output: out, Attribute: attrs})
}

func (b *Builder) fresh(hint string) string {
	*b.count++
	return fmt.Sprintf("%s%s_%d", b.prefix, hint, *b.count)
}

// Const stores a constant tensor under a name of the builder's choice, once per content.
func (b *Builder) Const(t *onnx.TensorProto) string {
	key := fmt.Sprint(t.GetDataType(), t.GetDims(), "\x00", string(t.GetRawData()))
	if name, ok := b.consts[key]; ok {
		return name
	}
	t.Name = proto.String(b.fresh("const"))
	b.graph.Initializer = append(b.graph.Initializer, t)
	b.consts[key] = t.GetName()
	return t.GetName()
}

// Floats is a constant float32 tensor.
func (b *Builder) Floats(data []float32, dims ...int64) string {
	return b.Const(FloatTensor("", data, dims...))
}

// Float is a constant float32 scalar.
func (b *Builder) Float(v float32) string { return b.Floats([]float32{v}) }

// Ints is a constant int64 vector, the type of shapes, axes and indices.
func (b *Builder) Ints(data ...int64) string {
	return b.Const(Int64Tensor("", data, int64(len(data))))
}

// Inline copies a graph into this one. Its names get the prefix, in bodies too; bind says which of our values its inputs
// are. It returns our names of its outputs, by its own names. The graph must be of the builder's opset.
func (b *Builder) Inline(g *onnx.GraphProto, prefix string, bind map[string]string) (map[string]string, error) {
	for _, in := range Inputs(g) {
		if bind[in.GetName()] == "" {
			return nil, fmt.Errorf("inline graph %q: its input %q has no value", g.GetName(), in.GetName())
		}
	}
	to := func(name string) string {
		if ours, ok := bind[name]; ok {
			return ours
		}
		return prefix + name
	}
	for _, taken := range b.names() {
		if strings.HasPrefix(taken, prefix) {
			return nil, fmt.Errorf("inline graph %q: the prefix %q is taken by %q", g.GetName(), prefix, taken)
		}
	}
	g = proto.CloneOf(g)
	DropShapes(g)
	Rename(g, to)
	b.graph.Node = append(b.graph.Node, g.GetNode()...)
	b.graph.Initializer = append(b.graph.Initializer, g.GetInitializer()...)
	b.graph.SparseInitializer = append(b.graph.SparseInitializer, g.GetSparseInitializer()...)
	b.graph.QuantizationAnnotation = append(b.graph.QuantizationAnnotation, g.GetQuantizationAnnotation()...)
	out := map[string]string{}
	for _, o := range g.GetOutput() {
		out[strings.TrimPrefix(o.GetName(), prefix)] = o.GetName()
	}
	return out, nil
}

func (b *Builder) names() []string {
	all := map[string]bool{}
	for _, n := range b.graph.GetNode() {
		for _, o := range n.GetOutput() {
			all[o] = true
		}
	}
	for _, t := range b.graph.GetInitializer() {
		all[t.GetName()] = true
	}
	return slices.Collect(maps.Keys(all))
}

// Scan runs a body once per element of x's first axis, in order, and stacks the results along a new first axis. build
// gets the builder of the body and the name of the slice, of the given type and shape, and returns the name of the result,
// a float32 tensor of shape out.
func (b *Builder) Scan(x string, t onnx.TensorProto_DataType, slice, out []int64, build func(*Builder, string) (string, error)) (string, error) {
	body := newBuilder("body", b.opset, b.count)
	body.prefix = b.prefix
	result, err := build(body, body.Input(body.fresh("slice"), t, slice...))
	if err != nil {
		return "", err
	}
	body.Output(body.fresh("stacked"), result, Float32, out...)
	return b.Op("Scan", []string{x}, IntAttr("num_scan_inputs", 1), GraphAttr("body", body.graph)), nil
}

// Model wraps the graph, pruned, into a model. A model that was inlined is given as origin: its other operator domains and
// its functions come along; otherwise origin is nil.
func (b *Builder) Model(origin *onnx.ModelProto) *onnx.ModelProto {
	Prune(b.graph)
	m := &onnx.ModelProto{IrVersion: proto.Int64(max(irVersion, origin.GetIrVersion())), ProducerName: proto.String("shaketable"),
		Graph:       b.graph,
		OpsetImport: []*onnx.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(b.opset)}}}
	for _, o := range origin.GetOpsetImport() {
		if !standard(o.GetDomain()) {
			m.OpsetImport = append(m.OpsetImport, proto.CloneOf(o))
		}
	}
	for _, f := range origin.GetFunctions() {
		m.Functions = append(m.Functions, proto.CloneOf(f))
	}
	return m
}
