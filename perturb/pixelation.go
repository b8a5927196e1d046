package perturb

// pixelationFamily is what DeeperForensics-1.0 (Jiang et al., CVPR 2020, arXiv 2001.03024) calls JPEG compression: a picture
// made smaller and larger again (github.com/EndlessSora/DeeperForensics-1.0, issue 6), here under the name of what it does.
func pixelationFamily() Family {
	return Family{
		Name:       "pixelation",
		Parameters: []Parameter{{Name: "factor", Min: 1, Max: 64}},
		Severities: [5][]float64{{2}, {3}, {4}, {5}, {6}},
		Formula:    "each side n to floor(n/factor) by bilinear interpolation without smoothing, rounded, and back the same way; half-pixel centres, border repeated",
		Bounds:     "averages of samples",
		Source:     `DeeperForensics-1.0, "JPEG compression", which compresses nothing`,
		emit:       emitPixelation,
	}
}

// emitPixelation takes bilinear samples at the centres of floor(n/f) small pixels per side (two neighbours each, whatever f,
// so that the rest aliases), rounds them, and interpolates them back. Bounds: averages.
func emitPixelation(c *canvas, settings []setting) []string {
	var out []string
	for _, f := range firsts(settings) {
		h, w := max(int(float64(c.h)/f), 1), max(int(float64(c.w)/f), 1)
		small := c.separable(bilinear(int(c.h), h), bilinear(int(c.w), w))
		back := &canvas{b: c.b, n: c.n, h: int64(h), w: int64(w), planes: small}
		out = append(out, back.separable(bilinear(h, int(c.h)), bilinear(w, int(c.w))))
	}
	return out
}
