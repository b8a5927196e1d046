//go:build cgo

package perturb_test

import (
	"fmt"
	"math"
	"os"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"shaketable/perturb"
	"shaketable/perturb/graph/graphtest"
)

// TestGoldenExactJPEG: with the real codec, probabilities of a picture are those of the independent program, which
// wrote and read files with libjpeg.
func TestGoldenExactJPEG(t *testing.T) {
	want := readGolden(t)
	model, err := os.ReadFile(graphtest.Acceptance(t, "models", "meso4-f2f.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	s := exact(t, only(t, "jpeg"))
	f := compileMeso(t, model, s, perturb.Options{Chunk: 1})
	r := newRunner(t, f.Model, []string{"image", "host"}, []string{"p"})
	worst := map[string]float64{}
	step := 5
	if os.Getenv("SHAKETABLE_LONG") != "" {
		step = 1
	}
	for i := 0; i < len(want.Files); i += step {
		file := want.Files[i]
		pixels, h, w := readPicture(t, graphtest.Acceptance(t, "media", file))
		host := hostTensor(t, f, s, pixels, []int64{0}, h, w)
		p, _ := run[float32](t, r, ort.Value(tensor(t, pixels, 1, 256, 256, 3)), tensor(t, host, 5, 1, 256, 256, 3))
		for v, variant := range f.Variants[1:] {
			key := fmt.Sprintf("jpeg/%d", variant.Severity)
			worst[key] = max(worst[key], math.Abs(1-float64(p[v+1])-want.ProbReal["meso4-f2f"][key][i]))
		}
	}
	for key, d := range worst {
		t.Logf("%s: worst |p - golden| %.6f", key, d)
		if d > 1e-5 {
			t.Errorf("%s: worst |p - golden| %.6f", key, d)
		}
	}
}
