package media

import (
	"math"
	"math/rand/v2"
)

// generator is a pyramid of up-sampling stages (Denton et al., "Deep generative image models using a Laplacian pyramid",
// NIPS 2015): each doubles the picture with a transposed convolution and adds the detail that the new resolution can hold.
// Stride 2 covers even and odd samples by different taps; where training left their sums unequal, a checkerboard
// stays (Odena et al., "Deconvolution and checkerboard artifacts", Distill 2016). A stage k doublings before
// the end leaves it with period 2^(k+1) in the final picture.
type generator struct {
	stages []stage
	noise  float64 // standard deviation of the noise that the last stage injects
}

// stage is one doubling.
type stage struct {
	unevenX, unevenY float64 // excess of the even samples' tap sum over 1; the odd ones lack as much
	detail           float64 // share of the true detail that the stage has learned
}

const smallest = 16 // resolution of the first feature map, samples

func newGenerator(r *rand.Rand) generator {
	g := generator{noise: .002 + .004*r.Float64()}
	// A coarse checkerboard is a faint ripple to the eye, a fine one is a visible screen: training removes more of the fine.
	for n, trace := smallest, .006; n < Size; n, trace = 2*n, trace/3 {
		g.stages = append(g.stages, stage{unevenX: uneven(r, trace), unevenY: uneven(r, trace), detail: .75 + .25*r.Float64()})
	}
	return g
}

// uneven draws an excess of either sign whose size lies log-uniformly between least and five times that.
func uneven(r *rand.Rand, least float64) float64 {
	a := least * math.Pow(5, r.Float64())
	if r.IntN(2) == 0 {
		return -a
	}
	return a
}

func (g generator) synthesise(r *rand.Rand, s scene) picture {
	n := smallest
	out, truth := s.render(n), s.render(n)
	for _, st := range g.stages {
		finer := s.render(2 * n)
		for i := range out {
			out[i] = st.double(out[i], truth[i], finer[i])
		}
		n, truth = 2*n, finer
	}
	for i := range out {
		for j := range out[i].pix {
			out[i].pix[j] += float32(g.noise * r.NormFloat64())
		}
	}
	return out
}

// double up-samples one channel and adds the detail: what the true picture at the finer resolution has beyond the
// smoothly up-sampled true picture at the coarser one.
func (st stage) double(coarse, truth, finer plane) plane {
	out := transposed2(coarse, float32(st.unevenX), float32(st.unevenY))
	smooth := transposed2(truth, 0, 0)
	for i := range out.pix {
		out.pix[i] += float32(st.detail) * (finer.pix[i] - smooth.pix[i])
	}
	return out
}

// transposed2 is a transposed convolution with stride 2 and the separable taps 1/4, 3/4, 3/4, 1/4, whose even samples are
// scaled by 1+a and whose odd ones by 1-a along each axis; a = 0 is bilinear interpolation between sample centres.
func transposed2(in plane, ax, ay float32) plane {
	n := in.n
	out := newPlane(2 * n)
	wide := make([]float32, 2*n*n) // n rows of 2n
	for y := range n {
		for x := range n {
			here := .75 * in.pix[y*n+x]
			wide[2*(y*n+x)] = (1 + ax) * (here + .25*in.at(x-1, y))
			wide[2*(y*n+x)+1] = (1 - ax) * (here + .25*in.at(x+1, y))
		}
	}
	for y := range n {
		above, below := wide[mirror(y-1, n)*2*n:], wide[mirror(y+1, n)*2*n:]
		for x := range 2 * n {
			here := .75 * wide[2*n*y+x]
			out.pix[2*y*2*n+x] = (1 + ay) * (here + .25*above[x])
			out.pix[(2*y+1)*2*n+x] = (1 - ay) * (here + .25*below[x])
		}
	}
	return out
}
