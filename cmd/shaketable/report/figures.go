package report

import (
	"fmt"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"shaketable/metrics"
)

// Plots returns every figure of the report as an SVG and as a PNG file.
func Plots(in Input) ([]File, error) {
	s, err := newSheet(in)
	if err != nil {
		return nil, err
	}
	all := []figure{}
	if f, ok := s.plane(); ok {
		all = append(all, f)
	}
	for _, c := range s.curves() {
		all = append(all, c.RA, c.RR)
	}
	for i := range s.subjects {
		if f, ok := s.subjects[i].tolerances(); ok {
			all = append(all, f)
		}
		all = append(all, s.subjects[i].heatmaps()...)
	}
	var files []File
	for _, f := range all {
		list, err := f.files()
		if err != nil {
			return nil, err
		}
		files = append(files, list...)
	}
	return files, nil
}

// legend lists the detectors.
func (s *sheet) legend() (list []entry) {
	for _, d := range s.subjects {
		list = append(list, entry{fmt.Sprintf("%s, %s", d.title(), plural(d.Pictures, "1 picture", "%d pictures")), d.Index})
	}
	return list
}

// title is the name of a detector with its version.
func (s *subject) title() string {
	if s.Version == "" {
		return s.Name
	}
	return s.Name + " " + s.Version
}

// plane has a point per detector, small ones for its families, and rings for what it was before; false without perturbations.
func (s *sheet) plane() (figure, bool) {
	lowX, lowY, any := 1., 1., false
	for i := range s.subjects {
		for _, f := range s.subjects[i].naturals() {
			any = true
			lowX, lowY = min(lowX, f.RA.Value), min(lowY, f.RR.Value)
		}
		if d := s.subjects[i]; d.RA.OK() {
			lowX, lowY = min(lowX, d.RA.Low), min(lowY, d.RR.Low)
		}
	}
	f := figure{File: "plane", Title: "Verdicts that hold and probabilities that stay, by detector", width: 400, height: 330, legend: s.legend(),
		Alt: "Each detector by the share of verdicts that hold (across) and the share of probabilities that stay within .05 (up); the figures are in the table"}
	f.draw = func(c palette) (*plot.Plot, error) {
		p := blank(c, "verdict holds (RA)", "probability stays within .05 (RR)")
		for i := range s.subjects {
			s.subjects[i].dots(c, p)
		}
		shares(&p.X, math.Floor(lowX*20-.2)/20, 1.005)
		shares(&p.Y, max(0, math.Floor(lowY*20-.2)/20), 1.005)
		return p, nil
	}
	return f, any
}

func (s *subject) dots(c palette, p *plot.Plot) {
	at := (s.Index - 1) % seriesColours
	small := marks{color: c.series[at], ink: c.soft}
	weak, _ := s.weakest()
	for _, f := range s.naturals() {
		m := mark{x: f.RA, y: f.RR, radius: vg.Points(1.8)}
		if f.Name == weak.Name {
			m.label = words(f.Name)
		}
		small.points = append(small.points, m)
	}
	p.Add(small)
	if !s.RA.OK() {
		return
	}
	if before, ok := s.before(); ok {
		p.Add(marks{color: c.series[at], points: []mark{{x: before.RA, y: before.RR, radius: vg.Points(4), hollow: true}}},
			line(plotter.XYs{{X: before.RA.Value, Y: before.RR.Value}, {X: s.RA.Value, Y: s.RR.Value}}, c.series[at], .8, dashes(2)))
	}
	p.Add(marks{color: c.series[at], points: []mark{{x: s.RA, y: s.RR, radius: vg.Points(4.5), cross: true}}})
}

// curve is a family over its severities: how many verdicts hold, and how many probabilities stay.
type curve struct {
	Family string
	Attack bool
	RA, RR figure
}

// curves has a pair of figures per family with more than one severity.
func (s *sheet) curves() (list []curve) {
	seen := map[string]bool{}
	for i := range s.subjects {
		for _, f := range s.subjects[i].Families {
			if seen[f.Name] || len(f.Levels) < 2 {
				continue
			}
			seen[f.Name] = true
			c := curve{Family: f.Name, Attack: f.Attack,
				RA: s.severity(f, "ra", "verdict holds (RA)", func(_ *subject, l level) rate { return l.RA }),
				RR: s.severity(f, "rr", "probability stays within .05 (RR)", func(_ *subject, l level) rate { return l.RR })}
			if f.Attack && s.subjects[i].Attack != nil {
				c.RA = s.severity(f, "success", "attack succeeds", (*subject).succeeded)
			}
			list = append(list, c)
		}
	}
	return list
}

func (s *sheet) severity(f family, short, label string, of func(*subject, level) rate) figure {
	out := figure{File: fileName(f.Name) + "-" + short, Title: words(f.Name) + ": " + label, width: 270, height: 180, legend: s.legend(),
		Alt: fmt.Sprintf("%s: share of pictures whose %s, over %d severities, by detector; the figures are in the table of all figures", words(f.Name), label, len(f.Levels))}
	out.draw = func(c palette) (*plot.Plot, error) {
		p := blank(c, "mild to strong", "")
		if f.Attack {
			p.X.Label.Text = "bound on the change of the pixels"
		}
		var names []plot.Tick
		for i, l := range f.Levels {
			names = append(names, plot.Tick{Value: float64(i + 1), Label: shortened(l)})
		}
		for i := range s.subjects {
			s.subjects[i].overSeverities(c, p, f.Name, of, vg.Points(2.6*(float64(i)-float64(len(s.subjects)-1)/2)))
		}
		p.X.Tick.Marker = plot.ConstantTicks(names)
		p.X.Min, p.X.Max = .6, float64(len(f.Levels))+.4
		shares(&p.Y, 0, 1.01)
		return p, nil
	}
	return out
}

// shortened is the label of a severity: its number, with the value where that is short.
func shortened(l level) string {
	if len(l.Parameter) > 0 && len(l.Parameter) <= 9 {
		return l.Parameter
	}
	return strconv.Itoa(l.Severity)
}

func (s *subject) overSeverities(c palette, p *plot.Plot, family string, of func(*subject, level) rate, shift vg.Length) {
	colour := c.series[(s.Index-1)%seriesColours]
	for _, f := range s.Families {
		if f.Name != family {
			continue
		}
		dots := marks{color: colour, plain: true, joined: 1.1, dashed: dashes(s.Index)}
		for i, l := range f.Levels {
			if r := of(s, l); r.OK() {
				dots.points = append(dots.points, mark{x: rate{Value: float64(i + 1)}, y: r, shift: shift, radius: vg.Points(2), cross: true})
			}
		}
		if len(dots.points) > 0 {
			p.Add(dots)
		}
	}
}

// farthest is the largest tolerance of the curve over tolerances.
const farthest = .5

// tolerances is the share of probabilities that stay within a tolerance, over all tolerances, with its band; false
// without perturbations.
func (s *subject) tolerances() (figure, bool) {
	if s.natural == 0 {
		return figure{}, false
	}
	f := figure{File: "tolerance-" + fileName(s.Name), Title: fmt.Sprintf("%s, %s", s.title(), plural(s.Pictures, "1 picture", "%d pictures")), width: 270, height: 200,
		Alt: fmt.Sprintf("%s: share of probabilities that stay within a tolerance, over tolerances from 0 to %g, for all families and for each", s.title(), farthest)}
	f.draw = func(c palette) (*plot.Plot, error) {
		p := blank(c, "tolerance", "probability stays (RR)")
		at := (s.Index - 1) % seriesColours
		half, err := metrics.DKW(s.RR.N, alpha)
		if err != nil {
			return nil, err
		}
		var all, low, high plotter.XYs
		edges := s.within()
		for i := range edges[0] {
			x, y := farthest*float64(i)/float64(len(edges[0])-1), 0.
			for _, e := range edges {
				y += e[i] / float64(len(edges))
			}
			all = append(all, plotter.XY{X: x, Y: y})
			low, high = append(low, plotter.XY{X: x, Y: max(0, y-half)}), append(high, plotter.XY{X: x, Y: min(1, y+half)})
		}
		band, err := ribbon(low, high, c.veil[at])
		if err != nil {
			return nil, err
		}
		p.Add(band)
		for _, e := range edges {
			var one plotter.XYs
			for i, y := range e {
				one = append(one, plotter.XY{X: all[i].X, Y: y})
			}
			p.Add(line(one, c.soft, .5, nil))
		}
		p.Add(line(all, c.series[at], 2, dashes(s.Index)), line(plotter.XYs{{X: .05, Y: 0}, {X: .05, Y: 1}}, c.ink, .6, dashes(17)))
		p.X.Min, p.X.Max = 0, farthest
		shares(&p.Y, 0, 1.01)
		return p, nil
	}
	return f, true
}

// within returns, by natural family, the share of its probes that moved by at most each of 101 tolerances.
func (s *subject) within() (edges [][]float64) {
	const steps = 101
	at := make([]int64, steps)
	for i := range at {
		at[i] = metrics.Edge(farthest * float64(i) / (steps - 1))
	}
	for _, f := range s.naturals() {
		shares := make([]float64, steps)
		for _, l := range f.Levels {
			n := 0.
			counts := make([]float64, steps)
			for _, m := range s.used {
				d, ran := s.moved(m, l.row)
				if !ran {
					continue
				}
				n++
				for i := range counts {
					if d <= at[i] {
						counts[i]++
					}
				}
			}
			for i := range shares {
				shares[i] += counts[i] / n / float64(len(f.Levels))
			}
		}
		edges = append(edges, shares)
	}
	return edges
}
