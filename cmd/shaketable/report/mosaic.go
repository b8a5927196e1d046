package report

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// mosaic is a heat map with its numbers, for files: a row per family, a column per severity. The page has a table instead.
type mosaic struct {
	rows [][]rate // from the bottom up; cells without trials stay empty
	ink  color.Color
}

// heatmaps are the two maps of a detector; none without perturbations.
func (s *subject) heatmaps() (list []figure) {
	families := s.naturals()
	if len(families) == 0 {
		return nil
	}
	for _, one := range []struct {
		file, title string
		of          func(figures) rate
	}{{"ra", "verdict holds (RA), %", func(f figures) rate { return f.RA }},
		{"rr", "probability stays within .05 (RR), %", func(f figures) rate { return f.RR }}} {
		m, names := mosaic{}, []plot.Tick(nil)
		for i := len(families) - 1; i >= 0; i-- {
			row := make([]rate, 5)
			for _, l := range families[i].Levels {
				if l.Severity >= 1 && l.Severity <= len(row) {
					row[l.Severity-1] = one.of(l.figures)
				}
			}
			names = append(names, plot.Tick{Value: float64(len(m.rows)), Label: words(families[i].Name)})
			m.rows = append(m.rows, row)
		}
		f := figure{File: "heat-" + one.file + "-" + fileName(s.Name), Title: s.title() + ": " + one.title, width: 330, height: vg.Length(70 + 22*len(families))}
		f.draw = func(c palette) (*plot.Plot, error) {
			p := blank(c, fmt.Sprintf("severity, mild to strong; %d pictures", s.Pictures), "")
			m.ink = c.ink
			p.Add(m)
			p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = .5, 5.5, -.5, float64(len(m.rows))-.5
			p.Y.Tick.Marker = plot.ConstantTicks(names)
			p.X.Tick.Marker = plot.ConstantTicks([]plot.Tick{{Value: 1, Label: "1"}, {Value: 2, Label: "2"}, {Value: 3, Label: "3"}, {Value: 4, Label: "4"}, {Value: 5, Label: "5"}})
			return p, nil
		}
		list = append(list, f)
	}
	return list
}

// DataRange is that of the rows.
func (m mosaic) DataRange() (xmin, xmax, ymin, ymax float64) {
	return .5, 5.5, -.5, float64(len(m.rows)) - .5
}

// Plot draws the cells.
func (m mosaic) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	style := p.X.Tick.Label
	style.Color, style.XAlign, style.YAlign = m.ink, draw.XCenter, draw.YCenter
	for y, row := range m.rows {
		for x, r := range row {
			if !r.OK() {
				continue
			}
			centre := plotter.XY{X: float64(x + 1), Y: float64(y)}
			corner := func(dx, dy float64) vg.Point { return vg.Point{X: toX(centre.X + dx), Y: toY(centre.Y + dy)} }
			c.FillPolygon(hot(r), []vg.Point{corner(-.5, -.5), corner(.5, -.5), corner(.5, .5), corner(-.5, .5)})
			c.FillText(style, corner(0, 0), fmt.Sprintf("%.0f", 100*r.Value))
		}
	}
}

// hot is the colour of a cell on white, as deep as on the page.
func hot(r rate) color.Color {
	share := heat(r) / 100
	mix := func(v float64) uint8 { return uint8(math.Round(255 + share*(v-255))) }
	return color.NRGBA{R: mix(0xd9), G: mix(0x48), B: mix(0x0f), A: 255}
}
