package corrupt

// folded is a symmetric kernel with a mirrored border as a matrix of n x n: row i holds what each of the n samples weighs in
// result i. The mirrored row has the period 2n, so a kernel of any length comes down to 2n weights.
func folded(half []float64, n int) []float64 {
	period := make([]float64, 2*n)
	for k := len(half) - 1; k >= 0; k-- { // small ones first
		period[k%(2*n)] += half[k]
		if k > 0 {
			period[2*n-1-(k-1)%(2*n)] += half[k]
		}
	}
	matrix := make([]float64, n*n)
	for i := range n {
		for j := range n {
			matrix[i*n+j] = period[(j-i+2*n)%(2*n)] + period[2*n-1-(i+j)]
		}
	}
	return matrix
}

// foldedRows is alongRows with a mirrored border for long kernels.
func foldedRows(plane []float64, w, h int, half []float64) []float64 {
	matrix, out := folded(half, w), make([]float64, len(plane))
	for y := range h {
		for x, v := range plane[y*w:][:w] { // the matrix is its own transpose
			addTimes(out[y*w:][:w], matrix[x*w:], v)
		}
	}
	return out
}

// foldedColumns is alongColumns with a mirrored border for long kernels.
func foldedColumns(plane []float64, w, h int, half []float64) []float64 {
	matrix, out := folded(half, h), make([]float64, len(plane))
	for y := range h {
		for from, weight := range matrix[y*h:][:h] {
			addTimes(out[y*w:][:w], plane[from*w:], weight)
		}
	}
	return out
}

// addTimes adds a multiple of a row to the sums.
func addTimes(sums, row []float64, factor float64) {
	row = row[:len(sums)]
	for i := range sums {
		sums[i] += float64(factor * row[i])
	}
}
