package perturb

import "math"

// resizeFamily has the "JPEG" levels of DeeperForensics-1.0, which are in truth a change of size
// (github.com/EndlessSora/DeeperForensics-1.0, issue 6), here with smooth interpolation; pixelation is the original.
func resizeFamily() Family {
	return Family{
		Name:       "resize",
		Parameters: []Parameter{{Name: "factor", Min: 1, Max: 64}},
		Severities: [5][]float64{{2}, {3}, {4}, {5}, {6}},
		Formula:    "each side n to floor(n/factor) by the average over areas, and back by bilinear interpolation, half-pixel centres, border repeated; rounded once",
		Bounds:     "an average of samples",
		Source:     "DeeperForensics-1.0, the factors of what it calls JPEG compression",
		emit:       emitResize,
	}
}

// emitResize scales down by f and up again: the average over the area of each of floor(n/f) small pixels, then bilinear
// interpolation with half-pixel centres, border repeated. Rounded once, at the end. Bounds: an average.
func emitResize(c *canvas, settings []setting) []string {
	var out []string
	for _, f := range firsts(settings) {
		out = append(out, c.separable(downUp(int(c.h), f), downUp(int(c.w), f)))
	}
	return out
}

// downUp is the product of both steps as one map of n samples to n samples: both are linear, and nothing is rounded between.
func downUp(n int, f float64) *banded {
	small := max(int(float64(n)/f), 1)
	m := &banded{in: n, at: clampTo(n)}
	for i := range n {
		centre := (float64(i)+.5)*float64(small)/float64(n) - .5
		left := math.Floor(centre)
		share := centre - left // of the right one of the two small pixels beside the centre
		first, near := area(n, small, min(max(int(left), 0), small-1))
		second, far := area(n, small, min(max(int(left)+1, 0), small-1))
		weight := make([]float64, max(first+len(near), second+len(far))-first)
		for t, w := range near {
			weight[t] += (1 - share) * w
		}
		for t, w := range far {
			weight[second-first+t] += share * w
		}
		m.first, m.weight = append(m.first, first), append(m.weight, weight)
	}
	return m
}

// area is the average that makes sample j of `small` samples out of n: samples cut by the edge of its interval count in part.
func area(n, small, j int) (first int, weight []float64) {
	scale := float64(n) / float64(small)
	low, high := float64(j)*scale, float64(j+1)*scale
	first = int(math.Floor(low + 1e-9))
	for i := first; float64(i) < high-1e-9; i++ {
		overlap := math.Min(high, float64(i+1)) - math.Max(low, float64(i))
		weight = append(weight, overlap/scale)
	}
	return first, weight
}
