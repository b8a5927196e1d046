package corrupt

// fog lies over the picture in clouds.
func fog() Family {
	return Family{
		Name: "fog",
		Parameters: []Parameter{
			{Name: "scale", Unit: "times a full sample where the fog is thickest", Min: 0, Max: 10},
			{Name: "decay", Unit: "by which each finer octave is weaker", Min: 1.1, Max: 8},
		},
		Severities: [5][]float64{{1.5, 2}, {2, 2}, {2.5, 1.7}, {2.5, 1.5}, {3, 1.4}},
		Formula: "(x + scale f) m / (m + scale), m the largest sample of the picture, f a plasma fractal of [0,1] by diamonds and squares: " +
			"a middle is the mean of its four neighbours plus uniform noise, which is divided by decay from octave to octave",
		Bounds: "clipped to [0,1]; f is made for the next power of two of the longer side, periodic, and cut off at the right and the bottom",
		Source: imageNetC,
		Random: true,
		apply: func(in raster, parameters []float64, chance *stream) raster {
			return fogged(in, parameters, func() float64 { return chance.between(-1, 1) })
		},
	}
}

// fogged is the family's formula; noise draws from [-1,1).
func fogged(in raster, parameters []float64, noise func() float64) raster {
	scale := parameters[0]
	side := 1
	for side < max(in.w, in.h) {
		side *= 2
	}
	clouds := plasma(side, parameters[1], noise)
	most := byte(0)
	for _, v := range in.pix {
		most = max(most, v)
	}
	share := float64(most) / 255
	if most == 0 && scale == 0 {
		return in.picture().raster()
	}
	return in.picture().each(func(plane []float64) []float64 {
		for i := range plane {
			f := clouds[i/in.w*side+i%in.w]
			plane[i] = (plane[i] + float64(scale*f)) * share / (share + scale)
		}
		return plane
	}).raster()
}

// plasma is a fractal landscape on a torus of side x side, side a power of two, scaled to [0,1]. noise draws from [-1,1).
func plasma(side int, decay float64, noise func() float64) []float64 {
	land := make([]float64, side*side)
	wibble := 100.
	at := func(y, x int) float64 { return land[(y+side)%side*side+(x+side)%side] }
	set := func(y, x int, a, b, c, d float64) {
		land[y*side+x] = (a+b+c+d)/4 + float64(wibble*float64(wibble*noise()))
	}
	for step := side; step >= 2; step, wibble = step/2, wibble/decay {
		half := step / 2
		for y := half; y < side; y += step { // middles of squares
			for x := half; x < side; x += step {
				set(y, x, at(y-half, x-half), at(y+half, x-half), at(y-half, x+half), at(y+half, x+half))
			}
		}
		for y := 0; y < side; y += step { // middles of the edges along x, then along y
			for x := half; x < side; x += step {
				set(y, x, at(y+half, x), at(y-half, x), at(y, x-half), at(y, x+half))
			}
		}
		for y := half; y < side; y += step {
			for x := 0; x < side; x += step {
				set(y, x, at(y, x+half), at(y, x-half), at(y-half, x), at(y+half, x))
			}
		}
	}
	return stretched(land)
}

// stretched shifts and scales numbers to [0,1], in place; all equal become 0.
func stretched(v []float64) []float64 {
	least, most := v[0], v[0]
	for _, x := range v {
		least, most = min(least, x), max(most, x)
	}
	span := most - least
	if span == 0 {
		span = 1
	}
	for i := range v {
		v[i] = (v[i] - least) / span
	}
	return v
}
