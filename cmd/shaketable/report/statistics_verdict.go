package report

import (
	"fmt"
	"math"
	"slices"

	"shaketable/metrics"
)

// credibility is how strong a perturbation must be before it turns a verdict.
func (s *sheet) credibility() (statistic, bool, error) {
	st := statistic{Title: "How much does it take to turn a verdict?",
		Lead: "How many pictures keep their verdict at every severity, and at which severity the others lose it first. A verdict that only strong handling turns can be believed.",
		How: "Credibility of a verdict: the smallest severity (1 mild, 5 strong) at which the decision differs from the clean one; a verdict that turns and turns back counts from the first time on. " +
			"Shares of the pictures; the band of a share is that of Wilson (1927)."}
	for i := range s.subjects {
		d := &s.subjects[i]
		t := table{Caption: fmt.Sprintf("%s, n %d", d.title(), d.Pictures), Head: []string{"kind", "never", "first at 1", "2", "3", "4", "5"}}
		for _, f := range d.naturals() {
			if len(f.Levels) != 5 {
				continue
			}
			var first [6]float64
			for _, m := range d.used {
				flips := make([]bool, len(f.Levels))
				for j, l := range f.Levels {
					flips[j] = d.turned(m, l.row) == 1
				}
				first[metrics.Credibility(flips)]++
			}
			row := []cell{plain(words(f.Name))}
			for at, k := range first {
				r, err := rateOf(k, float64(d.Pictures))
				if err != nil {
					return st, false, err
				}
				c := measured(r)
				c.Heated = true
				if at > 0 {
					c.Heat = math.Round(70 * r.Value)
				}
				row = append(row, c)
			}
			t.Rows = append(t.Rows, row)
		}
		if len(t.Rows) > 0 {
			st.Tables = append(st.Tables, t)
		}
	}
	return st, len(st.Tables) > 0, nil
}

// ambiguity is on how many pictures the verdict depends on the handling, or on who is asked.
func (s *sheet) ambiguity() (statistic, bool, error) {
	st := statistic{Title: "On how many pictures does the verdict depend on the handling?",
		Lead: "Share of pictures whose clean and perturbed forms get both verdicts, and whose clean form gets both verdicts from different detectors.",
		How: "A picture is ambiguous if its probabilities fall on both sides of the threshold. Over handling: those of the clean picture and of all natural perturbations of one detector. Over detectors: the clean " +
			"verdicts of all of them. Band: Wilson (1927). Source: Marx, Calmon, Ustun (2020), Predictive multiplicity in classification, ICML."}
	t := table{Head: []string{"detector", "ambiguous"}}
	for i := range s.subjects {
		d := &s.subjects[i]
		if d.natural == 0 {
			continue
		}
		k := 0.
		for _, m := range d.used {
			p := []float64{d.Probs[m][0]}
			for _, f := range d.naturals() {
				for _, l := range f.Levels {
					p = append(p, d.Probs[m][l.row])
				}
			}
			if metrics.Ambiguous(p, d.Threshold) {
				k++
			}
		}
		r, err := rateOf(k, float64(d.Pictures))
		if err != nil {
			return st, false, err
		}
		t.Rows = append(t.Rows, []cell{named(d), counted(r)})
	}
	if len(s.subjects) > 1 {
		r, err := s.unlike()
		if err != nil {
			return st, false, err
		}
		t.Rows = append(t.Rows, []cell{plain("clean, between detectors"), counted(r)})
	}
	st.Tables = []table{t}
	return st, len(t.Rows) > 0, nil
}

// unlike is the share of media on which the clean verdicts of all detectors are not the same.
func (s *sheet) unlike() (rate, error) {
	n, k := 0., 0.
	for m := range s.Media {
		fake := 0
		used := 0
		for i := range s.subjects {
			if d := &s.subjects[i]; d.Probs[m] != nil {
				used++
				if d.fake(m, 0) {
					fake++
				}
			}
		}
		if used < len(s.subjects) {
			continue
		}
		n++
		if fake > 0 && fake < used {
			k++
		}
	}
	return rateOf(k, n)
}

// disagreement compares the verdicts of every two detectors.
func (s *sheet) disagreement() (statistic, bool, error) {
	st := statistic{Title: "How often do detectors contradict each other?",
		Lead: "Share of pictures on which two detectors decide differently: clean, and perturbed on average. Where they differ, one of them is wrong.",
		How: "(1/n) Σ 1[a ≠ b] over the pictures that both could use; perturbed: the mean over kinds of the mean over severities. Band: Wilson (1927), by the number of pictures. " +
			"Source: Kuncheva and Whitaker (2003), Machine Learning 51:181."}
	t := table{Head: []string{"detectors", "clean", "perturbed"}}
	for i := range s.subjects {
		for j := range s.subjects[:i] {
			a, b := &s.subjects[j], &s.subjects[i]
			both := slices.DeleteFunc(slices.Clone(a.used), func(m int) bool { return b.Probs[m] == nil })
			if len(both) == 0 {
				continue
			}
			row := []cell{plain(a.Name + " and " + b.Name)}
			x, y := make([]bool, len(both)), make([]bool, len(both))
			for k, m := range both {
				x[k], y[k] = a.fake(m, 0), b.fake(m, 0)
			}
			share, interval, err := metrics.Disagreement(x, y)
			if err != nil {
				return st, false, err
			}
			row = append(row, counted(rate{share, interval.Lower, interval.Upper, float64(len(both))}))
			agreed, err := shareOf(means(a.naturals(), both, func(m, r int) float64 {
				if a.fake(m, r) != b.fake(m, r) {
					return 1
				}
				return 0
			}))
			if err != nil {
				return st, false, err
			}
			perturbed := plain("–")
			if agreed.OK() {
				perturbed = counted(agreed.failed())
			}
			t.Rows = append(t.Rows, append(row, perturbed))
		}
	}
	const most = 36
	if len(t.Rows) > most {
		slices.SortStableFunc(t.Rows, func(a, b []cell) int { return -compareText(a[1].Exact, b[1].Exact) })
		t.Caption = fmt.Sprintf("the %d pairs of %d that differ most", most, len(t.Rows))
		t.Rows = t.Rows[:most]
	}
	st.Tables = []table{t}
	return st, len(t.Rows) > 0, nil
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
