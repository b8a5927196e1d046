package corrupt

import "math"

// pixelate is what remains when a picture was stored too small.
func pixelate() Family {
	return Family{
		Name:       "pixelate",
		Parameters: []Parameter{{Name: "factor", Unit: "times each side", Min: 1. / 16, Max: 1}},
		Severities: [5][]float64{{.6}, {.5}, {.4}, {.3}, {.25}},
		Formula:    "scaled to floor(side factor) with Pillow's BOX filter, the mean of whole pixels, in 8 bits; and back by repeating the nearest",
		Bounds:     "stays in 0..255",
		Source:     imageNetC,
		apply:      applyPixelate,
	}
}

func applyPixelate(in raster, parameters []float64, _ *stream) raster {
	small := in.boxed(int(float64(in.w)*parameters[0]), int(float64(in.h)*parameters[0]))
	out := raster{make([]byte, len(in.pix)), in.w, in.h}
	columns := nearest(in.w, small.w)
	for y, from := range nearest(in.h, small.h) {
		row := small.pix[3*small.w*from:][:3*small.w]
		for x, at := range columns {
			copy(out.pix[3*(y*in.w+x):][:3], row[3*at:])
		}
	}
	return out
}

// nearest says for each of n samples which of `small` lies under its middle. The middles are added up, as in Pillow: where
// one falls between two, the last bit of the sum decides.
func nearest(n, small int) []int {
	step := float64(small) / float64(n)
	out, middle := make([]int, n), .5*step
	for i := range out {
		out[i] = min(int(middle), small-1)
		middle += step
	}
	return out
}

// boxed scales a raster down: first along rows, then along columns, rounding to bytes after each. (Pillow 13 takes columns first
// in pictures more than twice as high as wide; one level in one sample of seven, there.)
func (in raster) boxed(w, h int) raster {
	across := raster{make([]byte, 3*w*in.h), w, in.h}
	for x, span := range spans(in.w, w) {
		for y := range in.h {
			span.mean(across.pix[3*(y*w+x):][:3], in.pix[3*y*in.w:], 3)
		}
	}
	out := raster{make([]byte, 3*w*h), w, h}
	for y, span := range spans(in.h, h) {
		for x := range w {
			span.mean(out.pix[3*(y*w+x):][:3], across.pix[3*x:], 3*w)
		}
	}
	return out
}

// span is the run of samples whose middle lies under one sample of the result.
type span struct{ from, count int }

// spans cuts n samples into runs, about n/small long: a sample counts if its middle is at most half a run away, to the left
// without the limit.
func spans(n, small int) []span {
	scale := float64(n) / float64(small)
	out := make([]span, small)
	for i := range out {
		centre, support := float64((float64(i)+.5)*scale), float64(.5*scale)
		first := max(int(centre-support+.5), 0)
		last := min(int(centre+support+.5), n)
		s := span{from: first}
		for k := first; k < last; k++ {
			if at := (float64(k) - centre + .5) / scale; at > -.5 && at <= .5 {
				s.count++
			} else if s.count == 0 {
				s.from = k + 1
			}
		}
		out[i] = s
	}
	return out
}

// mean writes the rounded mean of the span's pixels, which lie stride bytes apart. Weights are in fixed point of 22 bits,
// as in Pillow, which decides how halves are rounded.
func (s span) mean(to, pix []byte, stride int) {
	const one = 1 << 22
	weight := int(math.Round(one / float64(s.count)))
	for c := range to {
		sum := one / 2
		for k := range s.count {
			sum += weight * int(pix[(s.from+k)*stride+c])
		}
		to[c] = byte(min(sum>>22, 255))
	}
}
