//go:build cgo

package perturb_test

import (
	"fmt"
	"math"
	"path/filepath"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"shaketable/perturb"
)

// family is the part of deepfake-v1 that belongs to one family.
func only(t testing.TB, family string) perturb.Suite {
	t.Helper()
	s := suite(t, "deepfake-v1")
	var kept []perturb.Variant
	for _, v := range s.Variants {
		if v.Family == family {
			kept = append(kept, v)
		}
	}
	s.Variants = kept
	return s
}

// pixelsOf runs a suite over n pictures of h x w: uint8 [K,n,h,w,3].
func pixelsOf(t testing.TB, s perturb.Suite, opset int64, pictures []uint8, h, w int, seeds ...int64) []uint8 {
	t.Helper()
	f, err := perturb.CompilePixels(s, h, w, opset)
	if err != nil {
		t.Fatal(err)
	}
	n := int64(len(pictures) / (h * w * 3))
	names, inputs := []string{"image"}, []ort.Value{tensor(t, pictures, n, int64(h), int64(w), 3)}
	if f.Seeded {
		names, inputs = append(names, "seed"), append(inputs, tensor(t, seeds, n))
	}
	out, _ := run[uint8](t, newRunner(t, f.Model, names, []string{"pixels"}), inputs...)
	return out
}

// psnr is the peak signal-to-noise ratio in dB, and the share of samples that differ.
func psnr(a, b []uint8) (db, different float64) {
	sum := 0.
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
		if d != 0 {
			different++
		}
	}
	return 10 * math.Log10(255*255*float64(len(a))/sum), different / float64(len(a))
}

// TestJPEGAgainstLibjpeg compares with pictures that went through libjpeg-turbo; see testdata/jpeg_golden.py.
func TestJPEGAgainstLibjpeg(t *testing.T) {
	s := only(t, "jpeg")
	for _, size := range []string{"256x256", "61x75", "16x16", "17x40"} {
		source, h, w := readPicture(t, filepath.Join("testdata", "jpeg_"+size+".png"))
		got := pixelsOf(t, s, 17, source, h, w)
		mean := 0.
		for i, v := range s.Variants {
			want, _, _ := readPicture(t, filepath.Join("testdata", fmt.Sprintf("jpeg_%s_q%s.png", size, v.Parameter)))
			db, different := psnr(got[i*len(want):(i+1)*len(want)], want)
			t.Logf("%s q%s: %.1f dB, %.2f %% of samples differ", size, v.Parameter, db, 100*different)
			if floor := 52.; db < floor {
				t.Errorf("%s q%s: %.1f dB, want at least %.0f", size, v.Parameter, db, floor)
			}
			mean += db / float64(len(s.Variants))
		}
		if h*w > 5000 && mean < 60 { // in small pictures one coefficient on the other side of a half weighs too much
			t.Errorf("%s: %.1f dB in the mean, want at least 60", size, mean)
		}
	}
}
