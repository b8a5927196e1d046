//go:build cgo

package perturb_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"shaketable/perturb"
)

// own is a suite of a test's own.
func own(t testing.TB, variants ...string) perturb.Suite {
	t.Helper()
	s, err := perturb.NewSuite("own", "1", variants)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wordByDefinition is the hash of a media's seed with a name, of [0,2^31-1).
func wordByDefinition(seed int64, name ...string) uint64 {
	const prime = 1<<31 - 1
	word := func(last string) uint64 {
		sum := sha256.New()
		for _, p := range append(name[:len(name):len(name)], last) {
			fmt.Fprintf(sum, "%d:%s;", len(p), p)
		}
		return binary.BigEndian.Uint64(sum.Sum(nil)) % prime
	}
	multiply, add := 1+word("multiply")%(prime-1), word("add")
	v := uint64(seed) * multiply % prime
	for range 3 {
		v = (v + add) % prime
		v = v * v % prime * multiply % prime
	}
	return v
}

func motionAngle(seed int64) float64 {
	return -45 + (float64(wordByDefinition(seed, "motion_blur", "angle")*360/(1<<31-1))+.5)/4
}

// TestMotionAgainstImagecorruptions compares with pictures that another program blurred; see testdata/families_golden.py.
func TestMotionAgainstImagecorruptions(t *testing.T) {
	source, h, w := readPicture(t, filepath.Join("testdata", "jpeg_61x75.png"))
	for _, c := range []struct {
		seed          int64
		radius, sigma int
	}{{1, 10, 3}, {1, 20, 15}, {2, 15, 8}, {77, 15, 12}, {2147483646, 15, 5}} {
		want, _, _ := readPicture(t, filepath.Join("testdata", fmt.Sprintf("motion_61x75_seed%d_r%d_s%d.png", c.seed, c.radius, c.sigma)))
		got := pixelsOf(t, own(t, fmt.Sprintf("motion_blur(radius=%d, sigma=%d)", c.radius, c.sigma)), 17, source, h, w, c.seed)
		different := 0
		for i := range want {
			switch d := int(got[i]) - int(want[i]); {
			case d < -1 || d > 1:
				t.Fatalf("%+v, sample %d: %d, want %d", c, i, got[i], want[i])
			case d != 0:
				different++
			}
		}
		if different > len(want)/1000 { // sums in another order may fall to the other side of a half
			t.Errorf("%+v: %d of %d samples differ", c, different, len(want))
		}
	}
}

func motionOracle(radius int, sigma, angle float64) oracle {
	sin, cos := math.Sincos(angle * math.Pi / 180)
	return func(p picture, y, x, c int) float64 {
		sum, weights := 0., 0.
		for i := range 2*radius + 1 {
			w := math.Exp(-float64(i*i) / (2 * sigma * sigma))
			xx, yy := x+int(math.Ceil(float64(i)*cos-.5)), y+int(math.Ceil(float64(i)*sin-.5))
			sum += w * p.get(min(max(yy, 0), p.h-1), min(max(xx, 0), p.w-1), c)
			weights += w
		}
		return sum / weights
	}
}

// TestMotionAgainstOracle has kernels longer than the picture, all levels at once, and media of different angles.
func TestMotionAgainstOracle(t *testing.T) {
	s := own(t, "motion_blur(radius=3, sigma=0.5)", "motion_blur@1", "motion_blur@5", "motion_blur(radius=64, sigma=30)")
	for _, size := range [][2]int{{61, 75}, {16, 16}, {299, 17}} {
		h, w := size[0], size[1]
		seeds := []int64{0, 3, 99}
		pictures := append(texture(h, w, 1), append(texture(h, w, 2), texture(h, w, 3)...)...)
		got := pixelsOf(t, s, 13, pictures, h, w, seeds...)
		for k, level := range []struct {
			radius int
			sigma  float64
		}{{3, .5}, {10, 3}, {20, 15}, {64, 30}} {
			for n, seed := range seeds {
				size := h * w * 3
				p := planes(pictures[n*size:(n+1)*size], h, w)
				compareSamples(t, p, motionOracle(level.radius, level.sigma, motionAngle(seed)), got[(k*3+n)*size:(k*3+n+1)*size])
			}
		}
	}
}

// TestMotionAlone: a level is the same alone as beside others, also where its sum comes near a half, of which this picture has one.
func TestMotionAlone(t *testing.T) {
	const h, w, seed = 150, 151, 4242
	pixels := texture(h, w, 77)
	alone := pixelsOf(t, own(t, "motion_blur(radius=15, sigma=12)"), 17, pixels, h, w, seed)
	beside := pixelsOf(t, own(t, "motion_blur(radius=15, sigma=12)", "motion_blur@1", "motion_blur(radius=64, sigma=20)"), 17, pixels, h, w, seed)
	for i, v := range alone {
		if beside[i] != v {
			t.Errorf("sample %d is %d alone and %d beside other levels", i, v, beside[i])
		}
	}
}

// TestMotionAngles: over media, all 360 angles come equally often.
func TestMotionAngles(t *testing.T) {
	const n = 180_000
	var count [360]float64
	mean, square := 0., 0.
	for seed := range int64(n) {
		a := motionAngle(seed * 5851)
		count[int((a+45)*4)]++
		mean, square = mean+a/n, square+a*a/n
	}
	chi := 0.
	for _, k := range count {
		chi += (k - n/360) * (k - n/360) / (n / 360)
	}
	if z := (chi - 359) / math.Sqrt(2*359); math.Abs(z) > 5 {
		t.Errorf("chi-square is %.0f over 360 angles", chi)
	}
	if variance := 90. * 90 / 12; math.Abs(mean) > .3 || math.Abs(square/variance-1) > .01 {
		t.Errorf("mean %.3f degrees, variance %.1f of %.1f", mean, square, variance)
	}
}
