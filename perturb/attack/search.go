package attack

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

// search is one attack on one picture in one direction.
type search struct {
	*trial
	ctx     context.Context // of the whole run
	spec    Spec
	sign    float64 // +1: the margin shall rise
	random  *rand.Rand
	queries int // passes of this search, shared ones left out
	slopes  int // gradients seen
	flat    bool
}

// stream is the randomness of one search: of the media's seed, the attack without its forms, and the direction.
func stream(seed int64, s Spec, sign float64) *rand.Rand {
	s.Forms = nil
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %+g", seed, s, sign))
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16])))
}

// at scores a picture. What the clean picture scores is known.
func (s *search) at(x []float32) (point, error) {
	if same(x, s.clean.x) {
		return point{x, s.clean.value}, nil
	}
	s.queries++
	v, err := s.score(s.ctx, x)
	return point{x, v}, err
}

// slope writes the gradient of the loss, which is the margin in the direction of the search.
func (s *search) slope(x, gradient []float32) (v value, err error) {
	if same(x, s.clean.x) {
		v, err = s.cleanGradient(s.ctx, gradient)
	} else {
		s.queries++
		v, err = s.gradient(s.ctx, x, gradient)
	}
	if err != nil {
		return value{}, err
	}
	s.slopes++
	flat, err := turn(gradient, s.sign < 0)
	s.flat = s.flat && flat
	return v, err
}

var errGradient = errors.New("the gradient of the model is not finite")

// turn reverses a gradient if it is to, and finds what is wrong with it: the bits of the largest magnitude say whether all is 0
// and whether all is finite.
func turn(gradient []float32, reverse bool) (flat bool, err error) {
	const infinite, sign = 0x7f800000, 1 << 31
	largest, flip := uint32(0), uint32(0)
	if reverse {
		flip = sign
	}
	for i, g := range gradient {
		bits := math.Float32bits(g)
		largest = max(largest, bits&^sign)
		gradient[i] = math.Float32frombits(bits ^ flip)
	}
	if largest < infinite {
		return largest == 0, nil
	}
	for i, g := range gradient {
		if bits := math.Float32bits(g); bits&^sign >= infinite {
			return false, fmt.Errorf("%w: %v at value %d of %d", errGradient, math.Float32frombits(bits^flip), i, len(gradient))
		}
	}
	return false, errGradient
}

// better is the criterion of the target: which of two values is kept.
func (s *search) better(a, b value) bool {
	if s.spec.Target == "delta" {
		return s.farther(a, b)
	}
	return s.ahead(a, b)
}

// ahead compares margins in the direction of the search.
func (s *search) ahead(a, b value) bool { return s.sign*a.margin > s.sign*b.margin }

// project brings x back into the ball around the clean picture and into [0,1].
func (s *search) project(x []float32, b bounds) {
	if s.spec.Norm == "linf" {
		b.clamp(x)
		return
	}
	shrink(x, s.clean.x, s.spec.Eps)
	for i, v := range x {
		x[i] = max(0, min(1, v)) // nearer to the clean picture in every pixel
	}
}

// bounds are the smallest and largest float32 of every pixel inside an L-infinity ball and [0,1].
type bounds struct{ lo, hi []float32 }

// box makes the bounds of a budget: the farthest float32 whose exact distance from x is at most eps. The float32 next to
// x+eps may be beyond it by a rounding.
func box(x []float32, eps float64) bounds {
	b := bounds{make([]float32, len(x)), make([]float32, len(x))}
	var known [256]struct{ of, lo, hi float32 } // pictures of 8 bits have few values
	for i, v := range x {
		k := &known[uint8(v*255+.5)]
		if k.of != v || k.hi == 0 {
			k.of, k.lo, k.hi = v, edge(v, -eps), edge(v, eps)
		}
		b.lo[i], b.hi[i] = k.lo, k.hi
	}
	return b
}

// edge is the farthest float32 in [0,1] from v towards eps, and within it.
func edge(v float32, eps float64) float32 {
	e := float32(float64(v) + eps)
	for math.Abs(float64(e)-float64(v)) > math.Abs(eps) {
		e = math.Nextafter32(e, v)
	}
	return max(0, min(1, e))
}

func (b bounds) clamp(x []float32) {
	lo, hi := b.lo[:len(x)], b.hi[:len(x)]
	for i, v := range x {
		x[i] = max(lo[i], min(hi[i], v))
	}
}

// shrink scales x-clean down until its exact L2 norm is at most eps.
func shrink(x, clean []float32, eps float64) {
	_, norm := distance(x, clean)
	if norm <= eps {
		return
	}
	whole := append([]float32(nil), x...)
	for factor, tries := eps/norm, 0; tries < 8; factor, tries = factor*(1-1e-6), tries+1 {
		for i, v := range whole {
			x[i] = float32(float64(clean[i]) + factor*float64(v-clean[i]))
		}
		if _, norm := distance(x, clean); norm <= eps {
			return
		}
	}
	copy(x, clean) // a ball smaller than what float32 resolves
}

// distance returns the L-infinity and L2 norms of a-b.
func distance(a, b []float32) (linf, l2 float64) {
	sum := 0.
	b = b[:len(a)]
	for i, v := range a {
		d := float64(v) - float64(b[i])
		linf = max(linf, math.Abs(d))
		sum += d * d
	}
	return linf, math.Sqrt(sum)
}

func same(a, b []float32) bool {
	if &a[0] == &b[0] {
		return true
	}
	for i, v := range a {
		if v != b[i] {
			return false
		}
	}
	return true
}
