// Package eval computes ONNX graphs without ONNX Runtime: values in float64, and the facts that hold for every value.
//
//	model + feeds        ─► Run   ─► values (an oracle for what graphs in float32 give, and for their derivatives)
//	model + input shapes ─► Infer ─► Facts: element types, shapes, constants (what a reverse sweep must know)
//	                     ─► Specialize ─► the same model without function calls and without branches that are known
//
// Both walk the nodes in order and use the same kernel per operator: a kernel first checks its inputs and declares its
// outputs (types and shapes), then returns how they are filled. Run fills all of them; Infer fills those that follow from
// constants and are small. So a shape from Infer is the shape of the value from Run.
//
// Numbers: floating values are float64 whatever their ONNX type, so that differences of outputs are not lost in rounding.
// The exception are constants that the graph computes itself (initializers, shapes and arithmetic on them): they are
// rounded to their ONNX type node by node, as a runtime does when it loads the model. Otherwise floor(.7*10), the usual
// arithmetic of an image size, would differ. Integers wrap around as their ONNX type does.
//
// Graphs come from strangers: missing values, impossible shapes and sizes are errors that name the node; an operator or an
// attribute without a kernel is named (Run) or listed (Infer), never guessed.
//
// One file is one group of operators; kernels.go lists all of them.
package eval
