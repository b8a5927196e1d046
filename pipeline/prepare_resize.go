package pipeline

import (
	"math"
	"math/bits"
)

// The resizes of OpenCV (imgproc/src/resize.cpp) on 8 bit RGB, with its roundings, so that the picture is the one that a
// service in Python hands to the same model.

// nearestPixels takes the source pixel under the centre of the result pixel: Pillow's NEAREST, and INTER_NEAREST_EXACT but for
// ties. (The older INTER_NEAREST looks under the top left corner, which shifts the picture.)
func nearestPixels(dst []byte, m Image, x, y resizeAxis) {
	columns := x.columns()
	for _, r := range y.columns() {
		row := m.Pix[3*m.Width*r:][:3*m.Width]
		for _, c := range columns {
			copy(dst[:3], row[3*c:])
			dst = dst[3:]
		}
	}
}

// columns returns the source pixel of every result pixel of the window. The position is added up like Pillow does it,
// because where a centre falls on the border of two pixels the rounding errors of that sum decide.
func (a resizeAxis) columns() []int {
	step := float64(a.size) / float64(a.scaled)
	at, out := step/2, make([]int, 0, a.n)
	for i := range a.from + a.n {
		if i >= a.from {
			out = append(out, min(int(at), a.size-1))
		}
		at += step
	}
	return out
}

// boxMeans is the exact mean over the box that a result pixel covers (INTER_AREA of a reduction). In units of 1/scaled along
// an axis, the box of pixel i is [i size, (i+1) size) and a source pixel is `scaled` long: so all weights are whole, and
// there is one rounding, to the nearest, ties to even; but ties up for 2x2 boxes, like OpenCV.
func boxMeans(dst []byte, m Image, x, y resizeAxis) {
	total := int64(x.size) * int64(y.size)
	halves := x.size == 2*x.scaled && y.size == 2*y.scaled
	line, held := make([]int64, 3*x.n), -1 // the line of sums along x that is held: boxes share the row at their border
	sums := make([]int64, 3*x.n)
	for j := range y.n {
		clear(sums)
		y.overlaps(j, func(row int, weight int64) {
			if row != held {
				sumBoxes(line, m.Pix[3*m.Width*row:], x)
				held = row
			}
			for i, v := range line {
				sums[i] += v * weight
			}
		})
		for i, v := range sums {
			q, r := v/total, v%total
			if 2*r > total || 2*r == total && (halves || q%2 == 1) {
				q++
			}
			dst[i] = uint8(q)
		}
		dst = dst[len(sums):]
	}
}

func sumBoxes(line []int64, row []byte, x resizeAxis) {
	for i := range x.n {
		var r, g, b int64
		x.overlaps(i, func(at int, weight int64) {
			p := row[3*at : 3*at+3]
			r, g, b = r+weight*int64(p[0]), g+weight*int64(p[1]), b+weight*int64(p[2])
		})
		line[3*i], line[3*i+1], line[3*i+2] = r, g, b
	}
}

// overlaps calls visit for every source pixel that result pixel i covers, with the length they share.
func (a resizeAxis) overlaps(i int, visit func(at int, weight int64)) {
	size, scaled := int64(a.size), int64(a.scaled)
	lo := int64(a.from+i) * size
	hi := lo + size
	for at := lo / scaled; at*scaled < hi; at++ {
		visit(int(at), min(hi, (at+1)*scaled)-max(lo, at*scaled))
	}
}

// resizeTaps are the source pixels of every result pixel along an axis, `per` each, and their weights in units of 1/one.
type resizeTaps struct {
	per     int
	one     int64
	at      []int
	weights []int64
}

// interpolate is a separable resize: lines along x are summed when a result line first needs them, and kept while the next
// ones do.
func interpolate(dst []byte, m Image, x, y resizeTaps) {
	n := 3 * len(x.at) / x.per
	lines := make([][]int64, m.Height)
	var held []int
	var spare [][]int64
	for j := 0; j < len(y.at); j += y.per {
		rows, weights := y.at[j:j+y.per], y.weights[j:j+y.per]
		for len(held) > 0 && held[0] < rows[0] {
			done := held[0]
			spare, held = append(spare, lines[done]), held[1:]
			lines[done] = nil
		}
		for _, row := range rows {
			if lines[row] != nil {
				continue
			}
			if len(spare) == 0 {
				spare = append(spare, make([]int64, n))
			}
			lines[row], spare = spare[len(spare)-1], spare[:len(spare)-1]
			held = append(held, row)
			x.sum(lines[row], m.Pix[3*m.Width*row:][:3*m.Width])
		}
		if y.per == 2 {
			blend2(dst[:n], lines[rows[0]], lines[rows[1]], weights[0], weights[1])
		} else {
			blend4(dst[:n], lines[rows[0]], lines[rows[1]], lines[rows[2]], lines[rows[3]], weights, 2*bits.TrailingZeros64(uint64(y.one)))
		}
		dst = dst[n:]
	}
}

// sum computes one line: each result pixel from its source pixels of row.
func (t resizeTaps) sum(line []int64, row []byte) {
	for i := 0; len(line) >= 3; i += t.per {
		var r, g, b int64
		for k := i; k < i+t.per; k++ {
			p, w := row[3*t.at[k]:][:3], t.weights[k]
			r, g, b = r+w*int64(p[0]), g+w*int64(p[1]), b+w*int64(p[2])
		}
		line[0], line[1], line[2] = r, g, b
		line = line[3:]
	}
}

// blend2 drops the bits that OpenCV's bilinear resize drops on the way.
func blend2(dst []byte, a, b []int64, wa, wb int64) {
	for i := range dst {
		dst[i] = uint8((wa*(a[i]>>4)>>16 + wb*(b[i]>>4)>>16 + 2) >> 2)
	}
}

func blend4(dst []byte, a, b, c, d []int64, w []int64, shift int) {
	half := int64(1) << (shift - 1)
	for i := range dst {
		v := (w[0]*a[i] + w[1]*b[i] + w[2]*c[i] + w[3]*d[i] + half) >> shift
		dst[i] = uint8(min(max(v, 0), 255))
	}
}

// weights computes the taps of an axis. The kernel says where the source pixels of result pixel i (of the whole axis) begin,
// and their weights; source pixels beyond the border are the border's.
func (a resizeAxis) weights(one int64, kernel func(a resizeAxis, i int) (first int, w []float64)) resizeTaps {
	t := resizeTaps{one: one}
	for i := range a.n {
		first, w := kernel(a, a.from+i)
		t.per = len(w)
		for k, v := range w {
			t.at = append(t.at, min(max(first+k, 0), a.size-1))
			t.weights = append(t.weights, int64(math.RoundToEven(v*float64(one))))
		}
	}
	return t
}

// centre splits the position of result pixel i, (i + 1/2) ratio - 1/2, into whole pixels and the rest, in single
// precision. The conversion of the product keeps it from being fused with the sum, which would round differently on arm64.
func (a resizeAxis) centre(i int) (whole int, rest float32) {
	at := float32(float64((float64(i)+.5)*a.ratio()) - .5)
	floor := math.Floor(float64(at))
	return int(floor), at - float32(floor)
}

// linearOne and cubicOne are the units of the weights: OpenCV's 11 bits, which show in its bilinear results; for bicubic,
// enough that no rounding but the last one shows.
const linearOne, cubicOne = 1 << 11, 1 << 20

// linearTaps weigh with 1-f and f (INTER_LINEAR).
func linearTaps(a resizeAxis, i int) (int, []float64) {
	whole, f := a.centre(i)
	return whole, []float64{float64(1 - f), float64(f)}
}

// areaTaps are linear weights by the share of the result pixel that lies in the next source pixel: what INTER_AREA means when either
// side is enlarged.
func areaTaps(a resizeAxis, i int) (int, []float64) {
	whole := int(math.Floor(float64(i) * a.ratio()))
	f := float32(float64(i+1) - float64(float64(whole+1)*(float64(a.scaled)/float64(a.size))))
	if f <= 0 {
		f = 0
	} else {
		f -= float32(math.Floor(float64(f)))
	}
	return whole, []float64{float64(1 - f), float64(f)}
}

// cubicTaps are Keys' cubic convolution with a = -.75 over four pixels (INTER_CUBIC; Keys, "Cubic convolution interpolation for
// digital image processing", IEEE TASSP 29, 1981, eq. 4).
func cubicTaps(a resizeAxis, i int) (int, []float64) {
	const k = -.75
	whole, rest := a.centre(i)
	f := float64(rest)
	g := 1 - f
	w0 := ((k*(f+1)-5*k)*(f+1)+8*k)*(f+1) - 4*k
	w1 := ((k+2)*f-(k+3))*f*f + 1
	w2 := ((k+2)*g-(k+3))*g*g + 1
	return whole - 1, []float64{w0, w1, w2, 1 - w0 - w1 - w2}
}
