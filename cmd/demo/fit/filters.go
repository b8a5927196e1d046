//go:build cgo

package main

import (
	"math"

	"shaketable/cmd/demo/media"
	"shaketable/perturb/graph"
	"shaketable/perturb/graph/onnx"
)

// The filters turn a picture, float32 [N,3,Size,Size] in [0,1], into the features [N,7]:
//
//	0..2  peak of the spectrum at period 8, 4 and 2 pixels over its surroundings: the checkerboards of up-sampling
//	3     imbalance of the green Laplacian between the two halves of the checkerboard: the trace of a Bayer filter
//	4..6  log energy of three high-pass filters: sensor noise and what demosaicking made of it
//
// Peaks in the spectrum: Zhang, Karaman, Chang, "Detecting and simulating artifacts in GAN fake images", WIFS 2019.
// Green imbalance: Gallagher, Chen, "Image authentication by detecting traces of demosaicing", CVPR workshops 2008.
const (
	features   = 7
	opset      = 17
	flatBox    = 9     // side of the box whose mean is the local background, pixels
	flatLimit  = .01   // a residual beyond it is content, not a trace
	edgeEnergy = .0004 // the same for the squared high-pass filters
	edgeGreen  = .03   // and for the green Laplacian
)

// The floors keep logarithms and quotients finite on flat pictures.
const (
	floorPower  = 1e-9
	floorEnergy = 1e-7
	floorGreen  = 5e-4
)

// filters emits the graph from pictures to features.
func filters(b *graph.Builder, image string) string {
	return b.Concat(1, peaks(b, luma(b, image)), greenImbalance(b, image), energies(b, image))
}

func luma(b *graph.Builder, image string) string {
	return b.Call("Conv", image, b.Floats([]float32{.299, .587, .114}, 1, 3, 1, 1))
}

// peaks subtracts the background, bounds what is left, averages it along columns and along rows, and compares the power of
// both profiles at three frequencies with that of the frequencies around: log(peak) - log(mean of neighbours).
func peaks(b *graph.Builder, y string) string {
	background := b.Op("AveragePool", []string{y}, graph.IntsAttr("kernel_shape", flatBox, flatBox),
		graph.IntsAttr("pads", flatBox/2, flatBox/2, flatBox/2, flatBox/2))
	rest := b.Clip(b.Call("Sub", y, background), -flatLimit, flatLimit)
	basis, sums, n := spectrum()
	power := func(profile string) string {
		waves := b.Call("MatMul", b.Reshape(profile, -1, media.Size), b.Floats(basis, media.Size, int64(2*n)))
		return b.Call("MatMul", b.Call("Mul", waves, waves), b.Floats(sums, int64(2*n), 6))
	}
	both := b.Call("Add", power(b.Reduce("ReduceMean", rest, 2)), power(b.Reduce("ReduceMean", rest, 3)))
	logs := b.Call("Log", b.Call("Add", both, b.Float(floorPower)))
	return b.Call("Sub", b.Slice(logs, 1, 0, 3), b.Slice(logs, 1, 3, 6))
}

// spectrum returns the cosines and sines of the frequencies that peaks looks at, [Size, 2n], and the matrix [2n, 6] that
// adds their squares up to the power at the three peaks and the mean power around them.
func spectrum() (basis, sums []float32, n int) {
	type term struct {
		k, column int
		weight    float64
	}
	var terms []term
	for i, k := range []int{media.Size / 8, media.Size / 4, media.Size / 2} {
		terms = append(terms, term{k, i, 1})
		around := neighbours(k)
		for _, o := range around {
			terms = append(terms, term{o, 3 + i, 1 / float64(len(around))})
		}
	}
	n = len(terms)
	basis, sums = make([]float32, media.Size*2*n), make([]float32, 2*n*6)
	for j, t := range terms {
		for i := range media.Size {
			sin, cos := math.Sincos(2 * math.Pi * float64(t.k*i) / media.Size)
			basis[i*2*n+2*j], basis[i*2*n+2*j+1] = float32(cos/media.Size), float32(sin/media.Size)
		}
		sums[2*j*6+t.column], sums[(2*j+1)*6+t.column] = float32(t.weight), float32(t.weight)
	}
	return basis, sums, n
}

// neighbours of a frequency are 2 to 5 cycles away, up to the Nyquist frequency.
func neighbours(k int) []int {
	var out []int
	for d := 2; d <= 5; d++ {
		out = append(out, k-d)
		if k+d <= media.Size/2 {
			out = append(out, k+d)
		}
	}
	return out
}

// energies squares and averages a diagonal and a cross-shaped Laplacian of the luma and the diagonal one of red - green.
func energies(b *graph.Builder, image string) string {
	kernels := make([]float32, 0, 3*3*9)
	for _, mix := range [][3]float32{{.299, .587, .114}, {}, {1, -1, 0}} {
		for _, share := range mix {
			kernels = append(kernels, scaled(diagonal(), share)...)
		}
	}
	for c, share := range [3]float32{.299, .587, .114} {
		copy(kernels[27+9*c:], scaled(cross(), share))
	}
	e := b.Call("Conv", image, b.Floats(kernels, 3, 3, 3, 3))
	e = b.Reduce("ReduceMean", b.Call("Min", b.Call("Mul", e, e), b.Float(edgeEnergy)), 2, 3)
	return b.Call("Log", b.Call("Add", b.Reshape(e, -1, 3), b.Float(floorEnergy)))
}

// greenImbalance is |sum of s*l| / sum of l for l the bounded absolute Laplacian of green and s = +-1 on a checkerboard.
// Where a Bayer filter passed green, l holds the sensor's noise; where green was interpolated, it is smaller.
func greenImbalance(b *graph.Builder, image string) string {
	kernel := append(append(make([]float32, 9), cross()...), make([]float32, 9)...)
	l := b.Call("Abs", b.Call("Conv", image, b.Floats(kernel, 1, 3, 3, 3)))
	l = b.Call("Min", l, b.Float(edgeGreen))
	const n = media.Size - 2
	signs := make([]float32, n*n)
	for i := range signs {
		signs[i] = float32(1 - 2*((i/n+i%n)&1))
	}
	balance := b.Call("Abs", b.Reduce("ReduceMean", b.Call("Mul", l, b.Floats(signs, 1, 1, n, n)), 1, 2, 3))
	whole := b.Call("Add", b.Reduce("ReduceMean", l, 1, 2, 3), b.Float(floorGreen))
	return b.Reshape(b.Call("Div", balance, whole), -1, 1)
}

func diagonal() []float32 {
	return []float32{1. / 16, -2. / 16, 1. / 16, -2. / 16, 4. / 16, -2. / 16, 1. / 16, -2. / 16, 1. / 16}
}

func cross() []float32 {
	return []float32{0, -.25, 0, -.25, 1, -.25, 0, -.25, 0}
}

func scaled(kernel []float32, by float32) []float32 {
	for i := range kernel {
		kernel[i] *= by
	}
	return kernel
}

// featureModel is the filters alone: "image" float32 [N,3,Size,Size] to "features" float32 [N,7].
func featureModel() *onnx.ModelProto {
	b := graph.NewBuilder("filters", opset)
	image := b.Input("image", graph.Float32, graph.Unknown, 3, media.Size, media.Size)
	b.Output("features", filters(b, image), graph.Float32, graph.Unknown, features)
	return b.Model(nil)
}

// detectorModel is the filters and the regression: "image" to "logit" float32 [N,1], of the picture being fake.
func detectorModel(l Logistic) *onnx.ModelProto {
	b := graph.NewBuilder("traces", opset)
	image := b.Input("image", graph.Float32, graph.Unknown, 3, media.Size, media.Size)
	weights := make([]float32, features)
	for i, w := range l.Weights {
		weights[i] = float32(w)
	}
	logit := b.Call("Gemm", filters(b, image), b.Floats(weights, features, 1), b.Floats([]float32{float32(l.Bias)}, 1))
	b.Output("logit", logit, graph.Float32, graph.Unknown, 1)
	return b.Model(nil)
}
