package onnx

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/onnx"
)

// Raw is a model with nothing of ours around it: the caller makes its tensor, and gets its outputs as they are. It is what
// pre- and post-processing can be tried on without loading the model again for each attempt.
type Raw struct {
	runtime *Runtime
	session *session
	shape   []int64
	outputs []string
}

// RawOutput is one output of a run: its values in row-major order.
type RawOutput struct {
	Name   string
	Shape  []int64
	Values []float32
}

// OpenRaw loads a model for inputs of one full shape. Whatever the element type of its input and its outputs is, callers see
// float32; outputs that are no floating numbers (classes, texts) are left out. Errors name what the model cannot do.
func (r *Runtime) OpenRaw(model []byte, shape ...int64) (*Raw, error) {
	edged, outputs, err := floatEdges(model, shape)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	s, err := newSession(edged, []string{"x"}, prefixed(outputs), r.device)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	return &Raw{runtime: r, session: s, shape: slices.Clone(shape), outputs: outputs}, nil
}

// Run runs the model on the elements of its tensor, in row-major order. A done ctx ends it.
func (w *Raw) Run(ctx context.Context, x []float32) ([]RawOutput, error) {
	release, err := w.runtime.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	results, err := w.session.collect(ctx, floatsOf(x, w.shape...), len(w.outputs))
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	out := make([]RawOutput, len(results))
	for i, t := range results {
		out[i] = RawOutput{Name: w.outputs[i], Shape: t.shape, Values: t.floats}
	}
	return out, nil
}

// Close waits for runs and frees the model. It can be called again.
func (w *Raw) Close() error { return w.session.close() }

// floatEdges puts casts around a model where its input or its outputs are not float32, and fixes the shape of the input.
func floatEdges(data []byte, shape []int64) (model []byte, outputs []string, err error) {
	m, err := graph.Parse(data)
	if err != nil {
		return nil, nil, err
	}
	fed := graph.Inputs(m.GetGraph())
	if len(fed) != 1 {
		return nil, nil, fmt.Errorf("the model has %d inputs (%s): only models with one input, the picture, can be run", len(fed), graph.Names(fed))
	}
	b := graph.NewBuilder("raw", graph.Opset(m))
	x := b.Input("x", graph.Float32, shape...)
	if t := graph.Type(fed[0]); t != graph.Float32 {
		x = b.Cast(x, t)
	}
	declared := m.GetGraph().GetOutput()
	types := map[string]onnx.TensorProto_DataType{}
	for _, o := range declared {
		types[o.GetName()] = graph.Type(o)
	}
	result, err := b.Inline(m.GetGraph(), "model/", map[string]string{fed[0].GetName(): x})
	if err != nil {
		return nil, nil, err
	}
	for _, o := range declared {
		y, t := result[o.GetName()], types[o.GetName()]
		switch t {
		case graph.Float32:
			y = b.Call("Identity", y) // the model's own name may be taken: "x"
		case onnx.TensorProto_FLOAT16, onnx.TensorProto_DOUBLE, onnx.TensorProto_BFLOAT16:
			y = b.Cast(y, graph.Float32)
		default:
			continue
		}
		outputs = append(outputs, o.GetName())
		b.Output("output/"+o.GetName(), y, graph.Float32)
	}
	if len(outputs) == 0 {
		return nil, nil, errors.New("none of the model's outputs holds floating numbers")
	}
	edged := b.Model(m)
	graph.DropShapes(edged.GetGraph())
	model, err = graph.Marshal(edged)
	return model, outputs, err
}

// prefixed are the names of outputs in the graph around the model.
func prefixed(outputs []string) []string {
	names := make([]string, len(outputs))
	for i, o := range outputs {
		names[i] = "output/" + o
	}
	return names
}
