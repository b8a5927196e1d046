//go:build cgo

package eval_test

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/graphtest"
	"shaketable/perturb/graph/onnx"
)

// acceptance lists files of the acceptance data, or skips the test.
func acceptance(tb testing.TB, pattern string) []string {
	tb.Helper()
	pattern = filepath.Join(graphtest.AcceptanceRoot(), pattern)
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		graphtest.Absent(tb, "acceptance data not found: "+pattern)
	}
	return paths
}

func load(tb testing.TB, path string) *onnx.ModelProto {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	m, err := graph.Parse(data)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func float32s(tb testing.TB, path string) []float64 {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	out := make([]float64, len(data)/4)
	for i := range out {
		out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])))
	}
	return out
}

// withOutputs declares every float value of a model as an output.
func withOutputs(m *onnx.ModelProto, facts *eval.Facts) *onnx.ModelProto {
	m = proto.CloneOf(m)
	m.Graph.Output = nil
	for _, n := range m.GetGraph().GetNode() {
		for _, o := range n.GetOutput() {
			if dims, ok := facts.Dims(o); ok && facts.Type(o) == onnx.TensorProto_FLOAT && len(dims) > 0 {
				m.Graph.Output = append(m.Graph.Output, graph.Value(o, graph.Float32, dims...))
			}
		}
	}
	return m
}

// TestZoo checks the logits of the zoo against those of PyTorch, and every value on the way against ONNX Runtime.
func TestZoo(t *testing.T) {
	needRuntime(t)
	for _, path := range acceptance(t, "zoo/*.onnx") {
		base := strings.TrimSuffix(path, ".onnx")
		t.Run(filepath.Base(base), func(t *testing.T) {
			m := load(t, path)
			dims, _ := graph.Dims(m.GetGraph().GetInput()[0])
			dims[0] = 2
			feeds := map[string]*eval.Tensor{"image": eval.Floats(float32s(t, base+".input.f32"), dims...)}
			everyValue(t, m, feeds)
			start := time.Now()
			got, err := eval.Run(m, feeds)
			if err != nil {
				t.Fatal(err)
			}
			spent := time.Since(start)
			want := eval.Floats(float32s(t, base+".logits.f32"), 2, 2)
			d := distance(got["logits"], want)
			if d > 1e-5 {
				t.Errorf("logits are %v, PyTorch has %v, off by %.2g", got["logits"].F, want.F, d)
			}
			derivative(t, m, feeds["image"], float32s(t, base+".gradient.f32"))
			t.Logf("logits off by %.2g of the largest; two pictures in %v", d, spent)
		})
	}
}

// derivative compares a central difference along the gradient with the gradient that PyTorch computed in float64. Between
// x-h and x+h a network of ReLUs may bend, but only a little.
func derivative(t *testing.T, m *onnx.ModelProto, x *eval.Tensor, gradient []float64) {
	t.Helper()
	length := 0.0
	for _, g := range gradient {
		length += g * g
	}
	const h = 1e-7
	margin := func(h float64) float64 {
		moved := eval.Floats(make([]float64, len(x.F)), x.Dims...)
		for i, g := range gradient {
			moved.F[i] = x.F[i] + h*g/math.Sqrt(length)
		}
		got, err := eval.Run(m, map[string]*eval.Tensor{"image": moved})
		if err != nil {
			t.Fatal(err)
		}
		l := got["logits"].F
		return l[1] - l[0] + l[3] - l[2]
	}
	slope := (margin(h) - margin(-h)) / (2 * h)
	if want := math.Sqrt(length); math.Abs(slope/want-1) > 1e-4 {
		t.Errorf("the slope along the gradient is %v, its length %v", slope, want)
	} else {
		t.Logf("slope along the gradient off by %.2g", math.Abs(slope/want-1))
	}
}

// TestMesoNets checks every value of the four detectors against ONNX Runtime.
func TestMesoNets(t *testing.T) {
	needRuntime(t)
	r := newMaker(20)
	for _, path := range acceptance(t, "models/*.onnx") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			everyValue(t, load(t, path), map[string]*eval.Tensor{"image": r.positive(1, 3, 256, 256)})
		})
	}
}

// everyValue compares all float values of a model with ONNX Runtime, and their facts.
func everyValue(t *testing.T, m *onnx.ModelProto, feeds map[string]*eval.Tensor) {
	t.Helper()
	facts, err := eval.Infer(m, map[string][]int64{"image": feeds["image"].Dims})
	if err != nil {
		t.Fatal(err)
	}
	if u := facts.Unsupported(); len(u) > 0 {
		t.Errorf("unsupported: %v", u)
	}
	all := withOutputs(m, facts)
	got, err := eval.Run(all, feeds)
	if err != nil {
		t.Fatal(err)
	}
	sameFacts(t, "model", all, feeds, got)
	want, err := runtime(all, feeds)
	if err != nil {
		t.Fatal(err)
	}
	worst := 0.0
	for name, w := range want {
		d := distance(got[name], w)
		if worst = max(worst, d); d > 1e-4 { // the runtime's float32 has lost up to 6e-5 after 50 layers, or in a mean near 0
			t.Errorf("%s is off by %.2g", name, d)
		}
	}
	if n := len(want); n < 10 {
		t.Errorf("only %d values were compared", n)
	}
	t.Logf("%d values, worst relative difference %.2g", len(want), worst)
}
