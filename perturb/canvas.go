package perturb

import (
	"fmt"
	"slices"

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

	pixelsOnce, lumaOnce string
	channelsOnce         []string
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

func (c *canvas) scaled(x string, factor float32) string {
	return c.b.Call("Mul", x, c.b.Float(factor))
}

// halvesUp lengthens values by one part in four million before they are stored: families round halves up, as floor(x + .5)
// does, but the operator that stores rounds them to even. The error of float32 is smaller, other values do not notice.
const halvesUp = 1 + 1./(1<<22)

// store rounds float32 0..255 to uint8 and saturates. Callers see to halves, see halvesUp.
func (c *canvas) store(x string) string { return c.b.Quantize(x, 1, 0) }

// paint emits the variants of a suite, in its order: uint8 [N,3,H,W] each. Families are emitted once, with all the
// severities that are asked of them, so that they can share work between severities.
func (c *canvas) paint(variants []Variant) ([]string, error) {
	severities := map[string][]int{}
	var order []string
	for _, v := range variants {
		if v.Severity < 1 || v.Severity > 5 {
			return nil, fmt.Errorf("perturbation %s has severity %d: it must be 1 to 5", v.Family, v.Severity)
		}
		if _, ok := severities[v.Family]; !ok {
			order = append(order, v.Family)
		}
		if slices.Contains(severities[v.Family], v.Severity) {
			return nil, fmt.Errorf("perturbation %s, severity %d, is in the suite twice", v.Family, v.Severity)
		}
		severities[v.Family] = append(severities[v.Family], v.Severity)
	}
	made := map[Variant]string{}
	for _, name := range order {
		f, err := findFamily(name)
		if err != nil {
			return nil, err
		}
		for i, x := range f.emit(c, severities[name]) {
			made[Variant{Family: name, Severity: severities[name][i]}] = x
		}
	}
	out := make([]string, len(variants))
	for i, v := range variants {
		out[i] = made[Variant{Family: v.Family, Severity: v.Severity}]
	}
	return out, nil
}
