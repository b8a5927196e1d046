package perturb

// gainFactors are the contrast levels "CC" of DeeperForensics-1.0 (Jiang et al., CVPR 2020, arXiv 2001.03024), used as a gain.
func gainFactors() [5]string { return [5]string{"0.85", "0.725", "0.6", "0.475", "0.35"} }

// emitGain darkens: x' = c x, with c in (0,1] per severity. Bounds: x' <= x, so nothing saturates.
func emitGain(c *canvas, severities []int) []string {
	var out []string
	for _, factor := range levels(gainFactors(), severities) {
		out = append(out, c.store(c.scaled(c.pixels(), float32(factor*halvesUp))))
	}
	return out
}
