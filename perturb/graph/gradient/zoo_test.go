//go:build cgo

package gradient_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/gradient"
	"shaketable/perturb/graph/graphtest"
	"shaketable/perturb/graph/onnx"
)

// zooNetworks are the files of the zoo, one per family of architecture.
func zooNetworks(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(graphtest.Acceptance(tb, "zoo"), "*.onnx"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("no networks in the zoo: %v", err)
	}
	return files
}

// network is a zoo network with fixed shapes and one more output: margin = logits[1] - logits[0], [N].
type network struct {
	name   string
	dims   []int64
	model  *onnx.ModelProto
	pixels []float32
	file   string
}

func loadNetwork(tb testing.TB, file string) network {
	tb.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	model, err := graph.Parse(data)
	if err != nil {
		tb.Fatal(err)
	}
	pixels := readFloats(tb, strings.Replace(file, ".onnx", ".input.f32", 1))
	side := int64(math.Sqrt(float64(len(pixels) / 6)))
	dims := []int64{2, 3, side, side}
	if err := graph.Freeze(model.GetGraph(), "image", dims); err != nil {
		tb.Fatal(err)
	}
	b := graph.Extend(model, "test/")
	b.Output("margin", b.Reshape(b.Call("Sub", b.Gather("logits", 1, 1), b.Gather("logits", 1, 0)), -1), graph.Float32)
	m := b.Model(model)
	graph.DropShapes(m.GetGraph())
	return network{strings.TrimSuffix(filepath.Base(file), ".onnx"), dims, m, pixels, file}
}

func marshal(tb testing.TB, m *onnx.ModelProto) []byte {
	tb.Helper()
	data, err := graph.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// farthest is the largest difference, as a part of the largest value that is wanted.
func farthest(got, want []float32) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	worst, largest := 0., 0.
	for i := range want {
		worst = max(worst, math.Abs(float64(got[i])-float64(want[i])))
		if math.IsNaN(float64(got[i])) {
			return math.Inf(1)
		}
		largest = max(largest, math.Abs(float64(want[i])))
	}
	return worst / largest
}

// TestZoo holds logits and gradients against those that PyTorch computed in float64.
func TestZoo(t *testing.T) {
	for _, file := range zooNetworks(t) {
		n := loadNetwork(t, file)
		t.Run(n.name, func(t *testing.T) {
			m, err := gradient.Append(n.model, "image", "margin", "gradient")
			if err != nil {
				t.Fatal(err)
			}
			got := newSession(t, marshal(t, m), "image", "logits", "gradient").run(n.pixels, n.dims...)
			for i, kind := range []string{"logits", "gradient"} {
				want := readFloats(t, strings.Replace(file, ".onnx", "."+kind+".f32", 1))
				if d := farthest(got[i], want); !(d <= 1e-4) {
					t.Errorf("%s: off by %.2g of the largest", kind, d)
				} else {
					t.Logf("%s: off by %.2g of the largest; %d nodes, with the gradient %d", kind, d, len(n.model.GetGraph().GetNode()), len(m.GetGraph().GetNode()))
				}
			}
		})
	}
}
