package report

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// mark is a point with bands in either direction.
type mark struct {
	x, y rate
	// shift moves it sideways, so that bands of neighbours do not cover each other.
	shift  vg.Length
	radius vg.Length
	hollow bool
	cross  bool // draw the bands
	label  string
}

// marks draws points of one colour.
type marks struct {
	points []mark
	color  color.Color
	ink    color.Color // of labels
	plain  bool        // x is a position, not a share: it has no band
	joined float64     // width of the line that joins them; 0 for none
	dashed []vg.Length
}

// DataRange keeps the points themselves within the axes.
func (m marks) DataRange() (xmin, xmax, ymin, ymax float64) {
	xys := make(plotter.XYs, len(m.points))
	for i, p := range m.points {
		xys[i] = plotter.XY{X: p.x.Value, Y: p.y.Value}
	}
	return plotter.XYRange(xys)
}

// Plot draws them.
func (m marks) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	if m.joined > 0 {
		path := make([]vg.Point, len(m.points))
		for i, one := range m.points {
			path[i] = vg.Point{X: toX(one.x.Value) + one.shift, Y: toY(one.y.Value)}
		}
		c.StrokeLines(draw.LineStyle{Color: m.color, Width: vg.Points(m.joined), Dashes: m.dashed}, path)
	}
	for _, one := range m.points {
		at := vg.Point{X: toX(one.x.Value) + one.shift, Y: toY(one.y.Value)}
		thin := draw.LineStyle{Color: m.color, Width: vg.Points(1)}
		if one.cross {
			c.StrokeLine2(thin, at.X, bounded(toY(one.y.Low), c.Min.Y, c.Max.Y), at.X, bounded(toY(one.y.High), c.Min.Y, c.Max.Y))
			if !m.plain {
				c.StrokeLine2(thin, bounded(toX(one.x.Low), c.Min.X, c.Max.X), at.Y, bounded(toX(one.x.High), c.Min.X, c.Max.X), at.Y)
			}
		}
		glyph := draw.GlyphStyle{Color: m.color, Radius: one.radius, Shape: draw.CircleGlyph{}}
		if one.hollow {
			glyph.Shape = draw.RingGlyph{}
		}
		c.DrawGlyph(glyph, at)
		if one.label != "" {
			style := p.X.Tick.Label
			style.Color, style.XAlign, style.YAlign = m.ink, draw.XLeft, draw.YCenter
			if at.X > (c.Min.X+c.Max.X)/2 {
				style.XAlign = draw.XRight
				at.X -= 2 * (one.radius + vg.Points(2))
			}
			c.FillText(style, vg.Point{X: at.X + one.radius + vg.Points(2), Y: at.Y}, one.label)
		}
	}
}

func bounded(v, low, high vg.Length) vg.Length { return min(max(v, low), high) }

// line joins values.
func line(xys plotter.XYs, c color.Color, width float64, dashed []vg.Length) *plotter.Line {
	return &plotter.Line{XYs: xys, LineStyle: draw.LineStyle{Color: c, Width: vg.Points(width), Dashes: dashed}}
}

// ribbon fills what lies between two curves over the same x.
func ribbon(low, high plotter.XYs, c color.Color) (*plotter.Polygon, error) {
	ring := append(plotter.XYs{}, low...)
	for i := len(high) - 1; i >= 0; i-- {
		ring = append(ring, high[i])
	}
	p, err := plotter.NewPolygon(ring)
	if err != nil {
		return nil, err
	}
	p.Color, p.LineStyle.Width = c, 0
	return p, nil
}

// sample is the line of a detector in a legend.
type sample struct {
	color  color.Color
	dashed []vg.Length
}

// Thumbnail draws it.
func (s sample) Thumbnail(c *draw.Canvas) {
	c.StrokeLine2(draw.LineStyle{Color: s.color, Width: vg.Points(2), Dashes: s.dashed}, c.Min.X, c.Center().Y, c.Max.X, c.Center().Y)
}
