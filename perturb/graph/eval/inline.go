package eval

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/onnx"
)

// Limits of what calls of functions may grow to: a function that calls another one twice, and so on, doubles each time.
const (
	maxCalls = 32      // functions within functions
	maxNodes = 1 << 18 // nodes that come from functions
)

// InlineFunctions replaces the calls of a model's own functions by the nodes of these, in bodies too. The model itself is
// not changed; without functions it is returned as it is. Functions must be of the model's opset.
func InlineFunctions(m *onnx.ModelProto) (*onnx.ModelProto, error) {
	if len(m.GetFunctions()) == 0 {
		return m, nil
	}
	in := inliner{functions: map[string]*onnx.FunctionProto{}, opset: graph.Opset(m)}
	for _, f := range m.GetFunctions() {
		in.functions[functionKey(f.GetDomain(), f.GetName(), f.GetOverload())] = f
	}
	out := proto.CloneOf(m)
	out.Functions = nil
	in.prefix = unusedPrefix(out.GetGraph())
	if err := in.graph(out.GetGraph(), 0); err != nil {
		return nil, err
	}
	return out, nil
}

type inliner struct {
	functions map[string]*onnx.FunctionProto
	opset     int64
	prefix    string
	calls     int
	nodes     int
}

func functionKey(domain, name, overload string) string {
	if domain == "ai.onnx" {
		domain = ""
	}
	return domain + "\x00" + name + "\x00" + overload
}

// unusedPrefix is a beginning that no name of the graph has.
func unusedPrefix(g *onnx.GraphProto) string {
	prefix := "call"
	for _, name := range names(g) {
		for strings.HasPrefix(name, prefix) {
			prefix += "_"
		}
	}
	return prefix
}

// names are the names of all values, in bodies too.
func names(g *onnx.GraphProto) (all []string) {
	for _, t := range g.GetInitializer() {
		all = append(all, t.GetName())
	}
	for _, v := range g.GetInput() {
		all = append(all, v.GetName())
	}
	for _, n := range g.GetNode() {
		all = append(all, n.GetOutput()...)
		for _, a := range n.GetAttribute() {
			for _, body := range bodies(a) {
				all = append(all, names(body)...)
			}
		}
	}
	return all
}

func (in *inliner) graph(g *onnx.GraphProto, depth int) error {
	nodes, err := in.list(g.GetNode(), depth)
	g.Node = nodes
	return err
}

// list replaces the calls in a list of nodes.
func (in *inliner) list(nodes []*onnx.NodeProto, depth int) ([]*onnx.NodeProto, error) {
	var out []*onnx.NodeProto
	for _, n := range nodes {
		for _, a := range n.GetAttribute() {
			for _, body := range bodies(a) {
				if err := in.graph(body, depth); err != nil {
					return nil, err
				}
			}
		}
		f := in.functions[functionKey(n.GetDomain(), n.GetOpType(), n.GetOverload())]
		if f == nil {
			out = append(out, n)
			continue
		}
		expanded, err := in.call(n, f)
		if err == nil && depth >= maxCalls {
			err = fmt.Errorf("functions call each other more than %d deep", maxCalls)
		}
		if err == nil {
			expanded, err = in.list(expanded, depth+1)
		}
		if err != nil {
			return nil, fmt.Errorf("call of function %s: %w", label(n), err)
		}
		out = append(out, expanded...)
	}
	return out, nil
}

// call is the nodes of a function for one call of it.
func (in *inliner) call(n *onnx.NodeProto, f *onnx.FunctionProto) ([]*onnx.NodeProto, error) {
	for _, o := range f.GetOpsetImport() {
		if d := o.GetDomain(); (d == "" || d == "ai.onnx") && o.GetVersion() != in.opset {
			return nil, fmt.Errorf("it is written for opset %d, the model for %d: convert the model to one opset", o.GetVersion(), in.opset)
		}
	}
	if len(n.GetInput()) > len(f.GetInput()) || len(n.GetOutput()) > len(f.GetOutput()) {
		return nil, fmt.Errorf("it has %d inputs and %d outputs; the function %d and %d",
			len(n.GetInput()), len(n.GetOutput()), len(f.GetInput()), len(f.GetOutput()))
	}
	in.calls++
	if in.nodes += len(f.GetNode()); in.nodes > maxNodes {
		return nil, fmt.Errorf("functions grow to more than %d nodes", maxNodes)
	}
	names := map[string]string{}
	for i, name := range f.GetInput() {
		names[name] = ""
		if i < len(n.GetInput()) {
			names[name] = n.Input[i]
		}
	}
	body := &onnx.GraphProto{}
	for i, o := range n.GetOutput() {
		if name := f.Output[i]; slices.Contains(f.GetInput(), name) { // an input that passes through
			body.Node = append(body.Node, &onnx.NodeProto{OpType: proto.String("Identity"), Input: []string{name}, Output: []string{"\x00" + o}})
			names["\x00"+o] = o
		} else if o != "" {
			names[name] = o
		}
	}
	for _, inner := range f.GetNode() {
		copied := proto.CloneOf(inner)
		bindAttributes([]*onnx.NodeProto{copied}, n, f)
		body.Node = append(body.Node, copied)
	}
	prefix := fmt.Sprintf("%s%d/", in.prefix, in.calls)
	graph.Rename(body, func(name string) string {
		if to, ok := names[name]; ok {
			return to
		}
		return prefix + name
	})
	return body.Node, nil
}

// bindAttributes replaces references to the function's attributes by the values of the call, or by their defaults; what has
// neither is left out.
func bindAttributes(nodes []*onnx.NodeProto, call *onnx.NodeProto, f *onnx.FunctionProto) {
	for _, n := range nodes {
		var bound []*onnx.AttributeProto
		for _, a := range n.GetAttribute() {
			for _, body := range bodies(a) {
				bindAttributes(body.GetNode(), call, f)
			}
			if ref := a.GetRefAttrName(); ref != "" {
				value := named(call.GetAttribute(), ref)
				if value == nil {
					value = named(f.GetAttributeProto(), ref)
				}
				if value == nil {
					continue
				}
				name := a.GetName()
				a = proto.CloneOf(value)
				a.Name = proto.String(name)
			}
			bound = append(bound, a)
		}
		n.Attribute = bound
	}
}

func named(list []*onnx.AttributeProto, name string) *onnx.AttributeProto {
	if i := slices.IndexFunc(list, func(a *onnx.AttributeProto) bool { return a.GetName() == name }); i >= 0 {
		return list[i]
	}
	return nil
}
