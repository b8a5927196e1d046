// Package gradient synthesises reverse-mode derivatives of ONNX models as ONNX models: what a runtime for inference cannot
// do, written out node by node.
//
//	forward model, shapes fixed ─► widen ─► simplify (twice) ─► sweep ─► Prune ─► the same model with one more output
//
// Only the derivative with respect to one input is made, weights are constant, and shapes are fixed (the batch too), so that
// every rule computes with static shapes and no shape arithmetic is left in the result. Rules are functions, one file per
// group of operators, each with its formula: given the adjoint of a node's output (dY, the derivative of the sum of y with
// respect to that output) they append the nodes that make the adjoint of its inputs (dX).
//
// Adjoints may be smaller than the value they belong to where they are constant along an axis (see tensor): the adjoint of
// a mean over a picture stays one number per channel until an operator needs more.
//
// Operators that are constant almost everywhere (Round, Sign, comparisons) pass nothing on, as their derivative says; a
// model in which nothing else is left gets a gradient of zeros. QuantizeLinear and DequantizeLinear are the exception: they
// are differentiated straight through, as if they did not round (Bengio, Léonard, Courville: arXiv 1308.3432).
package gradient
