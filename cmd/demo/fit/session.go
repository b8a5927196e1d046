//go:build cgo

package main

import (
	"fmt"
	"os"

	ort "github.com/yalue/onnxruntime_go"

	"shaketable/cmd/demo/media"
	"shaketable/perturb/graph"
	"shaketable/perturb/graph/onnx"
	adapter "shaketable/pipeline/onnx"
)

// startRuntime loads ONNX Runtime once for the process.
func startRuntime() error {
	if ort.IsInitialized() {
		return nil
	}
	path, err := adapter.FindLibrary(os.Getenv)
	if err != nil {
		return err
	}
	ort.SetSharedLibraryPath(path)
	if err := ort.InitializeEnvironment(); err != nil {
		return fmt.Errorf("loading ONNX Runtime from %s: %w", path, err)
	}
	return nil
}

// session runs one small model on the CPU with one thread, so that results do not depend on scheduling.
type session struct{ inner *ort.DynamicAdvancedSession }

func newSession(model *onnx.ModelProto, inputs, outputs []string) (*session, error) {
	data, err := graph.Marshal(model)
	if err != nil {
		return nil, err
	}
	return openSession(data, inputs, outputs)
}

func openSession(data []byte, inputs, outputs []string) (*session, error) {
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("session options: %w", err)
	}
	defer options.Destroy()
	if err := options.SetIntraOpNumThreads(1); err != nil {
		return nil, fmt.Errorf("session options: %w", err)
	}
	inner, err := ort.NewDynamicAdvancedSessionWithONNXData(data, inputs, outputs, options)
	if err != nil {
		return nil, fmt.Errorf("opening a model: %w", err)
	}
	return &session{inner: inner}, nil
}

func (s *session) close() error { return s.inner.Destroy() }

// run feeds a model of one input and one output.
func run[In, Out ort.TensorData](s *session, in []In, shape, out []int64) ([]Out, error) {
	x, err := ort.NewTensor(ort.NewShape(shape...), in)
	if err != nil {
		return nil, fmt.Errorf("input tensor: %w", err)
	}
	defer x.Destroy()
	return call[Out](s, []ort.Value{x}, out)
}

// shaken feeds a model that takes one picture and its noise seed.
func shaken[Out ort.TensorData](s *session, rgb []byte, noise int64, out []int64) ([]Out, error) {
	x, err := ort.NewTensor(ort.NewShape(1, media.Size, media.Size, 3), rgb)
	if err != nil {
		return nil, fmt.Errorf("picture tensor: %w", err)
	}
	defer x.Destroy()
	seed, err := ort.NewTensor(ort.NewShape(1), []int64{noise})
	if err != nil {
		return nil, fmt.Errorf("seed tensor: %w", err)
	}
	defer seed.Destroy()
	return call[Out](s, []ort.Value{x, seed}, out)
}

func call[Out ort.TensorData](s *session, inputs []ort.Value, shape []int64) ([]Out, error) {
	y, err := ort.NewEmptyTensor[Out](ort.NewShape(shape...))
	if err != nil {
		return nil, fmt.Errorf("output tensor: %w", err)
	}
	defer y.Destroy()
	if err := s.inner.Run(inputs, []ort.Value{y}); err != nil {
		return nil, fmt.Errorf("running a model: %w", err)
	}
	return append([]Out(nil), y.GetData()...), nil
}
