package pipeline

import (
	"bytes"
	"testing"
)

// TestResizesLikePillow: to the last bit. testdata/prepare/pillow.py makes the expectations and names the versions.
func TestResizesLikePillow(t *testing.T) {
	var golden struct {
		Sources []decoded
		Cases   []struct {
			Source, Width, Height int
			Method                string
			RGB                   []byte
		}
	}
	readGolden(t, "pillow.json", &golden)
	if len(golden.Cases) < 20 {
		t.Fatalf("%d cases", len(golden.Cases))
	}
	for _, c := range golden.Cases {
		src := golden.Sources[c.Source]
		out, err := Scale(Image{Width: src.Width, Height: src.Height, Pix: src.RGB}, inputOf(c.Width, c.Height, c.Method, "stretch"))
		if err != nil {
			t.Fatal(err)
		}
		if most, share := distance(t, out.Pix, c.RGB); most > 0 {
			t.Errorf("%s %dx%d to %dx%d: differs by up to %d, in %.4f of the samples", c.Method, src.Width, src.Height, c.Width, c.Height, most, share)
		}
	}
}

// TestCropsLikeTorchvision: Resize(side) and CenterCrop(16), to the last bit.
func TestCropsLikeTorchvision(t *testing.T) {
	var golden struct {
		Sources []decoded
		Crops   []struct {
			Source, Width, Height, Side int
			Method                      string
			RGB                         []byte
		}
	}
	readGolden(t, "pillow.json", &golden)
	if len(golden.Crops) != 20 {
		t.Fatalf("%d cases", len(golden.Crops))
	}
	for _, c := range golden.Crops {
		src := golden.Sources[c.Source]
		in := inputOf(c.Width, c.Height, c.Method, "crop")
		in.Resize.Side = c.Side
		for _, in.Resize.Side = range []int{c.Side, 0} {
			if in.Resize.Side == 0 && c.Side != c.Width {
				continue // no side is the input's own
			}
			out, err := Scale(Image{Width: src.Width, Height: src.Height, Pix: src.RGB}, in)
			if err != nil {
				t.Fatal(err)
			}
			if most, share := distance(t, out.Pix, c.RGB); most > 0 {
				t.Errorf("%dx%d to side %d: differs by up to %d, in %.4f of the samples", src.Width, src.Height, c.Side, most, share)
			}
		}
	}
}

func TestScaleRefusesASide(t *testing.T) {
	m := Image{Width: 4, Height: 4, Pix: make([]byte, 48)}
	for side, fit := range map[int]string{20: "stretch", 15: "crop", -1: "crop"} {
		in := inputOf(16, 16, "bilinear", fit)
		in.Resize.Side = side
		if _, err := Scale(m, in); err == nil {
			t.Errorf("side %d with fit %s was taken", side, fit)
		}
	}
}

// TestPillowCropIsAWindow: what a crop keeps are the pixels of the whole.
func TestPillowCropIsAWindow(t *testing.T) {
	var golden struct{ Sources []decoded }
	readGolden(t, "pillow.json", &golden)
	src := golden.Sources[0] // 47 x 31: scaled to 24 x 16 before the middle is taken
	m := Image{Width: src.Width, Height: src.Height, Pix: src.RGB}
	for _, method := range resizeMethods()[4:] {
		whole, err := Scale(m, inputOf(24, 16, method, "stretch"))
		if err != nil {
			t.Fatal(err)
		}
		cut, err := Scale(m, inputOf(16, 16, method, "crop"))
		if err != nil {
			t.Fatal(err)
		}
		for y := range 16 {
			if want := whole.Pix[3*(24*y+4):][:48]; !bytes.Equal(cut.Pix[48*y:][:48], want) {
				t.Fatalf("%s: row %d is %v, not %v", method, y, cut.Pix[48*y:][:48], want)
			}
		}
	}
	if _, err := Scale(m, inputOf(8, 8, "pillow", "stretch")); err == nil {
		t.Error("a method without a name was taken")
	}
}
