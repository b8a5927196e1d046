//go:build cgo && unix

package onnx

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	ort "github.com/yalue/onnxruntime_go"
	"go.yaml.in/yaml/v3"

	"shaketable/perturb"
	"shaketable/perturb/graph/graphtest"
	"shaketable/pipeline"
)

// workers is on how many processors the arms of a comparison run.
const workers = 2

// arm is one way to do the work: a run does some items.
type arm struct {
	name  string
	items float64
	run   func(worker int) error
}

// rate is items per second of wall time, and per second of processor time, which other processes disturb less.
type rate struct{ wall, cpu float64 }

// compare lets the arms take turns of two seconds, one round per iteration of the benchmark, so that whatever else the
// machine does befalls all of them, and returns the median rates of each.
func compare(b *testing.B, arms []arm) map[string]rate {
	b.Helper()
	wall, cpu := map[string][]float64{}, map[string][]float64{}
	for b.Loop() {
		for _, a := range arms {
			r := turn(b, a, 2*time.Second)
			wall[a.name], cpu[a.name] = append(wall[a.name], r.wall), append(cpu[a.name], r.cpu)
		}
	}
	medians := map[string]rate{}
	for _, a := range arms {
		medians[a.name] = rate{median(wall[a.name]), median(cpu[a.name])}
	}
	return medians
}

func median(list []float64) float64 {
	slices.Sort(list)
	return (list[(len(list)-1)/2] + list[len(list)/2]) / 2
}

// turn adds up the workers' own rates: none is charged for waiting until another one's last run has ended.
func turn(b *testing.B, a arm, length time.Duration) (r rate) {
	var rates [workers]float64
	var runs atomic.Int64
	before := processorSeconds(b)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			done := 0
			began := time.Now()
			for time.Since(began) < length {
				if err := a.run(w); err != nil {
					b.Error(err)
					return
				}
				done++
			}
			rates[w] = a.items * float64(done) / time.Since(began).Seconds()
			runs.Add(int64(done))
		})
	}
	all.Wait()
	for _, own := range rates {
		r.wall += own
	}
	r.cpu = a.items * float64(runs.Load()) / (processorSeconds(b) - before)
	return r
}

func processorSeconds(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// BenchmarkEfficiency holds all variants of deepfake-v1 through Model.Probe against the detector alone: a loop that does nothing but run it
// on float32 tensors that are there already, at the best of several batch sizes.
func BenchmarkEfficiency(b *testing.B) {
	for _, name := range []string{"meso4-df", "meso4-f2f", "mesoinception4-df", "mesoinception4-f2f"} {
		b.Run(name, func(b *testing.B) {
			d := realDetector(b, name)
			m := open(b, runtimeFor(b, Config{Parallel: workers}), d, "deepfake-v1")
			p := randomPictures(1, 256, 256)[0]
			variants := float64(len(m.fused.Variants) - 1)
			arms := []arm{{"probe", variants, func(int) error {
				_, err := m.Probe(context.Background(), p.image(256), p.seed)
				return err
			}}}
			for _, batch := range []int{1, 2, 4, 8, 16, 36} {
				arms = append(arms, bareArm(b, d, batch))
			}
			rates := compare(b, arms)
			best := arms[1].name
			bestCPU := best
			for _, a := range arms[1:] {
				if rates[a.name].wall > rates[best].wall {
					best = a.name
				}
				if rates[a.name].cpu > rates[bestCPU].cpu {
					bestCPU = a.name
				}
			}
			b.ReportMetric(rates["probe"].wall, "variants/s")
			b.ReportMetric(rates[best].wall, "bare/s")
			b.ReportMetric(rates["probe"].wall/rates[best].wall, "ratio")
			b.ReportMetric(rates["probe"].cpu/rates[bestCPU].cpu, "cpu-ratio")
			for _, a := range arms {
				b.Logf("%-8s %6.0f/s %6.0f per processor second", a.name, rates[a.name].wall, rates[a.name].cpu)
			}
			b.Logf("best bare loop: %s by the clock, %s by processor time", best, bestCPU)
		})
	}
}

// bareArm runs a detector as it comes, with tensors made once per worker.
func bareArm(b *testing.B, d pipeline.Detector, batch int) arm {
	b.Helper()
	data, _, err := readModel(d)
	if err != nil {
		b.Fatal(err)
	}
	options, err := device{}.options()
	if err != nil {
		b.Fatal(err)
	}
	defer options.Destroy()
	s, err := ort.NewDynamicAdvancedSessionWithONNXData(data, []string{d.Input.Name}, []string{d.Output.Name}, options)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Destroy() })
	var in, out [workers]ort.Value
	for w := range workers {
		values := make([]float32, batch*3*256*256)
		for i := range values {
			values[i] = float32(i%256) / 255
		}
		x, err := ort.NewTensor(ort.NewShape(int64(batch), 3, 256, 256), values)
		if err != nil {
			b.Fatal(err)
		}
		p, err := ort.NewEmptyTensor[float32](ort.NewShape(int64(batch), 1))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { x.Destroy(); p.Destroy() })
		in[w], out[w] = x, p
	}
	return arm{fmt.Sprint("batch", batch), float64(batch), func(w int) error {
		return s.Run([]ort.Value{in[w]}, []ort.Value{out[w]})
	}}
}

// BenchmarkFusion holds the fused probe against the same work in two steps: one session that perturbs, and one that runs the
// detector on each of the pictures that come back.
func BenchmarkFusion(b *testing.B) {
	d := realDetector(b, "meso4-df")
	r := runtimeFor(b, Config{Parallel: workers})
	m := open(b, r, d, "deepfake-v1")
	plain, err := r.OpenPlain(d)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { plain.Close() })
	suite := suiteOf(b, "deepfake-v1")
	pixels, err := perturb.CompilePixels(suite, 256, 256, 13)
	if err != nil {
		b.Fatal(err)
	}
	options, err := device{}.options()
	if err != nil {
		b.Fatal(err)
	}
	defer options.Destroy()
	s, err := ort.NewDynamicAdvancedSessionWithONNXData(pixels.Model, []string{"image", "seed"}, []string{"pixels"}, options)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Destroy() })
	p := randomPictures(1, 256, 256)[0]
	rates := compare(b, []arm{{"fused", 1, func(int) error {
		_, err := m.Probe(context.Background(), p.image(256), p.seed)
		return err
	}}, {"separate", 1, func(int) error { return separately(s, plain, p, len(suite.Variants)) }}})
	b.ReportMetric(rates["fused"].wall, "fused/s")
	b.ReportMetric(rates["separate"].wall, "separate/s")
	b.ReportMetric(rates["fused"].wall/rates["separate"].wall, "ratio")
	b.ReportMetric(rates["fused"].cpu/rates["separate"].cpu, "cpu-ratio")
}

func separately(s *ort.DynamicAdvancedSession, plain *Plain, p picture, variants int) error {
	image, err := ort.NewTensor(ort.NewShape(1, 256, 256, 3), p.pix)
	if err != nil {
		return err
	}
	defer image.Destroy()
	seed, err := ort.NewTensor(ort.NewShape(1), []int64{p.seed})
	if err != nil {
		return err
	}
	defer seed.Destroy()
	rows, err := ort.NewEmptyTensor[uint8](ort.NewShape(int64(variants), 1, 256, 256, 3))
	if err != nil {
		return err
	}
	defer rows.Destroy()
	if err := s.Run([]ort.Value{image, seed}, []ort.Value{rows}); err != nil {
		return err
	}
	all := append(slices.Clone(p.pix), rows.GetData()...)
	for pix := range slices.Chunk(all, len(p.pix)) {
		if _, err := plain.Score(context.Background(), pipeline.Image{Width: 256, Height: 256, Pix: pix}); err != nil {
			return err
		}
	}
	return nil
}

// realDetector is one of the acceptance data, without which there is nothing real to measure.
func realDetector(tb testing.TB, name string) pipeline.Detector {
	tb.Helper()
	dir := graphtest.AcceptanceRoot()
	text, err := os.ReadFile(filepath.Join(dir, "detectors.yaml"))
	if err != nil {
		if os.Getenv("CI") == "true" {
			tb.Fatalf("the acceptance data is needed here: %v", err)
		}
		tb.Skipf("no acceptance data: set SHAKETABLE_ACCEPTANCE (%v)", err)
	}
	var file struct {
		Detectors []pipeline.Detector `yaml:"detectors"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		tb.Fatal(err)
	}
	for _, d := range file.Detectors {
		if d.Name == name {
			d.Model.Path = filepath.Join(dir, d.Model.Path)
			return d
		}
	}
	tb.Fatalf("the acceptance data has no detector %s", name)
	return pipeline.Detector{}
}
