package perturb_test

import (
	"slices"
	"testing"

	"shaketable/perturb"
	"shaketable/perturb/graph"
)

// TestSuites pins names, order and parameters: they are in every generation and in every table.
func TestSuites(t *testing.T) {
	whole, err := perturb.Lookup("deepfake-v1")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"jpeg":           {"90", "75", "60", "40", "25"},
		"gaussian_blur":  {"7", "9", "13", "17", "21"},
		"saturation":     {"0.4", "0.3", "0.2", "0.1", "0"},
		"gain":           {"0.85", "0.725", "0.6", "0.475", "0.35"},
		"brightness":     {"0.1", "0.2", "0.3", "0.4", "0.5"},
		"resize":         {"2", "3", "4", "5", "6"},
		"gaussian_noise": {"0.032", "0.045", "0.071", "0.1", "0.224"},
	}
	if len(whole.Variants) != 35 {
		t.Errorf("deepfake-v1 has %d variants, want 35", len(whole.Variants))
	}
	for _, v := range whole.Variants {
		if want[v.Family][v.Severity-1] != v.Parameter {
			t.Errorf("%v, want parameter %s", v, want[v.Family][v.Severity-1])
		}
	}
	small, err := perturb.Lookup("production")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range small.Variants {
		if !slices.Contains(whole.Variants, v) {
			t.Errorf("%v of production is not in deepfake-v1", v)
		}
		got = append(got, v.Family+" "+v.Parameter)
	}
	if !slices.Equal(got, []string{"jpeg 75", "jpeg 40", "resize 2", "gaussian_noise 0.045", "gaussian_blur 7", "gain 0.725", "brightness 0.2", "saturation 0.2"}) {
		t.Errorf("production is %q", got)
	}
}

// TestOperators: only operators that have a CUDA kernel for the types in use (ONNX Runtime, docs/OperatorKernels.md), and
// no shape arithmetic, so that a GPU never hands a tensor back to the CPU.
func TestOperators(t *testing.T) {
	allowed := []string{"Add", "AveragePool", "Cast", "Concat", "Cos", "Div", "Gather", "Identity", "Log", "MatMul", "Max", "Min", "Mod",
		"Mul", "Pad", "QuantizeLinear", "Reshape", "Resize", "Sin", "Slice", "Split", "Sqrt", "Sub", "Transpose"}
	s, err := perturb.Lookup("deepfake-v1")
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range [][2]int{{256, 256}, {61, 75}, {299, 299}} {
		f, err := perturb.CompilePixels(s, size[0], size[1], 17)
		if err != nil {
			t.Fatal(err)
		}
		model, err := graph.Parse(f.Model)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range model.GetGraph().GetNode() {
			if !slices.Contains(allowed, n.GetOpType()) {
				t.Errorf("%v: operator %s", size, n.GetOpType())
			}
		}
		if len(f.Model) > 16<<20 {
			t.Errorf("%v: the suite alone takes %d bytes", size, len(f.Model))
		}
		t.Logf("%v: %d nodes, %d bytes", size, len(model.GetGraph().GetNode()), len(f.Model))
	}
}
