package inspect

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/onnx"
)

// Model is an ONNX file, read.
type Model struct {
	Size       int // of the file in bytes
	Opset      int64
	Producer   string
	Parameters int64 // elements of floating weights
	Half       bool  // most of them are float16 or bfloat16
	Operators  []Operator
	Input      Tensor
	Outputs    []Tensor // with floating numbers
	Others     []Tensor // outputs with something else: classes, texts
	Metadata   map[string]string

	data  []byte
	proto *onnx.ModelProto
}

// Operator is an operator and how often the graph has it.
type Operator struct {
	Name  string
	Count int
}

// Tensor is a declared input or output.
type Tensor struct {
	Name    string
	Element string  // "float", "float16", "uint8", …
	Dims    []int64 // -1 where there is no number; nil if no shape is declared
	Symbols []string
}

// String writes a tensor as the README of a model would.
func (t Tensor) String() string {
	if t.Dims == nil {
		return fmt.Sprintf("%s %s, no shape declared", t.Name, t.Element)
	}
	words := make([]string, len(t.Dims))
	for i, d := range t.Dims {
		words[i] = fmt.Sprint(d)
		if d == graph.Unknown {
			words[i] = cmp.Or(t.Symbols[i], "?")
		}
	}
	return fmt.Sprintf("%s %s [%s]", t.Name, t.Element, strings.Join(words, ", "))
}

// Open reads a model. Errors say what the file is instead, or what keeps it from being probed, and what to do about it.
func Open(data []byte) (*Model, error) {
	if other := otherFormat(data); other != "" {
		return nil, fmt.Errorf("this is no ONNX file: %s", other)
	}
	p, err := graph.Parse(data)
	switch {
	case err != nil && strings.Contains(err.Error(), "not an onnx model"):
		return nil, fmt.Errorf("%w; is the file truncated? compare its size with that of the original", err)
	case err != nil:
		return nil, err
	}
	if p, err = eval.InlineFunctions(p); err != nil {
		return nil, err
	}
	m := &Model{Size: len(data), Opset: graph.Opset(p), Metadata: map[string]string{}, data: data, proto: p}
	m.Producer = strings.TrimSpace(p.GetProducerName() + " " + p.GetProducerVersion())
	for _, e := range p.GetMetadataProps() {
		m.Metadata[e.GetKey()] = e.GetValue()
	}
	m.count()
	fed := graph.Inputs(p.GetGraph())
	switch len(fed) {
	case 0:
		return nil, errors.New("the model has no input: there is nothing to put a picture into; export it with its input")
	case 1:
	default:
		var list []string
		for _, v := range fed {
			list = append(list, tensorOf(v).String())
		}
		return nil, fmt.Errorf("the model has %d inputs (%s): only models with one input, the picture, can be probed; "+
			"export it with the others as constants", len(fed), strings.Join(list, "; "))
	}
	m.Input = tensorOf(fed[0])
	for _, v := range p.GetGraph().GetOutput() {
		t := tensorOf(v)
		if floating(graph.Type(v)) {
			m.Outputs = append(m.Outputs, t)
		} else {
			m.Others = append(m.Others, t)
		}
	}
	if len(m.Outputs) == 0 {
		return nil, fmt.Errorf("no output of the model holds floating numbers (%v): a score is needed, not a class; "+
			"export it with its probability or its logits", m.Others)
	}
	return m, m.checkPicture(graph.Type(fed[0]))
}

// checkPicture refuses models of something else than pictures in colour.
func (m *Model) checkPicture(t onnx.TensorProto_DataType) error {
	dims := m.Input.Dims
	switch {
	case !floating(t) && t != graph.Uint8:
		return fmt.Errorf("the input is %s: a picture is float, float16, bfloat16, double or uint8", m.Input)
	case dims == nil || len(dims) == 4:
	case len(dims) <= 3:
		return fmt.Errorf("the input is %s: this looks like a model of sound, text or features; "+
			"a picture has 4 dimensions, [batch, 3, height, width] or [batch, height, width, 3]", m.Input)
	default:
		return fmt.Errorf("the input is %s: this looks like a model of clips; a picture has 4 dimensions", m.Input)
	}
	if len(dims) == 4 && dims[1] != 3 && dims[3] != 3 && dims[1] != graph.Unknown && dims[3] != graph.Unknown {
		return fmt.Errorf("the input is %s: no dimension is 3, so it takes no pictures in colour; models of grey pictures or "+
			"of more than three channels are not supported", m.Input)
	}
	return nil
}

func tensorOf(v *onnx.ValueInfoProto) Tensor {
	t := Tensor{Name: v.GetName(), Element: strings.ToLower(graph.Type(v).String())}
	if v.GetType().GetTensorType() == nil {
		t.Element = "no tensor"
	}
	t.Dims, _ = graph.Dims(v)
	for _, d := range v.GetType().GetTensorType().GetShape().GetDim() {
		t.Symbols = append(t.Symbols, d.GetDimParam())
	}
	return t
}

func floating(t onnx.TensorProto_DataType) bool {
	switch t {
	case onnx.TensorProto_FLOAT, onnx.TensorProto_FLOAT16, onnx.TensorProto_DOUBLE, onnx.TensorProto_BFLOAT16:
		return true
	}
	return false
}

// count sums up weights and operators of the main graph.
func (m *Model) count() {
	half := int64(0)
	for _, t := range m.proto.GetGraph().GetInitializer() {
		n := int64(1)
		for _, d := range t.GetDims() {
			n *= d
		}
		switch kind := onnx.TensorProto_DataType(t.GetDataType()); kind {
		case onnx.TensorProto_FLOAT16, onnx.TensorProto_BFLOAT16:
			half += n
			m.Parameters += n
		case onnx.TensorProto_FLOAT, onnx.TensorProto_DOUBLE, onnx.TensorProto_INT8, onnx.TensorProto_UINT8:
			m.Parameters += n
		}
	}
	m.Half = 2*half > m.Parameters
	counts := map[string]int{}
	for _, n := range m.proto.GetGraph().GetNode() {
		counts[n.GetOpType()]++
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		m.Operators = append(m.Operators, Operator{name, counts[name]})
	}
	slices.SortStableFunc(m.Operators, func(a, b Operator) int { return b.Count - a.Count })
}

// otherFormat names files that are taken for ONNX; "" if it may be one.
func otherFormat(data []byte) string {
	starts := func(magic string) bool { return bytes.HasPrefix(data, []byte(magic)) }
	switch {
	case len(data) == 0:
		return "it is empty"
	case starts("version https://git-lfs"):
		return "it is a pointer of Git LFS; fetch the file itself with git lfs pull"
	case starts("PK\x03\x04"):
		return "it is a zip archive, as PyTorch writes .pt and .pth; export it with torch.onnx.export"
	case starts("\x89HDF\r\n"):
		return "it is HDF5, as Keras writes .h5; convert it with tf2onnx"
	case len(data) > 8 && string(data[4:8]) == "TFL3":
		return "it is a TensorFlow Lite model; convert it with tf2onnx --tflite"
	case starts("\x80\x02") || starts("\x80\x03") || starts("\x80\x04") || starts("\x80\x05"):
		return "it is a Python pickle, as older PyTorch writes; export it with torch.onnx.export"
	case starts("\x7fELF") || starts("ORTM") || len(data) > 8 && string(data[4:8]) == "ORTM":
		return "it is a model in ONNX Runtime's own format, or a program; give the .onnx file that it was made of"
	case starts("\x1f\x8b"):
		return "it is compressed with gzip; unpack it first"
	case starts("<!DOCTYPE") || starts("<html"):
		return "it is a web page: the download went wrong"
	case len(data) > 9 && data[8] == '{' && bytes.Contains(data[:min(len(data), 4096)], []byte(`"dtype"`)):
		return "it is a safetensors file: weights without a graph; load them in PyTorch and export with torch.onnx.export"
	}
	return ""
}
