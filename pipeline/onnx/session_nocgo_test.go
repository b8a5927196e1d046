//go:build !cgo

package onnx

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestWithoutCgo: a program that was built without cgo says so, and says what to do.
func TestWithoutCgo(t *testing.T) {
	library := filepath.Join(t.TempDir(), "libonnxruntime.so.1")
	if err := os.WriteFile(library, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := NewRuntime(Config{Library: library}); !errors.Is(err, errNoCgo) {
		t.Errorf("got %v", err)
	}
}
