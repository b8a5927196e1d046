package pipeline

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"shaketable/perturb"
)

// The expectations come from Pillow and OpenCV: testdata/prepare/golden.py makes them and names the versions.

func readGolden(t testing.TB, name string, into any) {
	t.Helper()
	data, err := os.ReadFile("testdata/prepare/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func inputOf(w, h int, method, fit string) perturb.Input {
	return perturb.Input{Width: w, Height: h, Resize: perturb.Resize{Method: method, Fit: fit}}
}

// distance returns the largest difference of two pictures of equal size, and the share of samples that differ.
func distance(t *testing.T, got, want []byte) (most int, share float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d bytes, want %d", len(got), len(want))
	}
	n := 0
	for i := range got {
		d := int(got[i]) - int(want[i])
		if d != 0 {
			n++
		}
		most = max(most, d, -d)
	}
	return most, float64(n) / float64(max(len(got), 1))
}

type decoded struct {
	Name          string
	Data, RGB     []byte
	Width, Height int
}

func TestPrepareDecodesLikePillow(t *testing.T) {
	var cases []decoded
	readGolden(t, "decode.json", &cases)
	p := NewPreparer(DefaultPrepareConfig())
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			img, err := p.Prepare(context.Background(), c.Data, nil, inputOf(c.Width, c.Height, "bilinear", "stretch"))
			if err != nil {
				t.Fatal(err)
			}
			most, share := distance(t, img.Pix, c.RGB)
			// The inverse DCT of image/jpeg is another one than libjpeg's. In pictures of a few pixels one sample is a lot.
			limit, often := 0, 0.
			if strings.Contains(c.Name, "jpeg") {
				limit, often = 3, .06
				if c.Width*c.Height < 64 {
					often = .2
				}
			}
			if most > limit || share > often {
				t.Errorf("differs by up to %d, in %.4f of the samples; allowed %d and %.2f", most, share, limit, often)
			}
		})
	}
}

// TestPrepareAgreesOnForeignPictures compares the means over 8x8 boxes of pictures that come with Go, with x/image and with
// the acceptance data: sampling ratios, restarts, CMYK, interlacing, palettes, lossy and lossless WebP.
func TestPrepareAgreesOnForeignPictures(t *testing.T) {
	var means map[string]decoded
	readGolden(t, "means.json", &means)
	p := NewPreparer(DefaultPrepareConfig())
	seen, dirs := 0, []string{goTool(t, "env", "GOROOT") + "/src/image/testdata", xImage(t), acceptanceDir() + "/media-meso"}
	for name, want := range means {
		data := foreign(dirs, name)
		if data == nil {
			continue
		}
		seen++
		img, err := p.Prepare(context.Background(), data, nil, inputOf(8, 8, "area", "stretch"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		most, share := distance(t, img.Pix, want.RGB)
		often := .011 // 2 of 192: a tie of the mean itself
		if strings.HasSuffix(name, ".jpeg") || strings.HasSuffix(name, ".jpg") {
			often = .15 // the inverse DCT moves some means over a rounding border
		}
		if most > 1 || share > often {
			t.Errorf("%s: box means differ by up to %d, in %.3f of the samples", name, most, share)
		}
	}
	if seen < 60 || os.Getenv("CI") == "true" && seen < len(means) {
		t.Errorf("only %d of %d pictures were found: is SHAKETABLE_ACCEPTANCE set?", seen, len(means))
	}
}

// foreign finds a picture in the folders that golden.py read; nil where the folder is absent.
func foreign(dirs []string, name string) []byte {
	for _, dir := range dirs {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			return data
		}
	}
	return nil
}

func xImage(t *testing.T) string {
	return filepath.Join(goTool(t, "list", "-m", "-f", "{{.Dir}}", "golang.org/x/image"), "testdata")
}

func goTool(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		t.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}

func acceptanceDir() string {
	if dir := os.Getenv("SHAKETABLE_ACCEPTANCE"); dir != "" {
		return dir
	}
	return "../../shared/acceptance"
}

func TestResizesLikeOpenCV(t *testing.T) {
	var golden struct {
		Sources []decoded
		Cases   []struct {
			Source, Width, Height int
			Method                string
			RGB                   []byte
		}
	}
	readGolden(t, "resize.json", &golden)
	for _, c := range golden.Cases {
		src := golden.Sources[c.Source]
		s, err := newScaler(inputOf(c.Width, c.Height, c.Method, "stretch"))
		if err != nil {
			t.Fatal(err)
		}
		out := s.scale(Image{Width: src.Width, Height: src.Height, Pix: src.RGB})
		most, share := distance(t, out.Pix, c.RGB)
		// Ties of bicubic and of area sums fall as single precision decides there; ours are exact.
		if limit := map[string]float64{"bicubic": .011, "area": .001}[c.Method]; most > 1 || share > limit {
			t.Errorf("%s %dx%d to %dx%d: differs by up to %d, in %.4f of the samples", c.Method, src.Width, src.Height,
				c.Width, c.Height, most, share)
		}
	}
}
