package onnx

// tensor is Go memory as an argument or a result of a run: a shape, and one of the slices, as long as the shape says.
type tensor struct {
	shape  []int64
	bytes  []byte
	ints   []int64
	floats []float32
}

func bytesOf(data []byte, shape ...int64) tensor     { return tensor{shape: shape, bytes: data} }
func intsOf(data []int64, shape ...int64) tensor     { return tensor{shape: shape, ints: data} }
func floatsOf(data []float32, shape ...int64) tensor { return tensor{shape: shape, floats: data} }
