// Package graph treats ONNX models as data: it reads and writes them, builds new graphs node by node, puts one graph into
// another, removes what nothing uses, and fixes shapes.
//
//	Parse ─► *onnx.ModelProto ─► Freeze, Prune ─┐
//	                                            ├─► Builder.Inline / Builder.Scan ─► Builder.Model ─► Marshal
//	NewBuilder ─► Op, Floats, Ints … ───────────┘
//
// The messages are in the package onnx below this one; they keep fields that they do not know, so that a model written by a
// newer exporter comes out as it went in. Operators whose spelling depends on the opset (axes as an attribute or as an
// input, and the like) are written by the Builder's methods in ops.go, so that callers never ask for the opset.
//
// Functions that take a *onnx.GraphProto change it in place; callers that need the original pass proto.Clone of it.
package graph
