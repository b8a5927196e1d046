package report

import (
	"fmt"

	"shaketable/metrics"
	"shaketable/pipeline"
)

// before returns what a baseline says of the detector; false without one.
func (s *subject) before() (figures, bool) {
	f, err := s.book().figures("", "")
	return f, err == nil && f.RA.OK() && f.RR.OK()
}

// book holds the trials of the baseline.
func (s *subject) book() book {
	b := book{}
	if s.Before == nil {
		return b
	}
	for name, r := range s.Before.Series {
		b[name] = metrics.Trials{N: r.N, K: r.K}
	}
	return b
}

// changes compares detectors with their baselines: first all of them over all kinds, then each by kind.
func (s *sheet) changes() (list []table, err error) {
	head := []string{"verdict holds: before", "now", "change", "stays within .05: before", "now", "change"}
	all := table{Caption: "All kinds", Head: append([]string{"detector"}, head...)}
	for i := range s.subjects {
		d := &s.subjects[i]
		if d.Before == nil {
			continue
		}
		row, ok, err := d.change("", d.figures)
		if err != nil {
			return nil, err
		}
		if ok {
			all.Rows = append(all.Rows, append([]cell{named(d)}, row...))
		}
		one := table{Caption: fmt.Sprintf("%s by kind, against version %s of %s, with %s pictures", d.title(),
			d.Before.Provenance[pipeline.ProvenanceVersion], day(d.Before.FrozenAt), d.Before.Provenance["pictures"]), Head: append([]string{"kind"}, head...)}
		for _, f := range d.Families {
			row, ok, err := d.change(f.Name, f.figures)
			if err != nil {
				return nil, err
			}
			if ok {
				one.Rows = append(one.Rows, append([]cell{plain(words(f.Name))}, row...))
			}
		}
		list = append(list, one)
	}
	if len(all.Rows) > 0 {
		list = append([]table{all}, list...)
	}
	return list, nil
}

// change compares a family, or all of them for "", with the baseline; false where either has no figures.
func (s *subject) change(family string, now figures) ([]cell, bool, error) {
	was, err := s.book().figures(family, "")
	if err != nil || !was.RA.OK() || !now.RA.OK() {
		return nil, false, err
	}
	ra, err := difference(now.raT, was.raT)
	if err != nil {
		return nil, false, err
	}
	rr, err := difference(now.rrT, was.rrT)
	return []cell{counted(was.RA), counted(now.RA), ra, counted(was.RR), counted(now.RR), rr}, true, err
}

// difference is that of two shares that held, in points, with its band.
func difference(now, was metrics.Trials) (cell, error) {
	d, err := metrics.Newcombe(now.N-now.K, now.N, was.N-was.K, was.N, alpha)
	if err != nil {
		return cell{}, fmt.Errorf("report: %w", err)
	}
	c := cell{Text: points(was.K/was.N - now.K/now.N), Small: points(d.Lower) + " to " + points(d.Upper)}
	switch {
	case d.Upper < 0:
		c.Class = "bad"
	case d.Lower > 0:
		c.Class = "good"
	}
	return c, nil
}
