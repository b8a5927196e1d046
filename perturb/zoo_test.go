//go:build cgo

package perturb_test

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"shaketable/perturb"
	"shaketable/perturb/graph"
	"shaketable/perturb/graph/graphtest"
)

func readFloats(t testing.TB, path string) []float32 {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, len(data)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return x
}

// TestZoo takes models of nine architectures, as PyTorch writes them, through Parse and Marshal without a change of their
// logits, and fuses each with a suite.
func TestZoo(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(graphtest.Acceptance(t, "zoo"), "*.onnx"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no models in the zoo: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".onnx"), func(t *testing.T) { zooModel(t, file) })
	}
}

func zooModel(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	model, err := graph.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	graph.Prune(model.GetGraph())
	again, err := graph.Marshal(model)
	if err != nil {
		t.Fatal(err)
	}
	pixels, want := readFloats(t, strings.Replace(file, ".onnx", ".input.f32", 1)), readFloats(t, strings.Replace(file, ".onnx", ".logits.f32", 1))
	side := int(math.Sqrt(float64(len(pixels) / 6)))
	got, _ := run[float32](t, newRunner(t, again, []string{"image"}, []string{"logits"}), ort.Value(tensor(t, pixels, 2, 3, int64(side), int64(side))))
	for i := range want {
		if math.Abs(float64(got[i]-want[i])) > 1e-4*(1+math.Abs(float64(want[i]))) {
			t.Errorf("logits %v, want %v", got, want)
		}
	}
	in := mesoInput()
	in.Width, in.Height = side, side
	out := perturb.Output{Name: "logits", Kind: "logits", Index: 1, Meaning: "fake"}
	for _, chunk := range []int{0, 1, 3} {
		f, err := perturb.Compile(data, in, out, suite(t, "production"), perturb.Options{Chunk: chunk})
		if err != nil {
			t.Fatal(err)
		}
		p, _ := run[float32](t, newRunner(t, f.Model, []string{"image", "seed"}, []string{"p"}),
			ort.Value(tensor(t, texture(side, side, 9), 1, int64(side), int64(side), 3)), tensor(t, []int64{3}, 1))
		if len(p) != 9 {
			t.Fatalf("%d probabilities, want 9", len(p))
		}
		bare, err := perturb.CompileDetector(data, in, out)
		if err != nil {
			t.Fatal(err)
		}
		clean, _ := run[float32](t, newRunner(t, bare.Model, []string{"image"}, []string{"p"}), ort.Value(tensor(t, texture(side, side, 9), 1, int64(side), int64(side), 3)))
		if math.Abs(float64(clean[0]-p[0])) > 1e-5 || !(p[0] >= 0 && p[0] <= 1) {
			t.Errorf("chunk %d: clean probability %v, by the detector alone %v", chunk, p[0], clean[0])
		}
	}
}
