package suspect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"strings"
	"testing"

	"shaketable/pipeline"
)

// turned puts an EXIF orientation into a PNG: 6, to be turned clockwise.
func turned(data []byte) []byte {
	body := []byte("eXIfMM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00")
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(body)-4))
	chunk = append(chunk, body...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(body))
	at := 8 + 25 // behind the signature and IHDR
	return bytes.Join([][]byte{data[:at], chunk, data[at:]}, nil)
}

// TestSearchFindsIgnoredOrientations: the service takes pictures as they are stored, the configuration turns them.
func TestSearchFindsIgnoredOrientations(t *testing.T) {
	plain := scenes(t, 71, 16, 40, 90, false)
	b := base()
	net := calibrated(t, b.Input, plain, 31, "logits")
	scores := toyScores(t, net, b.Input, b.Output, plain, nil)
	media := make([][]byte, len(plain))
	for i, data := range plain {
		if media[i] = data; i%2 == 0 {
			media[i] = turned(data)
		}
	}
	f := find(t, caseOf(b, media, scores, 0, net))
	if !f.Explained || f.Alike[0].Exif != "ignore" || f.Alike[0].Steps != 1 {
		t.Errorf("explained %v: %s (%+v)", f.Explained, f.Alike[0].Describe(b), f.Alike[0].Comparison)
	}
	if text := f.Alike[0].Describe(b); text != "exif ignore" {
		t.Error(text)
	}
}

func TestSearchTriesLayoutsAndSizes(t *testing.T) {
	media := scenes(t, 72, 16, 40, 90, false)
	b := base()
	net := calibrated(t, b.Input, media, 33, "logits")
	scores := toyScores(t, net, b.Input, b.Output, media, nil)
	b.Input.Layout = "NHWC" // the graph takes either, and was trained on the other
	b.Input.Width, b.Input.Height = 32, 32
	c := caseOf(b, media, scores, 0, net)
	c.Layouts, c.Sizes = []string{"NCHW", "NHWC"}, []Size{{toySide, toySide}, {64, 64}}
	c.Open = func(_ string, size Size) (Network, error) {
		if size.Width == 64 {
			return nil, errors.New("the model does not take that")
		}
		scaled := *net
		scaled.side = size.Width
		return &scaled, nil
	}
	f := find(t, c)
	if lead := f.Alike[0]; !f.Explained || lead.Input.Layout != "NCHW" || lead.Input.Width != toySide || lead.Steps != 2 {
		t.Errorf("explained %v: %s (%+v)", f.Explained, lead.Describe(b), lead.Comparison)
	}
}

// TestSearchOfBytes: a model of uint8 pixels has nothing to scale, and nothing of that is tried.
func TestSearchOfBytes(t *testing.T) {
	media := scenes(t, 73, 12, 40, 90, false)
	b := base()
	b.Input.Scale = "byte"
	truth := b.Input
	truth.Color = "BGR"
	net := calibrated(t, truth, media, 35, "logits")
	c := caseOf(b, media, toyScores(t, net, truth, b.Output, media, nil), 0, net)
	c.Bytes = true
	f := find(t, c)
	if !f.Explained || f.Alike[0].Describe(b) != "color BGR" {
		t.Errorf("explained %v: %s", f.Explained, f.Alike[0].Describe(b))
	}
	for _, best := range f.Best {
		if best.Input.Scale != "byte" || best.Input.Mean != b.Input.Mean {
			t.Errorf("tried %s", best.Describe(b))
		}
	}
}

func TestSearchFaults(t *testing.T) {
	b := base()
	media := scenes(t, 74, 3, 40, 60, false)
	net := calibrated(t, b.Input, media, 37, "logits")
	scores := []float64{.1, .5, .9}
	t.Run("some pictures are broken", func(t *testing.T) {
		c := caseOf(b, media, scores, 0, net)
		c.Pictures = append(c.Pictures, Picture{Name: "broken.png", Score: .5, Read: func() ([]byte, error) { return []byte("no picture"), nil }},
			Picture{Name: "gone.png", Score: .5, Read: func() ([]byte, error) { return nil, errors.New("gone") }})
		f := find(t, c)
		if len(f.Unusable) != 2 || len(f.Names) != 3 || f.Configured.N != 3 || f.Unusable[1].Err.Error() != "gone" {
			t.Errorf("%+v", f.Unusable)
		}
	})
	for _, c := range []struct {
		name string
		ask  func(c *Case)
		want string
	}{
		{"no picture", func(c *Case) { c.Pictures = nil }, "no picture has a score"},
		{"all are broken", func(c *Case) {
			for i := range c.Pictures {
				c.Pictures[i].Read = func() ([]byte, error) { return []byte("no picture"), nil }
			}
		}, "none of the 3 pictures can be used; the first, 00.png: "},
		{"the model cannot be opened", func(c *Case) {
			c.Open = func(string, Size) (Network, error) { return nil, errors.New("no such operator") }
		}, "no such operator"},
		{"the model cannot run", func(c *Case) { c.Base.Input.Width = 8 }, "tensor of 1152"},
		{"no such output", func(c *Case) { c.Base.Output.Index = 2 }, `output "out", index 2, is no logits`},
		{"no probability", func(c *Case) { c.Base.Output.Kind = "probability" }, "check output.name, index and kind"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ask := caseOf(b, media, scores, 0, net)
			c.ask(&ask)
			if _, err := Search(t.Context(), ask); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	c := Compare([]float64{.1, .2, .305, .5, .9}, []float64{.1, .2005, .3, .5, .1})
	if c.N != 5 || math.Abs(c.Max-.8) > 1e-12 || math.Abs(c.Median-.0005) > 1e-12 || math.Abs(c.Trimmed-.0055/4) > 1e-12 ||
		c.Worst[0] != 4 || c.Worst[1] != 2 || math.Abs(c.Within[0]-.6) > 1e-12 || math.Abs(c.Within[1]-.8) > 1e-12 {
		t.Errorf("%+v", c)
	}
	if bound := c.Spread / 3; math.Abs(c.Bounded-(.0055+bound)/5) > 1e-12 || math.Abs(c.Beyond-.2) > 1e-12 || math.Abs(c.noise()-.0011) > 1e-12 {
		t.Errorf("bounded %g, beyond %g, noise %g", c.Bounded, c.Beyond, c.noise())
	}
	if want := (.1005 + .1005 + 0 + .0995 + .2995) / 5; math.Abs(c.Spread-want) > 1e-12 { // from the median of theirs, .2005
		t.Errorf("spread %g, want %g", c.Spread, want)
	}
}

// Values of scipy 1.17.1: binom.sf(k-1, n, q), and spearmanr.
func TestStatistics(t *testing.T) {
	for _, c := range []struct {
		n, k int
		q    float64
		want float64
	}{{10, 5, .1, .0016349374}, {20, 15, .5, .02069473267}, {5, 0, .3, 1}, {3, 3, .5, .125}, {30, 15, .01, 1.346840588e-22}} {
		if got := binomialTail(c.n, c.k, c.q); math.Abs(got-c.want) > 1e-7*c.want {
			t.Errorf("binomialTail(%d, %d, %g) = %.10g, want %.10g", c.n, c.k, c.q, got, c.want)
		}
	}
	if got := rankAgreement([]float64{1, 2, 3, 4, 5}, []float64{2, 1, 4, 4, 9}); math.Abs(got-.8720815993) > 1e-9 {
		t.Errorf("rank agreement %.10g", got)
	}
	if got := rankAgreement([]float64{1, 1}, []float64{1, 2}); got != 0 {
		t.Errorf("of a constant: %g", got)
	}
}

func TestUsualLevelsAreDistinct(t *testing.T) {
	in := input(8)
	seen := map[string]bool{levels{in.Scale, in.Mean, in.Std}.affine(): true}
	for _, l := range otherLevels(in) {
		if seen[l.affine()] {
			t.Errorf("%+v twice", l)
		}
		seen[l.affine()] = true
	}
	if len(seen) < 15 {
		t.Errorf("only %d", len(seen))
	}
	half := levels{"unit", [3]float32{.5, .5, .5}, [3]float32{.5, .5, .5}}
	same := levels{"byte", [3]float32{127.5, 127.5, 127.5}, [3]float32{127.5, 127.5, 127.5}}
	if half.affine() != same.affine() {
		t.Errorf("%q and %q are the same", half.affine(), same.affine())
	}
}

func TestTensor(t *testing.T) {
	img := pipeline.Image{Width: 2, Height: 1, Pix: []byte{10, 20, 30, 40, 50, 255}}
	in := input(2)
	in.Scale, in.Mean, in.Std, in.Color = "byte", [3]float32{1, 2, 3}, [3]float32{1, 2, 4}, "BGR"
	for layout, want := range map[string][]float32{"NCHW": {29, 254, 9, 24, 1.75, 9.25}, "NHWC": {29, 9, 1.75, 254, 24, 9.25}} {
		in.Layout = layout
		for i, v := range Tensor(img, in) {
			if math.Abs(float64(v-want[i])) > 1e-5 {
				t.Errorf("%s: %v, want %v", layout, Tensor(img, in), want)
				break
			}
		}
	}
}
