package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"shaketable/metrics"
	"shaketable/perturb"
	"shaketable/pipeline"
)

// rate is a share that held, with its 95 % band and the number of pictures that it rests on.
type rate struct {
	Value, Low, High float64
	N                float64
}

// OK is false where nothing was counted.
func (r rate) OK() bool { return r.N > 0 }

// heldRate is the share of trials that did not fail.
func heldRate(t metrics.Trials) (rate, error) {
	if t.N <= 0 {
		return rate{Value: math.NaN()}, nil
	}
	k := max(t.N-t.K, 0)
	b, err := metrics.Wilson(k, t.N, alpha)
	if err != nil {
		return rate{}, fmt.Errorf("report: %w", err)
	}
	return rate{Value: k / t.N, Low: b.Lower, High: b.Upper, N: t.N}, nil
}

// rateOf is the share of k in n.
func rateOf(k, n float64) (rate, error) { return heldRate(metrics.Trials{N: n, K: n - k}) }

// failed turns a share that held into the one that did not.
func (r rate) failed() rate {
	return rate{Value: 1 - r.Value, Low: 1 - r.High, High: 1 - r.Low, N: r.N}
}

// figures are what one variant, one family or a whole detector came to.
type figures struct {
	RA, RR, Label rate
	Moved         float64 // mean of |p'-p|; NaN where it was not taken
	raT, rrT      metrics.Trials
}

// level is one severity of a family.
type level struct {
	figures
	Severity  int
	Parameter string
	row       int // of the probabilities
}

// family is a kind of perturbation or an attack.
type family struct {
	figures
	Name   string
	Attack bool
	Levels []level
}

// subject is one detector with its figures.
type subject struct {
	figures
	Detector
	Index         int // from 1: its colour
	Name, Version string
	Clean         rate // clean verdicts that agree with the label
	Families      []family
	Pictures      int
	Threshold     float64
	natural       int   // variants that are no attacks
	used          []int // media
}

// sheet is the input, counted.
type sheet struct {
	Input
	subjects []subject
	empty    []string // detectors that could use no picture
	labelled int
}

func newSheet(in Input) (*sheet, error) {
	s := &sheet{Input: in}
	for _, m := range in.Media {
		if m.Fake != nil {
			s.labelled++
		}
	}
	for i, d := range in.Detectors {
		if d.Counts.N() == 0 {
			s.empty = append(s.empty, d.Counts.Generation().Detector)
			continue
		}
		one, err := newSubject(i+1, d, in.Media)
		if err != nil {
			return nil, err
		}
		s.subjects = append(s.subjects, one)
	}
	if len(s.subjects) == 0 {
		return nil, errNothing
	}
	return s, nil
}

// book finds the trials of a series by its name.
type book map[string]metrics.Trials

// figures returns those of a scope; family and parameter are "" where it is wider. A family of one level is its variant.
func (b book) figures(family, parameter string) (f figures, err error) {
	of := func(m pipeline.Metric) metrics.Trials {
		t, ok := b[pipeline.SeriesName(m, headline, family, parameter)]
		if !ok && parameter != "" {
			t = b[pipeline.SeriesName(m, headline, family, "")]
		}
		return t
	}
	f.raT, f.rrT, f.Moved = of(pipeline.MetricRASelf), of(pipeline.MetricRR), math.NaN()
	for _, one := range []struct {
		to    *rate
		trial metrics.Trials
	}{{&f.RA, f.raT}, {&f.RR, f.rrT}, {&f.Label, of(pipeline.MetricRALabel)}} {
		if *one.to, err = heldRate(one.trial); err != nil {
			return f, err
		}
	}
	return f, nil
}

func newSubject(index int, d Detector, media []Medium) (s subject, err error) {
	g := d.Counts.Generation()
	s = subject{Detector: d, Index: index, Name: g.Detector, Version: g.Version, Threshold: g.Threshold}
	for i, p := range d.Probs {
		if p != nil {
			s.used = append(s.used, i)
		}
	}
	s.Pictures = len(s.used)
	b := book{}
	for _, r := range d.Counts.Results() {
		b[r.Name()] = r.Trials
	}
	if s.figures, err = b.figures("", ""); err != nil {
		return s, err
	}
	rows := d.Counts.Rows()
	for i, v := range g.Variants {
		if pipeline.Natural(v.Family) {
			s.natural++
		}
		if err := s.add(b, i+1, v, rows[i+1]); err != nil {
			return s, err
		}
	}
	for i := range s.Families {
		slices.SortStableFunc(s.Families[i].Levels, func(a, b level) int { return a.Severity - b.Severity })
	}
	s.Clean, err = s.right(media)
	return s, err
}

// right is how many clean verdicts agree with the label.
func (s *subject) right(media []Medium) (rate, error) {
	n, k := 0., 0.
	for _, i := range s.used {
		if fake := media[i].Fake; fake != nil {
			n++
			if s.fake(i, 0) == *fake {
				k++
			}
		}
	}
	return rateOf(k, n)
}

// fake is the verdict on a medium in a row of its probabilities.
func (s *subject) fake(medium, row int) bool { return s.Probs[medium][row] >= s.Threshold }

// moved is by how much a row of a medium is off the clean one, in ticks; false if it did not run.
func (s *subject) moved(medium, row int) (int64, bool) {
	p := s.Probs[medium]
	return metrics.Ticks(p[0], p[row]), !math.IsNaN(p[row])
}

// naturals are the families that happen to live media by themselves.
func (s *subject) naturals() []family {
	return slices.DeleteFunc(slices.Clone(s.Families), func(f family) bool { return f.Attack })
}

// attacks are the other families.
func (s *subject) attacks() []family {
	return slices.DeleteFunc(slices.Clone(s.Families), func(f family) bool { return !f.Attack })
}

// weakest is the natural family whose probabilities stay least; false without one.
func (s *subject) weakest() (family, bool) {
	list := s.naturals()
	if len(list) == 0 {
		return family{}, false
	}
	return slices.MinFunc(list, func(a, b family) int { return cmp.Compare(a.RR.Value, b.RR.Value) }), true
}

// add puts a variant into its family.
func (s *subject) add(b book, row int, v perturb.Variant, counted pipeline.EvaluationRow) error {
	at := slices.IndexFunc(s.Families, func(f family) bool { return f.Name == v.Family })
	if at < 0 {
		all, err := b.figures(v.Family, "")
		if err != nil {
			return err
		}
		at = len(s.Families)
		s.Families = append(s.Families, family{figures: all, Name: v.Family, Attack: !pipeline.Natural(v.Family)})
	}
	f, err := b.figures(v.Family, v.Parameter)
	if err != nil {
		return err
	}
	f.Moved = counted.MeanAbs
	s.Families[at].Levels = append(s.Families[at].Levels, level{figures: f, Severity: v.Severity, Parameter: v.Parameter, row: row})
	return nil
}
