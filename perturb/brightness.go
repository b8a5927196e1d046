package perturb

import "shaketable/perturb/graph"

// brightnessFamily has the offsets of ImageNet-C (Hendrycks and Dietterich, ICLR 2019, arXiv 1903.12261), for pixels in [0,1].
func brightnessFamily() Family {
	return Family{
		Name:       "brightness",
		Parameters: []Parameter{{Name: "offset", Unit: "of the range", Max: 1}},
		Severities: [5][]float64{{.1}, {.2}, {.3}, {.4}, {.5}},
		Formula:    "V = max(R,G,B), V' = min(V + 255 offset, 255), x' = x V'/V, and V' where V = 0",
		Bounds:     "x' <= V' <= 255",
		Source:     "ImageNet-C, brightness",
		emit:       emitBrightness,
	}
}

// emitBrightness raises the value of HSV: V = max(R,G,B), V' = min(V + v, 1), x' = x/V V', and x' = V' where V = 0. Hue and
// saturation stay. Bounds: x' <= V' <= 1.
//
// Computed in [0,1] and in this order, as other programs do: with v = .1, .3 or .5 the largest channel of every pixel ends on
// a half, and exact halves would all go up, half a level for the whole picture; float32 lets them fall to either side, the
// same on every machine. Black has no ratio x/V. Instead of a branch, pixels are raised to at least 2^-30: black then
// becomes grey of value V', and a channel that is 0 beside one that is not ends far below half a level.
func emitBrightness(c *canvas, settings []setting) []string {
	white, floor := c.b.Float(255), c.b.Float(1./(1<<30))
	r, g, b := c.channels()
	value := c.b.Call("Max", c.b.Call("Div", c.b.Call("Max", r, g, b), white), floor)
	ratio := c.b.Call("Div", c.b.Call("Max", c.b.Call("Div", c.pixels(), white), floor), value)
	var out []string
	for _, offset := range firsts(settings) {
		raised := c.b.Call("Min", c.b.Call("Add", value, c.b.Float(float32(offset))), c.b.Float(1))
		x := c.scaled(c.b.Call("Mul", ratio, raised), 255)
		out = append(out, c.b.Cast(c.b.Call("Add", x, c.b.Float(.5)), graph.Uint8)) // within [0,256): the cast cuts off
	}
	return out
}
