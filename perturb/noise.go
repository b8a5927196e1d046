package perturb

import (
	"fmt"
	"math"

	"shaketable/perturb/graph"
)

// noiseFamily has the square roots of the variances "GNC" of DeeperForensics-1.0 (Jiang et al., CVPR 2020,
// arXiv 2001.03024), for pixels in [0,1]; applied in RGB.
func noiseFamily() Family {
	return Family{
		Name:       "gaussian_noise",
		Parameters: []Parameter{{Name: "sigma", Unit: "of the range", Max: 2}},
		Severities: [5][]float64{{.032}, {.045}, {.071}, {.1}, {.224}},
		Formula:    "x' = x + 255 sigma z, z ~ N(0,1), independent per sample",
		Bounds:     "samples saturate",
		Source:     "DeeperForensics-1.0, colour Gaussian noise, square roots of its variances",
		Random:     true,
		emit:       emitNoise,
	}
}

const (
	// noiseStreams is how many keys one field of noise needs.
	noiseStreams = 4
	// noiseLane pads the number of samples per picture, so that every picture starts on a vector boundary and its pixels do
	// not depend on its place in the batch.
	noiseLane = 64
	// noiseStep is 2 A mod 2^32, where A = 0x9E3779B1 is the prime next to 2^32 over the golden ratio.
	noiseStep uint32 = 0x3C6EF362
)

// emitNoise adds white Gaussian noise: x' = x + sigma z, z ~ N(0,1) independent per pixel, channel, variant and media.
//
// z comes from a counter, not from a generator with a state: a pair of normals of index i is a function of (seed of the
// media, parameter of the variant, i) alone, so that replay, batching, and another machine give the same pixels. An odd 32-bit word
// v = k0 + 2 i A is mixed by v <- v (v + k1), v <- v + 2 [v / 2^15], with wrapping products, which carry every bit upwards,
// and a division in float32, which carries the upper bits down (without it, lags of powers of two are correlated for some
// keys). Of the two words v (v + k2) and v (v + k3) only the upper bits matter. Box and Muller
// (1958): sqrt(-2 ln u) (cos t, sin t), with u = |first word| / 2^31, never 0 because the word is odd, and t = pi (second
// word) / 2^31.
func emitNoise(c *canvas, settings []setting) []string {
	out := c.noise("gaussian_noise", settings)
	for j, z := range out {
		out[j] = c.store(c.b.Call("Add", c.pixels(), z))
	}
	return out
}

// noise makes a field of 255 sigma z per setting, whose first value is sigma: float32 [N,3,H,W]. Families of different
// names have independent fields.
func (c *canvas) noise(family string, settings []setting) []string {
	samples := 3 * c.h * c.w
	pairs := ((samples+1)/2 + noiseLane - 1) / noiseLane * noiseLane
	counter := make([]int32, pairs)
	for i := range counter {
		counter[i] = int32(uint32(i) * noiseStep)
	}
	index := c.b.Const(graph.Int32Tensor("", counter, pairs))
	keys := c.noiseKeys(family, settings)
	var out []string
	for j, sigma := range firsts(settings) {
		z := c.normals(index, keys[j*noiseStreams:(j+1)*noiseStreams], float32(255*sigma))
		if 2*pairs != samples {
			z = c.b.Slice(z, 1, 0, samples)
		}
		out = append(out, c.b.Reshape(z, -1, 3, c.h, c.w))
	}
	return out
}

// noiseKeys hashes the seeds with what names each field into int32 [N,1] keys, noiseStreams per setting, the first of
// them odd and the others even.
func (c *canvas) noiseKeys(family string, settings []setting) []string {
	var names [][]string
	for _, s := range settings {
		for stream := range noiseStreams {
			names = append(names, []string{family, s.text, fmt.Sprint(stream)})
		}
	}
	v := c.b.Cast(c.b.Call("Mul", c.words(names), c.b.Ints(2)), graph.Int32) // wraps: the upper bit of the sign is as good as any
	odd := make([]int32, len(names))
	sizes := make([]int64, len(names))
	for i := range odd {
		sizes[i] = 1
		if i%noiseStreams == 0 {
			odd[i] = 1
		}
	}
	return c.b.Split(c.b.Call("Add", v, c.b.Const(graph.Int32Tensor("", odd, int64(len(names))))), 1, sizes...)
}

// normals makes sigma z for every counter: float32 [N, 2 pairs], the cosines before the sines.
func (c *canvas) normals(index string, keys []string, sigma float32) string {
	mix := func(v, key string) string { return c.b.Call("Mul", v, c.b.Call("Add", v, key)) }
	v := mix(c.b.Call("Add", index, keys[0]), keys[1])
	down := c.b.Cast(c.scaled(c.b.Cast(v, graph.Float32), 1./(1<<15)), graph.Int32)
	v = c.b.Call("Add", v, c.b.Call("Add", down, down))
	v, t := mix(v, keys[2]), mix(v, keys[3])
	// r = sigma sqrt(-2 ln(|v|/2^31)) = sqrt(sigma^2 (ln 2^62 - ln v^2)); 2e-5 keeps rounding from making it negative
	word := c.b.Cast(v, graph.Float32)
	logarithm := c.b.Call("Log", c.b.Call("Mul", word, word))
	deficit := c.b.Call("Sub", c.b.Float(float32(62*math.Ln2+2e-5)), logarithm)
	radius := c.scaled(c.b.Call("Sqrt", deficit), sigma)
	angle := c.scaled(c.b.Cast(t, graph.Float32), math.Pi/(1<<31))
	return c.b.Concat(1, c.b.Call("Mul", radius, c.b.Call("Cos", angle)), c.b.Call("Mul", radius, c.b.Call("Sin", angle)))
}
