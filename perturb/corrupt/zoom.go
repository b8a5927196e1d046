package corrupt

import "math"

// zoomed enlarges the middle of a plane to the size of the plane, linearly between samples, factor >= 1: the middle is
// ceil(side/factor) samples long, its scaled length is rounded (halves to even), its first and last samples stay the first
// and the last (SciPy, zoom, order 1), and what is more than the side is cut off equally on both sides.
func zoomed(plane []float64, w, h int, factor float64) []float64 {
	xs, ys := zoomAxis(w, factor), zoomAxis(h, factor)
	out := make([]float64, len(plane))
	for y, v := range ys {
		above, below := plane[v.at*w:][:w], plane[v.next*w:][:w]
		row := out[y*w:][:w]
		for x, u := range xs {
			top := float64(above[u.at]*(1-u.share)) + float64(above[u.next]*u.share)
			bottom := float64(below[u.at]*(1-u.share)) + float64(below[u.next]*u.share)
			row[x] = float64(top*(1-v.share)) + float64(bottom*v.share)
		}
	}
	return out
}

// tap is a place between two samples: share is how much of the second counts.
type tap struct {
	at, next int
	share    float64
}

func zoomAxis(n int, factor float64) []tap {
	middle := int(math.Ceil(float64(n) / factor))
	first := (n - middle) / 2
	large := max(int(math.RoundToEven(float64(middle)*factor)), n)
	trim := (large - n) / 2
	step := 0.
	if large > 1 {
		step = float64(middle-1) / float64(large-1)
	}
	taps := make([]tap, n)
	for i := range taps {
		place := float64(i+trim) * step
		at := min(int(place), max(middle-2, 0))
		taps[i] = tap{first + at, first + min(at+1, middle-1), place - float64(at)}
	}
	return taps
}
