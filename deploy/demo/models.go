// Package demo carries the demo's two detectors, so that the demo needs nothing but its binary and ONNX Runtime.
package demo

import "embed"

// Models holds detectors.yaml and the ONNX files that it names; `go run ./cmd/demo/fit` writes them.
//
//go:embed detectors.yaml *.onnx
var Models embed.FS
