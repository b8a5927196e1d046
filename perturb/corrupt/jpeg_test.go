package corrupt

import (
	"bytes"
	"fmt"
	"testing"
)

// The goldens of the jpeg family in the graph are what Pillow's libjpeg-turbo makes of pictures: this family makes the same bytes.
func TestJPEGIsLibjpeg(t *testing.T) {
	for _, size := range []string{"16x16", "17x40", "61x75", "256x256"} {
		in := readPNG(t, fmt.Sprintf("../testdata/jpeg_%s.png", size))
		for _, q := range []float64{90, 75, 60, 40, 25} {
			want := readPNG(t, fmt.Sprintf("../testdata/jpeg_%s_q%g.png", size, q))
			if got := mustApply(t, "jpeg", []float64{q}, in, 0); !bytes.Equal(got, want.pix) {
				worst, mean, share := difference(got, want.pix)
				t.Errorf("%s at quality %g: largest difference %d, mean %g, share %g", size, q, worst, mean, share)
			}
		}
	}
}

// Every quality takes pictures of any size, down to a single pixel, and quality 100 hardly changes them.
func TestJPEGSizes(t *testing.T) {
	for w := 1; w <= 18; w++ {
		for h := 1; h <= 18; h++ {
			in := raster{bytes.Repeat([]byte{90, 120, 150}, w*h), w, h}
			for _, q := range []float64{1, 50, 100} {
				out := mustApply(t, "jpeg", []float64{q}, in, 0)
				if worst, _, _ := difference(in.pix, out); q == 100 && worst > 1 {
					t.Errorf("%dx%d: a flat picture moves by %d", w, h, worst)
				}
			}
		}
	}
}
