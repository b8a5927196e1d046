// Package graphtest finds what tests of graphs need and the repository does not hold: the ONNX Runtime library and the
// acceptance data. A test that lacks it skips, and fails where CI=true. Only tests import it.
package graphtest

import (
	"os"
	"path/filepath"
	"testing"
)

// Absent skips a test for want of something, except in CI, where nothing may be missing.
func Absent(tb testing.TB, what string) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatal(what + " (in CI it must be there)")
	}
	tb.Skip(what)
}

// Library returns the path of the ONNX Runtime library: SHAKETABLE_ONNXRUNTIME, else where make puts it.
func Library() string {
	if path := os.Getenv("SHAKETABLE_ONNXRUNTIME"); path != "" {
		return path
	}
	return filepath.Join(moduleRoot(), ".cache", "onnxruntime", "libonnxruntime.so.1")
}

// AcceptanceRoot returns the folder of the acceptance data, which may be missing: SHAKETABLE_ACCEPTANCE, else
// ../shared/acceptance beside the module.
func AcceptanceRoot() string {
	if root := os.Getenv("SHAKETABLE_ACCEPTANCE"); root != "" {
		return root
	}
	return filepath.Join(moduleRoot(), "..", "shared", "acceptance")
}

// Acceptance returns a path in the acceptance data, or skips the test.
func Acceptance(tb testing.TB, parts ...string) string {
	tb.Helper()
	path := filepath.Join(append([]string{AcceptanceRoot()}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		Absent(tb, "acceptance data not found: "+err.Error())
	}
	return path
}

// moduleRoot is the folder of go.mod, found from the package under test, which is the working directory of its tests.
func moduleRoot() string {
	root := "."
	for range 8 {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			return root
		}
		root = filepath.Join(root, "..")
	}
	return root
}
