package perturb

// saturationFamily has the colour saturation levels "CS" of DeeperForensics-1.0 (Jiang et al., CVPR 2020, arXiv 2001.03024).
func saturationFamily() Family {
	return Family{
		Name:       "saturation",
		Parameters: []Parameter{{Name: "factor", Max: 4}},
		Severities: [5][]float64{{.4}, {.3}, {.2}, {.1}, {0}},
		Formula:    "x' = Y + factor (x - Y), Y = .299 R + .587 G + .114 B (ITU-R BT.601)",
		Bounds:     "up to a factor of 1, x' lies between x and Y; above, samples saturate",
		Source:     "DeeperForensics-1.0, colour saturation",
		emit:       emitSaturation,
	}
}

// emitSaturation draws colours towards their luma Y, or away from it: x' = Y + c (x - Y); c = 0 is grey. Bounds: for
// c <= 1, x' lies between x and Y, so nothing saturates.
func emitSaturation(c *canvas, settings []setting) []string {
	chroma := c.b.Call("Sub", c.pixels(), c.luma())
	var out []string
	for _, factor := range firsts(settings) {
		out = append(out, c.store(c.b.Call("Add", c.scaled(chroma, float32(factor)), c.luma())))
	}
	return out
}
