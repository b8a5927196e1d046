package corrupt

// raster is an 8-bit RGB picture, row by row.
type raster struct {
	pix  []byte
	w, h int
}

// picture is a raster as three planes of samples, 0 black and 1 full.
type picture struct {
	planes [3][]float64
	w, h   int
}

// picture copies the samples.
func (in raster) picture() picture {
	out := picture{w: in.w, h: in.h}
	for c := range out.planes {
		plane := make([]float64, in.w*in.h)
		for i := range plane {
			plane[i] = float64(in.pix[3*i+c]) / 255
		}
		out.planes[c] = plane
	}
	return out
}

// raster clips to [0,1] and rounds to the nearest of 256 levels, halves up.
func (p picture) raster() raster {
	out := raster{make([]byte, 3*p.w*p.h), p.w, p.h}
	for c, plane := range p.planes {
		for i, v := range plane {
			out.pix[3*i+c] = level(v)
		}
	}
	return out
}

// level is the nearest of 0..255 to a sample, halves up.
func level(v float64) byte { return byte(float64(min(max(v, 0), 1)*255) + .5) }

// each maps every plane.
func (p picture) each(change func(plane []float64) []float64) picture {
	for c := range p.planes {
		p.planes[c] = change(p.planes[c])
	}
	return p
}

// An edge says which sample stands for one outside of a row of n.
type edge func(i, n int) int

// clamped repeats the first and the last sample: a a | a b c | c c. SciPy calls it "nearest", OpenCV "replicate".
func clamped(i, n int) int { return min(max(i, 0), n-1) }

// mirrored reflects between samples: b a | a b c | c b. SciPy and OpenCV call it "reflect".
func mirrored(i, n int) int {
	i %= 2 * n
	if i < 0 {
		i += 2 * n
	}
	return min(i, 2*n-1-i)
}

// mirrored101 reflects on samples: c b | a b c | b a. OpenCV calls it "reflect 101", its default.
func mirrored101(i, n int) int {
	period := 2*n - 2
	i %= period
	if i < 0 {
		i += period
	}
	return min(i, period-i)
}
