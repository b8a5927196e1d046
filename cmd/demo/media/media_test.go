package media

import (
	"bytes"
	"image/png"
	"math"
	"math/rand/v2"
	"testing"
)

func TestMakeIsAFunctionOfItsArguments(t *testing.T) {
	for _, fake := range []bool{false, true} {
		a, b := NewStudio(7).Make(11, fake), NewStudio(7).Make(11, fake)
		if !bytes.Equal(a.Pix, b.Pix) {
			t.Errorf("fake=%v: two studios of one seed made different pictures", fake)
		}
		for name, other := range map[string][]byte{"index": NewStudio(7).Make(12, fake).Pix, "seed": NewStudio(8).Make(11, fake).Pix,
			"truth": NewStudio(7).Make(11, !fake).Pix} {
			if bytes.Equal(a.Pix, other) {
				t.Errorf("fake=%v: another %s gave the same picture", fake, name)
			}
		}
	}
}

func TestPNGIsLossless(t *testing.T) {
	s := NewStudio(1)
	for i := range uint64(3) { // the encoder's buffers are used again
		img := s.Make(i, i == 1)
		data, err := s.PNG(img)
		if err != nil {
			t.Fatal(err)
		}
		back, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		for y := range Size {
			for x := range Size {
				if img.At(x, y) != img.ColorModel().Convert(back.At(x, y)) {
					t.Fatalf("picture %d differs at (%d,%d)", i, x, y)
				}
			}
		}
	}
}

func TestFakeDrawsTheShare(t *testing.T) {
	s, fakes := NewStudio(5), 0
	const n = 20000
	for i := range uint64(n) {
		if s.Fake(i, .3) {
			fakes++
		}
	}
	if got := float64(fakes) / n; math.Abs(got-.3) > 4*math.Sqrt(.3*.7/n) {
		t.Errorf("share of fakes %.4f, want .3 within 4 standard errors", got)
	}
}

// On a plane of any colour, both demosaicking filters must give that colour back: their taps sum to 1 for the sampled
// colour's own estimate and the Laplacian's to 0.
func TestDemosaickingKeepsFlatLightAndRamps(t *testing.T) {
	raw := newPlane(12)
	for y := range 12 {
		for x := range 12 {
			raw.pix[y*12+x] = .1 + .02*float32(x) + .01*float32(y) // grey ramp: linear filters with zero first moment keep it
		}
	}
	for name, filter := range map[string]func(plane) picture{"bilinear": demosaicBilinear, "malvar": demosaicMalvar} {
		out := filter(raw)
		for y := 2; y < 10; y++ {
			for x := 2; x < 10; x++ {
				for c := range out {
					if got, want := out[c].pix[y*12+x], raw.pix[y*12+x]; math.Abs(float64(got-want)) > 1e-6 {
						t.Fatalf("%s: colour %d at (%d,%d) is %g, want %g", name, c, x, y, got, want)
					}
				}
			}
		}
	}
}

// The kernel of Malvar, He and Cutler for green at a red position, in eighths: 4 here, 2 on the cross, -1 two away.
func TestMalvarKernel(t *testing.T) {
	want := map[[2]int]float32{{0, 0}: 4, {1, 0}: 2, {-1, 0}: 2, {0, 1}: 2, {0, -1}: 2, {2, 0}: -1, {-2, 0}: -1, {0, 2}: -1, {0, -2}: -1}
	for dy := -2; dy <= 2; dy++ {
		for dx := -2; dx <= 2; dx++ {
			raw := newPlane(12)
			raw.pix[(6+dy)*12+6+dx] = 8 // (6,6) is red
			if got := demosaicMalvar(raw)[1].pix[6*12+6]; got != want[[2]int{dx, dy}] {
				t.Errorf("tap (%d,%d) is %g/8, want %g/8", dx, dy, got, want[[2]int{dx, dy}])
			}
		}
	}
}

func TestSensorNoiseHasItsVariance(t *testing.T) {
	c := camera{shot: .001, read: .004}
	light := newPicture(Size)
	for i := range light {
		for j := range light[i].pix {
			light[i].pix[j] = .5
		}
	}
	raw := c.expose(rand.New(rand.NewPCG(1, 1)), light)
	var sum, square float64
	for _, v := range raw.pix {
		sum, square = sum+float64(v), square+float64(v)*float64(v)
	}
	n := float64(len(raw.pix))
	variance := square/n - sum/n*sum/n
	want := .001*.5 + .004*.004
	if math.Abs(variance/want-1) > 5*math.Sqrt(2/n) {
		t.Errorf("variance %g, want %g", variance, want)
	}
}

// A flat picture up-sampled with uneven taps is a checkerboard of (1+-ax)(1+-ay); with even taps it stays flat.
func TestTransposedConvolutionLeavesItsTrace(t *testing.T) {
	flat := newPlane(8)
	for i := range flat.pix {
		flat.pix[i] = 1
	}
	for _, a := range [][2]float32{{0, 0}, {.02, -.01}} {
		out := transposed2(flat, a[0], a[1])
		for y := range 16 {
			for x := range 16 {
				want := (1 + a[0]*float32(1-2*(x&1))) * (1 + a[1]*float32(1-2*(y&1)))
				if got := out.pix[y*16+x]; math.Abs(float64(got-want)) > 1e-6 {
					t.Fatalf("a=%v: (%d,%d) is %g, want %g", a, x, y, got, want)
				}
			}
		}
	}
}

// With even taps and all of the detail learned, the generator gives the scene back: nothing but its traces tells it apart.
func TestPerfectGeneratorDrawsTheScene(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	s := newScene(r)
	perfect := generator{stages: []stage{{detail: 1}, {detail: 1}, {detail: 1}}}
	got, want := perfect.synthesise(r, s), s.render(Size)
	for c := range got {
		for i := range got[c].pix {
			if math.Abs(float64(got[c].pix[i]-want[c].pix[i])) > 1e-5 {
				t.Fatalf("channel %d differs by %g", c, got[c].pix[i]-want[c].pix[i])
			}
		}
	}
}

func BenchmarkMake(b *testing.B) {
	s := NewStudio(1)
	for i := range b.N {
		s.Make(uint64(i), i%2 == 1)
	}
}
