//go:build cgo

package onnx

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/onnx"
)

// rawModel returns the mean of its picture twice: as it is, and negated; and a class, which is no score.
func rawModel(t *testing.T, element onnx.TensorProto_DataType, batch int64) []byte {
	t.Helper()
	b := graph.NewBuilder("raw", 17)
	x := b.Cast(b.Input("x", element, batch, 3, graph.Unknown, graph.Unknown), graph.Float32)
	mean := b.Reduce("ReduceMean", x, 1, 2, 3)
	out := element
	if element == graph.Uint8 {
		out = graph.Float32
	}
	b.Output("mean", b.Cast(b.Reshape(mean, -1, 1), out), out, batch, 1)
	b.Output("class", b.Cast(mean, graph.Int64), graph.Int64, batch, 1, 1, 1)
	b.Output("negative", b.Call("Neg", mean), graph.Float32, batch, 1, 1, 1)
	data, err := graph.Marshal(b.Model(nil))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestRawTakesAndGivesFloats: whatever the element type of the model is.
func TestRawTakesAndGivesFloats(t *testing.T) {
	r := runtimeFor(t, Config{})
	for _, element := range []onnx.TensorProto_DataType{graph.Float32, onnx.TensorProto_FLOAT16, onnx.TensorProto_DOUBLE, graph.Uint8} {
		for _, batch := range []int64{graph.Unknown, 2} {
			n := max(batch, 1)
			raw, err := r.OpenRaw(rawModel(t, element, batch), n, 3, 4, 6)
			if err != nil {
				t.Fatal(element, err)
			}
			x := make([]float32, n*3*4*6)
			for i := range x {
				x[i] = float32(i % 5)
			}
			for range 2 {
				out, err := raw.Run(t.Context(), x)
				if err != nil {
					t.Fatal(element, err)
				}
				if len(out) != 2 || out[0].Name != "mean" || out[1].Name != "negative" || len(out[0].Values) != int(n) || len(out[1].Shape) != 4 {
					t.Fatalf("%s: %+v", element, out)
				}
				sum := 0.
				for _, v := range x[:72] {
					sum += float64(v)
				}
				if got, want := float64(out[0].Values[0]), sum/72; math.Abs(got-want) > 2e-3 || out[1].Values[0] > 0 {
					t.Errorf("%s: mean %v, want %v", element, got, want)
				}
			}
			if err := errors.Join(raw.Close(), raw.Close()); err != nil {
				t.Error(err)
			}
			if _, err := raw.Run(t.Context(), x); !errors.Is(err, errClosed) {
				t.Errorf("a closed model: %v", err)
			}
		}
	}
}

func TestRawRefuses(t *testing.T) {
	r := runtimeFor(t, Config{})
	classes := graph.NewBuilder("classes", 17)
	classes.Output("y", classes.Cast(classes.Input("x", graph.Float32, 1, 3, 4, 4), graph.Int64), graph.Int64, 1, 3, 4, 4)
	noScore, err := graph.Marshal(classes.Model(nil))
	if err != nil {
		t.Fatal(err)
	}
	good := rawModel(t, graph.Float32, 2)
	for _, c := range []struct {
		name string
		open func() (*Raw, error)
		want string
	}{
		{"no model", func() (*Raw, error) { return r.OpenRaw([]byte("no"), 1, 3, 4, 4) }, "not an onnx model"},
		{"no score", func() (*Raw, error) { return r.OpenRaw(noScore, 1, 3, 4, 4) }, "none of the model's outputs"},
	} {
		if _, err := c.open(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	raw, err := r.OpenRaw(good, 2, 3, 4, 4)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.Run(t.Context(), make([]float32, 5)); err == nil {
		t.Error("a tensor of another length was taken")
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := raw.Run(done, make([]float32, 2*3*4*4)); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}
