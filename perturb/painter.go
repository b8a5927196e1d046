package perturb

import (
	"fmt"
	"math"

	"shaketable/perturb/corrupt"
)

// Painter makes the variants that a graph does not: those of package corrupt, and with the exact codec those with JPEG in them.
// It has no state and can be shared by goroutines.
type Painter struct {
	suite         Suite
	plan          outline
	width, height int
}

// NewPainter prepares a suite for pictures of one size.
func NewPainter(s Suite, width, height int) (*Painter, error) {
	if err := checkSize(height, width); err != nil {
		return nil, err
	}
	plan, err := outlineOf(s)
	if err != nil {
		return nil, err
	}
	return &Painter{s, plan, width, height}, nil
}

// Paint makes one variant (index into Suite.Variants) of a picture: uint8 RGB, row by row, in pix and in out, which may not
// overlap. The same pixels, seed and variant give the same bytes.
func (p *Painter) Paint(pix []byte, seed int64, variant int, out []byte) error {
	if variant < 0 || variant >= len(p.suite.Variants) {
		return fmt.Errorf("paint: variant %d of a suite that has %d, counted from 0", variant, len(p.suite.Variants))
	}
	v, f, s := p.suite.Variants[variant], p.plan.families[variant], p.plan.settings[variant]
	if !p.suite.onHost(f) {
		return fmt.Errorf("paint: %s is made in the graph", v)
	}
	if size := 3 * p.width * p.height; len(pix) != size || len(out) != size {
		return fmt.Errorf("paint: %d bytes in and %d out for a picture of %d x %d: both must be %d", len(pix), len(out), p.width, p.height, size)
	}
	painted, err := p.paint(pix, f, s, seed)
	if err != nil {
		return fmt.Errorf("paint %s: %w", v, err)
	}
	copy(out, painted)
	return nil
}

func (p *Painter) paint(pix []byte, f Family, s setting, seed int64) ([]byte, error) {
	switch f.Name {
	case "social":
		return p.social(pix, int(s.values[0]), s.values[1])
	case "jpeg":
		return corrupt.Apply("jpeg", s.values, pix, p.width, p.height, 0)
	}
	return corrupt.Apply(f.Name, s.values, pix, p.width, p.height, seed64(f.Name, s.text, fmt.Sprint(seed)))
}

// social does what emitSocial does, with a real codec.
func (p *Painter) social(pix []byte, side int, quality float64) ([]byte, error) {
	h, w := fitInto(p.height, p.width, side)
	small := pix
	if h != p.height || w != p.width {
		small = areaDown(p.height, h).both(areaDown(p.width, w), pix)
	}
	small, err := corrupt.Apply("jpeg", []float64{quality}, small, w, h, 0)
	if err != nil || h == p.height && w == p.width {
		return small, err
	}
	return bilinear(h, p.height).both(bilinear(w, p.width), small), nil
}

// both applies a map down the columns and one along the rows of an RGB picture, and rounds once, halves up.
func (m *banded) both(along *banded, pix []byte) []byte {
	width := 3 * along.in
	rows := make([]float64, len(m.first)*width)
	for y, weight := range m.weight {
		line := rows[y*width : (y+1)*width]
		for t, w := range weight {
			from := pix[m.at(m.first[y]+t)*width:]
			for i := range line {
				line[i] += float64(w * float64(from[i]))
			}
		}
	}
	out := make([]byte, 0, 3*len(m.first)*len(along.first))
	for y := range m.first {
		line := rows[y*width : (y+1)*width]
		for x, weight := range along.weight {
			var sum [3]float64
			for t, w := range weight {
				at := 3 * along.at(along.first[x]+t)
				for c := range sum {
					sum[c] += float64(w * line[at+c])
				}
			}
			for _, v := range sum {
				out = append(out, uint8(min(max(math.Floor(v+.5+1e-9), 0), 255)))
			}
		}
	}
	return out
}
