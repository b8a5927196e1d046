package main

import (
	"bytes"
	"fmt"
	"image/color"
	"os"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// drawPlot writes RA and RR(.05) over time, with roll-out and alert, to a PNG file.
func drawPlot(v View, file string) error {
	if len(v.Points) < 2 {
		return fmt.Errorf("plot %s: %d points were recorded, two are needed: let the demo run for longer", file, len(v.Points))
	}
	p := blank(v.Points[len(v.Points)-1].T)
	for _, c := range []struct {
		name  string
		color color.Color
		of    func(Point) float64
	}{
		{"RA: the verdict is the same after the shake", color.RGBA{R: 37, G: 99, B: 168, A: 255}, func(q Point) float64 { return q.RA }},
		{"RR(.05): the score moved by at most .05", color.RGBA{R: 194, G: 85, B: 10, A: 255}, func(q Point) float64 { return q.RR }},
	} {
		if err := addCurve(p, c.name, c.color, v.Points, c.of); err != nil {
			return err
		}
	}
	if err := addMark(p, v.RollOut, "version 1.1 rolled out", color.Gray{Y: 110}, draw.XRight); err != nil {
		return err
	}
	if v.Fired > 0 {
		if err := addMark(p, v.FiredAt, "alert", color.RGBA{R: 179, G: 38, B: 30, A: 255}, draw.XLeft); err != nil {
			return err
		}
	}
	return save(p, file)
}

// blank is a plot of shares over the given number of seconds.
func blank(seconds float64) *plot.Plot {
	p := plot.New()
	p.Title.Text = "A roll-out: the verdicts hold, the scores do not"
	p.X.Label.Text, p.Y.Label.Text = "seconds", "share of live pictures"
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, seconds, 0, 1.02
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(shortTicks), plot.TickerFunc(shortTicks)
	p.Legend.Padding, p.Legend.XOffs, p.Legend.YOffs = vg.Points(3), vg.Points(-10), vg.Points(10)
	for style, size := range map[*text.Style]float64{&p.Title.TextStyle: 13, &p.Legend.TextStyle: 11, &p.X.Label.TextStyle: 11,
		&p.Y.Label.TextStyle: 11, &p.X.Tick.Label: 10, &p.Y.Tick.Label: 10} {
		style.Font.Variant, style.Font.Size = "Sans", vg.Points(size)
	}
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{Y: 225}, color.Transparent
	p.Add(grid)
	return p
}

// shortTicks leaves the trailing zeros out of the labels.
func shortTicks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for i := range ticks {
		if ticks[i].Label != "" {
			ticks[i].Label = strconv.FormatFloat(ticks[i].Value, 'g', 6, 64)
		}
	}
	return ticks
}

// save draws at twice the usual resolution, so that the picture stays sharp where it is shown wide.
func save(p *plot.Plot, file string) error {
	canvas := vgimg.NewWith(vgimg.UseWH(8*vg.Inch, 3.4*vg.Inch), vgimg.UseDPI(192))
	p.Draw(draw.New(canvas))
	var b bytes.Buffer
	if _, err := (vgimg.PngCanvas{Canvas: canvas}).WriteTo(&b); err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	return nil
}

func addCurve(p *plot.Plot, name string, c color.Color, points []Point, of func(Point) float64) error {
	xy := make(plotter.XYs, len(points))
	for i, q := range points {
		xy[i] = plotter.XY{X: q.T, Y: of(q)}
	}
	l, err := plotter.NewLine(xy)
	if err != nil {
		return fmt.Errorf("plot: %s: %w", name, err)
	}
	l.Color, l.Width = c, vg.Points(2)
	p.Add(l)
	p.Legend.Add(name, l)
	return nil
}

// addMark draws a dashed vertical line at second t with its name, aligned so, beside it; nothing at 0.
func addMark(p *plot.Plot, t float64, name string, c color.Color, align text.XAlignment) error {
	if t <= 0 {
		return nil
	}
	l, err := plotter.NewLine(plotter.XYs{{X: t, Y: 0}, {X: t, Y: 1.02}})
	if err != nil {
		return fmt.Errorf("plot: %s: %w", name, err)
	}
	l.Color, l.Dashes = c, []vg.Length{vg.Points(4), vg.Points(3)}
	label, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{{X: t, Y: .3}}, Labels: []string{" " + name + " "}})
	if err != nil {
		return fmt.Errorf("plot: %s: %w", name, err)
	}
	label.TextStyle[0].Font.Variant = "Sans"
	label.TextStyle[0].Color, label.TextStyle[0].XAlign = c, align
	p.Add(l, label)
	return nil
}
