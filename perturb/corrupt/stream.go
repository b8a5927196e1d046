package corrupt

import (
	"hash/fnv"
	"math"
	"math/bits"
	"math/rand/v2"
)

// stream is a sequence of random numbers that is the same on every machine: PCG-DXSM from the standard library, whose
// output is fixed, and below it only integers, square roots and the functions of elementary.go.
type stream struct {
	source *rand.PCG
	spare  float64 // a normal number drawn but not given out
	full   bool    // there is a spare
}

// newStream starts a stream. The family's name is part of the seed: families with the same seed share nothing.
func newStream(family string, seed uint64) *stream {
	h := fnv.New64a()
	h.Write([]byte(family))
	return &stream{source: rand.NewPCG(seed, h.Sum64())}
}

// uniform is a number of [0,1), a multiple of 2^-53.
func (s *stream) uniform() float64 { return float64(s.source.Uint64()>>11) * 0x1p-53 }

// between is a number of [low,high).
func (s *stream) between(low, high float64) float64 { return low + float64((high-low)*s.uniform()) }

// below is an integer of [0,n). The product of a 64-bit number and n has it in its upper half; the bias is n/2^64.
func (s *stream) below(n int) int {
	high, _ := bits.Mul64(s.source.Uint64(), uint64(n))
	return int(high)
}

// normal is a number with mean 0 and variance 1, by Marsaglia's polar method: a point of the unit disk, but not its centre,
// gives two (Marsaglia and Bray, SIAM Review 6(3), 1964).
func (s *stream) normal() float64 {
	if s.full {
		s.full = false
		return s.spare
	}
	for {
		u, v := float64(2*s.uniform())-1, float64(2*s.uniform())-1
		q := float64(u*u) + float64(v*v)
		if q >= 1 || q == 0 {
			continue
		}
		f := math.Sqrt(-2 * natural(q) / q)
		s.spare, s.full = v*f, true
		return u * f
	}
}

// normals fills a field of n numbers with this mean and standard deviation.
func (s *stream) normals(n int, mean, deviation float64) []float64 {
	field := make([]float64, n)
	for i := range field {
		field[i] = mean + float64(deviation*s.normal())
	}
	return field
}
