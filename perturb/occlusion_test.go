//go:build cgo

package perturb_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// occludedByDefinition marks the pixels under the squares.
func occludedByDefinition(seed int64, blocks, h, w int) []bool {
	mask := make([]bool, h*w)
	for i := range blocks * max(1, min(h, w)/256) {
		corner := func(axis string, n int) int {
			return int(wordByDefinition(seed, "block_occlusion", fmt.Sprint(blocks), axis, fmt.Sprint(i)) * uint64(n-7) / (1<<31 - 1))
		}
		row, column := corner("row", h), corner("column", w)
		for y := range 8 {
			for x := range 8 {
				mask[(row+y)*w+column+x] = true
			}
		}
	}
	return mask
}

func TestOcclusionDefinition(t *testing.T) {
	s := only(t, "block_occlusion")
	for _, size := range [][2]int{{256, 256}, {61, 75}, {16, 16}, {530, 600}, {40, 520}} {
		h, w := size[0], size[1]
		pixels := texture(h, w, 8)
		for k, got := range slices.Collect(slices.Chunk(pixelsOf(t, s, 17, pixels, h, w, 12345), len(pixels))) {
			covered := occludedByDefinition(12345, []int{16, 32, 48, 64, 80}[k], h, w)
			for i, v := range pixels {
				want := v
				if covered[i/3] {
					want = 128
				}
				if got[i] != want {
					t.Fatalf("%v, %d x %d, sample %d: %d, want %d", s.Variants[k], h, w, i, got[i], want)
				}
			}
		}
	}
}

// TestOcclusionLaw: over media, one square lies everywhere equally often, and many cover as much as they should.
func TestOcclusionLaw(t *testing.T) {
	const n, side = 12_000, 32
	seeds := make([]int64, n)
	for i := range seeds {
		seeds[i] = int64(i) * 178_951 % (1<<31 - 1)
	}
	white := slices.Repeat([]uint8{255}, n*side*side*3)
	out := pixelsOf(t, own(t, "block_occlusion(blocks=1)", "block_occlusion(blocks=7)"), 17, white, side, side, seeds...)
	var rows, columns [side - 7]float64
	for picture := range slices.Chunk(out[:len(white)], side*side*3) {
		corner := slices.Index(picture, 128) / 3
		rows[corner/side]++
		columns[corner%side]++
	}
	for what, count := range map[string][side - 7]float64{"row": rows, "column": columns} {
		chi, expect := 0., n/float64(side-7)
		for _, k := range count {
			chi += (k - expect) * (k - expect) / expect
		}
		if z := (chi - (side - 8)) / math.Sqrt(2*(side-8)); z > 5 {
			t.Errorf("%s: chi-square %.0f over %d places", what, chi, side-7)
		}
	}
	grey := 0.
	for _, v := range out[len(white):] {
		if v == 128 {
			grey++
		}
	}
	expect := 0. // a pixel is free if all seven squares miss it
	for y := range side {
		for x := range side {
			places := func(i int) float64 { return float64(min(i, side-8) - max(i-7, 0) + 1) }
			expect += 1 - math.Pow(1-places(y)*places(x)/((side-7)*(side-7)), 7)
		}
	}
	if got := grey / float64(len(white)) * side * side; math.Abs(got/expect-1) > .01 {
		t.Errorf("seven squares cover %.2f pixels, want %.2f", got, expect)
	}
}
