//go:build cgo

package onnx

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"shaketable/perturb/graph"
)

// TestAttackEnds: a deadline ends the pass that is under way.
func TestAttackEnds(t *testing.T) {
	a := openAttacks(t, runtimeFor(t, Config{Parallel: 1}), toy(t, slow), "square(queries=100000)")
	p := middling()
	began := time.Now()
	if _, _, err := a.model.Score(t.Context(), make([]float32, 3*toySide*toySide), 1); err != nil {
		t.Fatal(err)
	}
	once := time.Since(began)
	ctx, cancel := context.WithTimeout(t.Context(), once/2)
	defer cancel()
	began = time.Now()
	_, err := a.Attack(ctx, p.image(toySide), p.seed, nil)
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 4*once {
		t.Errorf("ended after %v with %v; one pass takes %v", took, err, once)
	}
}

func TestAttackRefuses(t *testing.T) {
	r := runtimeFor(t, Config{})
	d := toy(t, identity)
	if _, err := r.OpenAttacker(t.Context(), d, nil); err == nil || !strings.Contains(err.Error(), "no attacks are listed") {
		t.Errorf("no attacks: %v", err)
	}
	broken := d
	broken.Input.Width = 64
	if _, err := r.OpenAttacker(t.Context(), broken, attacksOf(t, "fgsm")); err == nil || !strings.HasPrefix(err.Error(), "onnx: detector toy: ") {
		t.Errorf("another size: %v", err)
	}
	a := openAttacks(t, r, d, "pgd")
	good := middling()
	short := good.image(toySide)
	short.Pix = short.Pix[1:]
	if _, err := a.Attack(t.Context(), short, 1, nil); err == nil || !strings.Contains(err.Error(), "32 x 32 pixels of 3 bytes") {
		t.Errorf("a picture that lacks a byte: %v", err)
	}
	if _, err := a.Attack(t.Context(), good.image(toySide), -1, nil); err == nil || !strings.Contains(err.Error(), "perturb.Seed") {
		t.Errorf("a seed below 0: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Attack(gone, good.image(toySide), 1, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that has left: %v", err)
	}
	nan := openAttacks(t, r, toy(t, func(b *graph.Builder, x string) string { return b.Call("Log", b.Call("Sub", x, b.Float(.9))) }), "pgd")
	if _, err := nan.Attack(t.Context(), good.image(toySide), 1, nil); err == nil || !strings.Contains(err.Error(), "NaN") {
		t.Errorf("NaN in the model: %v", err)
	}
	spike := openAttacks(t, r, toy(t, func(b *graph.Builder, x string) string { // 1 forward, and back 0 times infinity
		return b.Call("Tanh", b.Call("Exp", b.Call("Mul", x, b.Float(1000))))
	}), "pgd")
	if _, err := spike.Attack(t.Context(), good.image(toySide), 1, nil); err == nil || !strings.Contains(err.Error(), "gradient of the model is not finite") {
		t.Errorf("a gradient that is none: %v", err)
	}
	for range 2 {
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Attack(t.Context(), good.image(toySide), 1, nil); !errors.Is(err, errClosed) {
		t.Errorf("after closing: %v", err)
	}
}
