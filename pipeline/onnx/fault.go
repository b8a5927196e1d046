package onnx

import (
	"errors"
	"fmt"
	"strings"

	"shaketable/pipeline"
)

// faults maps what ONNX Runtime says to what a person can do about it; it has codes, but the binding hands on the words.
var faults = []struct{ says, means string }{
	{"is not a registered function/op", "the model uses an operator or an opset that this ONNX Runtime does not have: " +
		"export it at an older opset, or install a newer ONNX Runtime"},
	{"No Op registered for", "the model uses an operator or an opset that this ONNX Runtime does not have: " +
		"export it at an older opset, or install a newer ONNX Runtime"},
	{"Could not find an implementation for", "ONNX Runtime has no kernel for an operator of the model on this device: " +
		"export it at another opset, or choose another device"},
	{"is not implemented", "ONNX Runtime has no kernel for an operator of the model on this device: " +
		"export it at another opset, or choose another device"},
	{"This session contains graph nodes that are assigned to the default CPU EP", "a part of the model cannot run on the GPU that " +
		"was asked for, and is not moved to the CPU silently: export it at opset 17 or 18, or use device auto or cpu"},
	{"Protobuf parsing failed", "the file is no ONNX model"},
	{"is not supported. Current official support", "the model is of an opset that this ONNX Runtime does not have: " +
		"export it at an older opset, or install a newer ONNX Runtime"},
	{"libonnxruntime_providers", "the CUDA provider of ONNX Runtime, or a library that it needs, cannot be loaded: " +
		"put the provider of the very same release next to the ONNX Runtime library and install CUDA and cuDNN 9, or use device cpu"},
	{"CUDA execution provider is not enabled", "this ONNX Runtime was built without CUDA: install one with it, or use device cpu"},
	{"shape verification failed", "the model returns another shape than its graph declares"},
}

// outOfMemory are the ways in which ONNX Runtime and CUDA say that memory ran out.
var outOfMemory = []string{"Failed to allocate memory for requested buffer", "is smaller than requested bytes", "out of memory",
	"std::bad_alloc", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "Invalid Buffer: size overflow"}

// explain puts what can be done before what ONNX Runtime said. Out of memory becomes [pipeline.ErrOutOfMemory].
func explain(err error) error {
	if err == nil {
		return nil
	}
	for _, says := range outOfMemory {
		if strings.Contains(err.Error(), says) {
			return fmt.Errorf("%w: %w", pipeline.ErrOutOfMemory, err)
		}
	}
	for _, f := range faults {
		if strings.Contains(err.Error(), f.says) {
			return fmt.Errorf("%s (ONNX Runtime: %w)", f.means, err)
		}
	}
	return fmt.Errorf("ONNX Runtime: %w", err)
}

// errClosed is returned by runs on a model that was closed.
var errClosed = errors.New("onnx: the model is closed")
