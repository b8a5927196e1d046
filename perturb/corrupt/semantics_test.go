package corrupt

import (
	"math"
	"slices"
	"testing"
)

// What samples stand for the outside, over two lengths to each side.
func TestEdges(t *testing.T) {
	for _, c := range []struct {
		name   string
		border edge
		want   []int
	}{
		{"clamped", clamped, []int{0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 2}},
		{"mirrored", mirrored, []int{0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2}},
		{"mirrored101", mirrored101, []int{2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0}},
	} {
		var got []int
		for i := -6; i < 9; i++ {
			got = append(got, c.border(i, 3))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func near(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	for i := range want {
		if len(got) != len(want) || math.Abs(got[i]-want[i]) > tolerance {
			t.Errorf("%s: %v, want %v", what, got, want)
			return
		}
	}
}

// Numbers of SciPy 1.17.1: gaussian_filter1d, zoom and map_coordinates on one row.
func TestSciPy(t *testing.T) {
	row := []float64{0, 10, 40, 20, 100, 60, 30}
	near(t, "gaussian_filter1d, sigma .8, nearest, truncate 4", alongRows(row, 7, 1, gaussianWeights(.8, 4), clamped),
		[]float64{3.1683346, 14.6014738, 29.01385559, 43.48397364, 69.68385424, 60.727348, 38.37863605}, 1e-7)
	long := []float64{35.02225654, 35.45256544, 36.19220272, 37.16067252, 38.1006278, 38.85175279, 39.21992219}
	near(t, "gaussian_filter1d, sigma 5, reflect, truncate 3", rippled(row, 7, 1, 5), long, 1e-7)
	near(t, "the same along columns", rippled(row, 1, 7, 5), long, 1e-7)

	var got []float64
	for _, x := range []float64{-1.25, -.4, 6.3, 8.6} {
		got = append(got, between(row, 7, 1, x, 0, mirrored))
	}
	near(t, "map_coordinates, reflect", got, []float64{2.5, 0, 30, 84}, 1e-9)

	// zoom(row[1:6], 1.4) is 10 30 33.3 20 73.3 86.7 60
	near(t, "zoom", zoomed(slices.Repeat(row, 7), 7, 7, 1.4)[21:28], []float64{10, 30, 100. / 3, 20, 220. / 3, 260. / 3, 60}, 1e-9)
}

// A kernel folded into a matrix is the kernel, where both can be had, and its rows sum to 1.
func TestFolded(t *testing.T) {
	const w, h = 19, 23
	plane := newStream("test", 1).normals(w*h, 0, 1)
	for _, sigma := range []float64{.4, 2, 11, 40} {
		half := gaussianWeights(sigma, 3)
		near(t, "rows", foldedRows(plane, w, h, half), alongRows(plane, w, h, half, mirrored), 1e-12)
		near(t, "columns", foldedColumns(plane, w, h, half), alongColumns(plane, w, h, half, mirrored), 1e-12)
		flat := slices.Repeat([]float64{1}, w*h)
		near(t, "sums", foldedRows(flat, w, h, half), flat, 1e-12)
	}
}

// Numbers of OpenCV 5.0.0: distanceTransform, DIST_L2, mask 5, of two points.
func TestDistances(t *testing.T) {
	marked := make([]bool, 9*7)
	marked[1*9+2], marked[6*9+8] = true, true
	want := []int{
		143976, 91750, 65536, 91750, 143976, 209512, 275048, 340584, 393216,
		131072, 65536, 0, 65536, 131072, 196608, 262144, 327680, 327680,
		143976, 91750, 65536, 91750, 143976, 209512, 275048, 275048, 262144,
		183501, 143976, 131072, 143976, 183501, 235726, 235726, 209512, 196608,
		235726, 209512, 196608, 209512, 235726, 235726, 183501, 143976, 131072,
		287952, 275048, 262144, 275048, 275048, 209512, 143976, 91750, 65536,
		353488, 340584, 327680, 327680, 262144, 196608, 131072, 65536, 0,
	}
	for i, got := range distances(marked, 9, 7) { // a diagonal is 91750.4 units there, rounded at the end
		if got > want[i] || want[i]-got > 1 {
			t.Errorf("at %d, %d: %d, want %d", i%9, i/9, got, want[i])
		}
	}
}

// Three corners go where the noise says, and the inverse brings them back.
func TestCornersMoved(t *testing.T) {
	noise := [6]float64{.3, -.9, .5, .1, -.7, .8}
	m := cornersMoved(75, 61, noise, 4)
	for k, corner := range [][2]float64{{37 + 20, 30 + 20}, {37 + 20, 30 - 20}, {37 - 20, 30 - 20}} {
		x, y := m.at(corner[0], corner[1])
		near(t, "moved", []float64{x, y}, []float64{corner[0] + 4*noise[2*k], corner[1] + 4*noise[2*k+1]}, 1e-9)
		x, y = m.inverse().at(x, y)
		near(t, "and back", []float64{x, y}, corner[:], 1e-9)
	}
	if flat := (affine{a: 1, b: 2, d: 2, e: 4}).inverse(); flat != (affine{}) {
		t.Errorf("the inverse of a flattening map is %+v", flat)
	}
}

// Defocus by differences of running sums is the plain sum over the kernel.
func TestCorrelate(t *testing.T) {
	const w, h = 21, 18
	plane := newStream("test", 2).normals(w*h, 0, 1)
	for _, radius := range []int{1, 3, 8, 10} {
		kernel, r := disk(radius, .5)
		got := correlate(plane, w, h, kernel, r)
		want := make([]float64, w*h)
		for i := range want {
			for k, weight := range kernel {
				x, y := i%w+k%(2*r+1)-r, i/w+k/(2*r+1)-r
				want[i] += weight * plane[mirrored101(y, h)*w+mirrored101(x, w)]
			}
		}
		near(t, "disk", got, want, 1e-12)
	}
}
