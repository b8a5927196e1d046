//go:build cgo

package perturb_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"shaketable/perturb"
)

// picture is RGB in float64, 0..255, index (y, x, channel).
type picture struct {
	h, w int
	at   []float64
}

func (p picture) get(y, x, c int) float64 { return p.at[(y*p.w+x)*3+c] }

func planes(pixels []uint8, h, w int) picture {
	p := picture{h, w, make([]float64, len(pixels))}
	for i, v := range pixels {
		p.at[i] = float64(v)
	}
	return p
}

// texture is a random picture with smooth parts, noise, pure black, white and saturated pixels.
func texture(h, w int, seed uint64) []uint8 {
	rng := rand.New(rand.NewPCG(seed, 5))
	x := make([]uint8, h*w*3)
	for i := range h * w {
		for c := range 3 {
			wave := 128 + 100*math.Sin(float64(i%w)/(7+float64(c))+float64(i/w)/11) + 40*rng.NormFloat64()
			x[i*3+c] = uint8(min(max(wave, 0), 255))
		}
		switch rng.IntN(20) {
		case 0:
			x[i*3], x[i*3+1], x[i*3+2] = 0, 0, 0
		case 1:
			x[i*3], x[i*3+1], x[i*3+2] = 255, 255, 255
		case 2:
			x[i*3], x[i*3+1] = 0, 255
		}
	}
	return x
}

// oracle gives the exact value of one sample, before rounding; formulas as in the definition of the suite, written without
// regard to speed and without sharing code with the package.
type oracle func(p picture, y, x, c int) float64

func oracles() map[string]func(parameter float64) oracle {
	return map[string]func(float64) oracle{
		"gain": func(f float64) oracle {
			return func(p picture, y, x, c int) float64 { return f * p.get(y, x, c) }
		},
		"saturation": func(f float64) oracle {
			return func(p picture, y, x, c int) float64 {
				luma := .299*p.get(y, x, 0) + .587*p.get(y, x, 1) + .114*p.get(y, x, 2)
				return luma + f*(p.get(y, x, c)-luma)
			}
		},
		"brightness": func(v float64) oracle {
			return func(p picture, y, x, c int) float64 {
				value := math.Max(p.get(y, x, 0), math.Max(p.get(y, x, 1), p.get(y, x, 2)))
				raised := math.Min(value+255*v, 255)
				if value == 0 {
					return raised
				}
				return p.get(y, x, c) * raised / value
			}
		},
		"gaussian_blur": blurOracle,
		"resize":        resizeOracle,
	}
}

func blurOracle(k float64) oracle {
	mirror := func(i, n int) int {
		for i < 0 || i >= n {
			if i < 0 {
				i = -i
			} else {
				i = 2*(n-1) - i
			}
		}
		return i
	}
	return func(p picture, y, x, c int) float64 {
		sum, weights := 0., 0.
		r := int(k) / 2
		for dy := -r; dy <= r; dy++ {
			for dx := -r; dx <= r; dx++ {
				w := math.Exp(-float64(dx*dx+dy*dy) / (2 * (k / 6) * (k / 6)))
				sum += w * p.get(mirror(y+dy, p.h), mirror(x+dx, p.w), c)
				weights += w
			}
		}
		return sum / weights
	}
}

func resizeOracle(f float64) oracle {
	return func(p picture, y, x, c int) float64 {
		h, w := int(float64(p.h)/f), int(float64(p.w)/f)
		small := func(j, i int) float64 { // mean over the area of one small pixel
			sum, weights := 0., 0.
			for yy := range p.h {
				overY := math.Min(float64(yy+1), float64(j+1)*float64(p.h)/float64(h)) - math.Max(float64(yy), float64(j)*float64(p.h)/float64(h))
				if overY <= 0 {
					continue
				}
				for xx := range p.w {
					overX := math.Min(float64(xx+1), float64(i+1)*float64(p.w)/float64(w)) - math.Max(float64(xx), float64(i)*float64(p.w)/float64(w))
					if overX > 0 {
						sum, weights = sum+overX*overY*p.get(yy, xx, c), weights+overX*overY
					}
				}
			}
			return sum / weights
		}
		fy, fx := (float64(y)+.5)*float64(h)/float64(p.h)-.5, (float64(x)+.5)*float64(w)/float64(p.w)-.5
		sum := 0.
		for dy := range 2 {
			for dx := range 2 {
				j, i := int(math.Floor(fy))+dy, int(math.Floor(fx))+dx
				weight := (1 - math.Abs(fy-float64(j))) * (1 - math.Abs(fx-float64(i)))
				sum += weight * small(min(max(j, 0), h-1), min(max(i, 0), w-1))
			}
		}
		return sum
	}
}

// TestFamiliesAgainstOracle checks that every sample is its exact value rounded to nearest, and that halves go up.
func TestFamiliesAgainstOracle(t *testing.T) {
	for _, size := range [][2]int{{256, 256}, {61, 75}, {16, 16}, {224, 224}} {
		h, w := size[0], size[1]
		pixels := texture(h, w, uint64(h))
		p := planes(pixels, h, w)
		for name, make := range oracles() {
			s := only(t, name)
			got := pixelsOf(t, s, 13, pixels, h, w)
			for k, v := range s.Variants {
				parameter, err := strconv.ParseFloat(v.Parameter, 64)
				if err != nil {
					t.Fatal(err)
				}
				t.Run(fmt.Sprintf("%s-%s/%dx%d", name, v.Parameter, h, w), func(t *testing.T) {
					compareSamples(t, p, make(parameter), got[k*len(pixels):(k+1)*len(pixels)])
				})
			}
		}
	}
}

// compareSamples looks at every sample of small pictures, and at the border and a random choice of large ones.
func compareSamples(t *testing.T, p picture, exact oracle, got []uint8) {
	rng := rand.New(rand.NewPCG(3, 4))
	// the graph works in float32, and lengthens by 2^-22: a sample this close to a half may go either way
	const slack = 5e-4
	for y := range p.h {
		for x := range p.w {
			border := min(x, y, p.w-1-x, p.h-1-y) < 2
			if p.h*p.w > 5000 && rng.IntN(60) != 0 && !(border && rng.IntN(8) == 0) {
				continue
			}
			for c := range 3 {
				want := exact(p, y, x, c)
				if d := float64(got[(y*p.w+x)*3+c]) - want; d > .5+slack || d < -.5-slack {
					t.Fatalf("sample (%d,%d,%d) is %d, exact value %.5f", y, x, c, got[(y*p.w+x)*3+c], want)
				}
			}
		}
	}
}

// TestHalvesGoUp names pixels whose exact value is a half.
func TestHalvesGoUp(t *testing.T) {
	constant := func(r, g, b uint8) []uint8 {
		x := make([]uint8, 0, 16*16*3)
		for range 16 * 16 {
			x = append(x, r, g, b)
		}
		return x
	}
	tests := []struct {
		family, parameter string
		rgb               [3]uint8
		want              [3]uint8
	}{
		{"gain", "0.85", [3]uint8{10, 30, 250}, [3]uint8{9, 26, 213}},         // 8.5, 25.5, 212.5
		{"gain", "0.475", [3]uint8{20, 60, 100}, [3]uint8{10, 29, 48}},        // 9.5, 28.5, 47.5
		{"brightness", "0.1", [3]uint8{0, 0, 0}, [3]uint8{26, 26, 26}},        // 25.5, black
		{"brightness", "0.2", [3]uint8{210, 100, 0}, [3]uint8{255, 121, 0}},   // 121.43
		{"saturation", "0", [3]uint8{100, 100, 105}, [3]uint8{101, 101, 101}}, // 100.57
	}
	for _, test := range tests {
		s := only(t, test.family)
		var kept []perturb.Variant
		for _, v := range s.Variants {
			if v.Parameter == test.parameter {
				kept = append(kept, v)
			}
		}
		s.Variants = kept
		got := pixelsOf(t, s, 17, constant(test.rgb[0], test.rgb[1], test.rgb[2]), 16, 16)
		if [3]uint8(got[:3]) != test.want {
			t.Errorf("%s %s of %v: got %v, want %v", test.family, test.parameter, test.rgb, got[:3], test.want)
		}
	}
}

// TestResizeHalves: a step of even pixels averages to halves, which are rounded once, at the end, and up.
func TestResizeHalves(t *testing.T) {
	x := make([]uint8, 16*16*3)
	for i := range x {
		x[i] = uint8(i / 3 % 2) // columns 0 1 0 1 …: the mean of every pair is one half
	}
	s := only(t, "resize")
	s.Variants = s.Variants[:1]
	for i, v := range pixelsOf(t, s, 17, x, 16, 16) {
		if v != 1 {
			t.Fatalf("sample %d is %d, want 1", i, v)
		}
	}
}
