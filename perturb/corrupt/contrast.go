package corrupt

// contrast pulls samples towards the mean, as fog on a lens or a flat light does.
func contrast() Family {
	return Family{
		Name:       "contrast",
		Parameters: []Parameter{{Name: "factor", Unit: "times the distance from the mean", Min: 0, Max: 10}},
		Severities: [5][]float64{{.4}, {.3}, {.2}, {.1}, {.05}},
		Formula:    "(x - m) factor + m, m the mean of the channel over the picture",
		Bounds:     "clipped to [0,1]",
		Source:     imageNetC,
		apply:      applyContrast,
	}
}

func applyContrast(in raster, parameters []float64, _ *stream) raster {
	return in.picture().each(func(plane []float64) []float64 {
		sum := 0.
		for _, v := range plane {
			sum += v
		}
		mean := sum / float64(len(plane))
		for i, v := range plane {
			plane[i] = float64((v-mean)*parameters[0]) + mean
		}
		return plane
	}).raster()
}
