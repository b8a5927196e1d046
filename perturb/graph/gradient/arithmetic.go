package gradient

import (
	"errors"

	"shaketable/perturb/graph"
)

// arithmeticRule is for elementwise operators of several operands; operands that were broadcast get sums, see sumTo.
func arithmeticRule(op string) rule {
	switch op {
	case "Add", "Sum", "Mean":
		return sum
	case "Sub": // dA = dY, dB = -dY
		return func(n *node) error {
			n.giveSum(0, n.dy())
			if n.wants(1) {
				n.giveSum(1, n.s.unary("Neg", n.dy()))
			}
			return nil
		}
	case "Neg":
		return func(n *node) error {
			n.give(0, n.s.unary("Neg", n.dy()))
			return nil
		}
	case "Mul":
		return product
	case "Div":
		return quotient
	case "Pow":
		return power
	case "Max", "Min":
		return extreme
	case "Where":
		return where
	case "Clip":
		return clip
	case "PRelu":
		return prelu
	case "Mod":
		return modulo
	}
	return nil
}

// sum: every operand gets dY; of a Mean, dY divided by their number.
func sum(n *node) error {
	dy := n.dy()
	if n.GetOpType() == "Mean" {
		dy = n.s.times(dy, 1/float64(len(n.GetInput())))
	}
	for i := range n.GetInput() {
		n.giveSum(i, dy)
	}
	return nil
}

// product: y = a*b, dA = dY*b, dB = dY*a. If b is the sigmoid of a (SiLU), dA = dY*(b + y*(1 - b)) is all of it.
func product(n *node) error {
	for i := range 2 {
		if gate := n.s.makers[n.Input[1-i]]; gate != nil && gate.GetOpType() == "Sigmoid" && gate.Input[0] == n.Input[i] && n.wants(i) {
			s, b := n.s, n.x(1-i)
			n.give(i, s.mul(n.dy(), s.add(b, s.mul(n.y(), s.complement(b)))))
			return nil
		}
	}
	for i := range 2 {
		if n.wants(i) {
			n.giveSum(i, n.s.mul(n.dy(), n.x(1-i)))
		}
	}
	return nil
}

// quotient: y = a/b, dA = dY/b, dB = -dY*y/b.
func quotient(n *node) error {
	s := n.s
	var g tensor
	if v, ok := n.single(1); ok && v != 0 {
		g = s.times(n.dy(), 1/v)
	} else {
		g = s.div(n.dy(), n.x(1))
	}
	n.giveSum(0, g)
	if n.wants(1) {
		n.giveSum(1, s.unary("Neg", s.mul(g, n.y())))
	}
	return nil
}

// power: y = a^e, dA = dY*e*a^(e-1), dE = dY*y*ln(a), 0 where a <= 0.
func power(n *node) error {
	s, a := n.s, n.x(0)
	if n.wants(0) {
		e, ok := n.single(1)
		switch {
		case ok && e == 1:
			n.giveSum(0, n.dy())
		case ok && e == 2:
			n.giveSum(0, s.mul(n.dy(), s.times(a, 2)))
		case ok && e == .5:
			n.giveSum(0, s.mul(n.dy(), s.div(s.scalar(.5), s.floor(n.y()))))
		case ok:
			n.giveSum(0, s.mul(n.dy(), s.times(s.binary("Pow", a, s.scalar(e-1)), e)))
		case s.continuous(n.Input[1]):
			e := n.x(1)
			n.giveSum(0, s.mul(n.dy(), s.mul(e, s.binary("Pow", a, s.plus(e, -1)))))
		default:
			e := tensor{s.Cast(n.Input[1], graph.Float32), n.x(1).dims}
			n.giveSum(0, s.mul(n.dy(), s.mul(e, s.binary("Pow", a, s.plus(e, -1)))))
		}
	}
	if n.wants(1) {
		log := s.unary("Log", s.floor(a))
		n.giveSum(1, s.mul(n.dy(), s.mul(s.mul(n.y(), log), s.positive(a))))
	}
	return nil
}

// extreme: y = max or min of the operands; dY goes to those that equal y, in equal shares.
func extreme(n *node) error {
	if len(n.GetInput()) == 1 {
		n.give(0, n.dy())
		return nil
	}
	s, y := n.s, n.y()
	masks := make([]tensor, len(n.GetInput()))
	count := tensor{}
	for i := range masks {
		masks[i] = tensor{s.Cast(s.Call("Equal", n.Input[i], y.name), graph.Float32), y.dims}
		if i == 0 {
			count = masks[0]
		} else {
			count = s.add(count, masks[i])
		}
	}
	share := s.div(n.dy(), count)
	for i, m := range masks {
		if n.wants(i) {
			n.giveSum(i, s.mul(share, m))
		}
	}
	return nil
}

// where: y = a where c, else b; dA = dY where c, dB = dY where not c.
func where(n *node) error {
	s := n.s
	c := tensor{s.Cast(n.Input[0], graph.Float32), n.x(0).dims}
	if n.wants(1) {
		n.giveSum(1, s.mul(n.dy(), c))
	}
	if n.wants(2) {
		n.giveSum(2, s.mul(n.dy(), s.complement(c)))
	}
	return nil
}

// modulo: y = a - b*floor(a/b) with a constant b: dA = dY.
func modulo(n *node) error {
	if n.wants(1) {
		return errors.New("the divisor depends on the picture")
	}
	n.giveSum(0, n.dy())
	return nil
}
