package suspect

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"

	"shaketable/perturb"
	"shaketable/pipeline"
)

// Network is a model at one size and layout of its input.
type Network interface {
	// Run returns the outputs for the tensor of one picture: float32 [3,H,W] or [H,W,3] in row-major order.
	Run(ctx context.Context, tensor []float32) ([]Output, error)
}

// Output is what a model says about one picture.
type Output struct {
	Name   string
	Values []float32
}

// Tensor makes the tensor of a picture: (pixel * scale - mean) / std per channel, in the layout and colour order of in, as one
// product and one sum in float32, like the probe graph.
func Tensor(img pipeline.Image, in perturb.Input) []float32 {
	tensor := make([]float32, len(img.Pix))
	factor, offset := levels{in.Scale, in.Mean, in.Std}.terms()
	pixels := img.Width * img.Height
	for c := range 3 {
		var table [256]float32
		for k := range table {
			product := float32(float32(k) * factor[c])
			table[k] = product + offset[c]
		}
		from := c
		if in.Color == "BGR" {
			from = 2 - c
		}
		at, step := c*pixels, 1
		if in.Layout == "NHWC" {
			at, step = c, 3
		}
		for i := from; i < 3*pixels; i += 3 {
			tensor[at] = table[img.Pix[i]]
			at += step
		}
	}
	return tensor
}

// digest names the pixels of a picture.
func digest(img pipeline.Image) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(img.Pix[:len(img.Pix):len(img.Pix)], "%dx%d", img.Width, img.Height))
}

// reading is what a number of the output is taken for.
type reading struct {
	output string
	index  int
	kind   string // as output.kind
	real   bool
}

// readingOf is the reading of a configuration.
func readingOf(o perturb.Output) reading {
	return reading{o.Name, o.Index, o.Kind, o.Meaning == "real"}
}

func (r reading) config() perturb.Output {
	meaning := "fake"
	if r.real {
		meaning = "real"
	}
	return perturb.Output{Name: r.output, Kind: r.kind, Index: r.index, Meaning: meaning}
}

// mostValues bounds how many values of an output are taken for the score, each in turn.
const mostValues = 16

// readings lists what may be read from the outputs of a picture. A value that is no probability for one picture is none for
// any: callers drop a reading when of says so.
func readings(outputs []Output, configured reading) []reading {
	list := []reading{configured}
	add := func(r reading) {
		for _, r.real = range []bool{false, true} {
			if r != configured {
				list = append(list, r)
			}
		}
	}
	for _, o := range outputs {
		for i := range min(len(o.Values), mostValues) {
			add(reading{output: o.Name, index: i, kind: "probability"})
			add(reading{output: o.Name, index: i, kind: "logit"})
			if len(o.Values) > 1 {
				add(reading{output: o.Name, index: i, kind: "logits"})
			}
		}
	}
	return list
}

// of returns the probability of fake that r reads, and whether it is one.
func (r reading) of(outputs []Output) (p float64, ok bool) {
	for _, o := range outputs {
		if o.Name != r.output || r.index >= len(o.Values) {
			continue
		}
		v := float64(o.Values[r.index])
		switch r.kind {
		case "logit":
			v = sigmoid(v)
		case "logits":
			v = softmax(o.Values, r.index)
		}
		const slack = 1e-6 // what a softmax in float32 may end above 1
		if math.IsNaN(v) || v < -slack || v > 1+slack {
			return 0, false
		}
		if r.real {
			v = 1 - v
		}
		return v, true
	}
	return 0, false
}

func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

// softmax is the i-th element of softmax(z).
func softmax(z []float32, i int) float64 {
	sum := 0.
	for _, v := range z {
		sum += math.Exp(float64(v) - float64(z[i]))
	}
	return 1 / sum
}

// Read returns the probability of fake that a configuration reads from the outputs of a picture, and whether it is one.
func Read(outputs []Output, o perturb.Output) (p float64, ok bool) { return readingOf(o).of(outputs) }
