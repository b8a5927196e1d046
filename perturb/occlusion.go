package perturb

import (
	"fmt"

	"shaketable/perturb/graph"
)

// occlusionFamily has the block-wise levels "BW" of DeeperForensics-1.0 (Jiang et al., CVPR 2020, arXiv 2001.03024). There the
// count is multiplied by floor(shorter side / 256), and is 0 for every face crop below 256 pixels; here the factor is 1 at least.
func occlusionFamily() Family {
	return Family{
		Name:       "block_occlusion",
		Parameters: []Parameter{{Name: "blocks", Min: 1, Max: 1024, Whole: true}},
		Severities: [5][]float64{{16}, {32}, {48}, {64}, {80}},
		Formula:    "as many as blocks times max(1, floor(shorter side / 256)) squares of 8 x 8 pixels become grey 128, their places uniform and independent",
		Bounds:     "samples stay, or are 128",
		Source:     "DeeperForensics-1.0, block-wise distortion, mended for pictures below 256 pixels",
		Random:     true,
		emit:       emitOcclusion,
	}
}

const (
	occlusionSide = 8
	occlusionGrey = 128
)

// emitOcclusion paints grey squares of 8 x 8 pixels at places that depend on the media, the level and the number of the square:
// column and row of its corner are uniform over all that keep it inside the picture. Squares may overlap. A square is where
// its rows and its columns meet, so that a product of two indicator matrices, [H,squares] and [squares,W], counts the
// squares over every pixel. Bounds: samples stay, or are 128.
func emitOcclusion(c *canvas, settings []setting) []string {
	var out []string
	for _, s := range settings {
		count := int64(s.values[0]) * max(1, min(c.h, c.w)/256)
		rows := c.stripes("row", s, count, c.h)
		columns := c.stripes("column", s, count, c.w)
		covered := c.b.Call("MatMul", c.b.Transpose(rows, 0, 2, 1), columns)
		mask := c.b.Call("Greater", c.b.Reshape(covered, -1, 1, c.h, c.w), c.b.Float(.5))
		out = append(out, c.b.Call("Where", mask, c.b.Const(graph.Uint8Tensor("", []byte{occlusionGrey})), c.planes))
	}
	return out
}

// stripes marks, for every square, the samples of an axis of length n that it covers: float32 [N,count,n], 1 or 0.
func (c *canvas) stripes(axis string, s setting, count, n int64) string {
	names := make([][]string, count)
	for i := range names {
		names[i] = []string{"block_occlusion", s.text, axis, fmt.Sprint(i)}
	}
	corner := c.b.Cast(c.below(c.words(names), n-occlusionSide+1), graph.Float32)
	middle := make([]float32, n) // where a square would have to begin to have this sample in its middle
	for i := range middle {
		middle[i] = float32(i) - (occlusionSide-1)/2.
	}
	distance := c.b.Call("Abs", c.b.Call("Sub", c.b.Floats(middle, n), c.b.Unsqueeze(corner, 2)))
	// halves throughout: 0.5 to 3.5 inside, 4.5 and more outside
	return c.b.Clip(c.b.Call("Sub", c.b.Float((occlusionSide+1)/2.), distance), 0, 1)
}
