//go:build cgo

package main

import (
	"errors"
	"image"
	"math"
	"os"
	"testing"

	"shaketable/cmd/demo/media"
	adapter "shaketable/pipeline/onnx"
)

// needRuntime loads ONNX Runtime or skips; in CI its absence is a failure.
func needRuntime(t *testing.T) {
	t.Helper()
	err := startRuntime()
	switch {
	case errors.Is(err, adapter.ErrNoLibrary) && os.Getenv("CI") != "true":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
}

func TestFiltersEqualTheirDefinition(t *testing.T) {
	needRuntime(t)
	s, err := newSession(featureModel(), []string{"image"}, []string{"features"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	studio := media.NewStudio(3)
	const n = media.Size
	for i := range uint64(8) {
		img := studio.Make(i, i%2 == 1)
		got, err := run[float32, float32](s, toTensor(img.Pix, 4), []int64{1, 3, n, n}, []int64{1, features})
		if err != nil {
			t.Fatal(err)
		}
		for j, want := range definition(img) {
			if d := math.Abs(float64(got[j]) - want); d > 2e-3*(1+math.Abs(want)) {
				t.Errorf("picture %d, feature %d: graph %.6f, definition %.6f", i, j, got[j], want)
			}
		}
	}
}

// definition computes the features in float64, pixel by pixel, without the graph's tensors.
func definition(img *image.NRGBA) []float64 {
	const n = media.Size
	channel := func(c int) func(x, y int) float64 {
		return func(x, y int) float64 { return float64(img.Pix[4*(y*n+x)+c]) / 255 }
	}
	red, green, blue := channel(0), channel(1), channel(2)
	luma := func(x, y int) float64 { return .299*red(x, y) + .587*green(x, y) + .114*blue(x, y) }
	columns, rows := profiles(luma)
	power := func(k int) float64 { return dftPower(columns, k) + dftPower(rows, k) }
	var out []float64
	for _, period := range []int{8, 4, 2} {
		k, sum, count := n/period, 0.0, 0.0
		for d := -5; d <= 5; d++ {
			if d <= -2 || d >= 2 && k+d <= n/2 {
				sum, count = sum+power(k+d), count+1
			}
		}
		out = append(out, math.Log(power(k)+1e-9)-math.Log(sum/count+1e-9))
	}
	out = append(out, imbalance(green))
	plus := [3][3]float64{{0, -.25, 0}, {-.25, 1, -.25}, {0, -.25, 0}}
	cornered := [3][3]float64{{1. / 16, -2. / 16, 1. / 16}, {-2. / 16, 4. / 16, -2. / 16}, {1. / 16, -2. / 16, 1. / 16}}
	difference := func(x, y int) float64 { return red(x, y) - green(x, y) }
	return append(out, logEnergy(luma, cornered), logEnergy(luma, plus), logEnergy(difference, cornered))
}

func profiles(f func(x, y int) float64) (columns, rows []float64) {
	const n = media.Size
	columns, rows = make([]float64, n), make([]float64, n)
	for y := range n {
		for x := range n {
			sum, count := 0.0, 0.0
			for v := max(0, y-4); v <= min(n-1, y+4); v++ {
				for u := max(0, x-4); u <= min(n-1, x+4); u++ {
					sum, count = sum+f(u, v), count+1
				}
			}
			rest := max(-.01, min(.01, f(x, y)-sum/count))
			columns[x] += rest / n
			rows[y] += rest / n
		}
	}
	return columns, rows
}

func dftPower(profile []float64, k int) float64 {
	var re, im float64
	for i, v := range profile {
		sin, cos := math.Sincos(2 * math.Pi * float64(k*i) / float64(len(profile)))
		re, im = re+v*cos/float64(len(profile)), im+v*sin/float64(len(profile))
	}
	return re*re + im*im
}

func filtered(f func(x, y int) float64, kernel [3][3]float64, x, y int) float64 {
	s := 0.0
	for j := range 3 {
		for i := range 3 {
			s += kernel[j][i] * f(x+i-1, y+j-1)
		}
	}
	return s
}

func logEnergy(f func(x, y int) float64, kernel [3][3]float64) float64 {
	const n = media.Size
	s := 0.0
	for y := 1; y < n-1; y++ {
		for x := 1; x < n-1; x++ {
			v := filtered(f, kernel, x, y)
			s += min(v*v, .0004) / ((n - 2) * (n - 2))
		}
	}
	return math.Log(s + 1e-7)
}

func imbalance(green func(x, y int) float64) float64 {
	const n = media.Size
	var halves [2]float64
	for y := 1; y < n-1; y++ {
		for x := 1; x < n-1; x++ {
			v := math.Abs(filtered(green, [3][3]float64{{0, -.25, 0}, {-.25, 1, -.25}, {0, -.25, 0}}, x, y))
			halves[(x+y)%2] += min(v, .03) / ((n - 2) * (n - 2))
		}
	}
	return math.Abs(halves[0]-halves[1]) / (halves[0] + halves[1] + 5e-4)
}
