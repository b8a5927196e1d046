//go:build cgo && unix

package onnx

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"

	"shaketable/perturb"
	"shaketable/pipeline"
)

// benchDetectors are a detector of the acceptance data and a network of its zoo.
func benchDetectors(b *testing.B) []pipeline.Detector {
	b.Helper()
	meso := realDetector(b, "meso4-f2f")
	xception := pipeline.Detector{Name: "xception-narrow", Version: "1", Threshold: .5}
	xception.Model.Path = filepath.Join(filepath.Dir(filepath.Dir(meso.Model.Path)), "zoo", "xception-narrow.onnx")
	xception.Input = perturb.Input{Name: "image", Width: 75, Height: 75, Layout: "NCHW", Color: "RGB", Scale: "unit", Std: [3]float32{1, 1, 1}}
	xception.Output = perturb.Output{Name: "logits", Kind: "logits", Index: 1, Meaning: "fake"}
	return []pipeline.Detector{meso, xception}
}

// BenchmarkAttacks holds attacks on 16 pictures against the passes that they are made of, run on one tensor without anything
// in between: PGD with ten steps takes ten gradients and two scores, Square 200 scores.
func BenchmarkAttacks(b *testing.B) {
	for _, d := range benchDetectors(b) {
		r := runtimeFor(b, Config{Parallel: workers})
		pictures := randomPictures(16, d.Input.Width, d.Input.Height)
		for _, c := range []struct {
			name, spec       string
			slopes, scores   int
			unit             string
			units, barePerIt float64
		}{
			{"pgd10", "pgd(eps=2/255, keep=last, forms=float)", 10, 2, "pictures/s", 1, 1},
			{"square", "square(eps=2/255, queries=200, forms=float)", 0, 200, "queries/s", 200, 200},
		} {
			b.Run(d.Name+"/"+c.name, func(b *testing.B) {
				a := openAttacks(b, r, d, c.spec)
				var next atomic.Int64
				x := make([]float32, 3*d.Input.Width*d.Input.Height)
				for i := range x {
					x[i] = float32(i%256) / 255
				}
				gradients := [workers][]float32{make([]float32, len(x)), make([]float32, len(x))}
				rates := compare(b, []arm{
					{"attack", c.units, func(int) error {
						p := pictures[int(next.Add(1))%len(pictures)]
						_, err := a.Attack(context.Background(), pipeline.Image{Width: d.Input.Width, Height: d.Input.Height, Pix: p.pix}, p.seed, nil)
						return err
					}},
					{"passes", c.barePerIt, func(w int) error { return barePasses(a.model, x, gradients[w], c.slopes, c.scores) }},
				})
				b.ReportMetric(rates["attack"].wall, c.unit)
				b.ReportMetric(rates["passes"].wall, "bare/s")
				b.ReportMetric(rates["attack"].cpu, c.unit+"/cpu")
				b.ReportMetric(rates["attack"].cpu/rates["passes"].cpu, "cpu-ratio")
			})
		}
	}
}

func barePasses(m *passes, x, gradient []float32, slopes, scores int) error {
	for range slopes {
		if _, _, err := m.Gradient(context.Background(), x, 1, gradient); err != nil {
			return err
		}
	}
	for range scores {
		if _, _, err := m.Score(context.Background(), x, 1); err != nil {
			return err
		}
	}
	return nil
}
