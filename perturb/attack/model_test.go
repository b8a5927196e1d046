package attack

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
)

// brain is a detector in plain Go: margin = gain * (sum of v tanh(W x + a)) + bias, with its exact gradient in float64. With
// linear set, tanh is left out. It counts its passes and can be told to look at what it is given.
type brain struct {
	w, h    int
	weights [][]float64
	v, a    []float64
	gain    float64
	bias    float64
	linear  bool
	step    float64 // > 0: the margin is rounded to multiples of it, and the gradient is 0
	look    func(x []float32)
	spoil   func(gradient []float32)

	mu     sync.Mutex
	scores int // pictures
	slopes int
}

const brainW, brainH = 14, 11

func newBrain(units int, linear bool) *brain {
	rng := rand.New(rand.NewPCG(7, uint64(units)))
	b := &brain{w: brainW, h: brainH, gain: 1, linear: linear}
	for range units {
		row := make([]float64, 3*brainW*brainH)
		for i := range row {
			row[i] = rng.NormFloat64() / 6
		}
		b.weights, b.v, b.a = append(b.weights, row), append(b.v, rng.NormFloat64()), append(b.a, rng.NormFloat64()/3)
	}
	return b
}

func (b *brain) Size() (int, int) { return b.w, b.h }

// one returns margin and gradient of one picture.
func (b *brain) one(x []float32) (margin float64, gradient []float64) {
	gradient = make([]float64, len(x))
	for j, row := range b.weights {
		sum := b.a[j]
		for i, v := range x {
			sum += row[i] * (float64(v) - .5)
		}
		out, slope := sum, 1.
		if !b.linear {
			out = math.Tanh(sum)
			slope = 1 - out*out
		}
		margin += b.gain * b.v[j] * out
		for i := range gradient {
			gradient[i] += b.gain * b.v[j] * slope * row[i]
		}
	}
	margin += b.bias
	if b.step > 0 {
		margin = b.step * math.Round(margin/b.step)
		clear(gradient)
	}
	return margin, gradient
}

func (b *brain) Score(ctx context.Context, x []float32, n int) (p, margin []float32, err error) {
	return b.pass(ctx, x, n, nil)
}

func (b *brain) Gradient(ctx context.Context, x []float32, n int, gradient []float32) (p, margin []float32, err error) {
	return b.pass(ctx, x, n, gradient)
}

func (b *brain) pass(ctx context.Context, x []float32, n int, gradient []float32) (p, margin []float32, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	size := len(x) / n
	b.mu.Lock()
	if gradient == nil {
		b.scores += n
	} else {
		b.slopes += n
	}
	b.mu.Unlock()
	for i := range n {
		picture := x[i*size : (i+1)*size]
		if b.look != nil {
			b.look(picture)
		}
		m, g := b.one(picture)
		margin = append(margin, float32(m))
		p = append(p, float32(1/(1+math.Exp(-m))))
		if gradient != nil {
			for k, v := range g {
				gradient[i*size+k] = float32(v)
			}
		}
	}
	if gradient != nil && b.spoil != nil {
		b.spoil(gradient)
	}
	return p, margin, nil
}

// picture is a random one, with black and white in it.
func picture(seed int64) Picture {
	rng := rand.New(rand.NewPCG(3, uint64(seed)))
	pix := make([]byte, 3*brainW*brainH)
	for i := range pix {
		pix[i] = byte(max(0, min(255, 128+90*rng.NormFloat64())))
	}
	return Picture{Pix: pix, Seed: seed}
}

// grey is a picture far from black and white: no attack of these tests is clipped.
func grey() Picture {
	p := picture(1)
	for i := range p.Pix {
		p.Pix[i] = 100 + p.Pix[i]/8
	}
	return p
}

func parse(t testing.TB, text string) Spec {
	t.Helper()
	s, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t testing.TB, m Model, set Setting, pic Picture, texts ...string) Result {
	t.Helper()
	var specs []Spec
	for _, text := range texts {
		specs = append(specs, parse(t, text))
	}
	r, err := Run(t.Context(), m, set, specs, pic)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func invert(pix []byte, _, _, quality int) ([]byte, error) {
	out := append([]byte(nil), pix...)
	for i := range out {
		out[i] ^= byte(quality)
	}
	return out, nil
}
