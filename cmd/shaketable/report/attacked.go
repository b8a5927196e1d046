package report

import "fmt"

// attackedDetector are the attacks on one detector.
type attackedDetector struct {
	Title string
	Table table
	Notes []string
}

// bound is that of a level of an attack.
func (s *subject) bound(l level) Bound {
	return s.Attack.Bounds[l.row-1-(len(s.Counts.Generation().Variants)-len(s.Attack.Bounds))]
}

// succeeded is how often an attack achieved what it is for: another verdict, a wrong one, or a probability that moved by
// more than .05.
func (s *subject) succeeded(l level) rate {
	held := l.RA
	switch s.bound(l).Target {
	case "label":
		held = l.Label
	case "delta":
		held = l.RR
	}
	if !held.OK() {
		return held
	}
	return held.failed()
}

// adversarial sets detectors beside each other, a row per attack and bound: how often it succeeds.
func (s *sheet) adversarial() table {
	t := table{Head: []string{"attack", "bound"}}
	at := map[[2]string]int{}
	for i := range s.subjects {
		d := &s.subjects[i]
		if d.Attack == nil {
			continue
		}
		t.Head = append(t.Head, d.title())
		for _, f := range d.attacks() {
			for _, l := range f.Levels {
				key := [2]string{f.Name, l.Parameter}
				if _, ok := at[key]; !ok {
					at[key] = len(t.Rows)
					t.Rows = append(t.Rows, []cell{plain(words(f.Name)), d.bound(l).cell()})
				}
				row := &t.Rows[at[key]]
				for len(*row) < len(t.Head)-1 { // square takes the place of an attack that has no gradient to follow
					*row = append(*row, plain("–"))
				}
				*row = append(*row, counted(d.succeeded(l)))
			}
		}
	}
	for i := range t.Rows {
		for len(t.Rows[i]) < len(t.Head) {
			t.Rows[i] = append(t.Rows[i], plain("–"))
		}
	}
	return t
}

// underAttack is a table per detector, a row per attack, and what must be known to read it.
func (s *sheet) underAttack() (list []attackedDetector) {
	for i := range s.subjects {
		d := &s.subjects[i]
		if d.Attack == nil || len(d.attacks()) == 0 {
			continue
		}
		one := attackedDetector{Title: d.title(), Notes: d.Attack.Notes, Table: table{Head: []string{"attack", "bound", "verdict holds (RA)", "right (RA by label)",
			"stays within .05 (RR)", "mean move", "length of the change", "passes"}}}
		for _, f := range d.attacks() {
			for _, l := range f.Levels {
				row := []cell{plain(words(f.Name)), d.bound(l).cell(), counted(l.RA), counted(l.Label), counted(l.RR)}
				if l.RA.OK() {
					at := l.row - 1 - (len(d.Counts.Generation().Variants) - len(d.Attack.Bounds))
					row = append(row, plain(decimal(l.Moved)), plain(fmt.Sprintf("%.3g", d.Attack.Distance[at])), plain(fmt.Sprintf("%.0f", d.Attack.Passes[at])))
				} else {
					row = append(row, plain("did not run"), plain("–"), plain("–"))
				}
				one.Table.Rows = append(one.Table.Rows, row)
			}
		}
		list = append(list, one)
	}
	return list
}

// cell writes a bound on single pixels as people know it, "2/255", and one on all of them as a length.
func (b Bound) cell() cell {
	if b.Norm == "l2" {
		return cell{Text: fmt.Sprintf("%.3g", b.Eps), Small: "in length"}
	}
	return cell{Text: fmt.Sprintf("%.3g/255", 255*b.Eps), Small: "per pixel"}
}
