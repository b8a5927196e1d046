// Package suspect finds out why a detector that runs here gives other scores than the same model in its own service.
//
//	pictures with the service's scores ─► Search ─► Finding: same, close, different; what explains it; what cannot be told
//
// Between a file and a score stand a dozen decisions that an ONNX file does not hold: how the picture is scaled, its colour
// order, its mean and standard deviation, what the output means. Each has a few usual values. The search tries one change of
// the configuration at a time, then two, then all combinations, on the pictures that tell most, and confirms what fits best
// on all of them. What is behind the model (output, kind, meaning) is tried with every one of them, since it costs no run.
//
// A combination is only called an explanation if it fits far better than the configuration, and better than a search among
// that many combinations would find by chance. Others that fit alike are named beside it: a grey picture says nothing about
// the order of colours.
package suspect
