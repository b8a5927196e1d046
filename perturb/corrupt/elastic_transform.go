package corrupt

import "math"

// elasticTransform stretches the picture as a whole and ripples it in detail.
func elasticTransform() Family {
	const lengths = "times 244/224 of the shorter side"
	return Family{
		Name: "elastic_transform",
		Parameters: []Parameter{
			{Name: "alpha", Unit: lengths + ", how far ripples reach", Min: 0, Max: 4},
			{Name: "sigma", Unit: lengths + ", how long ripples are", Min: .002, Max: 1},
			{Name: "affine", Unit: lengths + ", how far three corners move", Min: 0, Max: .25},
		},
		Severities: [5][]float64{{2, .7, .1}, {2, .08, .2}, {.05, .01, .02}, {.07, .01, .02}, {.12, .01, .02}},
		Formula: "an affine map that moves three corners of the middle square (a third of the shorter side from the centre) by uniform noise of " +
			"-affine..affine, linear between samples; then x(i+dy, j+dx), linear, dx and dy uniform noise of -1..1 under a Gaussian kernel of " +
			"deviation sigma cut off at 3 sigma, times alpha. At 224 pixels a side these are the published lengths; at others lengths follow the " +
			"shorter side, and alpha its square, because a wider kernel leaves less of the noise: so the picture moves alike at any size",
		Bounds: "clipped to [0,1]; the affine map mirrors on border samples (reflect 101), kernel and ripples mirror between them (reflect)",
		Source: imageNetC,
		Random: true,
		apply: func(in raster, parameters []float64, chance *stream) raster {
			noise := elasticNoise{across: make([]float64, in.w*in.h), down: make([]float64, in.w*in.h)}
			for _, field := range [][]float64{noise.corners[:], noise.across, noise.down} {
				for i := range field {
					field[i] = chance.between(-1, 1)
				}
			}
			return elastic(in, parameters, noise)
		},
	}
}

// elasticNoise is uniform noise of [-1,1): x and y of three corners, and a number per sample and axis.
type elasticNoise struct {
	corners      [6]float64
	across, down []float64
}

// elastic is the family's formula for this noise.
func elastic(in raster, parameters []float64, noise elasticNoise) raster {
	side := float64(min(in.w, in.h)) / 224
	length := 244 * side
	sigma, reach := parameters[1]*length, parameters[0]*length*side
	ripples := func(field []float64) []float64 {
		field = rippled(field, in.w, in.h, sigma)
		for i := range field {
			field[i] *= reach
		}
		return field
	}
	dx, dy := ripples(noise.across), ripples(noise.down)
	back := cornersMoved(in.w, in.h, noise.corners, parameters[2]*length).inverse()
	return in.picture().each(func(plane []float64) []float64 {
		moved := make([]float64, len(plane))
		for i := range moved {
			x, y := back.at(float64(i%in.w), float64(i/in.w))
			moved[i] = between(plane, in.w, in.h, x, y, mirrored101)
		}
		out := make([]float64, len(plane))
		for i := range out {
			out[i] = between(moved, in.w, in.h, float64(i%in.w)+dx[i], float64(i/in.w)+dy[i], mirrored)
		}
		return out
	}).raster()
}

// between interpolates linearly at (x, y).
func between(plane []float64, w, h int, x, y float64, border edge) float64 {
	left, top := math.Floor(x), math.Floor(y)
	u, v := x-left, y-top
	x0, x1 := border(int(left), w), border(int(left)+1, w)
	above, below := plane[border(int(top), h)*w:][:w], plane[border(int(top)+1, h)*w:][:w]
	first := float64(above[x0]*(1-u)) + float64(above[x1]*u)
	second := float64(below[x0]*(1-u)) + float64(below[x1]*u)
	return float64(first*(1-v)) + float64(second*v)
}

// affine maps (x, y) to (a x + b y + c, d x + e y + f).
type affine struct{ a, b, c, d, e, f float64 }

func (m affine) at(x, y float64) (float64, float64) {
	return float64(m.a*x) + float64(m.b*y) + m.c, float64(m.d*x) + float64(m.e*y) + m.f
}

// inverse undoes m. A map that flattens the picture has none: all goes to one point then, as in OpenCV.
func (m affine) inverse() affine {
	det := float64(m.a*m.e) - float64(m.b*m.d)
	if det != 0 {
		det = 1 / det
	}
	n := affine{a: m.e * det, b: -m.b * det, d: -m.d * det, e: m.a * det}
	n.c = -(float64(n.a*m.c) + float64(n.b*m.f))
	n.f = -(float64(n.d*m.c) + float64(n.e*m.f))
	return n
}

// cornersMoved maps the corners (+,+), (+,-) and (-,-) of the square about the centre to where the noise moves them.
func cornersMoved(w, h int, noise [6]float64, reach float64) affine {
	arm := float64(min(w, h) / 3)
	for i := range noise {
		noise[i] *= reach
	}
	// the middle corner shares its x with the first and its y with the last, so differences are derivatives
	x, y := float64(w/2)+arm, float64(h/2)-arm
	m := affine{
		a: 1 + (noise[2]-noise[4])/(2*arm), b: (noise[0] - noise[2]) / (2 * arm),
		d: (noise[3] - noise[5]) / (2 * arm), e: 1 + (noise[1]-noise[3])/(2*arm),
	}
	m.c = x + noise[2] - (float64(m.a*x) + float64(m.b*y))
	m.f = y + noise[3] - (float64(m.d*x) + float64(m.e*y))
	return m
}

// rippled blurs with a mirrored border, cut off at 3 sigma. Where the kernel is longer than the picture it is folded into a
// matrix first.
func rippled(plane []float64, w, h int, sigma float64) []float64 {
	half := gaussianWeights(sigma, 3)
	if len(half) > w {
		plane = foldedRows(plane, w, h, half)
	} else {
		plane = alongRows(plane, w, h, half, mirrored)
	}
	if len(half) > h {
		return foldedColumns(plane, w, h, half)
	}
	return alongColumns(plane, w, h, half, mirrored)
}
