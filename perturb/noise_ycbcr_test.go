//go:build cgo

package perturb_test

import (
	"math"
	"testing"
)

// TestNoiseYCbCrDefinition goes the long way round: to studio-range YCbCr, add, and back.
func TestNoiseYCbCrDefinition(t *testing.T) {
	const h, w, seed, sigma = 61, 75, 4321, .0707
	pixels := texture(h, w, 2)
	got := pixelsOf(t, own(t, "gaussian_noise_ycbcr(sigma=0.0707)"), 17, pixels, h, w, seed)
	z := noiseByDefinition("gaussian_noise_ycbcr", seed, "0.0707", 3*h*w)
	for i := range h * w {
		r, g, b := float64(pixels[3*i]), float64(pixels[3*i+1]), float64(pixels[3*i+2])
		y := .299*r + .587*g + .114*b
		studio := [3]float64{16 + y*219/255, 128 + (b-y)/1.772*224/255, 128 + (r-y)/1.402*224/255}
		for c := range studio {
			studio[c] += 255 * sigma * z[c*h*w+i]
		}
		y, cb, cr := (studio[0]-16)*255/219, (studio[1]-128)*255/224, (studio[2]-128)*255/224
		for c, want := range [3]float64{y + 1.402*cr, y - .344136*cb - .714136*cr, y + 1.772*cb} {
			want = min(max(want, 0), 255)
			if d := float64(got[3*i+c]) - want; math.Abs(d) > .5+3e-3 {
				t.Fatalf("pixel %d, channel %d: %d, defined as %.4f", i, c, got[3*i+c], want)
			}
		}
	}
}

// TestNoiseYCbCrLaw holds the covariance of R, G and B, over 1.3 million pixels, against that of the code of
// DeeperForensics-1.0 itself for unit noise; see testdata/families_golden.py.
func TestNoiseYCbCrLaw(t *testing.T) {
	unit := [3][3]float64{{3.9067, .0576, 1.3558}, {.0576, 2.1698, .5654}, {1.3558, .5654, 5.4296}}
	const sigma = .0447
	seeds := make([]int64, 20)
	for i := range seeds {
		seeds[i] = int64(1000 + i)
	}
	out := pixelsOf(t, own(t, "gaussian_noise_ycbcr(sigma=0.0447)"), 17, grey(len(seeds)), 256, 256, seeds...)
	n := float64(len(out) / 3)
	for a := range 3 {
		mean := 0.
		for i := a; i < len(out); i += 3 {
			mean += (float64(out[i]) - 128) / n
		}
		if math.Abs(mean) > .01*255*sigma*math.Sqrt(unit[a][a]) {
			t.Errorf("channel %d: mean %.4f", a, mean)
		}
		for b := a; b < 3; b++ {
			got, want := 0., unit[a][b]*255*255*sigma*sigma
			for i := 0; i < len(out); i += 3 {
				got += (float64(out[i+a]) - 128) * (float64(out[i+b]) - 128) / n
			}
			if a == b {
				want += 1. / 12 // rounding
			}
			scale := math.Sqrt(unit[a][a]*unit[b][b]) * 255 * 255 * sigma * sigma
			if math.Abs(got-want) > .01*scale {
				t.Errorf("covariance of channels %d and %d: %.3f, want %.3f", a, b, got, want)
			}
		}
	}
}
