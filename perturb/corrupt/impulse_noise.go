package corrupt

// impulseNoise is salt and pepper: dead and stuck sensor cells.
func impulseNoise() Family {
	return Family{
		Name:       "impulse_noise",
		Parameters: []Parameter{{Name: "amount", Unit: "share of the samples", Min: 0, Max: 1}},
		Severities: [5][]float64{{.03}, {.06}, {.09}, {.17}, {.27}},
		Formula:    "with probability amount a sample becomes 0 or 1, either as likely; each sample on its own, so most specks are coloured (scikit-image, random_noise, mode s&p)",
		Bounds:     "stays in [0,1]",
		Source:     imageNetC,
		Random:     true,
		apply:      applyImpulseNoise,
	}
}

func applyImpulseNoise(in raster, parameters []float64, chance *stream) raster {
	out := raster{make([]byte, len(in.pix)), in.w, in.h}
	for i, v := range in.pix {
		if chance.uniform() < parameters[0] {
			v = byte(255 * chance.below(2))
		}
		out.pix[i] = v
	}
	return out
}
