//go:build cgo

package perturb_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ort "github.com/yalue/onnxruntime_go"

	"shaketable/perturb"
	"shaketable/perturb/graph"
	"shaketable/perturb/graph/graphtest"
)

// subject is a network to be timed, with pixels in [0,1] and, for the zoo, what PyTorch computed.
type subject struct {
	name      string
	model     []byte
	in        perturb.Input
	out       perturb.Output
	batch     int
	x         []float32
	margins   []float32
	gradients []float32 // per unit of the network's own scale, 1/255 of x
}

func subjects(tb testing.TB) []subject {
	tb.Helper()
	var out []subject
	zoo, err := filepath.Glob(filepath.Join(graphtest.Acceptance(tb, "zoo"), "*.onnx"))
	if err != nil || len(zoo) == 0 {
		tb.Fatalf("no models in the zoo: %v", err)
	}
	for _, file := range zoo {
		data, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		s := subject{name: strings.TrimSuffix(filepath.Base(file), ".onnx"), model: data, batch: 2, in: mesoInput(), out: perturb.Output{Kind: "logits", Index: 1, Meaning: "fake"}}
		golden := func(kind string) []float32 { return readFloats(tb, strings.Replace(file, ".onnx", "."+kind+".f32", 1)) }
		s.x, s.gradients = golden("input"), golden("gradient")
		logits := golden("logits")
		s.margins = []float32{logits[1] - logits[0], logits[3] - logits[2]}
		s.in.Width = int(math.Sqrt(float64(len(s.x) / 6)))
		s.in.Height, s.in.Scale = s.in.Width, "byte"
		for i := range s.x {
			s.x[i] /= 255
		}
		out = append(out, s)
	}
	for _, name := range []string{"meso4-df", "mesoinception4-df"} {
		data, err := os.ReadFile(graphtest.Acceptance(tb, "models", name+".onnx"))
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, subject{name: name, model: data, batch: 1, in: mesoInput(), out: mesoOutput(), x: unitPlanes(texture(256, 256, 1), 1, 256, 256)})
	}
	return out
}

// BenchmarkAttackable times forward against forward and gradient, on one thread, and prints how far the results are from
// PyTorch's where these are known.
func BenchmarkAttackable(b *testing.B) {
	for _, s := range subjects(b) {
		b.Run(s.name, func(b *testing.B) { timeSubject(b, s) })
	}
}

func timeSubject(b *testing.B, s subject) {
	a, err := perturb.CompileAttackable(s.model, s.in, s.out, s.batch)
	if err != nil || a.Backward == nil {
		b.Fatal(err, a.Unsupported)
	}
	dims := []int64{int64(s.batch), 3, int64(s.in.Height), int64(s.in.Width)}
	forward := newRunner(b, a.Forward, []string{"x"}, []string{"p", "margin"})
	backward := newRunner(b, a.Backward, []string{"x"}, []string{"margin", "gradient"})
	x := tensor(b, s.x, dims...)
	best := [2]time.Duration{time.Hour, time.Hour}
	for b.Loop() {
		for range 10 {
			for i, r := range []*runner{forward, backward} {
				values := []ort.Value{nil, nil}
				start := time.Now()
				if err := r.session.Run([]ort.Value{x}, values); err != nil {
					b.Fatal(err)
				}
				best[i] = min(best[i], time.Since(start))
				values[0].Destroy()
				values[1].Destroy()
			}
		}
	}
	milliseconds := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(milliseconds(best[0]), "forward-ms")
	b.ReportMetric(milliseconds(best[1]), "gradient-ms")
	b.ReportMetric(float64(best[1])/float64(best[0]), "x-forward")
	b.ReportMetric(float64(nodeCount(b, a.Forward)), "nodes")
	b.ReportMetric(float64(nodeCount(b, a.Backward)), "nodes-gradient")
	if s.margins != nil {
		got := outputs(b, a.Backward, s.x, dims, "margin", "gradient")
		b.ReportMetric(offBy(got[0], s.margins, 1), "margin-error")
		b.ReportMetric(offBy(got[1], s.gradients, 1./255), "gradient-error")
	}
}

func nodeCount(tb testing.TB, model []byte) int {
	tb.Helper()
	m, err := graph.Parse(model)
	if err != nil {
		tb.Fatal(err)
	}
	return len(m.GetGraph().GetNode())
}
