package corrupt

// The cosine transforms are those of Loeffler, Ligtenberg and Moschytz (ICASSP 1989) with 12 products, in the fixed point of
// libjpeg's "islow": constants of 13 bits, 2 bits more between the passes, coefficients 8 times too large.
const (
	constBits = 13
	passBits  = 2
)

// The rotations, round(x 2^13).
const (
	c0298 = 2446  // .298631336
	c0390 = 3196  // .390180644
	c0541 = 4433  // .541196100
	c0765 = 6270  // .765366865
	c0899 = 7373  // .899976223
	c1175 = 9633  // 1.175875602
	c1501 = 12299 // 1.501321110
	c1847 = 15137 // 1.847759065
	c1961 = 16069 // 1.961570560
	c2053 = 16819 // 2.053119869
	c2562 = 20995 // 2.562915447
	c3072 = 25172 // 3.072711026
)

// QuantTables returns the quantisers of JPEG at quality q, 1 to 100, for luma and chroma: tables K.1 and K.2 of ITU-T T.81, row by
// row, scaled by the IJG rule.
func QuantTables(q int) (luma, chroma [64]int32) {
	return quantisers(lumaTable(), q), quantisers(chromaTable(), q)
}

// quantisers scales a table by the IJG rule: s = 5000/q below 50, else 200-2q; (t s + 50)/100 in integers, within 1..255.
func quantisers(table [64]int32, q int) [64]int32 {
	scale := int32(200 - 2*q)
	if q < 50 {
		scale = int32(5000 / q)
	}
	for i, t := range table {
		table[i] = min(max((t*scale+50)/100, 1), 255)
	}
	return table
}

// recode sends every block through the transform, the quantisers, and back.
func (s samples) recode(table [64]int32) {
	var block [64]int32
	for top := 0; top*s.stride < len(s.v); top += 8 {
		for left := 0; left < s.stride; left += 8 {
			at := top*s.stride + left
			for i := range block {
				block[i] = int32(s.v[at+i/8*s.stride+i%8]) - 128
			}
			forward(&block)
			for i, t := range table {
				block[i] = nearestMultiple(block[i], t)
			}
			backward(&block)
			for i, v := range block {
				s.v[at+i/8*s.stride+i%8] = clip8(v + 128)
			}
		}
	}
}

// nearestMultiple quantises a coefficient that is 8 times too large, halves away from zero, and multiplies the table back.
func nearestMultiple(v, t int32) int32 {
	if v < 0 {
		return -(-v + 4*t) / (8 * t) * t
	}
	return (v + 4*t) / (8 * t) * t
}

// rounded shifts right by bits, halves up.
func rounded(v int32, bits int) int32 { return (v + 1<<(bits-1)) >> bits }

// forward transforms rows, then columns.
func forward(b *[64]int32) {
	for i := range 8 {
		even, odd := forwardLine(b, 8*i, 1)
		b[8*i], b[8*i+4] = even[0]<<passBits, even[1]<<passBits
		spread(b, 8*i, 1, even, odd, constBits-passBits)
	}
	for i := range 8 {
		even, odd := forwardLine(b, i, 8)
		b[i], b[i+32] = rounded(even[0], passBits), rounded(even[1], passBits)
		spread(b, i, 8, even, odd, constBits+passBits)
	}
}

// spread writes coefficients 2 and 6, and the odd ones.
func spread(b *[64]int32, at, step int, even, odd [4]int32, bits int) {
	b[at+2*step], b[at+6*step] = rounded(even[2], bits), rounded(even[3], bits)
	for k, v := range odd {
		b[at+(2*k+1)*step] = rounded(v, bits)
	}
}

// forwardLine is the transform of 8 numbers, step apart: coefficients 0, 4, 2, 6 and 1, 3, 5, 7. The first two are whole, the
// others carry constBits.
func forwardLine(b *[64]int32, at, step int) (even, odd [4]int32) {
	var sum, diff [4]int32 // of samples i and 7-i
	for i := range 4 {
		sum[i] = b[at+i*step] + b[at+(7-i)*step]
		diff[i] = b[at+i*step] - b[at+(7-i)*step]
	}
	outer, inner := sum[0]-sum[3], sum[1]-sum[2]
	turn := (outer + inner) * c0541
	even = [4]int32{
		sum[0] + sum[3] + sum[1] + sum[2], sum[0] + sum[3] - sum[1] - sum[2],
		turn + outer*c0765, turn - inner*c1847,
	}
	out := oddPart(diff[3], diff[2], diff[1], diff[0])
	return even, [4]int32{out[3], out[2], out[1], out[0]}
}

// oddPart is the rotation that both directions share, and that is its own transpose: into a..d it adds what they have in
// common in pairs.
func oddPart(a, b, c, d int32) [4]int32 {
	common := (a + c + b + d) * c1175
	ad, bc := -(a+d)*c0899, -(b+c)*c2562
	ac, bd := common-(a+c)*c1961, common-(b+d)*c0390
	return [4]int32{a*c0298 + ad + ac, b*c2053 + bc + bd, c*c3072 + bc + ac, d*c1501 + ad + bd}
}

// backward transforms columns, then rows.
func backward(b *[64]int32) {
	for i := range 8 {
		backwardLine(b, i, 8, constBits-passBits)
	}
	for i := range 8 {
		backwardLine(b, 8*i, 1, constBits+passBits+3)
	}
}

// backwardLine is the inverse transform of 8 numbers, step apart, shifted right by bits.
func backwardLine(b *[64]int32, at, step, bits int) {
	c := func(k int) int32 { return b[at+k*step] }
	turn := (c(2) + c(6)) * c0541
	inner, outer := turn-c(6)*c1847, turn+c(2)*c0765
	plus, minus := (c(0)+c(4))<<constBits, (c(0)-c(4))<<constBits
	even := [4]int32{plus + outer, minus + inner, minus - inner, plus - outer}
	odd := oddPart(c(7), c(5), c(3), c(1))
	for i, e := range even {
		b[at+i*step] = rounded(e+odd[3-i], bits)
		b[at+(7-i)*step] = rounded(e-odd[3-i], bits)
	}
}

// lumaTable is table K.1 of T.81, row by row.
func lumaTable() [64]int32 {
	return [64]int32{
		16, 11, 10, 16, 24, 40, 51, 61,
		12, 12, 14, 19, 26, 58, 60, 55,
		14, 13, 16, 24, 40, 57, 69, 56,
		14, 17, 22, 29, 51, 87, 80, 62,
		18, 22, 37, 56, 68, 109, 103, 77,
		24, 35, 55, 64, 81, 104, 113, 92,
		49, 64, 78, 87, 103, 121, 120, 101,
		72, 92, 95, 98, 112, 100, 103, 99,
	}
}

// chromaTable is table K.2 of T.81, row by row.
func chromaTable() [64]int32 {
	var table [64]int32
	for i := range table {
		table[i] = 99
	}
	for i, row := range [4][4]int32{{17, 18, 24, 47}, {18, 21, 26, 66}, {24, 26, 56, 99}, {47, 66, 99, 99}} {
		copy(table[8*i:], row[:])
	}
	return table
}
