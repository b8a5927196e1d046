package perturb

// gainFamily has the contrast levels "CC" of DeeperForensics-1.0 (Jiang et al., CVPR 2020, arXiv 2001.03024), which are a gain.
func gainFamily() Family {
	return Family{
		Name:       "gain",
		Parameters: []Parameter{{Name: "factor", Max: 4}},
		Severities: [5][]float64{{.85}, {.725}, {.6}, {.475}, {.35}},
		Formula:    "x' = factor x",
		Bounds:     "up to a factor of 1, x' <= x; above, samples saturate at 255",
		Source:     "DeeperForensics-1.0, colour contrast (which is not centred on the mean)",
		emit:       emitGain,
	}
}

// emitGain darkens, or brightens: x' = c x. Bounds: for c <= 1 nothing saturates.
func emitGain(c *canvas, settings []setting) []string {
	var out []string
	for _, factor := range firsts(settings) {
		out = append(out, c.store(c.scaled(c.pixels(), float32(factor*halvesUp))))
	}
	return out
}
