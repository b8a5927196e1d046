package attack

import (
	"context"
	"math"
	"testing"
)

// idle is a model that takes no time: what is measured is what attacks do between the passes.
type idle struct{ w, h int }

func (m idle) Size() (int, int) { return m.w, m.h }

func (m idle) Score(_ context.Context, x []float32, n int) (p, margin []float32, err error) {
	for i := range n {
		z := x[i*3*m.w*m.h+77]
		p, margin = append(p, float32(1/(1+math.Exp(-float64(z))))), append(margin, z)
	}
	return p, margin, nil
}

func (m idle) Gradient(ctx context.Context, x []float32, n int, gradient []float32) (p, margin []float32, err error) {
	return m.Score(ctx, x, n)
}

// BenchmarkHost is the time that a pass of each attack takes on the host, at 256 x 256.
func BenchmarkHost(b *testing.B) {
	m := idle{256, 256}
	pic := Picture{Pix: make([]byte, 3*256*256), Seed: 1}
	for i := range pic.Pix {
		pic.Pix[i] = byte(i * i >> 3)
	}
	for _, text := range []string{"pgd(steps=100, keep=last, forms=float)", "pgd(steps=100, forms=float)", "pgd(steps=100, norm=l2, forms=float)",
		"cw(steps=100, forms=float)", "square(queries=200, forms=float)", "nes(steps=5, forms=float)"} {
		s := parse(b, text)
		b.Run(text, func(b *testing.B) {
			passes := 0
			for b.Loop() {
				r, err := Run(b.Context(), &noisy{m}, Setting{Threshold: .5}, []Spec{s}, pic)
				if err != nil {
					b.Fatal(err)
				}
				passes += r.Queries
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(passes), "us/pass")
		})
	}
}

// noisy has a gradient whose signs cannot be guessed.
type noisy struct{ idle }

func (m *noisy) Gradient(ctx context.Context, x []float32, n int, gradient []float32) (p, margin []float32, err error) {
	state := uint32(7)
	for i := range gradient[:1024] {
		state = state*1664525 + 1013904223
		gradient[i] = float32(int32(state))
	}
	for at := 1024; at < len(gradient); at *= 2 {
		copy(gradient[at:], gradient[:at])
	}
	return m.Score(ctx, x, n)
}
