//go:build cgo

package perturb_test

import (
	"os"
	"sync"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"shaketable/perturb"
	"shaketable/perturb/graph/graphtest"
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

// runner is a session on one thread, as the worker runs it.
type runner struct {
	session *ort.DynamicAdvancedSession
}

func newRunner(tb testing.TB, model []byte, inputs, outputs []string) *runner {
	tb.Helper()
	needRuntime(tb)
	r, err := tryRunner(model, inputs, outputs)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { r.session.Destroy() })
	return r
}

func tryRunner(model []byte, inputs, outputs []string) (*runner, error) {
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	defer options.Destroy()
	if err := options.SetIntraOpNumThreads(1); err != nil {
		return nil, err
	}
	if err := options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"); err != nil {
		return nil, err
	}
	if prefix := os.Getenv("SHAKETABLE_PROFILE"); prefix != "" { // where the time goes: go test -bench Fused with this set
		if err := options.EnableProfiling(prefix); err != nil {
			return nil, err
		}
	}
	s, err := ort.NewDynamicAdvancedSessionWithONNXData(model, inputs, outputs, options)
	if err != nil {
		return nil, err
	}
	return &runner{s}, nil
}

// tensor wraps data for a run; the caller destroys it.
func tensor[T ort.TensorData](tb testing.TB, data []T, dims ...int64) *ort.Tensor[T] {
	tb.Helper()
	needRuntime(tb)
	x, err := ort.NewTensor(ort.NewShape(dims...), data)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { x.Destroy() })
	return x
}

// run returns the only output as a slice, with its shape.
func run[T ort.TensorData](tb testing.TB, r *runner, inputs ...ort.Value) ([]T, []int64) {
	tb.Helper()
	outputs := []ort.Value{nil}
	if err := r.session.Run(inputs, outputs); err != nil {
		tb.Fatal(err)
	}
	out, ok := outputs[0].(*ort.Tensor[T])
	if !ok {
		tb.Fatalf("output is a %T", outputs[0])
	}
	defer out.Destroy()
	return append([]T(nil), out.GetData()...), out.GetShape()
}

// mesoInput and mesoOutput are the contract of the four MesoNet detectors of the acceptance data.
func mesoInput() perturb.Input {
	return perturb.Input{Name: "image", Width: 256, Height: 256, Layout: "NCHW", Color: "RGB", Scale: "unit", Std: [3]float32{1, 1, 1}}
}

func mesoOutput() perturb.Output {
	return perturb.Output{Name: "prob_real", Kind: "probability", Meaning: "real"}
}
