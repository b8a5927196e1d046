// Package inspect finds out what an ONNX file tells about the picture classifier in it, and writes the first description of
// it as a detector.
//
//	bytes ─► Open ─► Model: input, outputs, what the graph does to pixels itself
//	               ─► Settle: every decision of a detector, each found, guessed with its reason, or asked for
//	               ─► Measure: what running it shows
//	               ─► YAML: a list of detectors with one entry, a comment beside everything that is not certain
//
// Nothing is guessed silently, and what no file can hold (the order of colours, the mean and standard deviation of training,
// which class is the fake one) is left at the usual value and said to be open.
package inspect
