package gradient

import (
	"errors"
	"math"
)

// activationSlope is for the activation functions of networks. Where a function has a kink, the slope there is the one that
// PyTorch takes: 0 for Relu and at the bounds of a clip, the lower one for leaky variants.
func activationSlope(op string) slope {
	switch op {
	case "Relu": // [y > 0]
		return func(n *node, _, y tensor) tensor { return n.s.positive(y) }
	case "LeakyRelu": // 1 where x > 0, else alpha
		return leakySlope
	case "ThresholdedRelu": // [x > alpha]
		return func(n *node, x, _ tensor) tensor { return n.s.above(x, n.floatAttr("alpha", 1)) }
	case "Shrink": // [|x| > lambd]
		return func(n *node, x, _ tensor) tensor { return n.s.above(n.s.unary("Abs", x), n.floatAttr("lambd", .5)) }
	case "Swish": // b + a*y*(1 - b), b = 1/(1 + exp(-a*x))
		return func(n *node, x, y tensor) tensor {
			a := n.floatAttr("alpha", 1)
			b := n.s.unary("Sigmoid", n.s.times(x, a))
			return n.s.add(b, n.s.mul(n.s.times(y, a), n.s.complement(b)))
		}
	case "Elu": // 1 where x > 0, else alpha*exp(x) = y + alpha
		return func(n *node, x, y tensor) tensor { return n.s.exponential(x, y, 1, n.floatAttr("alpha", 1)) }
	case "Selu": // gamma where x > 0, else gamma*alpha*exp(x) = y + gamma*alpha
		return func(n *node, x, y tensor) tensor {
			gamma := n.floatAttr("gamma", 1.05070102214813232421875)
			return n.s.exponential(x, y, gamma, gamma*n.floatAttr("alpha", 1.67326319217681884765625))
		}
	case "Celu": // 1 where x > 0, else exp(x/alpha) = y/alpha + 1
		return func(n *node, x, y tensor) tensor {
			return n.s.plus(n.s.times(n.s.binary("Min", y, n.s.scalar(0)), 1/n.floatAttr("alpha", 1)), 1)
		}
	case "Sigmoid": // y(1 - y)
		return func(n *node, _, y tensor) tensor { return n.s.mul(y, n.s.complement(y)) }
	case "Tanh": // 1 - y^2
		return func(n *node, _, y tensor) tensor { return n.s.complement(n.s.mul(y, y)) }
	case "HardSigmoid": // alpha where 0 < y < 1
		return func(n *node, _, y tensor) tensor { return n.s.times(n.s.inside(y), n.floatAttr("alpha", .2)) }
	case "HardSwish": // h + x/6 where |x| < 3, else h, with h = min(max(x/6 + 1/2, 0), 1)
		return hardSwishSlope
	case "Softplus": // 1/(1 + exp(-x))
		return func(n *node, x, _ tensor) tensor { return n.s.unary("Sigmoid", x) }
	case "Softsign": // (1 - |y|)^2
		return func(n *node, _, y tensor) tensor {
			r := n.s.complement(n.s.unary("Abs", y))
			return n.s.mul(r, r)
		}
	case "Gelu":
		return geluSlope
	case "Mish":
		return mishSlope
	}
	return nil
}

// inside is 1 where 0 < h < 1, for h in [0,1].
func (s *sweep) inside(h tensor) tensor { return s.positive(s.mul(h, s.complement(h))) }

func leakySlope(n *node, x, y tensor) tensor {
	alpha := n.floatAttr("alpha", .01)
	if alpha > 0 {
		x = y // of the same sign
	}
	return n.s.plus(n.s.times(n.s.positive(x), 1-alpha), alpha)
}

// exponential is a where x > 0, else y + b.
func (s *sweep) exponential(x, y tensor, a, b float64) tensor {
	below := s.plus(s.binary("Min", y, s.scalar(0)), b)
	if a == b {
		return below
	}
	return s.add(below, s.times(s.positive(x), a-b))
}

func hardSwishSlope(n *node, x, _ tensor) tensor {
	s := n.s
	h := s.ramp(x, 1./6, .5)
	return s.add(h, s.mul(s.times(x, 1./6), s.below(s.unary("Abs", x), 3)))
}

// geluSlope: y = x*Phi(x), slope Phi(x) + x*phi(x), Phi the normal distribution function and phi its density; or, with
// approximate = "tanh", y = x/2 (1 + t), t = tanh(u), u = c(x + a*x^3), slope (1 + t)/2 + x/2 (1 - t^2) c(1 + 3a*x^2).
func geluSlope(n *node, x, _ tensor) tensor {
	s := n.s
	if n.text("approximate", "none") == "tanh" {
		const a = .044715
		c, square := math.Sqrt(2/math.Pi), s.mul(x, x)
		t := s.unary("Tanh", s.mul(x, s.plus(s.times(square, c*a), c)))
		inner := s.mul(s.mul(x, s.plus(s.times(square, 1.5*a*c), c/2)), s.complement(s.mul(t, t)))
		return s.add(s.plus(s.times(t, .5), .5), inner)
	}
	cumulative := s.plus(s.times(s.unary("Erf", s.times(x, math.Sqrt(.5))), .5), .5)
	density := s.times(s.bell(x, .5), 1/math.Sqrt(2*math.Pi))
	return s.add(cumulative, s.mul(x, density))
}

// mishSlope: y = x*t, t = tanh(softplus(x)), slope t + x*sigmoid(x)*(1 - t^2).
func mishSlope(n *node, x, _ tensor) tensor {
	s := n.s
	t := s.unary("Tanh", s.unary("Softplus", x))
	return s.add(t, s.mul(s.mul(x, s.unary("Sigmoid", x)), s.complement(s.mul(t, t))))
}

// prelu: dX = dY where x > 0, else slope*dY; the slope's own adjoint is min(x, 0)*dY.
func prelu(n *node) error {
	s, x, k, dy := n.s, n.x(0), n.x(1), n.dy()
	above := s.positive(x)
	n.give(0, s.mul(dy, s.add(k, s.mul(above, s.sub(s.scalar(1), k)))))
	if n.wants(1) {
		n.giveSum(1, s.mul(dy, s.binary("Min", x, s.scalar(0))))
	}
	return nil
}

// unbounded is the magnitude from which a bound of Clip bounds nothing in float32.
const unbounded = 1e30

// clip: dX = dY strictly between the bounds, else 0.
func clip(n *node) error {
	if n.wants(1) || n.wants(2) {
		return errors.New("a bound depends on the picture")
	}
	s, y, g := n.s, n.y(), n.dy()
	if n.has(1) {
		if lo, ok := n.single(1); !ok {
			g = s.mul(g, s.positive(s.sub(y, n.x(1))))
		} else if lo > -unbounded {
			g = s.mul(g, s.above(y, lo))
		}
	}
	if n.has(2) {
		if hi, ok := n.single(2); !ok {
			g = s.mul(g, s.positive(s.sub(n.x(2), y)))
		} else if hi < unbounded {
			g = s.mul(g, s.below(y, hi))
		}
	}
	n.give(0, g)
	return nil
}
