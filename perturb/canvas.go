package perturb

import (
	"shaketable/perturb/graph"
)

// canvas is the picture that families work on, inside the graph under construction, with what they share: computed when
// first asked for. All values are of shape [N,·,H,W].
type canvas struct {
	b      *graph.Builder
	n      int64 // number of media, or graph.Unknown
	h, w   int64
	planes string // uint8 [N,3,H,W], RGB
	seed   string // int64 [N]
	each   string // any int64 [N], see position

	pixelsOnce, lumaOnce, positionOnce string
	channelsOnce                       []string
	forwardOnce                        [2]string // luma, chroma: see jpegForward
}

// pixels is the picture as float32 [N,3,H,W], 0..255.
func (c *canvas) pixels() string {
	if c.pixelsOnce == "" {
		c.pixelsOnce = c.b.Cast(c.planes, graph.Float32)
	}
	return c.pixelsOnce
}

// channels are R, G and B, float32 [N,1,H,W] each.
func (c *canvas) channels() (r, g, b string) {
	if c.channelsOnce == nil {
		c.channelsOnce = c.b.Split(c.pixels(), 1, 1, 1, 1)
	}
	return c.channelsOnce[0], c.channelsOnce[1], c.channelsOnce[2]
}

// luma is .299 R + .587 G + .114 B (ITU-R BT.601), float32 [N,1,H,W], not rounded, lengthened by halvesUp.
func (c *canvas) luma() string {
	if c.lumaOnce == "" {
		r, g, b := c.channels()
		c.lumaOnce = c.b.Call("Add", c.b.Call("Add", c.scaled(r, .299*halvesUp), c.scaled(g, .587*halvesUp)), c.scaled(b, .114*halvesUp))
	}
	return c.lumaOnce
}

// position numbers the media of the call: int64 [N], 0 1 2 …
func (c *canvas) position() string {
	if c.positionOnce == "" {
		one := c.b.Call("Add", c.b.Call("Mul", c.each, c.b.Ints(0)), c.b.Ints(1))
		c.positionOnce = c.b.Op("CumSum", []string{one, c.b.Const(graph.Int64Tensor("", []int64{0}))}, graph.IntAttr("exclusive", 1))
	}
	return c.positionOnce
}

func (c *canvas) scaled(x string, factor float32) string {
	return c.b.Call("Mul", x, c.b.Float(factor))
}

// halvesUp lengthens values by one part in four million before they are stored: families round halves up, as floor(x + .5)
// does, but the operator that stores rounds them to even. The error of float32 is smaller, other values do not notice.
const halvesUp = 1 + 1./(1<<22)

// store rounds float32 0..255 to uint8 and saturates. Callers see to halves, see halvesUp.
func (c *canvas) store(x string) string { return c.b.Quantize(x, 1, 0) }
