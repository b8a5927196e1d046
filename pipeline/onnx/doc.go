// Package onnx is the adapter that runs probes on ONNX Runtime: it implements [pipeline.Model] and [pipeline.Attacker].
//
//	Runtime  the library and one device: what runs at once is bounded here, for all models of a process together
//	 ├─ Model     a detector fused with the variants of a suite: picture and seed in, 1+K probabilities of fake out
//	 ├─ Attacker  the detector as a function of float pixels, with its gradient, and the attacks that use them
//	 ├─ Plain     the detector alone, as it would be deployed: picture in, one probability of fake out
//	 └─ Pixels    the variants of a suite as pictures, without a detector
//
// On a CPU every run takes one picture on one thread, as many runs at once as there are slots, so a figure never depends
// on its company. On a GPU one goroutine per model collects what waits and runs it in batches of fixed sizes (batch.go).
// How many of a picture's variants go through the detector at a time is the chunk; plan.go says how it is chosen.
//
// ONNX Runtime is loaded at run time, by its path. Everything but session.go compiles without cgo; what then cannot run
// says so.
package onnx
