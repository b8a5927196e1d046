package perturb

// Studio range: a full step of luma or chroma is stored in fewer of the 255 levels (ITU-R BT.601).
const (
	studioLuma   = 255. / 219
	studioChroma = 255. / 224
)

// noiseYCbCrFamily has the levels "GNC" of DeeperForensics-1.0 (Jiang et al., CVPR 2020, arXiv 2001.03024) where it has them: in
// YCbCr. Its table holds variances, of which these are the square roots.
func noiseYCbCrFamily() Family {
	return Family{
		Name:       "gaussian_noise_ycbcr",
		Parameters: []Parameter{{Name: "sigma", Unit: "of the range", Max: 2}},
		Severities: [5][]float64{{.0316}, {.0447}, {.0707}, {.1}, {.2236}},
		Formula:    "Y + 255 sigma 255/219 z1, Cb + 255 sigma 255/224 z2, Cr + 255 sigma 255/224 z3, z ~ N(0,1) independent: white noise on studio-range YCbCr (ITU-R BT.601)",
		Bounds:     "samples saturate, in RGB",
		Source:     "DeeperForensics-1.0, colour Gaussian noise (variances .001 .002 .005 .01 .05)",
		Random:     true,
		emit:       emitNoiseYCbCr,
	}
}

// emitNoiseYCbCr adds white Gaussian noise to Y, Cb and Cr in studio range, where Y fills 219 and chroma 224 of 255 levels, so
// that in full range the noise is longer by that much. The way back to RGB is linear, so that noise is turned and
// added there: R + y + 1.402 r, G + y - .344136 b - .714136 r, B + y + 1.772 b (ITU-T T.871). Bounds: RGB saturates.
func emitNoiseYCbCr(c *canvas, settings []setting) []string {
	turn := c.b.Floats([]float32{
		studioLuma, 0, 1.402 * studioChroma,
		studioLuma, -.344136 * studioChroma, -.714136 * studioChroma,
		studioLuma, 1.772 * studioChroma, 0}, 3, 3)
	out := c.noise("gaussian_noise_ycbcr", settings)
	for j, z := range out {
		z = c.b.Reshape(c.b.Call("MatMul", turn, c.b.Reshape(z, -1, 3, c.h*c.w)), -1, 3, c.h, c.w)
		out[j] = c.store(c.b.Call("Add", c.pixels(), z))
	}
	return out
}
