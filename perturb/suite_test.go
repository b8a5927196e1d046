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

		"motion_blur":     {"radius=10, sigma=3", "radius=15, sigma=5", "radius=15, sigma=8", "radius=15, sigma=12", "radius=20, sigma=15"},
		"block_occlusion": {"16", "32", "48", "64", "80"},
		"social":          {"side=1280, q=85", "side=960, q=80", "side=720, q=75", "side=480, q=70", "side=360, q=60"},
	}
	if len(whole.Variants) != 50 {
		t.Errorf("deepfake-v1 has %d variants, want 50", len(whole.Variants))
	}
	order := []string{"jpeg", "gaussian_blur", "saturation", "gain", "brightness", "resize", "gaussian_noise", "motion_blur", "block_occlusion", "social"}
	for i, v := range whole.Variants {
		if v.Family != order[i/5] || v.Severity != i%5+1 {
			t.Errorf("variant %d is %s/%d, want %s/%d", i, v.Family, v.Severity, order[i/5], i%5+1)
		}
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
	allowed := []string{"Add", "Abs", "AveragePool", "Cast", "Clip", "Concat", "Cos", "CumSum", "Div", "Gather", "Greater", "Identity", "Log",
		"MatMul", "Max", "Min", "Mod", "Mul", "Pad", "QuantizeLinear", "Reshape", "Resize", "Scan", "Sin", "Slice", "Split", "Sqrt",
		"Squeeze", "Sub", "Transpose", "Unsqueeze", "Where"}
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

func suite(tb testing.TB, name string) perturb.Suite {
	tb.Helper()
	s, err := perturb.Lookup(name)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}
