//go:build cgo && unix

package perturb_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	ort "github.com/yalue/onnxruntime_go"

	"shaketable/perturb"
	"shaketable/perturb/graph/graphtest"
)

func randomPictures(n, h, w int) []uint8 {
	rng := rand.New(rand.NewPCG(1, 2))
	x := make([]uint8, n*h*w*3)
	for i := range x {
		x[i] = uint8(rng.Uint32())
	}
	return x
}

// BenchmarkPixels is the cost of the perturbations alone, per picture on one core, of suites that the graph makes.
func BenchmarkPixels(b *testing.B) {
	for _, name := range []string{"production", "deepfake-v1", "df1"} {
		b.Run(name, func(b *testing.B) { benchmarkPixels(b, suite(b, name)) })
	}
	whole := suite(b, "deepfake-v1")
	for i := 0; i < len(whole.Variants); i += 5 {
		s := whole
		s.Variants = whole.Variants[i : i+5]
		b.Run(s.Variants[0].Family, func(b *testing.B) { benchmarkPixels(b, s) })
	}
}

func readModel(b *testing.B, name string) []byte {
	b.Helper()
	model, err := os.ReadFile(graphtest.Acceptance(b, "models", name+".onnx"))
	if err != nil {
		b.Fatal(err)
	}
	return model
}

func benchmarkPixels(b *testing.B, s perturb.Suite) {
	f, err := perturb.CompilePixels(s, 256, 256, 13)
	if err != nil {
		b.Fatal(err)
	}
	names, inputs := []string{"image"}, []ort.Value{tensor(b, randomPictures(1, 256, 256), 1, 256, 256, 3)}
	if f.Seeded {
		names, inputs = append(names, "seed"), append(inputs, tensor(b, []int64{7}, 1))
	}
	r := newRunner(b, f.Model, names, []string{"pixels"})
	out := []ort.Value{tensor(b, make([]uint8, len(s.Variants)*256*256*3), int64(len(s.Variants)), 1, 256, 256, 3)}
	cpu := processorTime(b)
	for b.Loop() {
		if err := r.session.Run(inputs, out); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((processorTime(b)-cpu).Microseconds())/1e3/float64(b.N), "cpu-ms/picture")
}

// BenchmarkDetector is the bare loop: detector runs per second at a batch size, two goroutines. The best of these is what
// BenchmarkFused is held against.
func BenchmarkDetector(b *testing.B) {
	for _, name := range []string{"meso4-df", "mesoinception4-df"} {
		for _, batch := range []int{1, 2, 4, 8} {
			b.Run(fmt.Sprintf("%s/batch=%d", name, batch), func(b *testing.B) {
				r := newRunner(b, readModel(b, name), []string{"image"}, []string{"prob_real"})
				in := tensor(b, make([]float32, batch*3*256*256), int64(batch), 3, 256, 256)
				parallel(b, float64(batch), func() error { return runOnce(r, in) })
			})
		}
	}
}

// BenchmarkFused is the whole probe: variants per second of one media at a time, two goroutines.
func BenchmarkFused(b *testing.B) {
	for _, name := range []string{"meso4-df", "mesoinception4-df"} {
		for _, suiteName := range []string{"production", "deepfake-v1"} {
			for _, chunk := range []int{1, 2, 0} {
				b.Run(fmt.Sprintf("%s/%s/chunk=%d", name, suiteName, chunk), func(b *testing.B) {
					benchmarkFused(b, name, suite(b, suiteName), chunk)
				})
			}
		}
	}
}

func benchmarkFused(b *testing.B, name string, s perturb.Suite, chunk int) {
	f := compileMeso(b, readModel(b, name), s, perturb.Options{Chunk: chunk})
	r := newRunner(b, f.Model, []string{"image", "seed"}, []string{"p"})
	picture, seed := tensor(b, randomPictures(1, 256, 256), 1, 256, 256, 3), tensor(b, []int64{7}, 1)
	parallel(b, float64(len(s.Variants)), func() error { return runOnce(r, picture, seed) })
}

func runOnce(r *runner, inputs ...ort.Value) error {
	outputs := []ort.Value{nil}
	if err := r.session.Run(inputs, outputs); err != nil {
		return err
	}
	return outputs[0].Destroy()
}

// parallel runs work on two goroutines, one run per iteration, and reports items per second of the clock, and processor time per item.
func parallel(b *testing.B, items float64, work func() error) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ResetTimer()
	cpu := processorTime(b)
	for range 2 {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := work(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(items*float64(b.N)/b.Elapsed().Seconds(), "items/s")
	b.ReportMetric(float64((processorTime(b)-cpu).Microseconds())/1e3/float64(b.N)/items, "cpu-ms/item")
}

// processorTime is what this process has used so far on all cores. On a busy machine it says more than the clock.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
