//go:build cgo

package suspect

import (
	"bytes"
	"context"
	"image"
	"image/draw"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"shaketable/perturb"
	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
	"shaketable/pipeline/onnx"
)

// acceptance is the folder with real networks and pictures.
func acceptance(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("SHAKETABLE_ACCEPTANCE")
	if dir == "" {
		dir = "../../../../shared/acceptance"
	}
	if _, err := os.Stat(filepath.Join(dir, "zoo")); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no acceptance data: %v: set SHAKETABLE_ACCEPTANCE", err)
		}
		t.Skipf("no acceptance data: %v: set SHAKETABLE_ACCEPTANCE to search on real networks", err)
	}
	return dir
}

// rawNet runs a file with ONNX Runtime.
type rawNet struct{ raw *onnx.Raw }

func (n rawNet) Run(ctx context.Context, tensor []float32) (out []Output, err error) {
	results, err := n.raw.Run(ctx, tensor)
	for _, r := range results {
		out = append(out, Output{r.Name, r.Values})
	}
	return out, err
}

func runtimeOf(t testing.TB) *onnx.Runtime {
	t.Helper()
	r, err := onnx.NewRuntime(onnx.Config{Device: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// crops cuts n rectangles of random size out of real faces.
func crops(t testing.TB, n, lo, hi int) (list [][]byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(acceptance(t), "media", "*.png"))
	if err != nil || len(files) == 0 {
		t.Fatal("no media", err)
	}
	r := rand.New(rand.NewPCG(8, 8))
	for i := range n {
		data, err := os.ReadFile(files[(i*37)%len(files)])
		if err != nil {
			t.Fatal(err)
		}
		m, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		w, h := lo+r.IntN(hi-lo), lo+r.IntN(hi-lo)
		at := image.Pt(r.IntN(m.Bounds().Dx()-w), r.IntN(m.Bounds().Dy()-h))
		cut := image.NewNRGBA(image.Rect(0, 0, w, h))
		draw.Draw(cut, cut.Bounds(), m, at, draw.Src)
		list = append(list, encode(t, cut))
	}
	return list
}

// zooNet is a network of the zoo, twice: in ONNX Runtime, and in the float64 interpreter that plays the service.
type zooNet struct {
	name  string
	side  int
	here  Network
	there func(tensor []float32) ([]float64, error)
}

func zoo(t testing.TB) (list []zooNet) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(acceptance(t), "zoo", "*.onnx"))
	if len(files) != 9 {
		t.Fatalf("%d networks", len(files))
	}
	r := runtimeOf(t)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		model, err := graph.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		dims, _ := graph.Dims(model.GetGraph().GetInput()[0])
		side := int(dims[2])
		raw, err := r.OpenRaw(data, 1, 3, int64(side), int64(side))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { raw.Close() })
		there := func(tensor []float32) ([]float64, error) {
			wide := make([]float64, len(tensor))
			for i, v := range tensor {
				wide[i] = float64(v)
			}
			out, err := eval.Run(model, map[string]*eval.Tensor{"image": eval.Floats(wide, 1, 3, int64(side), int64(side))})
			if err != nil {
				return nil, err
			}
			return out["logits"].F, nil
		}
		list = append(list, zooNet{filepath.Base(file), side, rawNet{raw}, there})
	}
	return list
}

// mistakes are the six that services make most, planted in the service: what the configuration says is plain.
func mistakes() []plant {
	list := slices.DeleteFunc(plants(), func(p plant) bool {
		return !slices.Contains([]string{"colour order", "scale", "mean and std", "resize", "P(real)"}, p.name)
	})
	return append(list, plant{"logit", func(_ *perturb.Input, out *perturb.Output) { out.Kind = "logit" }, "kind logit"})
}

// score is what the service answers.
func (z zooNet) score(t testing.TB, in perturb.Input, out perturb.Output, data []byte) float64 {
	s := service{in: in, p: func(tensor []float32) (float64, error) {
		logits, err := z.there(tensor)
		if err != nil {
			return 0, err
		}
		p := 1 / (1 + math.Exp(logits[0]-logits[1]))
		if out.Kind == "logit" { // the sigmoid of one of two classes
			p = 1 / (1 + math.Exp(-logits[1]))
		}
		if out.Meaning == "real" {
			p = 1 - p
		}
		return p, nil
	}}
	return s.score(t, data)
}

// TestSearchOnRealArchitectures plants each mistake in the configuration of each network of the zoo.
func TestSearchOnRealArchitectures(t *testing.T) {
	media := crops(t, 10, 50, 200)
	for _, z := range zoo(t) {
		plain := Hypothesis{Input: input(z.side), Exif: "apply", Output: perturb.Output{Name: "logits", Kind: "logits", Index: 1, Meaning: "fake"}}
		scores := make([]float64, len(media))
		for i, data := range media {
			scores[i] = z.score(t, plain.Input, plain.Output, data)
		}
		for _, p := range mistakes() {
			t.Run(z.name+"/"+p.name, func(t *testing.T) {
				b := plain
				p.truth(&b.Input, &b.Output)
				f := find(t, caseOf(b, media, scores, 0, z.here))
				// A network that normalises first hardly sees the scale of its input, and one that is sure of everything sees nothing.
				if f.Flat || f.Configured.Max <= 5e-6 {
					t.Logf("%s %s makes no difference: %+v", z.name, p.name, f.Configured.Comparison)
					return
				}
				if !f.Explained || !among(f.Alike, plain) || f.Alike[0].Steps != 1 {
					t.Errorf("explained %v, configured %s, found %q (%+v)", f.Explained, f.Configured.Verdict, f.Alike[0].Describe(b), f.Alike[0].Comparison)
				}
				t.Logf("%-34s %-14s spread %.4f  configured %.5f  left %.2e  tried %d",
					z.name, p.name, f.Configured.Spread, f.Configured.Median, f.Alike[0].Median, f.Tried)
			})
		}
	}
}
