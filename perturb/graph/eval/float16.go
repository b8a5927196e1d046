package eval

import (
	"math"

	"shaketable/perturb/graph/onnx"
)

// narrowFloat is a floating type of 16 bits: a sign, an exponent with the given bias, and a mantissa; the largest exponent
// stands for infinity and NaN, the smallest for subnormal numbers (IEEE 754-2019, section 3.4).
type narrowFloat struct{ mantissa, bias int }

func narrow(t onnx.TensorProto_DataType) narrowFloat {
	if t == onnx.TensorProto_BFLOAT16 {
		return narrowFloat{mantissa: 7, bias: 127}
	}
	return narrowFloat{mantissa: 10, bias: 15}
}

// specials is the exponent field of infinity and NaN.
func (f narrowFloat) specials() int { return 1<<(15-f.mantissa) - 1 }

func (f narrowFloat) decode(b uint16) float64 {
	sign := 1.0
	if b>>15 == 1 {
		sign = -1
	}
	exponent, fraction := int(b>>f.mantissa)&f.specials(), float64(b&(1<<f.mantissa-1))
	switch {
	case exponent == f.specials() && fraction == 0:
		return math.Inf(int(sign))
	case exponent == f.specials():
		return math.NaN()
	case exponent == 0:
		return sign * math.Ldexp(fraction, 1-f.bias-f.mantissa)
	default:
		return sign * math.Ldexp(1+math.Ldexp(fraction, -f.mantissa), exponent-f.bias)
	}
}

// round is the nearest number of the type, ties to even; too large becomes infinite.
func (f narrowFloat) round(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return v
	}
	_, e := math.Frexp(v) // |v| in [2^(e-1), 2^e)
	step := max(e-1, 1-f.bias) - f.mantissa
	r := math.Ldexp(math.RoundToEven(math.Ldexp(v, -step)), step)
	if math.Abs(r) >= math.Ldexp(1, f.specials()-f.bias) {
		return math.Inf(int(math.Copysign(1, v)))
	}
	return r
}

func (f narrowFloat) encode(v float64) uint16 {
	v = f.round(v)
	sign := uint16(0)
	if math.Signbit(v) {
		sign = 1 << 15
	}
	top := uint16(f.specials()) << f.mantissa
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return top | 1<<(f.mantissa-1)
	case math.IsInf(v, 0):
		return sign | top
	case a < math.Ldexp(1, 1-f.bias): // subnormal, or 0
		return sign | uint16(math.Ldexp(a, f.bias-1+f.mantissa))
	default:
		m, e := math.Frexp(a)
		return sign | uint16(e-1+f.bias)<<f.mantissa | uint16(math.Ldexp(2*m-1, f.mantissa))
	}
}
