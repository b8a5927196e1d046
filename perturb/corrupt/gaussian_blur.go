package corrupt

// gaussianBlur is named for its parameter: elsewhere a Gaussian blur is given by the width of its kernel.
func gaussianBlur() Family {
	return Family{
		Name:       "gaussian_blur_sigma",
		Parameters: []Parameter{{Name: "sigma", Unit: "pixels", Min: .1, Max: 50}},
		Severities: [5][]float64{{1}, {2}, {3}, {4}, {6}},
		Formula:    "x under a Gaussian kernel of deviation sigma, sampled, cut off at 4 sigma and scaled to sum 1",
		Bounds:     "border samples are repeated (scikit-image, mode nearest)",
		Source:     imageNetC + " (gaussian_blur, one of the four extra corruptions)",
		apply: func(in raster, parameters []float64, _ *stream) raster {
			return in.picture().each(func(plane []float64) []float64 {
				return blurred(plane, in.w, in.h, parameters[0])
			}).raster()
		},
	}
}
