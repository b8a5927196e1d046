package perturb

import (
	"math"

	"shaketable/perturb/corrupt"
	"shaketable/perturb/graph"
)

// jpegFamily runs from what cameras and browsers write to the lowest quality at which faces are still posted; 60 is the
// floor of the augmentation of the DFDC winner (github.com/selimsef/dfdc_deepfake_challenge), 25 is severity 1 of ImageNet-C.
func jpegFamily() Family {
	return Family{
		Name:       "jpeg",
		Parameters: []Parameter{{Name: "q", Min: 1, Max: 100, Whole: true}},
		Severities: [5][]float64{{90}, {75}, {60}, {40}, {25}},
		Formula:    "baseline JPEG (ITU-T T.81), YCbCr 4:2:0, tables of annex K by the IJG rule at quality q, written and read as libjpeg-turbo does by default",
		Bounds:     "samples saturate after the inverse transform, as in a decoder",
		Source:     "own choice: 60 is the floor of the DFDC winner's augmentation, 40 that of DeepfakeBench and SBI, 25 is severity 1 of ImageNet-C",
		emit:       emitJPEG,
	}
}

const (
	// awayFromZero lengthens coefficients by 3 parts in a million before they are quantised: libjpeg rounds halves away from
	// zero, the graph to even, and because coefficients are multiples of 1/8 there, halves are common.
	awayFromZero = 1 + 3e-6
	// nudge is added where libjpeg rounds halves up: 1/512, less than the step of what is rounded, more than its error.
	nudge = 1. / 512
	// passScale is the scale of libjpeg's integers between the two passes of a transform: sqrt(8), and 2 bits.
	passScale = 4 * math.Sqrt2 * 2
)

// emitJPEG is what remains of a picture after baseline JPEG (ITU-T T.81) at a quality, as libjpeg-turbo writes and reads it
// by default: YCbCr 4:2:0, quantisation tables of annex K scaled by the IJG rule, triangular ("fancy") chroma up-sampling.
// The entropy coding loses nothing and is left out. Rounded, as there: YCbCr, the 2x2 chroma means, the quantised
// coefficients, the samples after the inverse transform, the up-sampled chroma, RGB; and, inside both transforms, what is
// handed from the first pass to the second, in quarters: without that, one coefficient in a hundred falls into the
// neighbouring step (48 instead of 57 dB against the real thing). Any size: the border is repeated up to whole blocks.
func emitJPEG(c *canvas, settings []setting) []string {
	var out []string
	for _, q := range firsts(settings) {
		out = append(out, c.jpeg(int(q)))
	}
	return out
}

// jpeg is the picture after JPEG at a quality: uint8 [N,3,H,W].
func (c *canvas) jpeg(quality int) string {
	luma, chroma := c.jpegForward()
	lumaTable, chromaTable := corrupt.QuantTables(quality)
	y := c.jpegDecode(luma, 1, blocksOf(c.h)*2, blocksOf(c.w)*2, lumaTable)
	cc := c.jpegDecode(chroma, 2, blocksOf(c.h), blocksOf(c.w), chromaTable)
	return c.jpegColours(c.crop(y, c.h, c.w), c.upsampled(cc))
}

// blocksOf is the number of 16-pixel units that cover n pixels; half as many samples of chroma, so also its 8-blocks.
func blocksOf(n int64) int64 { return (n + 15) / 16 }

// jpegForward makes the DCT coefficients that all qualities share: luma [N,blocks,64], and chroma with the blocks of Cb
// before those of Cr.
func (c *canvas) jpegForward() (luma, chroma string) {
	if c.forwardOnce == [2]string{} {
		c.forwardOnce[0], c.forwardOnce[1] = c.coefficients()
	}
	return c.forwardOnce[0], c.forwardOnce[1]
}

func (c *canvas) coefficients() (luma, chroma string) {
	r, _, b := c.channels()
	y := c.luma()
	// Cb = 128 + (B - Y)/1.772, Cr = 128 + (R - Y)/1.402 (ITU-T T.871)
	cb := c.b.Call("Add", c.scaled(c.b.Call("Sub", b, y), 1/1.772), c.b.Float(128))
	cr := c.b.Call("Add", c.scaled(c.b.Call("Sub", r, y), 1/1.402), c.b.Float(128))
	planes := c.b.Concat(1, c.store(cb), c.store(cr))
	return c.dct(c.padTo16(c.store(y)), 1, blocksOf(c.h)*2, blocksOf(c.w)*2),
		c.dct(c.chromaMeans(planes), 2, blocksOf(c.h), blocksOf(c.w))
}

// padTo16 repeats the last column and row of uint8 samples up to whole 16-pixel units.
func (c *canvas) padTo16(x string) string {
	right, bottom := blocksOf(c.w)*16-c.w, blocksOf(c.h)*16-c.h
	if right == 0 && bottom == 0 {
		return x
	}
	return c.b.Cast(c.b.PadEdge(c.b.Cast(x, graph.Float32), []int64{0, 0, 0, 0}, []int64{0, 0, bottom, right}), graph.Uint8)
}

// chromaMeans halves both axes: the mean of 2x2 samples, halves rounded down in even columns and up in odd ones, as
// libjpeg does so that the error has no sign. Columns are padded before, rows after: also libjpeg's order.
func (c *canvas) chromaMeans(planes string) string {
	x := c.b.Cast(planes, graph.Float32)
	if right, bottom := blocksOf(c.w)*16-c.w, c.h%2; right > 0 || bottom > 0 {
		x = c.b.PadEdge(x, []int64{0, 0, 0, 0}, []int64{0, 0, bottom, right})
	}
	mean := c.b.Op("AveragePool", []string{x}, graph.IntsAttr("kernel_shape", 2, 2), graph.IntsAttr("strides", 2, 2))
	mean = c.b.Call("Add", mean, c.alternating(blocksOf(c.w)*8, -1./8, 1./8))
	if bottom := blocksOf(c.h)*8 - (c.h+1)/2; bottom > 0 {
		mean = c.b.PadEdge(mean, []int64{0, 0, 0, 0}, []int64{0, 0, bottom, 0})
	}
	return c.store(mean)
}

// alternating is a row of n values: even columns, odd columns. Added to multiples of a coarser step, it decides which way
// halves are rounded.
func (c *canvas) alternating(n int64, even, odd float32) string {
	row := make([]float32, n)
	for i := range row {
		row[i] = even
		if i%2 == 1 {
			row[i] = odd
		}
	}
	return c.b.Floats(row, n)
}

// dct transforms uint8 planes [N,planes,8 down,8 along], shifted by 128, block by block: integers, 8 times the coefficients,
// float32 [N,blocks,64]. Cutting into blocks is done on bytes, where a row of a block is one 8-byte word.
func (c *canvas) dct(x string, planes, down, along int64) string {
	x = c.b.Transpose(c.b.Reshape(x, -1, planes*down, 8, along, 8), 0, 1, 3, 2, 4)
	x = c.b.Cast(c.b.Reshape(x, -1, planes*down*along, 64), graph.Float32)
	x = c.b.Call("Sub", x, c.b.Float(128))
	rows := c.b.Round(c.blockProduct(x, func(i, j, u, v int) float64 { return same(i, u) * wave(v, j) * passScale }))
	both := c.blockProduct(rows, func(u, j, i, v int) float64 { return same(j, v) * wave(i, u) * 8 / passScale })
	return c.b.Round(c.b.Call("Add", both, c.b.Float(nudge)))
}

// jpegDecode quantises coefficients with a table and transforms them back to uint8 planes [N,planes,8 down,8 along].
func (c *canvas) jpegDecode(coefficients string, planes, down, along int64, table [64]int32) string {
	quantise := make([]float32, 64)
	for k := range 64 {
		quantise[k] = float32(awayFromZero / float64(table[k]) / 8)
	}
	levels := c.b.Round(c.b.Call("Mul", coefficients, c.b.Floats(quantise, 64)))
	columns := c.b.Round(c.blockProduct(levels, func(u, v, i, j int) float64 {
		return same(v, j) * wave(u, i) * float64(table[8*u+v]) * passScale // the table is multiplied back on the way
	}))
	x := c.blockProduct(columns, func(i, v, u, j int) float64 { return same(i, u) * wave(v, j) / passScale })
	x = c.b.Quantize(c.b.Call("Add", x, c.b.Float(nudge)), 1, 128)
	x = c.b.Transpose(c.b.Reshape(x, -1, planes*down, along, 8, 8), 0, 1, 3, 2, 4)
	return c.b.Reshape(x, -1, planes, down*8, along*8)
}

// blockProduct maps blocks [...,64] with a matrix: element [8a+b, 8c+d] is at(a, b, c, d). A pass of a transform has many
// zeros in it; one product of 64 x 64 is still faster than eight of 8 x 8.
func (c *canvas) blockProduct(x string, at func(a, b, c, d int) float64) string {
	matrix := make([]float32, 64*64)
	for from := range 64 {
		for to := range 64 {
			matrix[from*64+to] = float32(at(from/8, from%8, to/8, to%8))
		}
	}
	return c.b.Call("MatMul", x, c.b.Floats(matrix, 64, 64))
}

func same(i, j int) float64 {
	if i == j {
		return 1
	}
	return 0
}

// wave is row u of the 8-point cosine transform: a(u) cos((2i+1) u pi/16), a(0) = sqrt(1/8), else 1/2 (T.81, A.3.3). The
// rows are orthonormal, so the transpose is the inverse.
func wave(u, i int) float64 {
	if u == 0 {
		return math.Sqrt(1. / 8)
	}
	return .5 * math.Cos(float64((2*i+1)*u)*math.Pi/16)
}

// crop cuts planes to h x w.
func (c *canvas) crop(x string, h, w int64) string {
	if h%16 != 0 {
		x = c.b.Slice(x, 2, 0, h)
	}
	if w%16 != 0 {
		x = c.b.Slice(x, 3, 0, w)
	}
	return x
}

// upsampled doubles uint8 chroma planes and centres them: float32 [N,2,H,W], -128..127. Weights 3/4 and 1/4 along both axes;
// halves are rounded up in even columns and down in odd ones, as in libjpeg.
func (c *canvas) upsampled(x string) string {
	h, w := (c.h+1)/2, (c.w+1)/2
	if h*2 != blocksOf(c.h)*16 {
		x = c.b.Slice(x, 2, 0, h)
	}
	if w*2 != blocksOf(c.w)*16 {
		x = c.b.Slice(x, 3, 0, w)
	}
	x = c.b.Upsample2(c.b.Cast(x, graph.Float32))
	x = c.b.Round(c.b.Call("Add", x, c.alternating(2*w, 1./32-128, -1./32-128)))
	if 2*h != c.h {
		x = c.b.Slice(x, 2, 0, c.h)
	}
	if 2*w != c.w {
		x = c.b.Slice(x, 3, 0, c.w)
	}
	return x
}

// jpegColours turns Y [N,1,H,W] and centred chroma [N,2,H,W] into RGB: R = Y + 1.402 Cr, G = Y - .344136 Cb - .714136 Cr,
// B = Y + 1.772 Cb (ITU-T T.871).
func (c *canvas) jpegColours(y, chroma string) string {
	y = c.b.Cast(y, graph.Float32)
	parts := c.b.Split(chroma, 1, 1, 1)
	cb, cr := parts[0], parts[1]
	red := c.b.Call("Add", y, c.scaled(cr, 1.402))
	green := c.b.Call("Sub", y, c.b.Call("Add", c.scaled(cb, .344136), c.scaled(cr, .714136)))
	blue := c.b.Call("Add", y, c.scaled(cb, 1.772))
	return c.b.Concat(1, c.store(red), c.store(green), c.store(blue))
}
