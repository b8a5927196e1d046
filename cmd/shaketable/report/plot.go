package report

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"image/color"
	"math"
	"regexp"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A figure is drawn once per palette: for the page, where every colour is a variable of the style sheet so that it follows
// light and dark, and for files, where colours are fixed.

// figure is one plot.
type figure struct {
	File          string // its name without an ending
	Title         string
	Alt           string // for those who can't see it: what it shows
	width, height vg.Length
	draw          func(c palette) (*plot.Plot, error)
	legend        []entry // for files; the page has one legend for all
}

// entry is a line of a legend.
type entry struct {
	name   string
	series int
}

// seriesColours is after how many detectors colours begin anew; dashes then tell them apart.
const seriesColours = 8

// palette are the colours of a figure.
type palette struct {
	ink, soft, grid, paper color.Color
	series, veil           []color.Color // veil is the transparent form of series
}

// light is for files.
func light() palette {
	p := palette{ink: rgb(0x1b1d22), soft: rgb(0x5d636f), grid: rgb(0xe3e3dd), paper: rgb(0xffffff)}
	for _, c := range []uint32{0x2563a8, 0xb84f08, 0x1b7f4b, 0x7b3fa0, 0xb3261e, 0x0f7f86, 0x6b6b00, 0xa3195b} {
		p.series = append(p.series, rgb(c))
		veil := rgb(c)
		veil.A = 40
		p.veil = append(p.veil, veil)
	}
	return p
}

func rgb(v uint32) color.NRGBA {
	return color.NRGBA{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v), A: 255}
}

// The colours of themed stand for variables. They differ by far more than the rounding of the SVG canvas.
const themedBase = 0xf00000

// themed are colours that [page] replaces.
func themed() palette {
	at := func(i int) color.Color { return rgb(themedBase + uint32(i)*0x1010) }
	p := palette{ink: at(0), soft: at(1), grid: at(2)}
	for i := range seriesColours {
		p.series, p.veil = append(p.series, at(3+i)), append(p.veil, at(3+seriesColours+i))
	}
	return p
}

// variable is what stands for a colour of themed.
func variable(property string, at int) string {
	switch {
	case at < 3:
		return property + ":var(--" + []string{"ink", "soft", "line"}[at] + ")"
	case at < 3+seriesColours:
		return property + ":var(--s" + strconv.Itoa(at-2) + ")"
	}
	return property + ":var(--s" + strconv.Itoa(at-2-seriesColours) + ");" + property + "-opacity:.16"
}

// inline returns the figure as SVG for the page.
func (f figure) inline() (template.HTML, error) {
	raw, err := f.svg(themed())
	if err != nil {
		return "", err
	}
	body := raw[strings.Index(raw, "<g "):]
	body = regexp.MustCompile(`\s*(font-family:[^;"]*|font-variant:[a-z]*|font-style:normal|font-weight:normal|stroke-opacity:1|fill-opacity:1|stroke-dashoffset:0);?`).
		ReplaceAllString(body, "")
	body = regexp.MustCompile(`(fill|stroke):#([0-9A-F]{6})`).ReplaceAllStringFunc(body, func(found string) string {
		property, hex, _ := strings.Cut(found, ":#")
		v, err := strconv.ParseUint(hex, 16, 32)
		if err != nil || v < themedBase-0x20000 {
			return found
		}
		return variable(property, int(math.Round(float64(v&0xffff)/0x1010)))
	})
	return template.HTML(fmt.Sprintf(`<svg class="plot" role="img" aria-label="%s" viewBox="0 0 %g %g" style="--w:%g">`,
		template.HTMLEscapeString(f.Alt), f.width.Points(), f.height.Points(), f.width.Points()) + body), nil
}

// svg draws on a canvas of one unit per point.
func (f figure) svg(c palette) (string, error) {
	p, err := f.draw(c)
	if err != nil {
		return "", fmt.Errorf("report: figure %s: %w", f.File, err)
	}
	canvas := vgsvg.New(f.width, f.height)
	p.Draw(draw.New(canvas))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return "", fmt.Errorf("report: figure %s: %w", f.File, err)
	}
	return b.String(), nil
}

// File is a plot as a file.
type File struct {
	Name string
	Data []byte
}

// Room around a figure in a file, and for a line of its legend.
const (
	margin     = vg.Length(6)
	legendLine = vg.Length(13)
	roomier    = vg.Length(50) // for the title
)

// files are the figure as SVG and as PNG, with a title, and a legend below.
func (f figure) files() ([]File, error) {
	c := light()
	width, height := f.width+roomier, f.height+vg.Length(len(f.legend))*legendLine+2*margin
	onto := func(canvas vg.CanvasSizer) error {
		p, err := f.draw(c)
		if err != nil {
			return fmt.Errorf("report: figure %s: %w", f.File, err)
		}
		p.Title.Text = f.Title
		all := draw.New(canvas)
		all.SetColor(c.paper)
		all.Fill(all.Rectangle.Path())
		below := vg.Length(len(f.legend)) * legendLine
		p.Draw(draw.Crop(all, margin, -2*margin, margin+below, -margin))
		key := plot.NewLegend()
		key.TextStyle, key.Left, key.Padding = p.Legend.TextStyle, true, vg.Points(1.5)
		for _, e := range f.legend {
			key.Add(e.name, sample{c.series[(e.series-1)%seriesColours], dashes(e.series)})
		}
		key.Draw(draw.Crop(all, 2*margin, -margin, margin, -(f.height + margin)))
		return nil
	}
	drawing, picture := vgsvg.New(width, height), vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(192))
	var svg, png bytes.Buffer
	if err := errors.Join(onto(drawing), onto(picture)); err != nil {
		return nil, err
	}
	if _, err := drawing.WriteTo(&svg); err != nil {
		return nil, fmt.Errorf("report: figure %s: %w", f.File, err)
	}
	if _, err := (vgimg.PngCanvas{Canvas: picture}).WriteTo(&png); err != nil {
		return nil, fmt.Errorf("report: figure %s: %w", f.File, err)
	}
	return []File{{f.File + ".svg", svg.Bytes()}, {f.File + ".png", png.Bytes()}}, nil
}

// blank is a plot with axes in the colours of a palette.
func blank(c palette, x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = c.paper
	p.X.Label.Text, p.Y.Label.Text = x, y
	for style, size := range map[*text.Style]float64{&p.Title.TextStyle: 11, &p.Legend.TextStyle: 9, &p.X.Label.TextStyle: 10,
		&p.Y.Label.TextStyle: 10, &p.X.Tick.Label: 9, &p.Y.Tick.Label: 9} {
		style.Font.Variant, style.Font.Size, style.Color = "Sans", vg.Points(size), c.ink
	}
	p.Title.Padding = vg.Points(6)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Color, a.Tick.Color, a.Width, a.Tick.Width = c.soft, c.soft, vg.Points(.7), vg.Points(.7)
		a.Tick.Label.Color = c.soft
		a.Padding = 0
	}
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = c.grid, c.grid
	grid.Horizontal.Width, grid.Vertical.Width = vg.Points(.7), vg.Points(.7)
	p.Add(grid)
	return p
}

// shares sets an axis to a range of shares, with labels in percent.
func shares(a *plot.Axis, low, high float64) {
	a.Min, a.Max = low, high
	a.Tick.Marker = plot.TickerFunc(func(low, high float64) []plot.Tick {
		step := .2
		for _, s := range []float64{.1, .05, .02, .01} {
			if (high-low)/s <= 7 {
				step = s
			}
		}
		var ticks []plot.Tick
		for i := math.Ceil(low/step - 1e-9); i*step <= high+1e-9; i++ {
			ticks = append(ticks, plot.Tick{Value: i * step, Label: strconv.Itoa(int(math.Round(i*step*100))) + "%"})
		}
		return ticks
	})
}

// dashes tell detectors of the same colour apart.
func dashes(series int) []vg.Length {
	switch (series - 1) / seriesColours % 3 {
	case 1:
		return []vg.Length{vg.Points(5), vg.Points(2)}
	case 2:
		return []vg.Length{vg.Points(1.5), vg.Points(2)}
	}
	return nil
}
