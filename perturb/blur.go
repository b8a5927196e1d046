package perturb

import "math"

// blurKernels are the "GB" levels of DeeperForensics-1.0 (Jiang et al., CVPR 2020, arXiv 2001.03024): width in pixels.
func blurKernels() [5]string { return [5]string{"7", "9", "13", "17", "21"} }

// emitBlur is a Gaussian blur of k x k pixels: weights exp(-d^2 / (2 sigma^2)) over |d| <= (k-1)/2, normalised to sum 1, with
// sigma = k/6, so that the kernel spans three standard deviations to each side; border reflect-101. Bounds: an average.
func emitBlur(c *canvas, severities []int) []string {
	var out []string
	for _, k := range levels(blurKernels(), severities) {
		out = append(out, c.separable(gaussian(int(k), int(c.h)), gaussian(int(k), int(c.w))))
	}
	return out
}

// gaussian is the blur of n samples with a kernel of k.
func gaussian(k, n int) *banded {
	radius, sigma := k/2, float64(k)/6
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
