package corrupt

import "math"

// The functions of package math are assembly on some machines and fused products on others, and their last bits differ.
// Those that corruptions need are short series; they are off by an ulp or two, but everywhere the same.

// exponential is e^x: 2^k times the Taylor series of the rest, which is at most half of ln 2. 0 below -700.
func exponential(x float64) float64 {
	if x < -700 {
		return 0
	}
	k := math.RoundToEven(x / math.Ln2)
	// ln 2 in two parts; the first has few enough bits for an exact product with k
	rest := (x - float64(k*0x1.62e42fefap-1)) - float64(k*0x1.cf79abc9e3b3ap-40)
	sum := 1.
	for n := 14; n > 0; n-- {
		sum = 1 + float64(rest*sum)/float64(n)
	}
	return math.Ldexp(sum, int(k))
}

// natural is ln x for x > 0: with x = m 2^k, ln m is 2 atanh((m-1)/(m+1)), a series of odd powers.
func natural(x float64) float64 {
	m, k := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, k = 2*m, k-1
	}
	t := (m - 1) / (m + 1) // at most .172
	square, sum := t*t, 0.
	for n := 23; n > 0; n -= 2 {
		sum = 1/float64(n) + float64(square*sum)
	}
	return float64(2*t*sum) + float64(float64(k)*math.Ln2)
}

// direction is the cosine and sine of an angle in degrees of [-180,180], by the Taylor series of half the angle.
func direction(degrees float64) (cosine, sine float64) {
	half := degrees * (math.Pi / 360)
	square := half * half
	c, s := 1., 1.
	for n := 24; n > 0; n -= 2 {
		c = 1 - float64(square*c)/float64(n*(n-1))
		s = 1 - float64(square*s)/float64(n*(n+1))
	}
	s *= half
	return 1 - float64(2*s*s), 2 * s * c
}
