package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"shaketable/pipeline/onnx"
)

// needRuntime skips without ONNX Runtime; in CI its absence is a failure.
func needRuntime(t *testing.T) {
	t.Helper()
	_, err := onnx.FindLibrary(os.Getenv)
	switch {
	case errors.Is(err, onnx.ErrNoLibrary) && os.Getenv("CI") != "true":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
}

// untilAlert ends the demo shortly after the terminal has shown the alert.
type untilAlert struct {
	mu   sync.Mutex
	text bytes.Buffer
	end  func()
}

func (u *untilAlert) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if bytes.Contains(p, []byte("ALERT")) {
		u.end()
	}
	return u.text.Write(p)
}

// The whole demo, with a roll-out as soon as version 1.0 is known: the alert is delivered, every detection is accounted for.
func TestDemoFires(t *testing.T) {
	needRuntime(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // it takes 15 s on two idle processors
	defer cancel()
	out := &untilAlert{end: cancel}
	view, err := run(ctx, options{rate: 60, seed: 9, rollOut: time.Second}, out, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	if view.Fired == 0 || view.RollOut == 0 || view.FiredAt < view.RollOut {
		t.Fatalf("rolled out at %.1f s, fired %d times:\n%s", view.RollOut, view.Fired, out.text.String())
	}
	for _, want := range []string{"1.1 took over from version 1.0", "rates of version 1.0 when traffic first reached version 1.1"} {
		if !strings.Contains(view.FiredText, want) {
			t.Errorf("the message lacks %q:\n%s", want, view.FiredText)
		}
	}
	if account := identity(view.Outcomes); strings.Contains(account, "NOT") || view.Outcomes["probed"] < 200 {
		t.Error(account)
	}
}
