package perturb

import (
	"math"

	"shaketable/perturb/graph"
)

// motionFamily has the levels of ImageNet-C (Hendrycks and Dietterich, ICLR 2019, arXiv 1903.12261) and its kernel, which is that
// of ImageMagick's MotionBlurImage.
func motionFamily() Family {
	return Family{
		Name: "motion_blur",
		Parameters: []Parameter{{Name: "radius", Unit: "pixels", Min: 1, Max: 64, Whole: true},
			{Name: "sigma", Unit: "pixels", Min: .1, Max: 64}},
		Severities: [5][]float64{{10, 3}, {15, 5}, {15, 8}, {15, 12}, {20, 15}},
		Formula: "average of the samples at (x + ceil(i cos a - 1/2), y + ceil(i sin a - 1/2)), i = 0..2 radius, weights exp(-i^2 / (2 sigma^2)) of sum 1; " +
			"angle a of the media, uniform over the quarter degrees of (-45,45); border repeated",
		Bounds: "an average of samples",
		Source: "ImageNet-C, motion blur",
		Random: true,
		emit:   emitMotion,
	}
}

// motionAngles is how many angles there are: the middles of 360 quarter degrees from -45 to 45. At the far end of the longest
// usual kernel, 40 pixels, two neighbours are .17 pixels apart.
const motionAngles = 360

// motionBand is how many samples are gathered at a time, as floats: so many that they stay in the cache of a core.
const motionBand = 1 << 18

// motionLeast is how many levels the product with the weights has at least: for a single row runtimes use another routine, which
// adds in another order, and a level would not be the same alone as beside others where its sum is near a half.
const motionLeast = 2

// emitMotion blurs along a line that begins at each pixel: the average of the samples at offsets (ceil(i cos a - 1/2),
// ceil(i sin a - 1/2)) right and down, i = 0..2 radius, with weights exp(-i^2/(2 sigma^2)) of sum 1. The border sample is
// repeated. One angle per media, shared by all levels, so that they differ by strength alone: word w of the media's seed
// gives -45 + (floor(360 w/(2^31-1)) + 1/2)/4 degrees. Bounds: an average.
//
// Every picture has its own offsets, and the number of pictures is open, so offsets cannot be slices. Instead the picture is
// laid out once for every shift to the right, and a tap gathers whole rows of bytes from that: the shift to the right
// chooses the copy, the shift down the row. Band by band, one product with the weights then serves all levels.
func emitMotion(c *canvas, settings []setting) []string {
	taps := 0
	for _, s := range settings {
		taps = max(taps, motionWidth(s))
	}
	rows := min(max(1, motionBand/(int64(taps)*3*c.w)), c.h)
	bands := (c.h + rows - 1) / rows
	shifted, index := c.motionCopies(taps), c.motionIndex(taps, bands, rows)
	levels := max(len(settings), motionLeast)
	weights := motionWeights(c.b, settings, levels, taps)
	sums, err := c.b.Scan(index, graph.Int64, []int64{c.n, int64(taps), rows}, []int64{c.n, int64(levels), rows * 3 * c.w},
		func(body *graph.Builder, band string) (string, error) {
			x := body.Cast(body.Op("Gather", []string{shifted, band}, graph.IntAttr("axis", 0)), graph.Float32)
			return body.Call("MatMul", weights, body.Reshape(x, -1, int64(taps), rows*3*c.w)), nil
		})
	if err != nil {
		panic(err) // the body above returns none
	}
	var out []string
	for _, x := range c.b.Split(sums, 2, ones(levels)...)[:len(settings)] {
		x = c.b.Transpose(c.b.Reshape(c.store(x), bands, -1, rows, 3, c.w), 1, 3, 0, 2, 4)
		x = c.b.Reshape(x, -1, 3, bands*rows, c.w)
		if bands*rows > c.h {
			x = c.b.Slice(x, 2, 0, c.h)
		}
		out = append(out, x)
	}
	return out
}

// motionCopies are the rows of the picture with its border repeated, once for every shift to the right: uint8
// [N copies (H+2 border), 3 W].
func (c *canvas) motionCopies(taps int) string {
	border := motionBorder(taps)
	padded := c.b.PadEdge(c.pixels(), []int64{0, 0, border, 0}, []int64{0, 0, border, int64(taps)})
	padded = c.b.Transpose(c.b.Cast(padded, graph.Uint8), 0, 2, 1, 3)
	copies := make([]string, taps)
	for d := range copies {
		copies[d] = c.b.Slice(padded, 3, int64(d), int64(d)+c.w)
	}
	return c.b.Reshape(c.b.Concat(1, copies...), -1, 3*c.w)
}

// motionBorder is how far up or down the taps reach at most.
func motionBorder(taps int) int64 { return int64(taps)*3/4 + 1 }

// motionIndex says which of the copied rows the taps need: int64 [bands,N,taps,rows].
func (c *canvas) motionIndex(taps int, bands, rows int64) string {
	height := c.h + 2*motionBorder(taps)
	var start []int64
	for a := range motionAngles {
		for i := range taps {
			right, down := motionOffset(i, a)
			start = append(start, right*height+motionBorder(taps)+down)
		}
	}
	table := c.b.Const(graph.Int64Tensor("", start, motionAngles, int64(taps)))
	angle := c.below(c.b.Squeeze(c.words([][]string{{"motion_blur", "angle"}}), 1), motionAngles)
	first := c.b.Op("Gather", []string{table, angle}, graph.IntAttr("axis", 0))
	first = c.b.Call("Add", first, c.b.Unsqueeze(c.b.Call("Mul", c.position(), c.b.Ints(int64(taps)*height)), 1))
	row := make([]int64, bands*rows)
	for y := range row {
		row[y] = min(int64(y), c.h-1) // beyond the picture the last band repeats a row, which is cut off again
	}
	return c.b.Call("Add", c.b.Unsqueeze(first, 2), c.b.Const(graph.Int64Tensor("", row, bands, 1, 1, rows)))
}

// motionWidth is the number of taps of a level.
func motionWidth(s setting) int { return 2*int(s.values[0]) + 1 }

// motionWeights is the matrix [levels, taps]; a level with fewer taps has zeros at the end, and rows that no setting needs have
// nothing else.
func motionWeights(b *graph.Builder, settings []setting, levels, taps int) string {
	flat := make([]float32, levels*taps)
	for k, s := range settings {
		for i, w := range motionKernel(s) {
			flat[k*taps+i] = float32(w * halvesUp)
		}
	}
	return b.Floats(flat, int64(levels), int64(taps))
}

// motionKernel has the weights of a level: half a Gaussian from its top on, of sum 1.
func motionKernel(s setting) []float64 {
	weight, sum, sigma := make([]float64, motionWidth(s)), 0., s.values[1]
	for i := range weight {
		weight[i] = math.Exp(-float64(i*i) / (2 * sigma * sigma))
		sum += weight[i]
	}
	for i := range weight {
		weight[i] /= sum
	}
	return weight
}

// motionOffset is where tap i lies at the angle of an index.
func motionOffset(i, angle int) (right, down int64) {
	sin, cos := math.Sincos((-45 + (float64(angle)+.5)/4) * math.Pi / 180)
	return int64(math.Ceil(float64(i)*cos - .5)), int64(math.Ceil(float64(i)*sin - .5))
}

func ones(n int) []int64 {
	all := make([]int64, n)
	for i := range all {
		all[i] = 1
	}
	return all
}
