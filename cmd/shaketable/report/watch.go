package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"shaketable/metrics"
)

// falls are those for which it is said how soon they are noticed.
var falls = [...]float64{.05, .10, .20}

// mostProbes is beyond what anybody waits for.
const mostProbes = 1e6

// Noticed returns how many probes a fall of 5, 10 and 20 points below the trials of an evaluation takes to be noticed at the
// evidence level; 0 for a fall that can't be told from the trials themselves, or that takes more than a million.
// Formula: [metrics.ExpectedDelay] from [metrics.Null].
func Noticed(t metrics.Trials, level float64) (probes [len(falls)]int) {
	q0, err := metrics.Null(t.K, t.N, metrics.DefaultEpsilon)
	if err != nil || !metrics.Judged(q0) {
		return probes
	}
	for i, fall := range falls {
		if n, err := metrics.ExpectedDelay(q0, t.K/t.N+fall, level); err == nil && n < mostProbes {
			probes[i] = int(math.Ceil(n))
		}
	}
	return probes
}

// watched is what can still get worse, for one detector.
type watched struct {
	Title string
	Table table
	Best  string // the series that tell soonest, in words
	Rest  string // what is not worth watching, in words
}

// recommended is how many series are named, at most, of those that hold more often than not.
const recommended = 4

// watch recommends series, the soonest noticed first.
func (s *sheet) watch() (list []watched) {
	type series struct {
		name, what string
		held       rate
		probes     [len(falls)]int
	}
	for i := range s.subjects {
		d := &s.subjects[i]
		var good []series
		var rest []string
		add := func(name, what string, held rate, t metrics.Trials) {
			one := series{name, what, held, Noticed(t, s.Level)}
			switch {
			case !held.OK():
			case one.probes[1] == 0:
				rest = append(rest, fmt.Sprintf("%s, %s (%s)", name, what, percent(held.Value)))
			default:
				good = append(good, one)
			}
		}
		if d.natural > 0 {
			add("all kinds", "verdict holds", d.RA, d.raT)
			add("all kinds", "stays within .05", d.RR, d.rrT)
		}
		for _, f := range d.naturals() {
			add(words(f.Name), "verdict holds", f.RA, f.raT)
			add(words(f.Name), "stays within .05", f.RR, f.rrT)
		}
		slices.SortStableFunc(good, func(a, b series) int { return cmp.Compare(a.probes[1], b.probes[1]) })
		w := watched{Title: d.title(), Rest: list2(rest), Table: table{Head: []string{"what", "now", "5 points", "10 points", "20 points"}}}
		var best []string
		for _, g := range good {
			row := []cell{{Text: g.name, Small: g.what}, counted(g.held)}
			for _, n := range g.probes {
				text := "–"
				if n > 0 {
					text = thousands(n)
				}
				row = append(row, plain(text))
			}
			if len(best) < recommended && g.held.Value >= .5 { // what fails more often than not is known to be weak
				row[0].Class = "best"
				best = append(best, fmt.Sprintf("%s, %s", g.name, g.what))
			}
			w.Table.Rows = append(w.Table.Rows, row)
		}
		w.Best = list2(best)
		if len(good)+len(rest) > 0 {
			list = append(list, w)
		}
	}
	return list
}

// list2 joins items that hold commas themselves.
func list2(items []string) string {
	text := ""
	for i, item := range items {
		if i > 0 {
			text += "; "
		}
		text += item
	}
	return text
}
