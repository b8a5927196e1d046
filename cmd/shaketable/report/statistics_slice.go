package report

import (
	"fmt"
	"slices"

	"shaketable/metrics"
)

// mostSlices is how many values an attribute may have before it is an identity, not a slice.
const mostSlices = 12

// slices are the figures by the columns of the labels file, and by the label itself.
func (s *sheet) slices() (statistic, bool, error) {
	st := statistic{Title: "Does it differ between kinds of pictures?",
		Lead: "The figures by label and by every further column of the labels file.",
		How: fmt.Sprintf("RA_self and RR(.05) over the natural perturbations, as for all pictures. Bands: Wilson (1927), by the number of pictures. Columns with more than %d values are left out, and so are those with one. "+
			"Many slices are looked at: one that is a little worse than the rest may be so by chance.", mostSlices)}
	type part struct {
		name  string
		media map[string][]int
	}
	parts := []part{{"label", map[string][]int{}}}
	for _, a := range s.Attributes {
		parts = append(parts, part{a, map[string][]int{}})
	}
	for m, medium := range s.Media {
		values := append([]string{medium.Label()}, medium.Values...)
		for i, v := range values {
			if v != "" {
				parts[i].media[v] = append(parts[i].media[v], m)
			}
		}
	}
	for i := range s.subjects {
		d := &s.subjects[i]
		if d.natural == 0 {
			continue
		}
		t := table{Caption: d.title(), Head: []string{"slice", "verdict holds (RA)", "stays within .05 (RR)"}}
		for _, p := range parts {
			if len(p.media) < 2 || len(p.media) > mostSlices {
				continue
			}
			var rows [][]cell
			for _, value := range sorted(p.media) {
				media := slices.DeleteFunc(slices.Clone(p.media[value]), func(m int) bool { return d.Probs[m] == nil })
				ra, err := shareOf(means(d.naturals(), media, d.turned))
				if err != nil {
					return st, false, err
				}
				rr, err := shareOf(means(d.naturals(), media, d.left))
				if err != nil {
					return st, false, err
				}
				if ra.OK() {
					rows = append(rows, []cell{plain(p.name + " " + value), counted(ra), counted(rr)})
				}
			}
			t.Rows = append(t.Rows, rows...)
		}
		if len(t.Rows) > 0 {
			st.Tables = append(st.Tables, t)
		}
	}
	return st, len(st.Tables) > 0, nil
}

func sorted(m map[string][]int) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// worst bounds what any slice may suffer, whether it has a name or not.
func (s *sheet) worst() (statistic, bool, error) {
	st := statistic{Title: "How bad can an unnamed slice be?",
		Lead: "The least share of verdicts that hold, and of probabilities that stay, in any part of these pictures that holds at least a half, a quarter or a tenth of them.",
		How: "1 − sup { Σ q_i z_i : Σ (q_i − 1/n)² n ≤ ρ }, z_i the mean failure of picture i over the natural perturbations, and ρ = 1/share − 1, so that every part of that share is within the ball. It describes these " +
			"pictures; it is no bound with a probability on those to come, hence no band. Source: Duchi and Namkoong (2021), Annals of Statistics 49:1378, with k = 2."}
	t := table{Head: []string{"detector", "", "on average", "a half", "a quarter", "a tenth"}}
	for i := range s.subjects {
		d := &s.subjects[i]
		if d.natural == 0 {
			continue
		}
		for _, one := range []struct {
			name string
			all  rate
			of   failure
		}{{"verdict holds", d.RA, d.turned}, {"stays within .05", d.RR, d.left}} {
			row := []cell{named(d), plain(one.name), counted(one.all)}
			z := means(d.naturals(), d.used, one.of)
			for _, share := range []float64{.5, .25, .1} {
				w, err := metrics.WorstShare(z, 1/share-1)
				if err != nil {
					return st, false, err
				}
				row = append(row, plain(percent(max(0, 1-w))))
			}
			t.Rows = append(t.Rows, row)
		}
	}
	st.Tables = []table{t}
	return st, len(t.Rows) > 0, nil
}

// ranking says whether other pictures would have named the same weakest kinds.
func (s *sheet) ranking() (statistic, bool, error) {
	st := statistic{Title: "Would other pictures name the same weak points?",
		Lead: "The kinds of perturbation by how many probabilities they move, with the places that they take when the pictures are drawn anew.",
		How: fmt.Sprintf("Kinds ranked by 1 − RR(.05), again in %d draws of as many pictures with replacement, the same for every kind. Places: 95 %% percentile interval. Weakest: in how many draws it has the first place. "+
			"Agreement: mean Kendall's τ_b between the ranking of a draw and that of all pictures; 1 is the same order. Sources: Efron and Tibshirani (1993), chapters 6 and 13; Kendall (1945), Biometrika 33:239.", 2*draws)}
	for i := range s.subjects {
		d := &s.subjects[i]
		if len(d.naturals()) < 2 || d.Pictures < 2 {
			continue
		}
		var failures [][]float64
		for _, f := range d.naturals() {
			failures = append(failures, means([]family{f}, d.used, d.left))
		}
		if !ordered(d.naturals()) {
			continue
		}
		report, err := metrics.RankStability(failures, 2*draws, 1)
		if err != nil {
			return st, false, err
		}
		t := table{Caption: fmt.Sprintf("%s, n %d: agreement %s", d.title(), d.Pictures, decimal(report.Tau)),
			Head: []string{"place", "kind", "stays within .05 (RR)", "places when drawn anew", "weakest in"}}
		for place, at := range report.Order {
			f := d.naturals()[at]
			t.Rows = append(t.Rows, []cell{plain(fmt.Sprint(place + 1)), plain(words(f.Name)), measured(f.RR),
				plain(fmt.Sprintf("%s to %s", whole(report.Ranks[at].Lower), whole(report.Ranks[at].Upper))), plain(percent(report.Worst[at]))})
		}
		st.Tables = append(st.Tables, t)
	}
	return st, len(st.Tables) > 0, nil
}

// ordered is false where all kinds fail alike.
func ordered(families []family) bool {
	return slices.ContainsFunc(families, func(f family) bool { return f.rrT != families[0].rrT })
}
