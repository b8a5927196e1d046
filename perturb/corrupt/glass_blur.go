package corrupt

// glassBlur is the view through frosted glass.
func glassBlur() Family {
	return Family{
		Name: "glass_blur",
		Parameters: []Parameter{
			{Name: "sigma", Unit: "pixels", Min: .1, Max: 10},
			{Name: "delta", Unit: "pixels that a pixel may come from", Min: 1, Max: 7, Integer: true},
			{Name: "iterations", Unit: "passes", Min: 1, Max: 10, Integer: true},
		},
		Severities: [5][]float64{{.7, 1, 2}, {.9, 2, 1}, {1, 2, 3}, {1.1, 3, 2}, {1.5, 4, 2}},
		Formula: "blur by sigma, cut off to 8 bits; from the last pixel to the first, each becomes the pixel (dx, dy) away, both uniform " +
			"integers of -delta..delta-1; iterations times; blur by sigma",
		Bounds: "the first delta + 1 and the last delta - 1 rows and columns stay, border samples are repeated under the blur",
		Source: imageNetC,
		Random: true,
		apply: func(in raster, parameters []float64, chance *stream) raster {
			return glazed(in, parameters, chance.below)
		},
	}
}

// glazed is the family's formula; below(n) draws an integer of [0,n).
func glazed(in raster, parameters []float64, below func(n int) int) raster {
	sigma := parameters[0]
	blur := func(plane []float64) []float64 { return blurred(plane, in.w, in.h, sigma) }
	first := in.picture().each(blur)
	pix := make([]byte, len(in.pix))
	for c, plane := range first.planes {
		for i, v := range plane {
			// The kernel's weights sum to 1 but for the last bits; flat areas must not lose a level to them.
			pix[3*i+c] = byte(float64(v*255) + 1e-6)
		}
	}
	shuffle(pix, in.w, in.h, int(parameters[1]), int(parameters[2]), below)
	return raster{pix, in.w, in.h}.picture().each(blur).raster()
}

// shuffle moves pixels, in place. The published generator means to swap two pixels, but its rows are views of the same memory:
// both end with the value of the other one, and the published pictures are made so.
func shuffle(pix []byte, w, h, delta, iterations int, below func(n int) int) {
	for range iterations {
		for y := h - delta; y > delta; y-- {
			for x := w - delta; x > delta; x-- {
				dx, dy := below(2*delta)-delta, below(2*delta)-delta
				copy(pix[3*(y*w+x):][:3], pix[3*((y+dy)*w+x+dx):][:3])
			}
		}
	}
}
