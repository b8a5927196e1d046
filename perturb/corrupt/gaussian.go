package corrupt

// gaussianWeights is half of a Gaussian kernel, from its centre outwards: samples of exp(-k^2/2 sigma^2) up to
// truncate sigma, that sum to 1 over the whole kernel. So does SciPy's gaussian_filter1d.
func gaussianWeights(sigma, truncate float64) []float64 {
	half := make([]float64, int(float64(truncate*sigma)+.5)+1)
	sum := 0.
	for k := range half {
		half[k] = exponential(-.5 * float64(k*k) / (sigma * sigma))
		sum += half[k]
		if k > 0 {
			sum += half[k]
		}
	}
	for k := range half {
		half[k] /= sum
	}
	return half
}

// blurred is the plane under a Gaussian kernel cut off at 4 sigma, with the border repeated: the defaults of scikit-image.
func blurred(plane []float64, w, h int, sigma float64) []float64 {
	half := gaussianWeights(sigma, 4)
	return alongColumns(alongRows(plane, w, h, half, clamped), w, h, half, clamped)
}

// alongRows correlates every row with a symmetric kernel.
func alongRows(plane []float64, w, h int, half []float64, border edge) []float64 {
	r := len(half) - 1
	out, row := make([]float64, len(plane)), make([]float64, w+2*r)
	for y := range h {
		in := plane[y*w:][:w]
		for i := range row {
			row[i] = in[border(i-r, w)]
		}
		sums := out[y*w:][:w]
		weigh(sums, row[r:][:w], row[r:][:w], half[0]/2) // the centre stands on both sides
		for k := 1; k <= r; k++ {
			weigh(sums, row[r-k:][:w], row[r+k:][:w], half[k])
		}
	}
	return out
}

// alongColumns correlates every column with a symmetric kernel.
func alongColumns(plane []float64, w, h int, half []float64, border edge) []float64 {
	out := make([]float64, len(plane))
	row := func(y int) []float64 { return plane[border(y, h)*w:][:w] }
	for y := range h {
		sums := out[y*w:][:w]
		weigh(sums, row(y), row(y), half[0]/2)
		for k := 1; k < len(half); k++ {
			weigh(sums, row(y-k), row(y+k), half[k])
		}
	}
	return out
}

// weigh adds weight times (a + b) to the sums.
func weigh(sums, a, b []float64, weight float64) {
	a, b = a[:len(sums)], b[:len(sums)]
	for i := range sums {
		sums[i] += float64(weight * (a[i] + b[i]))
	}
}
