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
	if whole.Version != "2" || small.Version != "2" { // another one makes other noise, and baselines are measured anew
		t.Errorf("versions are %s and %s, want 2", whole.Version, small.Version)
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

// TestProfiles pins the published tables: ImageNet-C (github.com/hendrycks/robustness, make_imagenet_c.py) and DeeperForensics-1.0
// (github.com/EndlessSora/DeeperForensics-1.0, perturbation/), of whose noise the square roots.
func TestProfiles(t *testing.T) {
	for name, want := range map[string][]string{
		"imagenet-c": {
			"gaussian_noise 0.08|0.12|0.18|0.26|0.38", "shot_noise 60|25|12|5|3", "impulse_noise 0.03|0.06|0.09|0.17|0.27",
			"defocus_blur radius=3, alias=0.1|radius=4, alias=0.5|radius=6, alias=0.5|radius=8, alias=0.5|radius=10, alias=0.5",
			"glass_blur sigma=0.7, delta=1, iterations=2|sigma=0.9, delta=2, iterations=1|sigma=1, delta=2, iterations=3|" +
				"sigma=1.1, delta=3, iterations=2|sigma=1.5, delta=4, iterations=2",
			"motion_blur radius=10, sigma=3|radius=15, sigma=5|radius=15, sigma=8|radius=15, sigma=12|radius=20, sigma=15",
			"zoom_blur stop=1.11, step=0.01|stop=1.16, step=0.01|stop=1.21, step=0.02|stop=1.26, step=0.02|stop=1.31, step=0.03",
			"snow location=0.1, scale=0.3, zoom=3, threshold=0.5, radius=10, sigma=4, mix=0.8|" +
				"location=0.2, scale=0.3, zoom=2, threshold=0.5, radius=12, sigma=4, mix=0.7|" +
				"location=0.55, scale=0.3, zoom=4, threshold=0.9, radius=12, sigma=8, mix=0.7|" +
				"location=0.55, scale=0.3, zoom=4.5, threshold=0.85, radius=12, sigma=8, mix=0.65|" +
				"location=0.55, scale=0.3, zoom=2.5, threshold=0.85, radius=12, sigma=12, mix=0.55",
			"frost picture=1, frost=0.4|picture=0.8, frost=0.6|picture=0.7, frost=0.7|picture=0.65, frost=0.7|picture=0.6, frost=0.75",
			"fog scale=1.5, decay=2|scale=2, decay=2|scale=2.5, decay=1.7|scale=2.5, decay=1.5|scale=3, decay=1.4",
			"brightness 0.1|0.2|0.3|0.4|0.5", "contrast 0.4|0.3|0.2|0.1|0.05",
			"elastic_transform alpha=2, sigma=0.7, affine=0.1|alpha=2, sigma=0.08, affine=0.2|alpha=0.05, sigma=0.01, affine=0.02|" +
				"alpha=0.07, sigma=0.01, affine=0.02|alpha=0.12, sigma=0.01, affine=0.02",
			"pixelate 0.6|0.5|0.4|0.3|0.25", "jpeg 25|18|15|10|7",
		},
		"imagenet-c-extra": {
			"speckle_noise 0.15|0.2|0.35|0.45|0.6", "gaussian_blur_sigma 1|2|3|4|6",
			"spatter location=0.65, scale=0.3, sigma=4, threshold=0.69, extent=0.6, mud=0|" +
				"location=0.65, scale=0.3, sigma=3, threshold=0.68, extent=0.6, mud=0|" +
				"location=0.65, scale=0.3, sigma=2, threshold=0.68, extent=0.5, mud=0|" +
				"location=0.65, scale=0.3, sigma=1, threshold=0.65, extent=1.5, mud=1|" +
				"location=0.67, scale=0.4, sigma=1, threshold=0.65, extent=1.5, mud=1",
			"saturate scale=0.3, offset=0|scale=0.1, offset=0|scale=2, offset=0|scale=5, offset=0.1|scale=20, offset=0.2",
		},
		"df1": {
			"saturation 0.4|0.3|0.2|0.1|0", "gain 0.85|0.725|0.6|0.475|0.35", "block_occlusion 16|32|48|64|80",
			"gaussian_noise_ycbcr 0.0316|0.0447|0.0707|0.1|0.2236", "gaussian_blur 7|9|13|17|21", "pixelation 2|3|4|5|6",
		},
	} {
		var got []string
		if version := suite(t, name).Version; version != "1" {
			t.Errorf("%s has version %s, want 1", name, version)
		}
		for i, v := range suite(t, name).Variants {
			if v.Severity != i%5+1 {
				t.Errorf("%s: variant %d, %v, has severity %d", name, i, v, v.Severity)
			}
			if i%5 == 0 {
				got = append(got, v.Family+" "+v.Parameter)
			} else {
				got[i/5] += "|" + v.Parameter
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
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
