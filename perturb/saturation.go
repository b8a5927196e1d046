package perturb

// saturationFactors are the colour saturation levels "CS" of DeeperForensics-1.0 (Jiang et al., CVPR 2020, arXiv 2001.03024).
func saturationFactors() [5]string { return [5]string{"0.4", "0.3", "0.2", "0.1", "0"} }

// emitSaturation draws colours towards their luma Y: x' = Y + c (x - Y), with c in [0,1] per severity; c = 0 is grey.
// Bounds: x' lies between x and Y, so nothing saturates.
func emitSaturation(c *canvas, severities []int) []string {
	chroma := c.b.Call("Sub", c.pixels(), c.luma())
	var out []string
	for _, factor := range levels(saturationFactors(), severities) {
		out = append(out, c.store(c.b.Call("Add", c.scaled(chroma, float32(factor)), c.luma())))
	}
	return out
}
