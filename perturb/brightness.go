package perturb

// brightnessOffsets are those of ImageNet-C (Hendrycks and Dietterich, ICLR 2019, arXiv 1903.12261), for pixels in [0,1].
func brightnessOffsets() [5]string { return [5]string{"0.1", "0.2", "0.3", "0.4", "0.5"} }

// emitBrightness raises the value of HSV: V = max(R,G,B), V' = min(V + v, 1), x' = x V'/V, and x' = V' where V = 0.
// Hue and saturation stay. Bounds: x' <= V' <= 1.
//
// Black has no ratio V'/V. Instead of a branch, pixels are raised to at least 2^-20 (of 255): black then becomes grey of value
// V', and a channel that is 0 beside a channel of 1 or more ends below 2^-12, which rounds to 0 as it should.
func emitBrightness(c *canvas, severities []int) []string {
	floor := c.b.Float(1. / (1 << 20))
	r, g, b := c.channels()
	value := c.b.Call("Max", r, g, b, floor)
	pixels := c.b.Call("Max", c.scaled(c.pixels(), halvesUp), floor)
	var out []string
	for _, offset := range levels(brightnessOffsets(), severities) {
		raised := c.b.Call("Min", c.b.Call("Add", value, c.b.Float(float32(255*offset))), c.b.Float(255))
		out = append(out, c.store(c.b.Call("Mul", pixels, c.b.Call("Div", raised, value))))
	}
	return out
}
