package attack

import (
	"fmt"
	"math"
)

// Judged is the result of one picture, with what is known about it.
type Judged struct {
	Result
	Fake *bool // the true label; nil if nobody knows
}

// Suspicion says that a detector hides its gradient: attacks that follow it then flatter the detector.
type Suspicion struct {
	// Family of the gradient attack, with its form.
	Family string
	// Rival is the family of the Square Attack that came farther with the same budget; "" if the gradient was flat.
	Rival string
	// Measure is what both are compared by: "RA_self", "RA_label" or "mean |dp|".
	Measure     string
	Own, Rivals float64 // the measure under the gradient attack and under its rival
	// Flat is on how many pictures every gradient was exactly 0.
	Flat     int
	Pictures int
}

// String says it in words.
func (s Suspicion) String() string {
	if s.Rival == "" {
		return fmt.Sprintf("gradient masking suspected: the gradient that %s follows is exactly 0 on %d of %d pictures; "+
			"its figures say nothing about robustness, trust square", s.Family, s.Flat, s.Pictures)
	}
	return fmt.Sprintf("gradient masking suspected: %s is %.3f under %s, which needs no gradient, and %.3f under %s with the same budget "+
		"(%d pictures); trust the former", s.Measure, s.Rivals, s.Rival, s.Own, s.Family, s.Pictures)
}

const (
	// fewest is how many pictures a comparison takes.
	fewest = 10
	// clearlyRA and clearlyDelta are by how much an attack without gradient must be ahead, in robust accuracy (reference:
	// 10 points) and in the mean of |p'-p|. It must also be ahead by two standard errors of the paired difference.
	clearlyRA, clearlyDelta = .10, .05
	// flatShare is the share of pictures with a gradient of 0 beyond which it is no accident.
	flatShare = .10
)

// Masked compares PGD with Square Attack of the same budget, target and form, over the pictures that ran under both, and
// counts gradients that are exactly 0. The specs are those that the results came from, threshold is the detector's.
func Masked(specs []Spec, pictures []Judged, threshold float64) []Suspicion {
	variants, rows := Variants(specs), Rows(specs)
	var found []Suspicion
	for i, own := range specs {
		if own.Gradient() {
			s := flat(pictures, rows[i])
			some := s.Pictures >= fewest && float64(s.Flat) > flatShare*float64(s.Pictures)
			if all := s.Pictures > 0 && s.Flat == s.Pictures; all || some { // a gradient of 0 everywhere needs no statistics
				s.Family = variants[rows[i]].Family
				found = append(found, s)
			}
		}
		if own.Method != "pgd" {
			continue
		}
		for j, rival := range specs {
			if rival.Method != "square" || rival.Target != own.Target || rival.Norm != own.Norm || rival.Eps != own.Eps {
				continue
			}
			for a, form := range own.forms() {
				for b, other := range rival.forms() {
					if form != other {
						continue
					}
					if s, suspect := compare(own.Target, pictures, rows[i]+a, rows[j]+b, threshold); suspect {
						s.Family, s.Rival = variants[rows[i]+a].Family, variants[rows[j]+b].Family
						found = append(found, s)
					}
				}
			}
		}
	}
	return found
}

func flat(pictures []Judged, row int) (s Suspicion) {
	for _, p := range pictures {
		if o := p.Outcomes[row]; !math.IsNaN(o.P) {
			s.Pictures++
			if o.Flat {
				s.Flat++
			}
		}
	}
	return s
}

// compare holds two rows against each other, picture by picture.
func compare(target string, pictures []Judged, own, rival int, threshold float64) (s Suspicion, suspect bool) {
	s.Measure = map[string]string{"self": "RA_self", "label": "RA_label", "delta": "mean |dp|"}[target]
	sum, squares := 0., 0.
	for _, p := range pictures {
		a, b := p.Outcomes[own].P, p.Outcomes[rival].P
		if math.IsNaN(a) || math.IsNaN(b) || (target == "label" && p.Fake == nil) {
			continue
		}
		x, y := p.measure(target, a, threshold), p.measure(target, b, threshold)
		s.Pictures, s.Own, s.Rivals = s.Pictures+1, s.Own+x, s.Rivals+y
		ahead := x - y // robust accuracy falls, |dp| rises
		if target == "delta" {
			ahead = y - x
		}
		sum, squares = sum+ahead, squares+ahead*ahead
	}
	if s.Pictures < fewest {
		return s, false
	}
	n := float64(s.Pictures)
	s.Own, s.Rivals = s.Own/n, s.Rivals/n
	mean := sum / n
	spread := math.Sqrt(max(0, squares/n-mean*mean) / n)
	least := clearlyRA
	if target == "delta" {
		least = clearlyDelta
	}
	return s, mean > least && mean > 2*spread
}

// measure is |p'-p| for delta, else 1 if the decision still is what it was, or what is true.
func (p Judged) measure(target string, after, threshold float64) float64 {
	if target == "delta" {
		return math.Abs(after - p.Clean)
	}
	want := p.Clean >= threshold
	if target == "label" {
		want = *p.Fake
	}
	if (after >= threshold) == want {
		return 1
	}
	return 0
}
