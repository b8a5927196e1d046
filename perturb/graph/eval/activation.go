package eval

import "math"

// The formulas are those of the ONNX operator specification (onnx/docs/Operators.md).

func relu(v float64) float64 { return max(v, 0) }

func reluInt(v int64) int64 { return max(v, 0) }

// sigmoid is 1/(1+e^-v), without overflow on either side.
func sigmoid(v float64) float64 {
	if v >= 0 {
		return 1 / (1 + math.Exp(-v))
	}
	e := math.Exp(v)
	return e / (1 + e)
}

// softplus is ln(1+e^v).
func softplus(v float64) float64 { return max(v, 0) + math.Log1p(math.Exp(-math.Abs(v))) }

func softsign(v float64) float64 { return v / (1 + math.Abs(v)) }

func mish(v float64) float64 { return v * math.Tanh(softplus(v)) }

func hardSwish(v float64) float64 { return v * max(0, min(1, v/6+.5)) }

func leakyRelu(c *call) func() {
	alpha := c.attrFloat("alpha", .01)
	return c.each(func(v float64) float64 {
		if v < 0 {
			return alpha * v
		}
		return v
	})
}

func thresholdedRelu(c *call) func() {
	alpha := c.attrFloat("alpha", 1)
	return c.each(func(v float64) float64 {
		if v > alpha {
			return v
		}
		return 0
	})
}

func elu(c *call) func() {
	alpha := c.attrFloat("alpha", 1)
	return c.each(func(v float64) float64 {
		if v < 0 {
			return alpha * math.Expm1(v)
		}
		return v
	})
}

func selu(c *call) func() {
	alpha, gamma := c.attrFloat("alpha", 1.67326319217681884765625), c.attrFloat("gamma", 1.05070102214813232421875)
	return c.each(func(v float64) float64 {
		if v <= 0 {
			return gamma * alpha * math.Expm1(v)
		}
		return gamma * v
	})
}

func celu(c *call) func() {
	alpha := c.attrFloat("alpha", 1)
	if alpha == 0 {
		c.fail("attribute alpha is 0")
	}
	return c.each(func(v float64) float64 { return max(0, v) + min(0, alpha*math.Expm1(v/alpha)) })
}

func hardSigmoid(c *call) func() {
	alpha, beta := c.attrFloat("alpha", .2), c.attrFloat("beta", .5)
	return c.each(func(v float64) float64 { return max(0, min(1, alpha*v+beta)) })
}

func swish(c *call) func() {
	alpha := c.attrFloat("alpha", 1)
	return c.each(func(v float64) float64 { return v * sigmoid(alpha*v) })
}

func shrink(c *call) func() {
	lambda, bias := c.attrFloat("lambd", .5), c.attrFloat("bias", 0)
	return c.each(func(v float64) float64 {
		switch {
		case v < -lambda:
			return v + bias
		case v > lambda:
			return v - bias
		}
		return 0
	})
}

// gelu is v P(Z <= v) for a standard normal Z, or its approximation by tanh.
func gelu(c *call) func() {
	switch approximate := c.attrString("approximate", "none"); approximate {
	case "none":
		return c.each(func(v float64) float64 { return v * .5 * math.Erfc(-v/math.Sqrt2) })
	case "tanh":
		return c.each(func(v float64) float64 {
			return .5 * v * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(v+.044715*v*v*v)))
		})
	default:
		c.unsupported("approximate %q", approximate)
		return nil
	}
}

// prelu is v, or slope v where v < 0; the slope spreads to the shape of v, never the other way.
func prelu(c *call) func() {
	x, slope := c.float(0), c.float(1)
	out := c.broadcast(x.Dims, slope.Dims)
	if len(out) != len(x.Dims) || product(out) != x.Len() {
		c.fail("slope %v does not spread to %v", slope.Dims, x.Dims)
	}
	return c.pairs(x, slope, func(v, s float64) float64 {
		if v < 0 {
			return s * v
		}
		return v
	}, nil)
}
