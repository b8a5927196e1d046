package report

import (
	"fmt"
	"html/template"
	"slices"
	"time"

	"shaketable/metrics"
)

// view is what the template is given.
type view struct {
	Style      template.CSS
	At         time.Time
	Heading    string
	Subtitle   string
	Plane      template.HTML
	Detectors  []shownDetector
	Empty      []string
	Side       table
	Checks     []Check
	Failed     bool
	Passed     int
	Against    string
	Changes    []table
	Curves     []shownCurve
	Tolerances []template.HTML
	DKW        []string
	Heats      []shownHeat
	All        []table
	Moved      []movedPictures
	Omitted    int
	Thumbnails bool
	Watch      []watched
	Attacked   []attackedDetector
	Success    table
	AttackedAt []shownCurve
	Statistics []statistic
	Absent     []string
	Provenance [][2]string
	Natural    bool // there are perturbations
	Pictures   int
	Labelled   int
	Crowded    bool // more detectors than colours
}

// shownDetector is a detector in the opening.
type shownDetector struct {
	Title    string
	Series   int
	Dashed   string
	Sentence string
	Note     string
}

// shownCurve is a pair of drawn figures.
type shownCurve struct {
	Title  string
	RA, RR template.HTML
}

// shownHeat is the heat map of one detector.
type shownHeat struct {
	Title  string
	Series int
	RA, RR table
}

// view draws and writes everything.
func (s *sheet) view() (v view, err error) {
	v = view{At: s.At, Empty: s.empty, Against: s.Against, Checks: s.Checks, Thumbnails: s.Thumbnail != nil, Pictures: len(s.Media),
		Labelled: s.labelled, Crowded: len(s.subjects) > seriesColours, Side: s.side(), Watch: s.watch(), Attacked: s.underAttack(), Success: s.adversarial(), Provenance: s.provenance()}
	v.Heading = fmt.Sprintf("How robust %s?", plural(len(s.subjects), "is "+s.subjects[0].title(), "are these %d detectors"))
	v.Subtitle = s.subtitle()
	for _, c := range s.Checks {
		if c.Failed {
			v.Failed = true
		} else {
			v.Passed++
		}
	}
	for i := range s.subjects {
		d := &s.subjects[i]
		v.Natural = v.Natural || d.natural > 0
		one := shownDetector{Title: d.title(), Series: colour(d.Index), Sentence: d.sentence()}
		if left := len(s.Media) - d.Pictures; left > 0 {
			one.Note = fmt.Sprintf("%s could not be used.", plural(left, "1 picture", "%d pictures"))
		}
		v.Detectors = append(v.Detectors, one)
		v.All = append(v.All, d.everything())
		if h := d.heat(); len(h.RA.Rows) > 0 {
			v.Heats = append(v.Heats, h)
		}
	}
	if v.Changes, err = s.changes(); err != nil {
		return v, err
	}
	if v.Moved, v.Omitted, err = s.mostMoved(); err != nil {
		return v, err
	}
	if v.Statistics, v.Absent, err = s.statistics(); err != nil {
		return v, err
	}
	return v, s.drawInto(&v)
}

// drawInto makes the figures.
func (s *sheet) drawInto(v *view) (err error) {
	if f, ok := s.plane(); ok {
		if v.Plane, err = f.inline(); err != nil {
			return err
		}
	}
	for _, c := range s.curves() {
		one := shownCurve{Title: words(c.Family)}
		if one.RA, err = c.RA.inline(); err != nil {
			return err
		}
		if one.RR, err = c.RR.inline(); err != nil {
			return err
		}
		if c.Attack {
			v.AttackedAt = append(v.AttackedAt, one)
		} else {
			v.Curves = append(v.Curves, one)
		}
	}
	for i := range s.subjects {
		f, ok := s.subjects[i].tolerances()
		if !ok {
			continue
		}
		drawn, err := f.inline()
		if err != nil {
			return err
		}
		half, err := metrics.DKW(s.subjects[i].RR.N, alpha)
		if err != nil {
			return err
		}
		v.Tolerances = append(v.Tolerances, drawn)
		v.DKW = append(v.DKW, fmt.Sprintf("n %s, band ± %.0f points", whole(s.subjects[i].RR.N), 100*min(half, 1)))
	}
	return nil
}

func colour(index int) int { return (index-1)%seriesColours + 1 }

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(many, n)
}

func (s *sheet) subtitle() string {
	text := plural(len(s.Media), "1 picture", "%d pictures")
	if s.labelled > 0 {
		fake := 0
		for _, m := range s.Media {
			if m.Label() == "fake" {
				fake++
			}
		}
		text += fmt.Sprintf(" (%d fake, %d real", fake, s.labelled-fake)
		if without := len(s.Media) - s.labelled; without > 0 {
			text += fmt.Sprintf(", %d without label", without)
		}
		text += ")"
	}
	if n := s.subjects[0].natural; n > 0 {
		text += fmt.Sprintf(", %s in %s", plural(n, "1 perturbation", "%d perturbations"), plural(len(s.subjects[0].naturals()), "1 kind", "%d kinds"))
	}
	if a := s.subjects[0].attacks(); len(a) > 0 {
		text += ", " + plural(len(a), "1 attack", "%d attacks")
	}
	return text + ". " + day(s.At) + "."
}

// side sets detectors beside each other.
func (s *sheet) side() table {
	t := table{Head: []string{"detector", "verdict holds (RA)", "stays within .05 (RR)"}}
	labels := s.labelled > 0
	if labels {
		t.Head = append(t.Head, "right, clean", "right, perturbed")
	}
	t.Head = append(t.Head, "weakest kind", "pictures")
	for i := range s.subjects {
		d := &s.subjects[i]
		row := []cell{named(d), measured(d.RA), measured(d.RR)}
		if labels {
			row = append(row, measured(d.Clean), measured(d.Label))
		}
		weak := plain("–")
		if f, ok := d.weakest(); ok {
			weak = cell{Text: words(f.Name), Small: percent(f.RR.Value) + " stay"}
		}
		t.Rows = append(t.Rows, append(row, weak, plain(whole(float64(d.Pictures)))))
	}
	return t
}

// heat is the map of one detector: a row per family, a column per severity.
func (s *subject) heat() shownHeat {
	h := shownHeat{Title: s.title(), Series: colour(s.Index)}
	if len(s.naturals()) == 0 {
		return h
	}
	most := 0
	for _, f := range s.naturals() {
		for _, l := range f.Levels {
			most = max(most, l.Severity)
		}
	}
	head := []string{""}
	for i := range most {
		head = append(head, fmt.Sprint(i+1))
	}
	h.RA.Head, h.RR.Head = append(head, "all"), append(slices.Clone(head), "all")
	for _, f := range s.naturals() {
		ra, rr := make([]cell, most+1), make([]cell, most+1)
		ra[0], rr[0] = plain(words(f.Name)), plain(words(f.Name))
		for _, l := range f.Levels {
			if l.Severity >= 1 {
				ra[l.Severity], rr[l.Severity] = heated(l.RA), heated(l.RR)
			}
		}
		h.RA.Rows, h.RR.Rows = append(h.RA.Rows, append(ra, heated(f.RA))), append(h.RR.Rows, append(rr, heated(f.RR)))
	}
	return h
}

// heated is a cell of a heat map: whole percents, with the rest for those who point at it.
func heated(r rate) cell {
	if !r.OK() {
		return plain("–")
	}
	text := percent(r.Value)
	if v := fmt.Sprintf("%.0f", 100*r.Value); v != "100" && v != "0" {
		text = v
	}
	c := cell{Text: trimPercent(text), Small: fmt.Sprintf("%s (%s, n %s)", percent(r.Value), band(r), whole(r.N)), Exact: exact(r.Value), Heat: heat(r), Heated: true}
	return c
}

// everything is the table of all figures of a detector, as in ra_rr.csv.
func (s *subject) everything() table {
	t := table{Caption: s.title(), Head: []string{"kind", "parameter", "n", "verdict holds (RA)", "stays within .05 (RR)", "right (RA by label)", "mean move"}}
	for _, f := range s.Families {
		for _, l := range f.Levels {
			t.Rows = append(t.Rows, []cell{plain(f.Name), plain(l.Parameter), plain(whole(l.RA.N)), measured(l.RA), measured(l.RR), measured(l.Label),
				{Text: decimal(l.Moved), Exact: exact(l.Moved)}})
		}
	}
	return t
}
