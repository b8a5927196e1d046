package graph

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph/onnx"
)

// MinOpset and MaxOpset bound the versions of the standard operators that Parse accepts: below 11, Clip, Pad and Resize are
// spelled in ways that the Builder does not emit; above 25, kernels are not yet known.
const (
	MinOpset = 11
	MaxOpset = 25
)

// maxBytes is the limit of protobuf itself for one message.
const maxBytes = 2<<30 - 1

// Parse reads an ONNX model and checks what can be checked without running it: size, weights in the file itself, an opset in
// [MinOpset, MaxOpset], no operators of a domain that only a private library has, a graph with outputs. Errors say what to do.
func Parse(data []byte) (*onnx.ModelProto, error) {
	if len(data) == 0 {
		return nil, errors.New("onnx model is empty (0 bytes)")
	}
	if len(data) > maxBytes {
		return nil, fmt.Errorf("onnx model has %d bytes, over the limit of 2 GiB for one file", len(data))
	}
	model := &onnx.ModelProto{}
	if err := proto.Unmarshal(data, model); err != nil {
		return nil, fmt.Errorf("not an onnx model (%d bytes): %w", len(data), err)
	}
	if model.GetGraph() == nil || len(model.GetGraph().GetOutput()) == 0 {
		return nil, fmt.Errorf("not an onnx model (%d bytes): it has no graph with outputs", len(data))
	}
	if err := checkOpset(model); err != nil {
		return nil, err
	}
	if err := checkDomains(model); err != nil {
		return nil, err
	}
	if err := checkWeights(model); err != nil {
		return nil, err
	}
	return model, nil
}

// Marshal writes a model; equal models give equal bytes.
func Marshal(model *onnx.ModelProto) ([]byte, error) {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(model)
	if err != nil {
		return nil, fmt.Errorf("write onnx model: %w", err)
	}
	return data, nil
}

// Opset is the version of the standard operators that a model uses; 0 if it does not say.
func Opset(model *onnx.ModelProto) int64 {
	for _, o := range model.GetOpsetImport() {
		if standard(o.GetDomain()) {
			return o.GetVersion()
		}
	}
	return 0
}

// standard tells whether a domain is that of the standard operators, which has two spellings.
func standard(domain string) bool { return domain == "" || domain == "ai.onnx" }

func checkOpset(model *onnx.ModelProto) error {
	seen := map[string]int64{}
	for _, o := range model.GetOpsetImport() {
		domain := o.GetDomain()
		if standard(domain) {
			domain = "ai.onnx"
		}
		if v, ok := seen[domain]; ok && v != o.GetVersion() {
			return fmt.Errorf("onnx model imports operators %s twice, at versions %d and %d", domain, v, o.GetVersion())
		}
		seen[domain] = o.GetVersion()
	}
	v, ok := seen["ai.onnx"]
	switch {
	case !ok:
		return errors.New("onnx model does not say its opset (opset_import has no standard domain): export it again")
	case v < MinOpset || v > MaxOpset:
		return fmt.Errorf("onnx model uses opset %d; supported are %d to %d: export it again, or convert it with onnx.version_converter",
			v, MinOpset, MaxOpset)
	}
	return nil
}

// checkDomains refuses nodes that need a private library of kernels. Functions that the model brings along are fine.
func checkDomains(model *onnx.ModelProto) error {
	known := func(domain string) bool {
		return standard(domain) || strings.HasPrefix(domain, "ai.onnx.") || strings.HasPrefix(domain, "com.microsoft") ||
			strings.HasPrefix(domain, "com.ms.") ||
			slices.ContainsFunc(model.GetFunctions(), func(f *onnx.FunctionProto) bool { return f.GetDomain() == domain })
	}
	var err error
	visit := func(nodes []*onnx.NodeProto) {
		for _, n := range nodes {
			if err == nil && !known(n.GetDomain()) {
				err = fmt.Errorf("onnx node %q uses operator %s of domain %q, which is neither standard, nor ONNX Runtime's, nor defined in the model",
					n.GetName(), n.GetOpType(), n.GetDomain())
			}
		}
	}
	walk(model.GetGraph(), func(g *onnx.GraphProto) { visit(g.GetNode()) })
	for _, f := range model.GetFunctions() {
		visit(f.GetNode())
	}
	return err
}

// checkWeights refuses tensors that are in another file: the digest of a model must cover its weights.
func checkWeights(model *onnx.ModelProto) error {
	var err error
	check := func(t *onnx.TensorProto) {
		if err == nil && (t.GetDataLocation() == onnx.TensorProto_EXTERNAL || len(t.GetExternalData()) > 0) {
			err = fmt.Errorf("onnx tensor %q keeps its data in another file (external_data): save the model as a single file, "+
				"onnx.save_model(model, path, save_as_external_data=False)", t.GetName())
		}
	}
	walk(model.GetGraph(), func(g *onnx.GraphProto) {
		for _, t := range g.GetInitializer() {
			check(t)
		}
		for _, s := range g.GetSparseInitializer() {
			check(s.GetValues())
			check(s.GetIndices())
		}
		for _, n := range g.GetNode() {
			eachTensor(n, check)
		}
	})
	for _, f := range model.GetFunctions() {
		for _, n := range f.GetNode() {
			eachTensor(n, check)
		}
	}
	return err
}

// walk visits a graph and, depth first, every graph in an attribute below it (the bodies of If, Loop and Scan).
func walk(g *onnx.GraphProto, visit func(*onnx.GraphProto)) {
	visit(g)
	for _, n := range g.GetNode() {
		eachBody(n, func(body *onnx.GraphProto) { walk(body, visit) })
	}
}

// eachBody visits the graphs that a node has as attributes.
func eachBody(n *onnx.NodeProto, visit func(*onnx.GraphProto)) {
	for _, a := range n.GetAttribute() {
		if a.GetG() != nil {
			visit(a.GetG())
		}
		for _, g := range a.GetGraphs() {
			visit(g)
		}
	}
}

// eachTensor visits the tensors that a node has as attributes.
func eachTensor(n *onnx.NodeProto, visit func(*onnx.TensorProto)) {
	for _, a := range n.GetAttribute() {
		if a.GetT() != nil {
			visit(a.GetT())
		}
		for _, t := range a.GetTensors() {
			visit(t)
		}
		if s := a.GetSparseTensor(); s != nil {
			visit(s.GetValues())
			visit(s.GetIndices())
		}
	}
}
