package attack

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Lists are the names that [List] knows.
func Lists() []string { return []string{"acceptance", "default"} }

// Parse reads an attack as a person writes it: "square", "fgsm(eps=4/255)", "pgd(target=delta, eps=2/255, step=.5/255,
// steps=10, norm=linf, start=clean, keep=best, forms=uint8)". What is not given has a default: target self; eps 2/255, or .5
// in l2; step max(.5/255, eps/4), or eps/5 in l2. Numbers may be fractions. All faults are reported at once.
func Parse(text string) (Spec, error) {
	name, pairs, err := cut(text)
	if err != nil {
		return Spec{}, err
	}
	m, ok := findMethod(name)
	if !ok {
		return Spec{}, fmt.Errorf("attack %q: unknown attack %q: known are %s, and the lists %s", text, name,
			strings.Join(methodNames(), ", "), strings.Join(Lists(), ", "))
	}
	s := m.defaults
	s.Method, s.Target = name, "self"
	given := map[string]bool{}
	var faults []string
	for _, pair := range pairs {
		if fault := s.set(m, given, pair); fault != "" {
			faults = append(faults, fault)
		}
	}
	s.fill(given)
	if len(faults) == 0 {
		faults = s.check()
	}
	if len(faults) > 0 {
		return Spec{}, fmt.Errorf("attack %q: %s", text, strings.Join(faults, "; "))
	}
	return s, nil
}

// cut splits "name(a=1, b=2)" into its name and its pairs.
func cut(text string) (name string, pairs []string, err error) {
	name, rest, open := strings.Cut(strings.TrimSpace(text), "(")
	name = strings.TrimSpace(name)
	if !open {
		return name, nil, nil
	}
	inner, closed := strings.CutSuffix(strings.TrimSpace(rest), ")")
	if !closed || strings.ContainsAny(inner, "()") {
		return "", nil, fmt.Errorf("attack %q: write it as name(key=value, key=value)", text)
	}
	if strings.TrimSpace(inner) == "" {
		return name, nil, nil
	}
	return name, strings.Split(inner, ","), nil
}

// set takes one key=value and returns what is wrong with it.
func (s *Spec) set(m method, given map[string]bool, pair string) string {
	key, value, ok := strings.Cut(pair, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	known := append(slices.Clone(m.keys), "forms")
	switch {
	case !ok || value == "":
		return fmt.Sprintf("%q is not key=value", strings.TrimSpace(pair))
	case !slices.Contains(known, key):
		return fmt.Sprintf("%s has no parameter %q: it has %s", m.name, key, strings.Join(known, ", "))
	case given[key]:
		return fmt.Sprintf("%s is given twice", key)
	}
	given[key] = true
	if key == "forms" {
		s.Forms = strings.Split(value, "+")
		return ""
	}
	return s.field(key).parse(key, value)
}

func (f field) parse(key, value string) string {
	if f.word != nil {
		*f.word = value
		return ""
	}
	v, err := number(value)
	switch {
	case err != nil:
		return fmt.Sprintf("%s is %q, which is no number (a fraction may be written as 2/255)", key, value)
	case f.count == nil:
		*f.number = v
	case v != math.Trunc(v) || math.Abs(v) > 1e9:
		return fmt.Sprintf("%s is %q, which is no whole number", key, value)
	default:
		*f.count = int(v)
	}
	return ""
}

var errFinite = errors.New("not finite")

// number reads a decimal or a fraction of two.
func number(text string) (float64, error) {
	over, under, fraction := strings.Cut(text, "/")
	v, err := strconv.ParseFloat(strings.TrimSpace(over), 64)
	if err != nil {
		return 0, err
	}
	if fraction {
		d, err := strconv.ParseFloat(strings.TrimSpace(under), 64)
		if err != nil {
			return 0, err
		}
		v /= d
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, errFinite
	}
	return v, nil
}

// fill sets the budgets that were not given.
func (s *Spec) fill(given map[string]bool) {
	l2 := s.Norm == "l2"
	if !given["eps"] {
		s.Eps = 2. / 255
		if l2 {
			s.Eps = .5
		}
	}
	if s.Method != "pgd" && s.Method != "nes" || given["step"] {
		return
	}
	s.Step = max(.5/255, s.Eps/4)
	if l2 {
		s.Step = max(s.Eps/5, 1e-6)
	}
}

// List returns the attacks of a list by name, or those that are written out, separated by commas: "acceptance" are exactly
// those of the acceptance table; "default" is one of every kind but nes at eps 2/255 (cw: .5 in l2), with the pairs of PGD and Square that
// [Masked] compares.
func List(names string) ([]Spec, error) {
	texts := split(names)
	var specs []Spec
	var faults []error
	for _, text := range texts {
		list := []string{text}
		if text == "acceptance" || text == "default" {
			list = named(text)
		}
		for _, text := range list {
			s, err := Parse(text)
			faults = append(faults, err)
			specs = append(specs, s)
		}
	}
	if len(texts) == 0 {
		faults = append(faults, fmt.Errorf("no attacks are named: give %s, or attacks separated by commas, such as pgd(eps=2/255)",
			strings.Join(Lists(), " or ")))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return specs, distinct(specs)
}

// named lists the attacks behind a name.
func named(name string) []string {
	if name == "default" {
		return []string{"fgsm", "pgd", "pgd(target=delta)", "cw", "square", "square(target=delta, queries=400)"}
	}
	var list []string
	for _, target := range []string{"label", "self"} {
		for _, eps := range []string{"1", "2", "4", "8", "16"} {
			list = append(list, fmt.Sprintf("fgsm(target=%s, eps=%s/255, forms=float)", target, eps))
		}
		list = append(list, fmt.Sprintf("pgd(target=%s, eps=2/255, step=.5/255, steps=10, norm=linf, start=clean, keep=last, forms=float)", target))
	}
	return list
}

// split cuts at commas outside of parentheses.
func split(names string) (list []string) {
	depth, from := 0, 0
	add := func(part string) {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	for i, r := range names {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ',' && depth <= 0:
			add(names[from:i])
			from = i + 1
		}
	}
	add(names[from:])
	return list
}
