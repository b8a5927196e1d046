package perturb

import "math"

// socialFamily is what a platform does to an upload: it bounds the size and recompresses. The levels are a choice of this
// project; platforms publish no stable table, so that a user who has measured one lists own variants.
func socialFamily() Family {
	return Family{
		Name: "social",
		Parameters: []Parameter{{Name: "side", Unit: "pixels", Min: 16, Max: 1 << 13, Whole: true},
			{Name: "q", Min: 1, Max: 100, Whole: true}},
		Severities: [5][]float64{{1280, 85}, {960, 80}, {720, 75}, {480, 70}, {360, 60}},
		Formula: "scaled by the average over areas until the long side is `side` (smaller pictures keep their size), JPEG at quality q in that size, " +
			"scaled back by bilinear interpolation, half-pixel centres, border repeated",
		Bounds: "averages, and JPEG, whose samples saturate",
		Source: "own choice",
		emit:   emitSocial,
	}
}

// emitSocial scales a picture down until its long side is at most `side` samples (area average, both sides by the same
// factor, rounded to whole samples), rounds, recompresses it there as jpeg does, and scales it back (bilinear, half-pixel
// centres, border repeated). A picture that is small enough is only recompressed. Bounds: averages; JPEG saturates.
func emitSocial(c *canvas, settings []setting) []string {
	small := map[int]*canvas{} // levels of the same size share their way down
	var out []string
	for _, s := range settings {
		side, quality := int(s.values[0]), int(s.values[1])
		h, w := fitInto(int(c.h), int(c.w), side)
		if h == int(c.h) && w == int(c.w) {
			out = append(out, c.jpeg(quality))
			continue
		}
		if small[side] == nil {
			planes := c.separable(areaDown(int(c.h), h), areaDown(int(c.w), w))
			small[side] = &canvas{b: c.b, n: c.n, h: int64(h), w: int64(w), planes: planes, seed: c.seed}
		}
		back := &canvas{b: c.b, n: c.n, h: int64(h), w: int64(w), planes: small[side].jpeg(quality)}
		out = append(out, back.separable(bilinear(h, int(c.h)), bilinear(w, int(c.w))))
	}
	return out
}

// fitInto is the size of a picture of h x w samples after its long side is brought down to `side`.
func fitInto(h, w, side int) (int, int) {
	long := max(h, w)
	if long <= side {
		return h, w
	}
	scaled := func(n int) int { return max(1, int(math.Round(float64(n)*float64(side)/float64(long)))) }
	return scaled(h), scaled(w)
}

// areaDown averages n samples over the area of each of `small` samples.
func areaDown(n, small int) *banded {
	m := &banded{in: n, at: clampTo(n)}
	for j := range small {
		first, weight := area(n, small, j)
		m.first, m.weight = append(m.first, first), append(m.weight, weight)
	}
	return m
}

// bilinear interpolates n samples at the centres of `out` samples of the same length altogether; the border is repeated.
func bilinear(n, out int) *banded {
	m := &banded{in: n, at: clampTo(n)}
	for i := range out {
		centre := (float64(i)+.5)*float64(n)/float64(out) - .5
		left := math.Floor(centre)
		m.first = append(m.first, int(left))
		m.weight = append(m.weight, []float64{1 - (centre - left), centre - left})
	}
	return m
}
