package corrupt

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math"
	"strings"
	"testing"
)

// scene is a picture with slopes, straight and round edges, and every level.
func scene(w, h int) raster {
	in := raster{make([]byte, 3*w*h), w, h}
	for i := range w * h {
		x, y := i%w, i/w
		in.pix[3*i] = byte(255 * x / w)
		in.pix[3*i+1] = byte(255 * y / h)
		in.pix[3*i+2] = byte((x*x + y*y) / 7)
		if (2*x-w)*(2*x-w)+(2*y-h)*(2*y-h) < w*h/4 {
			in.pix[3*i], in.pix[3*i+1] = 220, 180
		}
	}
	return in
}

// Every family at every severity, on all kinds of sizes: the same twice, another with another seed if it is random, the same if
// not, and the input is left alone.
func TestApply(t *testing.T) {
	for _, size := range [][2]int{{16, 16}, {17, 40}, {75, 61}, {128, 16}} {
		in := scene(size[0], size[1])
		before := bytes.Clone(in.pix)
		for _, f := range Families() {
			for s, parameters := range f.Severities {
				t.Run(fmt.Sprintf("%dx%d/%s@%d", in.w, in.h, f.Name, s+1), func(t *testing.T) {
					first := mustApply(t, f.Name, parameters, in, 1)
					if !bytes.Equal(first, mustApply(t, f.Name, parameters, in, 1)) {
						t.Error("the same seed gives other bytes")
					}
					if same := bytes.Equal(first, mustApply(t, f.Name, parameters, in, 2)); same == f.Random {
						t.Errorf("another seed: same bytes %t, random %t", same, f.Random)
					}
					if bytes.Equal(first, in.pix) || !bytes.Equal(before, in.pix) {
						t.Error("the picture is not changed, or changed in place")
					}
				})
			}
		}
	}
}

// What the bytes are, on any machine: a change here is a change of the suite's version. GOAMD64=v3, which lets the compiler fuse
// products and sums, must give the same.
func TestReproducible(t *testing.T) {
	in := scene(75, 61)
	var got strings.Builder
	for _, f := range Families() {
		h := fnv.New32a()
		for s, parameters := range f.Severities {
			h.Write(mustApply(t, f.Name, parameters, in, uint64(s)))
		}
		fmt.Fprintf(&got, "%s %08x\n", f.Name, h.Sum32())
	}
	if got.String() != reproducible {
		t.Errorf("the bytes have changed:\n%s", got.String())
	}
}

func mustApply(t *testing.T, family string, parameters []float64, in raster, seed uint64) []byte {
	t.Helper()
	out, err := Apply(family, parameters, in.pix, in.w, in.h, seed)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != len(in.pix) {
		t.Fatalf("%d bytes of %d", len(out), len(in.pix))
	}
	return out
}

func TestApplyRefuses(t *testing.T) {
	in := scene(32, 32)
	for _, c := range []struct {
		name, family  string
		parameters    []float64
		pix           []byte
		width, height int
		want          string
	}{
		{"family", "rain", []float64{1}, in.pix, 32, 32, `unknown family "rain": known are shot_noise, `},
		{"count", "snow", []float64{1}, in.pix, 32, 32, "snow: 1 parameters given, it takes 7: location (number of -2..2, mean"},
		{"none", "jpeg", nil, in.pix, 32, 32, "jpeg: 0 parameters given, it takes 1: q (integer of 1..100, quality of the IJG scale)"},
		{"nan", "contrast", []float64{math.NaN()}, in.pix, 32, 32, "contrast: factor = NaN is not allowed: give factor (number of 0..10"},
		{"infinite", "saturate", []float64{math.Inf(1), 0}, in.pix, 32, 32, "saturate: scale = +Inf is not allowed"},
		{"below", "jpeg", []float64{0}, in.pix, 32, 32, "jpeg: q = 0 is not allowed: give q (integer of 1..100"},
		{"above", "impulse_noise", []float64{1.5}, in.pix, 32, 32, "impulse_noise: amount = 1.5 is not allowed"},
		{"fraction", "defocus_blur", []float64{2.5, .1}, in.pix, 32, 32, "defocus_blur: radius = 2.5 is not allowed: give radius (integer of 1..32, pixels)"},
		{"layers", "zoom_blur", []float64{3, .005}, in.pix, 32, 32, "zoom_blur: stop = 3 and step = 0.005 make 400 layers: at most 200"},
		{"small", "fog", []float64{2, 2}, in.pix, 15, 32, "fog: a picture of 15 x 32 pixels: sides of 16..32768 are allowed"},
		{"negative", "jpeg", []float64{50}, in.pix, -1, -1, "jpeg: a picture of -1 x -1 pixels: sides of 1..32768"},
		{"huge", "jpeg", []float64{50}, in.pix, 1 << 40, 1 << 40, "sides of 1..32768"},
		{"short", "frost", []float64{1, .4}, in.pix[1:], 32, 32, "frost: 3071 bytes for 32 x 32 pixels: 8-bit RGB takes 3072"},
		{"empty", "pixelate", []float64{.5}, nil, 16, 16, "pixelate: 0 bytes for 16 x 16 pixels: 8-bit RGB takes 768"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := Apply(c.family, c.parameters, c.pix, c.width, c.height, 0)
			if err == nil || !strings.Contains(err.Error(), c.want) || out != nil {
				t.Errorf("got %d bytes and error %v, want %q in it", len(out), err, c.want)
			}
		})
	}
}

// The corners of what is allowed: no parameters within their bounds may panic, on black, white and small pictures.
func TestBounds(t *testing.T) {
	white := raster{bytes.Repeat([]byte{255}, 3*16*19), 16, 19}
	black := raster{make([]byte, len(white.pix)), 16, 19}
	for _, f := range Families() {
		for corner := range 1 << len(f.Parameters) {
			parameters := make([]float64, len(f.Parameters))
			for i, p := range f.Parameters {
				parameters[i] = p.Min
				if corner>>i&1 == 1 {
					parameters[i] = p.Max
				}
			}
			if f.Check(parameters) != nil {
				continue // refused together
			}
			for _, in := range []raster{white, black, scene(16, 19)} {
				mustApply(t, f.Name, parameters, in, 7)
			}
		}
	}
}

// Parameters that do nothing give the picture back.
func TestIdentity(t *testing.T) {
	in := scene(40, 33)
	for _, c := range []struct {
		family     string
		parameters []float64
	}{
		{"impulse_noise", []float64{0}},
		{"speckle_noise", []float64{0}},
		{"gaussian_blur_sigma", []float64{.1}},
		{"frost", []float64{1, 0}},
		{"fog", []float64{0, 2}},
		{"contrast", []float64{1}},
		{"saturate", []float64{1, 0}},
		{"elastic_transform", []float64{0, .01, 0}},
		{"pixelate", []float64{1}},
		{"snow", []float64{0, 0, 1, 1, 1, 1, 1}},
		{"spatter", []float64{0, 0, 1, 1, 1, 0}},
		{"spatter", []float64{0, 0, 1, 1, 1, 1}},
	} {
		if worst, _, _ := difference(in.pix, mustApply(t, c.family, c.parameters, in, 3)); worst > 0 {
			t.Errorf("%s %v changes the picture by up to %d levels", c.family, c.parameters, worst)
		}
	}
}

// A flat picture stays flat under everything that only moves or averages pixels. defocus_blur is not among them: the softened
// disk of radius 8 touches the rim of its kernel, whose weights do not sum to 1 then, there and here.
func TestFlat(t *testing.T) {
	for _, level := range []byte{0, 1, 100, 127, 254, 255} {
		in := raster{bytes.Repeat([]byte{level}, 3*50*37), 50, 37}
		for _, family := range []string{"glass_blur", "zoom_blur", "gaussian_blur_sigma", "contrast", "saturate", "elastic_transform", "pixelate"} {
			for _, f := range Families() {
				if f.Name != family {
					continue
				}
				for s, parameters := range f.Severities {
					if family == "saturate" && parameters[1] > 0 {
						continue // grey becomes red by definition
					}
					if worst, _, _ := difference(in.pix, mustApply(t, family, parameters, in, 3)); worst > 0 {
						t.Errorf("%s@%d moves level %d by %d", family, s+1, level, worst)
					}
				}
			}
		}
	}
}

// FNV-1a over the five severities of each family, on linux/amd64.
const reproducible = `shot_noise 76e314cd
impulse_noise 396e95b4
speckle_noise 42ab8aec
defocus_blur a7d793c7
glass_blur e181c538
zoom_blur 0944672d
gaussian_blur_sigma 2347106a
snow 8be85e5d
frost de703886
fog 1ce3b83b
spatter 9d31075c
contrast 019c2270
saturate 00d7a884
elastic_transform b6dbe573
pixelate 5d466cbb
jpeg dcdcda72
`
