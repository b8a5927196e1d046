//go:build cgo

// Command fit makes the two detectors of the demo, from nothing but its own pictures:
//
//	media ─► perturb (the production suite) ─► filters ─► logistic regression ─► ONNX
//	 seed 1   clean + 8 copies of each          7 numbers   twice                 traces-1.0.onnx, traces-1.1.onnx
//
// Both versions have the same filters and see the same pictures. Version 1.0 is fitted to the labels; version 1.1 to labels
// that were smoothed by a tenth (Szegedy et al., "Rethinking the Inception architecture for computer vision", CVPR 2016),
// the usual cure for scores that look too sure of themselves. On held-out pictures accuracy and RA hardly differ, so a
// release test on verdicts lets 1.1 pass; but its scores no longer saturate, and every recompression moves them.
//
// The program is deterministic: the same seeds give the same files on the same machine.
package main
