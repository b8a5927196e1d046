//go:build cgo

package onnx

import (
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"shaketable/perturb"
	"shaketable/perturb/corrupt"
)

func mixedSuite(t testing.TB) perturb.Suite {
	t.Helper()
	s, err := perturb.NewSuite("mixed", "1", []string{"gain(factor=0.5)", "glass_blur@1", "gaussian_noise(sigma=0.1)", "impulse_noise@3", "jpeg(q=75)",
		"saturation(factor=0.2)", "fog@2"})
	if err != nil {
		t.Fatal(err)
	}
	if s, err = s.WithCodec(perturb.CodecExact); err != nil {
		t.Fatal(err)
	}
	return s
}

func openSuite(t testing.TB, r *Runtime, side string, s perturb.Suite) *Model {
	t.Helper()
	d := toy(t, identity)
	if side != "" {
		d = realDetector(t, side)
	}
	m, err := r.Open(t.Context(), d, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// TestHost: rows that Go paints score what their pixels score, the others are as they were, and the codec is in the plan.
func TestHost(t *testing.T) {
	s := mixedSuite(t)
	r := runtimeFor(t, Config{Parallel: 3})
	m := openSuite(t, r, "", s)
	if m.Plan() != "cpu chunk=1 codec=exact" {
		t.Errorf("plan %q", m.Plan())
	}
	painter, err := perturb.NewPainter(s, toySide, toySide)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range randomPictures(4, toySide, toySide) {
		probs, err := m.Probe(t.Context(), p.image(toySide), p.seed)
		if err != nil {
			t.Fatal(err)
		}
		pictures, err := r.Pixels(t.Context(), s, p.image(toySide), p.seed)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range s.Variants {
			if got, want := probs[i+1], expectation(pictures[i].Pix); math.Abs(got-want) > 5e-6 {
				t.Errorf("%s: %v, its pixels score %v", v, got, want)
			}
			out := make([]byte, len(p.pix))
			switch err := painter.Paint(p.pix, p.seed, i, out); {
			case strings.Contains(v.Family, "gain"), strings.Contains(v.Family, "saturation"), v.Family == "gaussian_noise":
				if err == nil {
					t.Errorf("%s is painted on the host", v)
				}
			case err != nil:
				t.Error(err)
			case !slices.Equal(out, pictures[i].Pix):
				t.Errorf("%s: the pixels are not those of the host", v)
			}
		}
		exact, err := corrupt.Apply("jpeg", []float64{75}, p.pix, toySide, toySide, 0)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(pictures[4].Pix, exact) {
			t.Error("jpeg is not the exact one")
		}
	}
}

// TestHostBatches: host pictures and picks find their own picture in a batch, too.
func TestHostBatches(t *testing.T) {
	s := mixedSuite(t)
	for _, picks := range []int{0, 3} {
		r := runtimeFor(t, Config{Parallel: 1, Chunk: 1, VariantsPerProbe: picks})
		single := openSuite(t, r, "", s)
		batched := &Model{runtime: r, detector: "toy", suite: s}
		d := toy(t, identity)
		data, _, err := readModel(d)
		if err != nil {
			t.Fatal(err)
		}
		compile := func(chunk int) (*perturb.Fused, error) {
			return perturb.Compile(data, d.Input, d.Output, s, perturb.Options{Chunk: chunk, Picks: picks})
		}
		if err := batched.load(compile, 0); err != nil {
			t.Fatal(err)
		}
		if err := batched.startBatches(t.Context(), []int{1, 4}); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for i, p := range randomPictures(9, toySide, toySide) {
			all.Go(func() {
				got, err := batched.Probe(t.Context(), p.image(toySide), p.seed)
				want, err2 := single.Probe(t.Context(), p.image(toySide), p.seed)
				if err := errors.Join(err, err2); err != nil {
					t.Error(err)
					return
				}
				for j := range want {
					if math.IsNaN(got[j]) != math.IsNaN(want[j]) || math.Abs(got[j]-want[j]) > 1e-6 {
						t.Errorf("picks %d, picture %d row %d: %v in a batch, %v alone", picks, i, j, got[j], want[j])
					}
				}
			})
		}
		all.Wait()
		if err := batched.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestPicks: what was picked is, bit for bit, what a whole probe returns; the rest is NaN, and the plan says how many.
func TestPicks(t *testing.T) {
	s := suiteOf(t, "production")
	whole := openSuite(t, runtimeFor(t, Config{}), "", s)
	some := openSuite(t, runtimeFor(t, Config{VariantsPerProbe: 3}), "", s)
	if some.Plan() != "cpu chunk=1 picks=3" || openSuite(t, runtimeFor(t, Config{VariantsPerProbe: len(s.Variants)}), "", s).Plan() != "cpu chunk=1" {
		t.Errorf("plan %q", some.Plan())
	}
	if some.NoiseFloor() != 0 || math.IsNaN(some.NoiseFloor()) {
		t.Errorf("noise floor %v", some.NoiseFloor())
	}
	for _, p := range randomPictures(5, toySide, toySide) {
		want, err := whole.Probe(t.Context(), p.image(toySide), p.seed)
		got, err2 := some.Probe(t.Context(), p.image(toySide), p.seed)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		picked := perturb.Picks(s, 3, p.seed)
		for i := range want {
			ran := i == 0 || slices.Contains(picked, i)
			if ran && got[i] != want[i] || !ran && !math.IsNaN(got[i]) {
				t.Errorf("row %d (picked %v): %v, of a whole probe %v", i, ran, got[i], want[i])
			}
		}
	}
}

// TestFloors: on a CPU nothing moves; the comparison with the CPU, run here on itself, finds nothing either, and finds a
// difference where there is one.
func TestFloors(t *testing.T) {
	m := openSuite(t, runtimeFor(t, Config{}), "", mixedSuite(t))
	if m.Floors() != (Floors{}) {
		t.Errorf("floors %+v", m.Floors())
	}
	p := randomPictures(1, toySide, toySide)[0]
	probs, err := m.Probe(t.Context(), p.image(toySide), p.seed)
	if err != nil {
		t.Fatal(err)
	}
	for _, off := range []float64{0, .25} {
		probs[3] += off
		if err := m.compareProviders(t.Context(), p, probs); err != nil {
			t.Fatal(err)
		}
		if got := m.Floors().Providers; got != off {
			t.Errorf("providers differ by %v, want %v", got, off)
		}
	}
}

// TestPixels: any size, and the same pictures however many are made at once.
func TestPixels(t *testing.T) {
	r := runtimeFor(t, Config{})
	s := mixedSuite(t)
	p := randomPictures(1, 75, 61)[0]
	img := p.image(75)
	img.Height = 61
	all, err := r.Pixels(t.Context(), s, img, p.seed)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(s.Variants) {
		t.Fatalf("%d pictures", len(all))
	}
	for i := range s.Variants {
		one := s
		one.Variants = s.Variants[i : i+1]
		alone, err := r.Pixels(t.Context(), one, img, p.seed)
		if err != nil {
			t.Fatal(err)
		}
		if alone[0].Width != 75 || alone[0].Height != 61 || !slices.Equal(alone[0].Pix, all[i].Pix) {
			t.Errorf("%s alone is another picture", s.Variants[i])
		}
		if slices.Equal(all[i].Pix, p.pix) {
			t.Errorf("%s changes nothing", s.Variants[i])
		}
	}
	for j, x := range p.pix {
		if want := byte(math.Floor(.5*float64(x) + .5 + 1e-9)); all[0].Pix[j] != want {
			t.Fatalf("gain: byte %d is %d, want %d", j, all[0].Pix[j], want)
		}
	}
	small := randomPictures(1, 8, 8)[0]
	if _, err := r.Pixels(t.Context(), s, small.image(8), 1); err == nil || !strings.Contains(err.Error(), "16") {
		t.Errorf("8 x 8: %v", err)
	}
	if _, err := r.Pixels(t.Context(), s, img, -1); err == nil || !strings.Contains(err.Error(), "perturb.Seed") {
		t.Errorf("seed: %v", err)
	}
}
