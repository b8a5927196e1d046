package suspect

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"testing"

	"shaketable/perturb"
	"shaketable/pipeline"
)

// toyNet is a small convolutional network with random weights: 6 filters of 3x3 with stride 3, rectified, pooled over the
// picture, and two classes. It reads its tensor as NCHW.
type toyNet struct {
	side    int
	filters [6][3][3][3]float64
	dense   [2][6]float64
	bias    [2]float64
	kind    string // what it returns: "logits", "probability" of class 1, or "logit" of class 1
}

func newToyNet(side int, seed uint64, kind string) *toyNet {
	r := rand.New(rand.NewPCG(seed, 7))
	n := &toyNet{side: side, kind: kind}
	for f := range n.filters {
		for c := range 3 {
			for y := range 3 {
				for x := range 3 {
					n.filters[f][c][y][x] = r.NormFloat64() / 3
				}
			}
		}
		for k := range 2 {
			n.dense[k][f] = r.NormFloat64() * 3
		}
	}
	return n
}

func (n *toyNet) logits(t []float32) (z [2]float64) {
	s := n.side
	var pooled [6]float64
	for f := range n.filters {
		count := 0
		for y := 0; y+3 <= s; y += 3 {
			for x := 0; x+3 <= s; x += 3 {
				sum := .1
				for c := range 3 {
					for dy := range 3 {
						for dx := range 3 {
							sum += n.filters[f][c][dy][dx] * float64(t[(c*s+y+dy)*s+x+dx])
						}
					}
				}
				pooled[f] += max(sum, 0)
				count++
			}
		}
		pooled[f] /= float64(count)
	}
	for k := range z {
		z[k] = n.bias[k]
		for f := range pooled {
			z[k] += n.dense[k][f] * pooled[f]
		}
	}
	return z
}

func (n *toyNet) Run(_ context.Context, t []float32) ([]Output, error) {
	if len(t) != 3*n.side*n.side {
		return nil, fmt.Errorf("tensor of %d", len(t))
	}
	z := n.logits(t)
	switch n.kind {
	case "logits":
		return []Output{{"out", []float32{float32(z[0]), float32(z[1])}}}, nil
	case "logit":
		return []Output{{"out", []float32{float32(z[1] - z[0])}}}, nil
	}
	return []Output{{"out", []float32{float32(1 / (1 + math.Exp(z[0]-z[1])))}}}, nil
}

// scene paints a picture with structure at several scales and colours of its own.
func scene(r *rand.Rand, w, h int, grey bool) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	type wave struct{ fx, fy, phase, size float64 }
	var waves [3][4]wave
	var level [3]float64
	for c := range waves {
		level[c] = 60 + 140*r.Float64()
		for k := range waves[c] {
			f := math.Pow(4, float64(k)) * .02
			waves[c][k] = wave{f * r.NormFloat64(), f * r.NormFloat64(), 6.3 * r.Float64(), 30 * r.Float64()}
		}
	}
	for y := range h {
		for x := range w {
			var p [3]uint8
			for c := range 3 {
				from := c
				if grey {
					from = 0
				}
				v := level[from]
				for _, k := range waves[from] {
					v += k.size * math.Sin(k.fx*float64(x)+k.fy*float64(y)+k.phase)
				}
				p[c] = uint8(min(max(v, 0), 255))
			}
			m.SetNRGBA(x, y, color.NRGBA{p[0], p[1], p[2], 255})
		}
	}
	return m
}

func encode(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// scenes are n pictures of sizes between lo and hi.
func scenes(t testing.TB, seed uint64, n, lo, hi int, grey bool) (list [][]byte) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 3))
	for range n {
		list = append(list, encode(t, scene(r, lo+r.IntN(hi-lo+1), lo+r.IntN(hi-lo+1), grey)))
	}
	return list
}

// service is the other program: its own arithmetic, in float64 and pixel by pixel, behind the same decoder.
type service struct {
	in   perturb.Input
	p    func(tensor []float32) (float64, error) // the score
	note func(img *pipeline.Image)               // nil, or what it does to the pixels besides
}

func (s service) score(t testing.TB, data []byte) float64 {
	t.Helper()
	img, err := pipeline.NewPreparer(pipeline.DefaultPrepareConfig()).Prepare(t.Context(), data, nil, s.in)
	if err != nil {
		t.Fatal(err)
	}
	if s.note != nil {
		s.note(&img)
	}
	tensor := make([]float32, len(img.Pix))
	n := img.Width * img.Height
	for i := range n {
		for c := range 3 {
			v := float64(img.Pix[3*i+c])
			if s.in.Color == "BGR" {
				v = float64(img.Pix[3*i+2-c])
			}
			if s.in.Scale == "unit" {
				v /= 255
			}
			tensor[c*n+i] = float32((v - float64(s.in.Mean[c])) / float64(s.in.Std[c]))
		}
	}
	p, err := s.p(tensor)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// input is a plain input of a square.
func input(side int) perturb.Input {
	return perturb.Input{Width: side, Height: side, Layout: "NCHW", Color: "RGB", Scale: "unit", Std: [3]float32{1, 1, 1},
		Resize: perturb.Resize{Method: "bilinear", Fit: "stretch"}}
}

// caseOf is the question why these scores differ from those of base.
func caseOf(base Hypothesis, media [][]byte, scores []float64, rounding float64, net Network) Case {
	c := Case{Base: base, Rounding: rounding, Parallel: 2, Prepare: pipeline.DefaultPrepareConfig(),
		Open: func(string, Size) (Network, error) { return net, nil }}
	for i, data := range media {
		c.Pictures = append(c.Pictures, Picture{Name: fmt.Sprintf("%02d.png", i), Score: scores[i], Read: func() ([]byte, error) { return data, nil }})
	}
	return c
}
