package perturb

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// mersenne31 is the prime 2^31-1: squares of residues fit in int64.
const mersenne31 = 1<<31 - 1

// Seed is what makes the chance of one media its own: 31 bits of SHA-256 over suite version and media id. The same media
// gets the same noise on replay, on any machine.
func Seed(mediaID, suiteVersion string) int64 {
	return seed31("media", suiteVersion, mediaID)
}

// seed31 hashes words to an integer in [0, 2^31-1), the range of the modular arithmetic of chance in the graph.
func seed31(words ...string) int64 { return int64(seed64(words...) % mersenne31) }

func seed64(words ...string) uint64 {
	h := sha256.New()
	for _, w := range words {
		fmt.Fprintf(h, "%d:%s;", len(w), w) // lengths keep ("ab","c") and ("a","bc") apart
	}
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// words hashes the seeds with names: int64 [N,len(names)], each word in [0, 2^31-1) and, for other names or another media,
// another one. Multiplier and offset of a name come from SHA-256; the hash of a seed squares modulo a prime, three times
// over, on a handful of integers.
func (c *canvas) words(names [][]string) string {
	multiply, add := make([]int64, len(names)), make([]int64, len(names))
	for i, name := range names {
		multiply[i] = 1 + seed31(append(name[:len(name):len(name)], "multiply")...)%(mersenne31-1)
		add[i] = seed31(append(name[:len(name):len(name)], "add")...)
	}
	prime, offset, factor := c.b.Ints(mersenne31), c.b.Ints(add...), c.b.Ints(multiply...)
	v := c.b.Call("Mod", c.b.Call("Mul", c.b.Reshape(c.seed, -1, 1), factor), prime)
	for range 3 {
		v = c.b.Call("Mod", c.b.Call("Add", v, offset), prime)
		v = c.b.Call("Mod", c.b.Call("Mul", v, v), prime)
		v = c.b.Call("Mod", c.b.Call("Mul", v, factor), prime)
	}
	return v
}

// below maps words to integers of [0,n), n <= 2^31, as floor(word n / 2^31-1): evenly, but for a share of n/2^31.
func (c *canvas) below(words string, n int64) string {
	return c.b.Call("Div", c.b.Call("Mul", words, c.b.Ints(n)), c.b.Ints(mersenne31))
}
