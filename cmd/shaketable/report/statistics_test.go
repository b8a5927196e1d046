package report

import (
	"slices"
	"strings"
	"testing"

	"shaketable/perturb"
)

// small is an example to be computed by hand: four pictures, JPEG at five severities and gain at one. The second detector
// differs only in that it takes the first picture for real, whatever happens to it.
func small(t *testing.T) Input {
	t.Helper()
	yes, no := true, false
	in := Input{Level: 7e5, Attributes: []string{"camera", "serial"}, Media: []Medium{
		{Name: "a", Fake: &yes, Values: []string{"left", "1"}}, {Name: "b", Fake: &yes, Values: []string{"left", "2"}},
		{Name: "c", Fake: &no, Values: []string{"right", ""}}, {Name: "d", Fake: &no, Values: []string{"right", ""}}}}
	clean := []float64{.9, .6, .4, .1}
	jpeg := [][]float64{{.9, .9, .88, .8, .7}, {.6, .58, .48, .45, .4}, {.4, .4, .4, .4, .4}, {.1, .1, .1, .1, .6}}
	gain := []float64{.9, .6, .55, .1}
	var variants []perturb.Variant
	for s := range 5 {
		variants = append(variants, perturb.Variant{Family: "jpeg", Severity: s + 1, Parameter: string(rune('a' + s))})
	}
	variants = append(variants, perturb.Variant{Family: "gain", Severity: 2, Parameter: "0.7"})
	first := func(m int, v *perturb.Variant) float64 {
		switch {
		case v == nil:
			return clean[m]
		case v.Family == "gain":
			return gain[m]
		}
		return jpeg[m][v.Severity-1]
	}
	second := func(m int, v *perturb.Variant) float64 {
		if m == 0 {
			return .2
		}
		return first(m, v)
	}
	in.Detectors = []Detector{detector(t, in.Media, "one", variants, first), detector(t, in.Media, "two", variants, second)}
	return in
}

// TestStatistics holds the statistics of the small example against figures computed by hand; those of the worst slice come
// from a search over η in Python.
func TestStatistics(t *testing.T) {
	s, err := newSheet(small(t))
	if err != nil {
		t.Fatal(err)
	}
	list, absent, err := s.statistics()
	if err != nil || len(absent) > 0 || len(list) != 9 {
		t.Fatalf("%d statistics, %v absent, %v", len(list), absent, err)
	}
	for _, want := range []string{
		"right? | one 1: 100 % 77.5 % 25.0 % –",
		"word? | one 1: .250 .165 .085 .130",
		"turn a verdict? | recompression (JPEG): 50.0 % 0 % 0 % 25.0 % 0 % 25.0 %",
		"depend on the handling? | one 1: 75.0 %",
		"depend on the handling? | clean, between detectors: 25.0 %",
		"contradict each other? | one and two: 25.0 % 25.0 %",
		"between kinds of pictures? | label fake: 85.0 % 75.0 %",
		"between kinds of pictures? | label real: 70.0 % 70.0 %",
		"between kinds of pictures? | camera left: 85.0 % 75.0 %",
		"between kinds of pictures? | serial 1: 100 % 80.0 %",
		"unnamed slice be? | one 1: verdict holds 77.5 % 58.5 % 50.0 % 50.0 %",
		"picture move? | any kind: ± any ± any",
		"same weak points? | 1: recompression (JPEG) 70.0 %",
	} {
		if !slices.ContainsFunc(list, func(st statistic) bool {
			return slices.ContainsFunc(lines(st), func(l string) bool { return strings.Contains(l, want) })
		}) {
			t.Errorf("nothing says %q", want)
			for _, st := range list {
				if strings.Contains(st.Title, strings.TrimSpace(strings.SplitN(want, "|", 2)[0])) {
					t.Log(strings.Join(lines(st), "\n"))
				}
			}
		}
	}
}

// lines are the rows of a statistic as text.
func lines(st statistic) (all []string) {
	for _, table := range st.Tables {
		for _, row := range table.Rows {
			var texts []string
			for _, c := range row[1:] {
				if c.Text != "" {
					texts = append(texts, c.Text)
				}
			}
			all = append(all, st.Title+" | "+row[0].Text+": "+strings.Join(texts, " "))
		}
	}
	return all
}

// TestSmall: figures of the detector are those of its pictures, and the least certain pictures come first.
func TestSmall(t *testing.T) {
	s, err := newSheet(small(t))
	if err != nil {
		t.Fatal(err)
	}
	d := &s.subjects[0]
	if near := func(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 }; !near(d.RA.Value, .775) || !near(d.RR.Value, .725) || !near(d.Clean.Value, 1) {
		t.Errorf("RA %v, RR %v, clean %v, want .775, .725, 1", d.RA.Value, d.RR.Value, d.Clean.Value)
	}
	weak, ok := d.weakest()
	if !ok || weak.Name != "jpeg" {
		t.Errorf("weakest is %s", weak.Name)
	}
	lists, _, err := s.mostMoved()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range lists[0].Pictures {
		names = append(names, p.Name)
	}
	if got := strings.Join(names, ""); got != "cdba" { // means .075, .05, .049, .032
		t.Errorf("most moved first: %s", got)
	}
	if p := lists[0].Pictures[0]; p.Worst != "darkening of severity 2 (0.7)" || p.After != .55 || p.Turned != 1 || p.Of != 6 {
		t.Errorf("%+v", p)
	}
	edges := d.within()
	if got := edges[0][10]; got < .7-1e-9 || got > .7+1e-9 { // tolerance .05
		t.Errorf("RR(.05) of jpeg on the curve is %v", got)
	}
}
