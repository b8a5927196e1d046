package perturb

import (
	"errors"
	"math"
)

// blurFamily has the "GB" levels of DeeperForensics-1.0 (Jiang et al., CVPR 2020, arXiv 2001.03024).
func blurFamily() Family {
	return Family{
		Name: "gaussian_blur",
		Parameters: []Parameter{{Name: "k", Unit: "pixels", Min: 1, Max: 127, Whole: true},
			{Name: "sigma", Unit: "pixels", Min: .05, Max: 64, Optional: true}},
		Severities: [5][]float64{{7}, {9}, {13}, {17}, {21}},
		Formula:    "weights exp(-d^2 / (2 sigma^2)) over |d| <= (k-1)/2 along both axes, of sum 1; sigma = k/6 unless given; border reflect-101",
		Bounds:     "an average of samples",
		Source:     "DeeperForensics-1.0, Gaussian blur",
		check: func(values []float64) error {
			if int(values[0])%2 == 0 {
				return errors.New("k is even: a kernel needs a middle, so k must be odd")
			}
			return nil
		},
		emit: emitBlur,
	}
}

// emitBlur is a Gaussian blur of k x k pixels: weights exp(-d^2 / (2 sigma^2)) over |d| <= (k-1)/2, normalised to sum 1, with
// sigma = k/6 unless given, so that the kernel spans three standard deviations to each side; border reflect-101. Bounds: an
// average.
func emitBlur(c *canvas, settings []setting) []string {
	var out []string
	for _, s := range settings {
		k, sigma := int(s.values[0]), s.values[0]/6
		if len(s.values) > 1 {
			sigma = s.values[1]
		}
		out = append(out, c.separable(gaussian(k, sigma, int(c.h)), gaussian(k, sigma, int(c.w))))
	}
	return out
}

// gaussian is the blur of n samples with a kernel of k.
func gaussian(k int, sigma float64, n int) *banded {
	radius := k / 2
	kernel, sum := make([]float64, k), 0.
	for i := range kernel {
		d := float64(i - radius)
		kernel[i] = math.Exp(-d * d / (2 * sigma * sigma))
		sum += kernel[i]
	}
	for i := range kernel {
		kernel[i] /= sum
	}
	m := &banded{in: n, at: reflect101(n)}
	for i := range n {
		m.first = append(m.first, i-radius)
		m.weight = append(m.weight, kernel)
	}
	return m
}
