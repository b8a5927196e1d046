//go:build cgo && unix

package perturb_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	ort "github.com/yalue/onnxruntime_go"

	"shaketable/perturb"
	"shaketable/perturb/corrupt"
)

// loop is a family as a straight loop in Go: the same formula at severity 3, on a picture of n x n.
type loop func(pix, out []uint8, n int)

func loops() map[string]loop {
	return map[string]loop{
		"gain": func(pix, out []uint8, _ int) {
			for i, v := range pix {
				out[i] = store(.6 * float64(v))
			}
		},
		"saturation": func(pix, out []uint8, _ int) {
			for i := 0; i < len(pix); i += 3 {
				y := .299*float64(pix[i]) + .587*float64(pix[i+1]) + .114*float64(pix[i+2])
				for c := range 3 {
					out[i+c] = store(y + .2*(float64(pix[i+c])-y))
				}
			}
		},
		"brightness": func(pix, out []uint8, _ int) {
			for i := 0; i < len(pix); i += 3 {
				v := float64(max(pix[i], pix[i+1], pix[i+2]))
				for c := range 3 {
					out[i+c] = store(float64(pix[i+c]) * min(v+.3*255, 255) / max(v, 1e-6))
				}
			}
		},
		"gaussian_noise": func(pix, out []uint8, _ int) {
			rng := rand.New(rand.NewPCG(1, 2))
			for i, v := range pix {
				out[i] = store(float64(v) + .071*255*rng.NormFloat64())
			}
		},
		"gaussian_blur": func(pix, out []uint8, n int) { loopFilter(pix, out, n, gaussianTaps(13)) },
		"resize":        loopResize,
		"motion_blur":   loopMotion,
		"block_occlusion": func(pix, out []uint8, n int) {
			copy(out, pix)
			for i := range 48 {
				for y := range 8 {
					row := out[((i*37%(n-7)+y)*n+i*71%(n-7))*3:][:24]
					for j := range row {
						row[j] = 128
					}
				}
			}
		},
		"jpeg": func(pix, out []uint8, n int) {
			x, err := corrupt.Apply("jpeg", []float64{60}, pix, n, n, 0)
			if err != nil {
				panic(err)
			}
			copy(out, x)
		},
	}
}

func store(v float64) uint8 { return uint8(min(max(v+.5, 0), 255)) }

func gaussianTaps(k int) []float64 {
	taps, sum := make([]float64, k), 0.
	for i := range taps {
		d := float64(i-k/2) / (float64(k) / 6)
		taps[i] = math.Exp(-d * d / 2)
		sum += taps[i]
	}
	for i := range taps {
		taps[i] /= sum
	}
	return taps
}

// loopFilter filters along both axes.
func loopFilter(pix, out []uint8, n int, taps []float64) {
	mid := make([]float64, len(pix))
	mirror := func(i int) int { return n - 1 - max(n-1-max(i, -i), -(n-1-max(i, -i))) }
	for y := range n {
		for t, w := range taps {
			from := pix[mirror(y+t-len(taps)/2)*n*3:]
			for i := range n * 3 {
				mid[y*n*3+i] += w * float64(from[i])
			}
		}
	}
	for y := range n {
		for x := range n {
			var sum [3]float64
			for t, w := range taps {
				at := (y*n + mirror(x+t-len(taps)/2)) * 3
				for c := range sum {
					sum[c] += w * mid[at+c]
				}
			}
			for c, v := range sum {
				out[(y*n+x)*3+c] = store(v)
			}
		}
	}
}

// loopResize averages squares of 4 x 4 and interpolates.
func loopResize(pix, out []uint8, n int) {
	m := n / 4
	small := make([]float64, m*m*3)
	for y := range m * 4 {
		for x := range m * 4 {
			for c := range 3 {
				small[((y/4)*m+x/4)*3+c] += float64(pix[(y*n+x)*3+c]) / 16
			}
		}
	}
	for y := range n {
		for x := range n {
			fy, fx := (float64(y)+.5)/4-.5, (float64(x)+.5)/4-.5
			y0, x0 := math.Floor(fy), math.Floor(fx)
			for c := range 3 {
				sum := 0.
				for d := range 4 {
					yy, xx := int(y0)+d/2, int(x0)+d%2
					w := (1 - math.Abs(fy-float64(yy))) * (1 - math.Abs(fx-float64(xx)))
					sum += w * small[(min(max(yy, 0), m-1)*m+min(max(xx, 0), m-1))*3+c]
				}
				out[(y*n+x)*3+c] = store(sum)
			}
		}
	}
}

// loopMotion is 31 taps along a line.
func loopMotion(pix, out []uint8, n int) {
	sum := make([]float64, len(pix))
	for i := range 31 {
		right, down := int(math.Ceil(float64(i)*.9-.5)), int(math.Ceil(float64(i)*.43-.5))
		w := math.Exp(-float64(i*i)/128) / 10.5
		for y := range n {
			from := pix[min(y+down, n-1)*n*3 : (min(y+down, n-1)+1)*n*3]
			for x := range n {
				at := 3 * min(x+right, n-1)
				for c := range 3 {
					sum[(y*n+x)*3+c] += w * float64(from[at+c])
				}
			}
		}
	}
	for i, v := range sum {
		out[i] = store(v)
	}
}

// BenchmarkAgainstLoop holds every family of the graph, five levels at once, against a straight loop in Go, both on one core,
// by turns: variants per second of processor time.
func BenchmarkAgainstLoop(b *testing.B) {
	const n = 256
	pix, out := randomPictures(1, n, n), make([]uint8, n*n*3)
	for name, work := range loops() {
		b.Run(name, func(b *testing.B) {
			s := only(b, name)
			f, err := perturb.CompilePixels(s, n, n, 13)
			if err != nil {
				b.Fatal(err)
			}
			names, inputs := []string{"image"}, []ort.Value{tensor(b, pix, 1, n, n, 3)}
			if f.Seeded {
				names, inputs = append(names, "seed"), append(inputs, tensor(b, []int64{7}, 1))
			}
			r := newRunner(b, f.Model, names, []string{"pixels"})
			result := []ort.Value{tensor(b, make([]uint8, 5*n*n*3), 5, 1, n, n, 3)}
			var graph, loop time.Duration
			for b.Loop() {
				from := processorTime(b)
				if err := r.session.Run(inputs, result); err != nil {
					b.Fatal(err)
				}
				middle := processorTime(b)
				for range 5 {
					work(pix, out, n)
				}
				graph, loop = graph+middle-from, loop+processorTime(b)-middle
			}
			b.ReportMetric(5*float64(b.N)/graph.Seconds(), "graph-variants/s")
			b.ReportMetric(5*float64(b.N)/loop.Seconds(), "loop-variants/s")
			b.ReportMetric(loop.Seconds()/graph.Seconds(), "ratio")
		})
	}
}

// BenchmarkSixty holds a user's suite of 60 variants, fused with a detector, against the same in separate runs: one that
// makes the pixels, and one of the detector for each picture.
func BenchmarkSixty(b *testing.B) {
	var texts []string
	for _, f := range perturb.Families() {
		if !f.Host {
			for _, s := range []string{"@1", "@2", "@3", "@4", "@5"} {
				texts = append(texts, f.Name+s)
			}
		}
	}
	s := own(b, texts[:60]...)
	model := readModel(b, "meso4-df")
	f := compileMeso(b, model, s, perturb.Options{Chunk: 1})
	fused := newRunner(b, f.Model, []string{"image", "seed"}, []string{"p"})
	px, err := perturb.CompilePixels(s, 256, 256, 13)
	if err != nil {
		b.Fatal(err)
	}
	bare, err := perturb.CompileDetector(model, mesoInput(), mesoOutput())
	if err != nil {
		b.Fatal(err)
	}
	pixels, alone := newRunner(b, px.Model, []string{"image", "seed"}, []string{"pixels"}), newRunner(b, bare.Model, []string{"image"}, []string{"p"})
	inputs := []ort.Value{tensor(b, randomPictures(1, 256, 256), 1, 256, 256, 3), tensor(b, []int64{7}, 1)}
	var together, apart time.Duration
	for b.Loop() {
		from := processorTime(b)
		if err := runOnce(fused, inputs...); err != nil {
			b.Fatal(err)
		}
		middle := processorTime(b)
		out, _ := run[uint8](b, pixels, inputs...)
		if err := runOnce(alone, inputs[0]); err != nil {
			b.Fatal(err)
		}
		for i := range s.Variants {
			x, err := ort.NewTensor(ort.NewShape(1, 256, 256, 3), out[i*256*256*3:(i+1)*256*256*3])
			if err != nil {
				b.Fatal(err)
			}
			if err := runOnce(alone, x); err != nil {
				b.Fatal(err)
			}
			x.Destroy()
		}
		together, apart = together+middle-from, apart+processorTime(b)-middle
	}
	b.ReportMetric(60*float64(b.N)/together.Seconds(), "fused-variants/s")
	b.ReportMetric(60*float64(b.N)/apart.Seconds(), "separate-variants/s")
	b.ReportMetric(apart.Seconds()/together.Seconds(), "ratio")
}
