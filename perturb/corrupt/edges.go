package corrupt

// edges finds edges with Canny's method (IEEE TPAMI 8(6), 1986): gradients by Sobel, thinned to their ridges, kept where they
// exceed high, or low and touch a kept one. Integer arithmetic, |dx| + |dy| as strength and sectors of 22.5 and 67.5 degrees,
// as in OpenCV.
func edges(pix []byte, w, h, low, high int) []bool {
	g := sobel(pix, w, h)
	kept, ridge := make([]bool, len(pix)), make([]bool, len(pix))
	var open []int
	for i, strength := range g.strength {
		if strength <= low || !g.isRidge(i) {
			continue
		}
		ridge[i] = true
		if strength > high {
			kept[i] = true
			open = append(open, i)
		}
	}
	for len(open) > 0 {
		i := open[len(open)-1]
		open = open[:len(open)-1]
		for k := range 9 {
			x, y := i%w+k%3-1, i/w+k/3-1
			if x < 0 || x >= w || y < 0 || y >= h {
				continue
			}
			if n := y*w + x; ridge[n] && !kept[n] {
				kept[n] = true
				open = append(open, n)
			}
		}
	}
	return kept
}

// gradients are those of a picture of w x h.
type gradients struct {
	dx, dy, strength []int
	w, h             int
}

// sobel repeats the border samples.
func sobel(pix []byte, w, h int) gradients {
	g := gradients{make([]int, len(pix)), make([]int, len(pix)), make([]int, len(pix)), w, h}
	for i := range pix {
		at := func(dx, dy int) int { return int(pix[clamped(i/w+dy, h)*w+clamped(i%w+dx, w)]) }
		g.dx[i] = at(1, -1) - at(-1, -1) + 2*(at(1, 0)-at(-1, 0)) + at(1, 1) - at(-1, 1)
		g.dy[i] = at(-1, 1) - at(-1, -1) + 2*(at(0, 1)-at(0, -1)) + at(1, 1) - at(1, -1)
		g.strength[i] = max(g.dx[i], -g.dx[i]) + max(g.dy[i], -g.dy[i])
	}
	return g
}

// isRidge says whether the strength is a maximum across the edge; of two equals along an axis the second is one.
func (g gradients) isRidge(i int) bool {
	const tan22 = 13573 // tan 22.5 degrees in 15 bits; tan 67.5 is 2 more
	x, y := max(g.dx[i], -g.dx[i]), max(g.dy[i], -g.dy[i])<<15
	strength := g.strength[i]
	switch {
	case y < x*tan22:
		return strength > g.near(i, -1, 0) && strength >= g.near(i, 1, 0)
	case y > x*tan22+x<<16:
		return strength > g.near(i, 0, -1) && strength >= g.near(i, 0, 1)
	case g.dx[i]^g.dy[i] < 0:
		return strength > g.near(i, 1, -1) && strength > g.near(i, -1, 1)
	default:
		return strength > g.near(i, -1, -1) && strength > g.near(i, 1, 1)
	}
}

// near is the strength dx, dy further, 0 outside.
func (g gradients) near(i, dx, dy int) int {
	x, y := i%g.w+dx, i/g.w+dy
	if x < 0 || x >= g.w || y < 0 || y >= g.h {
		return 0
	}
	return g.strength[y*g.w+x]
}

// unit is a pixel in the fixed point of distances.
const unit = 1 << 16

// distances is how far each sample is from the nearest marked one, in units: the shortest way in steps of 1 along an axis, 1.4
// along a diagonal and 2.1969 like a knight (Borgefors, CVGIP 34, 1986), found in two sweeps. Without a mark all are far.
func distances(marked []bool, w, h int) []int {
	const diagonal, knight = 91750, 143976
	steps := []struct{ dx, dy, length int }{
		{-1, 0, unit}, {0, -1, unit}, {-1, -1, diagonal}, {1, -1, diagonal},
		{-2, -1, knight}, {2, -1, knight}, {-1, -2, knight}, {1, -2, knight},
	}
	far := make([]int, len(marked))
	for i, m := range marked {
		if !m {
			far[i] = (w + h) * 2 * unit
		}
	}
	sweep := func(i, sign int) {
		for _, s := range steps {
			if x, y := i%w+sign*s.dx, i/w+sign*s.dy; x >= 0 && x < w && y >= 0 && y < h {
				far[i] = min(far[i], far[y*w+x]+s.length)
			}
		}
	}
	for i := range far {
		sweep(i, 1)
	}
	for i := len(far) - 1; i >= 0; i-- {
		sweep(i, -1)
	}
	return far
}
