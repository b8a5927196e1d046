package gradient

import "math"

// slope is the derivative of an elementwise function of one value, as a tensor, from its operand and its result. Rules prefer
// the result: a runtime that fuses an activation into the convolution before it can then still do so.
type slope func(n *node, x, y tensor) tensor

// elementwiseRule is the rule of an operator that works element by element, or nil.
func elementwiseRule(op string) rule {
	if r := arithmeticRule(op); r != nil {
		return r
	}
	f := activationSlope(op)
	if f == nil {
		f = functionSlope(op)
	}
	if f == nil {
		return nil
	}
	return func(n *node) error {
		n.give(0, n.s.mul(n.dy(), f(n, n.x(0), n.y())))
		return nil
	}
}

// functionSlope is for the functions of analysis. Poles are kept finite (see tiny), so that 0 times them is 0.
func functionSlope(op string) slope {
	switch op {
	case "Abs": // sign(x)
		return func(n *node, x, _ tensor) tensor { return n.s.unary("Sign", x) }
	case "Sqrt": // 1/(2y)
		return func(n *node, _, y tensor) tensor { return n.s.div(n.s.scalar(.5), n.s.floor(y)) }
	case "Exp": // y
		return func(_ *node, _, y tensor) tensor { return y }
	case "Log": // 1/x
		return func(n *node, x, _ tensor) tensor { return n.s.unary("Reciprocal", x) }
	case "Reciprocal": // -y^2
		return func(n *node, _, y tensor) tensor { return n.s.unary("Neg", n.s.mul(y, y)) }
	case "Erf": // 2/sqrt(pi) exp(-x^2)
		return func(n *node, x, _ tensor) tensor { return n.s.times(n.s.bell(x, 1), 2/math.Sqrt(math.Pi)) }
	case "Sin", "Sinh": // cos x, cosh x
		to := map[string]string{"Sin": "Cos", "Sinh": "Cosh"}[op]
		return func(n *node, x, _ tensor) tensor { return n.s.unary(to, x) }
	case "Cos": // -sin x
		return func(n *node, x, _ tensor) tensor { return n.s.unary("Neg", n.s.unary("Sin", x)) }
	case "Cosh": // sinh x
		return func(n *node, x, _ tensor) tensor { return n.s.unary("Sinh", x) }
	case "Tan": // 1 + y^2
		return func(n *node, _, y tensor) tensor { return n.s.plus(n.s.mul(y, y), 1) }
	}
	return inverseSlope(op)
}

// inverseSlope is for the inverse circular and hyperbolic functions: 1/q or 1/sqrt(q), q a polynomial of x.
func inverseSlope(op string) slope {
	type form struct{ square, one, sign float64 } // sign / root(square*x^2 + one)
	f, ok := map[string]form{
		"Asin": {-1, 1, 1}, "Acos": {-1, 1, -1}, "Asinh": {1, 1, 1}, "Acosh": {1, -1, 1},
		"Atan": {1, 1, 1}, "Atanh": {-1, 1, 1},
	}[op]
	if !ok {
		return nil
	}
	return func(n *node, x, _ tensor) tensor {
		s := n.s
		q := s.plus(s.times(s.mul(x, x), f.square), f.one)
		if op != "Atan" && op != "Atanh" {
			q = s.floor(s.unary("Sqrt", q))
		}
		return s.div(s.scalar(f.sign), q)
	}
}

// bell is exp(-a*x^2).
func (s *sweep) bell(x tensor, a float64) tensor {
	return s.unary("Exp", s.times(s.mul(x, x), -a))
}
