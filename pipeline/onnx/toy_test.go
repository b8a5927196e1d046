//go:build cgo

package onnx

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"testing"

	"shaketable/perturb"
	"shaketable/perturb/graph"
	"shaketable/pipeline"
)

const toySide = 32

// toy writes a small detector of 32 x 32 pixels: sigmoid(4 (mean - .5)) of what body makes of the picture in [0,1].
func toy(t testing.TB, body func(b *graph.Builder, x string) string) pipeline.Detector {
	t.Helper()
	return toyBatch(t, graph.Unknown, body)
}

// toyBatch is toy with a batch of its own.
func toyBatch(t testing.TB, batch int64, body func(b *graph.Builder, x string) string) pipeline.Detector {
	t.Helper()
	b := graph.NewBuilder("toy", 17)
	x := b.Input("picture", graph.Float32, batch, 3, toySide, toySide)
	x = b.Reshape(b.Reduce("ReduceMean", body(b, x), 1, 2, 3), -1, 1)
	x = b.Call("Sigmoid", b.Call("Mul", b.Call("Sub", x, b.Float(.5)), b.Float(4)))
	b.Output("score", x, graph.Float32, batch, 1)
	data, err := graph.Marshal(b.Model(nil))
	if err != nil {
		t.Fatal(err)
	}
	return toyOf(t, data)
}

// toyOf is a detector of the toy's contract with any bytes as its model.
func toyOf(t testing.TB, data []byte) pipeline.Detector {
	t.Helper()
	d := pipeline.Detector{Name: "toy", Version: "1", Threshold: .5}
	d.Model.Path = filepath.Join(t.TempDir(), "toy.onnx")
	sum := sha256.Sum256(data)
	d.Model.SHA256 = hex.EncodeToString(sum[:])
	d.Input = perturb.Input{Width: toySide, Height: toySide, Layout: "NCHW", Color: "RGB", Scale: "unit", Std: [3]float32{1, 1, 1}}
	d.Output = perturb.Output{Kind: "probability", Meaning: "fake"}
	if err := os.WriteFile(d.Model.Path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

func identity(_ *graph.Builder, x string) string { return x }

// slow makes a detector that works for a long time: convolutions over many channels.
func slow(b *graph.Builder, x string) string {
	const channels = 64
	weights := func(in int64) string {
		w := make([]float32, channels*in*9)
		for i := range w {
			w[i] = float32(math.Sin(float64(i))) / float32(in*9)
		}
		return b.Floats(w, channels, in, 3, 3)
	}
	for i, in := range []int64{3, channels, channels, channels, channels, channels} {
		x = b.Op("Conv", []string{x, weights(in)}, graph.IntsAttr("pads", 1, 1, 1, 1))
		if i == 0 { // 256 x 256 from here on
			x = b.Op("Resize", []string{x, "", b.Floats([]float32{1, 1, 8, 8}, 4)}, graph.StringAttr("mode", "nearest"))
		}
	}
	return x
}

// expectation is what the toy returns for a picture, computed in float64.
func expectation(pix []byte) float64 {
	sum := 0.
	for _, v := range pix {
		sum += float64(v) / 255
	}
	return 1 / (1 + math.Exp(-4*(sum/float64(len(pix))-.5)))
}

func runtimeFor(t testing.TB, cfg Config) *Runtime {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	r, err := NewRuntime(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func suiteOf(t testing.TB, name string) perturb.Suite {
	t.Helper()
	s, err := perturb.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t testing.TB, r *Runtime, d pipeline.Detector, suite string) *Model {
	t.Helper()
	m, err := r.Open(context.Background(), d, suiteOf(t, suite))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func (p picture) image(side int) pipeline.Image {
	return pipeline.Image{Width: side, Height: side, Pix: p.pix}
}
