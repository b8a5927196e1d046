//go:build cgo

package perturb_test

import (
	"slices"
	"testing"
)

// TestNeutralLevels: the level of a family that changes nothing leaves every byte alone.
func TestNeutralLevels(t *testing.T) {
	for _, size := range [][2]int{{16, 16}, {61, 75}} {
		h, w := size[0], size[1]
		pixels := texture(h, w, 20)
		for _, text := range []string{"gain(factor=1)", "saturation(factor=1)", "brightness(offset=0)", "resize(factor=1)", "pixelation(factor=1)",
			"gaussian_blur(k=1)", "gaussian_blur(k=9, sigma=0.05)", "gaussian_noise(sigma=0)", "gaussian_noise_ycbcr(sigma=0)", "motion_blur(radius=9, sigma=0.1)"} {
			if got := pixelsOf(t, own(t, text), 17, pixels, h, w, 3); !slices.Equal(got, pixels) {
				t.Errorf("%s changes a picture of %d x %d", text, h, w)
			}
		}
	}
}

// TestConstantPictures: an average of equal samples is that sample, at every level, also at the border.
func TestConstantPictures(t *testing.T) {
	for _, family := range []string{"gaussian_blur", "resize", "motion_blur", "pixelation"} {
		s := own(t, family+"@1", family+"@2", family+"@3", family+"@4", family+"@5")
		for _, colour := range [][]uint8{{0, 0, 0}, {255, 255, 255}, {1, 127, 254}} {
			pixels := slices.Repeat(colour, 61*75)
			if got := pixelsOf(t, s, 17, pixels, 61, 75, 8); !slices.Equal(got, slices.Repeat(pixels, 5)) {
				t.Errorf("%s changes a picture of one colour, %v", family, colour)
			}
		}
	}
}

// TestBounds: what a family promises about its samples holds for every one of them.
func TestBounds(t *testing.T) {
	const h, w = 61, 75
	pixels := texture(h, w, 21)
	lightest := func(x []uint8) uint8 { return max(x[0], x[1], x[2]) }
	darkest := func(x []uint8) uint8 { return min(x[0], x[1], x[2]) }
	for family, holds := range map[string]func(before, after []uint8) bool{
		"gain": func(before, after []uint8) bool {
			return after[0] <= before[0] && after[1] <= before[1] && after[2] <= before[2]
		},
		"saturation": func(before, after []uint8) bool {
			return lightest(after) <= lightest(before) && darkest(after) >= darkest(before)
		},
		"brightness": func(before, after []uint8) bool {
			return lightest(after) >= lightest(before) && darkest(after) >= darkest(before)
		},
		"block_occlusion": func(before, after []uint8) bool {
			return slices.Equal(after, before) || slices.Equal(after, []uint8{128, 128, 128})
		},
	} {
		s := only(t, family)
		for k, got := range slices.Collect(slices.Chunk(pixelsOf(t, s, 17, pixels, h, w, 5), len(pixels))) {
			for i := 0; i < len(pixels); i += 3 {
				if !holds(pixels[i:i+3], got[i:i+3]) {
					t.Fatalf("%v: %v became %v", s.Variants[k], pixels[i:i+3], got[i:i+3])
				}
			}
		}
	}
}
