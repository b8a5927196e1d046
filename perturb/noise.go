package perturb

import (
	"fmt"
	"math"

	"shaketable/perturb/graph"
)

// noiseSigmas are the square roots of the variances "GNC" of DeeperForensics-1.0 (Jiang et al., CVPR 2020,
// arXiv 2001.03024), for pixels in [0,1]; applied in RGB.
func noiseSigmas() [5]string { return [5]string{"0.032", "0.045", "0.071", "0.1", "0.224"} }

const (
	// mersenne31 is the prime 2^31-1: squares of residues fit in int64.
	mersenne31 = 1<<31 - 1
	// noiseStreams is how many keys one field of noise needs.
	noiseStreams = 4
	// noiseLane pads the number of samples per picture, so that every picture starts on a vector boundary and its pixels do
	// not depend on its place in the batch.
	noiseLane = 64
	// noiseStep is 2 A mod 2^32, where A = 0x9E3779B1 is the prime next to 2^32 over the golden ratio.
	noiseStep uint32 = 0x3C6EF362
)

// emitNoise adds white Gaussian noise: x' = x + sigma z, z ~ N(0,1) independent per pixel, channel, severity and media.
//
// z comes from a counter, not from a generator with a state: a pair of normals of index i is a function of (seed of the
// media, severity, i) alone, so that replay, batching, and another machine give the same pixels. An odd 32-bit word
// v = k0 + 2 i A is mixed by v <- v (v + k1), v <- v + 2 [v / 2^15], with wrapping products, which carry every bit upwards,
// and a division in float32, which carries the upper bits down (without it, lags of powers of two are correlated for some
// keys). Of the two words v (v + k2) and v (v + k3) only the upper bits matter. Box and Muller
// (1958): sqrt(-2 ln u) (cos t, sin t), with u = |first word| / 2^31, never 0 because the word is odd, and t = pi (second
// word) / 2^31.
func emitNoise(c *canvas, severities []int) []string {
	samples := 3 * c.h * c.w
	pairs := ((samples+1)/2 + noiseLane - 1) / noiseLane * noiseLane
	counter := make([]int32, pairs)
	for i := range counter {
		counter[i] = int32(uint32(i) * noiseStep)
	}
	index := c.b.Const(graph.Int32Tensor("", counter, pairs))
	keys := c.noiseKeys(severities)
	var out []string
	for j, sigma := range levels(noiseSigmas(), severities) {
		z := c.normals(index, keys[j*noiseStreams:(j+1)*noiseStreams], float32(255*sigma))
		if 2*pairs != samples {
			z = c.b.Slice(z, 1, 0, samples)
		}
		out = append(out, c.store(c.b.Call("Add", c.pixels(), c.b.Reshape(z, -1, 3, c.h, c.w))))
	}
	return out
}

// noiseKeys hashes the seeds with what names each field into int32 [N,1] keys, noiseStreams per severity, the first of
// them odd and the others even. The hash squares modulo a prime, three times over, on a handful of integers.
func (c *canvas) noiseKeys(severities []int) []string {
	var multiply, add []int64
	for _, s := range severities {
		for stream := range noiseStreams {
			words := []string{"gaussian_noise", fmt.Sprint(s), fmt.Sprint(stream)}
			multiply = append(multiply, 1+seed31(append(words, "multiply")...)%(mersenne31-1))
			add = append(add, seed31(append(words, "add")...))
		}
	}
	count := int64(len(add))
	prime, offset := c.b.Ints(mersenne31), c.b.Ints(add...)
	v := c.b.Call("Mod", c.b.Call("Mul", c.b.Reshape(c.seed, -1, 1), c.b.Ints(multiply...)), prime)
	for range 3 {
		v = c.b.Call("Mod", c.b.Call("Add", v, offset), prime)
		v = c.b.Call("Mod", c.b.Call("Mul", v, v), prime)
		v = c.b.Call("Mod", c.b.Call("Mul", v, c.b.Ints(multiply...)), prime)
	}
	v = c.b.Cast(c.b.Call("Mul", v, c.b.Ints(2)), graph.Int32) // wraps: the upper bit of the sign is as good as any
	odd := make([]int32, count)
	sizes := make([]int64, count)
	for i := range odd {
		sizes[i] = 1
		if i%noiseStreams == 0 {
			odd[i] = 1
		}
	}
	return c.b.Split(c.b.Call("Add", v, c.b.Const(graph.Int32Tensor("", odd, count))), 1, sizes...)
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
