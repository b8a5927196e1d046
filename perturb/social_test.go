//go:build cgo

package perturb_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
)

// TestSocialAgainstOpenCV compares with pictures that OpenCV resized and libjpeg-turbo recompressed; see testdata/families_golden.py.
func TestSocialAgainstOpenCV(t *testing.T) {
	for _, c := range []struct {
		size    string
		side, q int
	}{{"61x75", 40, 75}, {"61x75", 33, 60}, {"256x256", 100, 70}, {"17x40", 20, 85}} {
		source, h, w := readPicture(t, filepath.Join("testdata", "jpeg_"+c.size+".png"))
		want, _, _ := readPicture(t, filepath.Join("testdata", fmt.Sprintf("social_%s_side%d_q%d.png", c.size, c.side, c.q)))
		s := own(t, fmt.Sprintf("social(side=%d, q=%d)", c.side, c.q))
		inGraph, _ := psnr(pixelsOf(t, s, 17, source, h, w), want)
		real, _ := psnr(painted(t, s, source, h, w, 0)[0], want)
		t.Logf("%s, side %d, q%d: %.1f dB in the graph, %.1f dB with a real codec", c.size, c.side, c.q, inGraph, real)
		if inGraph < 60 || real < 80 {
			t.Errorf("%s, side %d, q%d: %.1f dB in the graph, %.1f dB with a real codec", c.size, c.side, c.q, inGraph, real)
		}
	}
}

// TestSocialOfSmallPictures: a picture that is small enough already is only recompressed.
func TestSocialOfSmallPictures(t *testing.T) {
	pixels := texture(61, 75, 4)
	for _, side := range []int{75, 76, 1280} {
		got := pixelsOf(t, own(t, fmt.Sprintf("social(side=%d, q=70)", side)), 17, pixels, 61, 75)
		if !slices.Equal(got, pixelsOf(t, own(t, "jpeg(q=70)"), 17, pixels, 61, 75)) {
			t.Errorf("side %d: not what jpeg makes", side)
		}
	}
	if slices.Equal(pixelsOf(t, own(t, "social(side=74, q=70)"), 17, pixels, 61, 75), pixelsOf(t, own(t, "jpeg(q=70)"), 17, pixels, 61, 75)) {
		t.Error("side 74 does not scale a picture of 75 pixels")
	}
}

// TestSocialOfNarrowPictures: the short side may come down to a pixel.
func TestSocialOfNarrowPictures(t *testing.T) {
	for _, size := range [][2]int{{16, 400}, {640, 17}} {
		h, w := size[0], size[1]
		pixels := slices.Repeat([]uint8{200, 100, 30}, h*w)
		for i, v := range pixelsOf(t, own(t, "social(side=16, q=90)"), 17, pixels, h, w) {
			if d := int(v) - int(pixels[i]); d < -4 || d > 4 { // one colour stays that colour, but for quantisation
				t.Fatalf("%d x %d, sample %d: %d, want about %d", h, w, i, v, pixels[i])
			}
		}
	}
}

// TestPixelationAgainstOpenCV: a sum in another order may fall to the other side of a half, once there and once back.
func TestPixelationAgainstOpenCV(t *testing.T) {
	for _, c := range []struct {
		size   string
		factor int
	}{{"61x75", 2}, {"61x75", 5}, {"17x40", 3}} {
		source, h, w := readPicture(t, filepath.Join("testdata", "jpeg_"+c.size+".png"))
		want, _, _ := readPicture(t, filepath.Join("testdata", fmt.Sprintf("pixelation_%s_f%d.png", c.size, c.factor)))
		got := pixelsOf(t, own(t, fmt.Sprintf("pixelation(factor=%d)", c.factor)), 17, source, h, w)
		different := 0
		for i := range want {
			if d := int(got[i]) - int(want[i]); d < -1 || d > 1 {
				t.Fatalf("%s, factor %d, sample %d: %d, want %d", c.size, c.factor, i, got[i], want[i])
			} else if d != 0 {
				different++
			}
		}
		t.Logf("%s, factor %d: %d of %d samples are one off", c.size, c.factor, different, len(want))
		if different > len(want)/500 {
			t.Errorf("%s, factor %d: %d of %d samples differ", c.size, c.factor, different, len(want))
		}
	}
}
