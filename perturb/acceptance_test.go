//go:build cgo

package perturb_test

import (
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"slices"
	"sync"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"shaketable/perturb"
	"shaketable/perturb/graph/graphtest"
)

// golden is what an independent program measured: P(real) per detector, variant ("jpeg/3") and picture.
type golden struct {
	Files    []string                        `json:"files"`
	ProbReal map[string]map[string][]float64 `json:"prob_real"`
}

func readGolden(t *testing.T) golden {
	t.Helper()
	data, err := os.ReadFile(graphtest.Acceptance(t, "golden", "prob_real.json"))
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// readPicture decodes a PNG to RGB bytes.
func readPicture(t *testing.T, path string) (pixels []uint8, h, w int) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	picture, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	return rgb(picture)
}

func rgb(picture image.Image) (pixels []uint8, h, w int) {
	bounds := picture.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			r, g, b, _ := picture.At(x, y).RGBA()
			pixels = append(pixels, uint8(r>>8), uint8(g>>8), uint8(b>>8))
		}
	}
	return pixels, bounds.Dy(), bounds.Dx()
}

// TestGoldenRates holds RA_self, RR and the mean change of every natural variant against the independent program, within the
// tolerances of the acceptance data's compare.py.
func TestGoldenRates(t *testing.T) {
	models := []string{"meso4-f2f"}
	if os.Getenv("SHAKETABLE_LONG") != "" {
		models = append(models, "mesoinception4-df", "meso4-df", "mesoinception4-f2f")
	}
	want := readGolden(t)
	for _, model := range models {
		t.Run(model, func(t *testing.T) { goldenRates(t, model, want) })
	}
}

func goldenRates(t *testing.T, model string, want golden) {
	data, err := os.ReadFile(graphtest.Acceptance(t, "models", model+".onnx"))
	if err != nil {
		t.Fatal(err)
	}
	s := suite(t, "deepfake-v1")
	s.Variants = slices.DeleteFunc(s.Variants, func(v perturb.Variant) bool { // the independent program knows no other families
		return !slices.Contains([]string{"jpeg", "gaussian_blur", "saturation", "gain", "brightness", "resize"}, v.Family)
	})
	f, err := perturb.Compile(data, mesoInput(), mesoOutput(), s, perturb.Options{Chunk: 1})
	if err != nil {
		t.Fatal(err)
	}
	p := scoreAll(t, f, want.Files)
	for v, variant := range f.Variants {
		key := fmt.Sprintf("%s/%d", variant.Family, variant.Severity)
		if v == 0 {
			key = "clean"
		}
		reference, ok := want.ProbReal[model][key]
		if !ok {
			t.Errorf("%s: no golden figures", key)
			continue
		}
		compareRates(t, key, rates(p, v), ratesOf(want.ProbReal[model]["clean"], reference))
		worst, sum := 0., 0.
		for i := range reference {
			d := math.Abs((1 - float64(p[i][v])) - reference[i])
			worst, sum = max(worst, d), sum+d
		}
		t.Logf("%-18s mean |p - golden| %.5f, worst %.5f", key, sum/float64(len(reference)), worst)
	}
}

// scoreAll runs every picture, two at a time: p[picture][variant].
func scoreAll(t *testing.T, f *perturb.Fused, files []string) [][]float32 {
	t.Helper()
	r := newRunner(t, f.Model, []string{"image"}, []string{"p"})
	p := make([][]float32, len(files))
	var wg sync.WaitGroup
	for half := range 2 {
		wg.Go(func() {
			for i := half; i < len(files); i += 2 {
				pixels, h, w := readPicture(t, graphtest.Acceptance(t, "media", files[i]))
				p[i], _ = run[float32](t, r, ort.Value(tensor(t, pixels, 1, int64(h), int64(w), 3)))
			}
		})
	}
	wg.Wait()
	return p
}

// rates are RA_self, RR at .01 .02 .05 .10 .20 and the mean absolute change.
func rates(p [][]float32, v int) [7]float64 {
	var clean, changed []float64
	for _, row := range p {
		clean, changed = append(clean, 1-float64(row[0])), append(changed, 1-float64(row[v]))
	}
	return ratesOf(clean, changed)
}

func ratesOf(clean, changed []float64) (r [7]float64) {
	n := float64(len(clean))
	for i := range clean {
		if (clean[i] >= .5) == (changed[i] >= .5) {
			r[0] += 1 / n
		}
		ticks := math.Round(math.Abs(clean[i]-changed[i]) * 1e6)
		for j, b := range []float64{10000, 20000, 50000, 100000, 200000} {
			if ticks <= b {
				r[1+j] += 1 / n
			}
		}
		r[6] += math.Abs(clean[i]-changed[i]) / n
	}
	return r
}

func compareRates(t *testing.T, key string, got, want [7]float64) {
	t.Helper()
	names := [7]string{"ra_self", "rr_0.01", "rr_0.02", "rr_0.05", "rr_0.10", "rr_0.20", "mean |dp|"}
	tolerance, tight := .02, .03
	if key[:4] == "jpeg" {
		tolerance, tight = .06, .12
	}
	for i := range got {
		allowed := tolerance
		if i == 1 || i == 2 {
			allowed = tight
		}
		if !(math.Abs(got[i]-want[i]) <= allowed+1e-9) {
			t.Errorf("%s %s: got %.4f, golden %.4f, allowed %.2f", key, names[i], got[i], want[i], allowed)
		}
	}
}
