package corrupt

// speckleNoise is noise that grows with the light: that of radar and ultrasound, and of a hot sensor.
func speckleNoise() Family {
	return Family{
		Name:       "speckle_noise",
		Parameters: []Parameter{{Name: "sigma", Unit: "standard deviation as a share of the sample", Min: 0, Max: 4}},
		Severities: [5][]float64{{.15}, {.2}, {.35}, {.45}, {.6}},
		Formula:    "x + x n, n normal with mean 0 and deviation sigma, each sample on its own",
		Bounds:     "clipped to [0,1]",
		Source:     imageNetC + " (one of the four extra corruptions)",
		Random:     true,
		apply:      applySpeckleNoise,
	}
}

func applySpeckleNoise(in raster, parameters []float64, chance *stream) raster {
	out := raster{make([]byte, len(in.pix)), in.w, in.h}
	for i, v := range in.pix {
		x := float64(v) / 255
		out.pix[i] = level(x + float64(x*float64(parameters[0]*chance.normal())))
	}
	return out
}
