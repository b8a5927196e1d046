package pipeline

import (
	"fmt"
	"math"
	"strings"
)

// The resizes of Pillow (libImaging/Resample.c) on 8 bit RGB, to the last bit: what torchvision, timm and the image
// processors of Hugging Face do by default. Unlike OpenCV's they widen their kernel with the reduction, so that every
// source pixel counts ("antialias").

// pillowPrefix marks the methods that are Pillow's.
const pillowPrefix = "pillow_"

// resizeMethods are the words of perturb.Resize.Method.
func resizeMethods() []string {
	return []string{"nearest", "bilinear", "area", "bicubic", "pillow_bilinear", "pillow_bicubic", "pillow_lanczos"}
}

// pillowKernel is a filter and how far it reaches, in pixels of the larger picture.
type pillowKernel struct {
	reach float64
	at    func(x float64) float64
}

func pillowKernelOf(method string) pillowKernel {
	switch strings.TrimPrefix(method, pillowPrefix) {
	case "bilinear":
		return pillowKernel{1, func(x float64) float64 { return max(1-math.Abs(x), 0) }}
	case "bicubic":
		return pillowKernel{2, keys}
	case "lanczos":
		return pillowKernel{3, lanczos}
	}
	panic(fmt.Sprintf("pipeline: no kernel for %q, which newScaler refuses", method))
}

// keys is cubic convolution with a = -1/2 (Keys, IEEE TASSP 29, 1981, eq. 15); OpenCV has -3/4.
func keys(x float64) float64 {
	const a = -.5
	switch x = math.Abs(x); {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return (((x-5)*x+8)*x - 4) * a
	}
	return 0
}

// lanczos is sinc(x) sinc(x/3) (Duchon, "Lanczos filtering in one and two dimensions", J. Appl. Meteorology 18, 1979).
func lanczos(x float64) float64 {
	if x < -3 || x >= 3 {
		return 0
	}
	return sinc(x) * sinc(x/3)
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}

// pillowBits are the fraction bits of a weight.
const pillowBits = 32 - 8 - 2

// pillowTaps are the weights of one result pixel, over the source pixels from `first` on.
type pillowTaps struct {
	first   int
	weights []int32
}

// pillowTaps computes the taps of an axis.
func (a resizeAxis) pillowTaps(k pillowKernel) []pillowTaps {
	scale := float64(a.size) / float64(a.scaled)
	widened := max(scale, 1)
	reach := k.reach * widened
	taps := make([]pillowTaps, a.n)
	for i := range taps {
		centre := (float64(a.from+i) + .5) * scale
		first := max(int(centre-reach+.5), 0)
		last := min(int(centre+reach+.5), a.size)
		w, sum := make([]float64, last-first), 0.
		for j := range w {
			w[j] = k.at((float64(j+first) - centre + .5) * (1 / widened))
			sum += w[j]
		}
		taps[i] = pillowTaps{first, make([]int32, len(w))}
		for j, v := range w {
			if sum != 0 {
				v /= sum
			}
			taps[i].weights[j] = int32(v*(1<<pillowBits) + math.Copysign(.5, v))
		}
	}
	return taps
}

// resizePillow resizes along one side, rounds to 8 bits, and then along the other: first along y if that loses more than
// twice as many rows as the other loses columns, as Pillow does from 13.0 on (before, always along x first: a difference of
// at most 1, in some samples). A side that keeps its size is left alone.
func resizePillow(dst []byte, m Image, x, y resizeAxis, k pillowKernel) {
	if lost := y.size - y.scaled; lost > 0 && lost > 2*(x.size-x.scaled) {
		rows := make([]byte, 3*m.Width*y.n)
		y.down(rows, m.Pix, 3*m.Width, 0, k)
		x.across(dst, rows, m.Width, k)
		return
	}
	first, last := y.from, y.from+y.n
	if y.size != y.scaled {
		taps := y.pillowTaps(k)
		first, last = taps[0].first, taps[y.n-1].first+len(taps[y.n-1].weights)
	}
	rows := make([]byte, 3*x.n*(last-first))
	x.across(rows, m.Pix[3*m.Width*first:3*m.Width*last], m.Width, k)
	y.down(dst, rows, 3*x.n, first, k)
}

// across resizes every row of src, which are width pixels long, to the window of the axis.
func (a resizeAxis) across(dst, src []byte, width int, k pillowKernel) {
	var taps []pillowTaps
	if a.size != a.scaled {
		taps = a.pillowTaps(k)
	}
	for ; len(src) > 0; dst, src = dst[3*a.n:], src[3*width:] {
		if taps == nil {
			copy(dst[:3*a.n], src[3*a.from:])
			continue
		}
		acrossRow(dst[:3*a.n], src[:3*width], taps)
	}
}

// down resizes every column of rows, which are `width` bytes long and begin with row `first` of the picture.
func (a resizeAxis) down(dst, rows []byte, width, first int, k pillowKernel) {
	if a.size == a.scaled {
		copy(dst[:width*a.n], rows[(a.from-first)*width:])
		return
	}
	for j, t := range a.pillowTaps(k) {
		downColumns(dst[j*width:][:width], rows[(t.first-first)*width:], t.weights)
	}
}

const pillowHalf = 1 << (pillowBits - 1)

func acrossRow(dst, src []byte, taps []pillowTaps) {
	for _, t := range taps {
		r, g, b := int32(pillowHalf), int32(pillowHalf), int32(pillowHalf)
		at := src[3*t.first:]
		for j, w := range t.weights {
			p := at[3*j:][:3]
			r, g, b = r+int32(p[0])*w, g+int32(p[1])*w, b+int32(p[2])*w
		}
		dst[0], dst[1], dst[2] = pillowByte(r), pillowByte(g), pillowByte(b)
		dst = dst[3:]
	}
}

func downColumns(dst, rows []byte, weights []int32) {
	width := len(dst)
	for i := range dst {
		sum := int32(pillowHalf)
		for j, w := range weights {
			sum += int32(rows[j*width+i]) * w
		}
		dst[i] = pillowByte(sum)
	}
}

func pillowByte(v int32) uint8 { return uint8(min(max(v>>pillowBits, 0), 255)) }
