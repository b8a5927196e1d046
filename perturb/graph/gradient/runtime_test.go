//go:build cgo

package gradient_test

import (
	"encoding/binary"
	"math"
	"os"
	"sync"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"shaketable/perturb/graph/graphtest"
)

// startRuntime loads ONNX Runtime once per test binary.
var startRuntime = sync.OnceValue(func() error {
	ort.SetSharedLibraryPath(graphtest.Library())
	return ort.InitializeEnvironment(ort.WithLogLevelError())
})

func needRuntime(tb testing.TB) {
	tb.Helper()
	if err := startRuntime(); err != nil {
		graphtest.Absent(tb, "ONNX Runtime not found: "+err.Error())
	}
}

// session is a model on one thread, as the worker runs it, with one float input.
type session struct {
	tb      testing.TB
	s       *ort.DynamicAdvancedSession
	outputs int
}

func newSession(tb testing.TB, model []byte, input string, outputs ...string) *session {
	tb.Helper()
	needRuntime(tb)
	options, err := ort.NewSessionOptions()
	if err != nil {
		tb.Fatal(err)
	}
	defer options.Destroy()
	if err := options.SetIntraOpNumThreads(1); err != nil {
		tb.Fatal(err)
	}
	if err := options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"); err != nil {
		tb.Fatal(err)
	}
	if prefix := os.Getenv("SHAKETABLE_PROFILE"); prefix != "" { // where the time goes
		if err := options.EnableProfiling(prefix); err != nil {
			tb.Fatal(err)
		}
	}
	s, err := ort.NewDynamicAdvancedSessionWithONNXData(model, []string{input}, outputs, options)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Destroy() })
	return &session{tb, s, len(outputs)}
}

// run returns the float outputs.
func (s *session) run(x []float32, dims ...int64) [][]float32 {
	s.tb.Helper()
	in, err := ort.NewTensor(ort.NewShape(dims...), x)
	if err != nil {
		s.tb.Fatal(err)
	}
	defer in.Destroy()
	values := make([]ort.Value, s.outputs)
	if err := s.s.Run([]ort.Value{in}, values); err != nil {
		s.tb.Fatal(err)
	}
	var out [][]float32
	for _, v := range values {
		t, ok := v.(*ort.Tensor[float32])
		if !ok {
			s.tb.Fatalf("output is a %T", v)
		}
		out = append(out, append([]float32(nil), t.GetData()...))
		t.Destroy()
	}
	return out
}

func readFloats(tb testing.TB, path string) []float32 {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	x := make([]float32, len(data)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return x
}
