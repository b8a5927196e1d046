package attack

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"shaketable/perturb"
)

// Forms are the names of what can be scored: "float", the iterate as it is; "uint8", rounded to k/255 inside the budget;
// "jpeg90", that after a JPEG of quality 90, which knows no budget.
func Forms() []string { return []string{"float", "uint8", "jpeg90"} }

// Variants are the rows that attacks return, spec by spec and form by form. The family is method, steps, norm and target, and
// the form unless it is float: "pgd10_delta_uint8", "fgsm_l2_self". Severities count from 1 by eps inside a family.
func Variants(specs []Spec) []perturb.Variant {
	type row struct {
		variant *perturb.Variant
		eps     float64
	}
	var all []perturb.Variant
	for _, s := range specs {
		for _, form := range s.forms() {
			all = append(all, perturb.Variant{Family: s.family(form), Parameter: s.parameter()})
		}
	}
	families := map[string][]row{}
	i := 0
	for _, s := range specs {
		for range s.forms() {
			v := &all[i]
			families[v.Family] = append(families[v.Family], row{v, s.Eps})
			i++
		}
	}
	for _, rows := range families {
		slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.eps, b.eps) })
		for i, r := range rows {
			r.variant.Severity = i + 1
		}
	}
	return all
}

// Rows returns, for each spec, where its forms are in [Variants]: row[i] is the index of the first form of spec i.
func Rows(specs []Spec) []int {
	rows, next := make([]int, len(specs)), 0
	for i, s := range specs {
		rows[i] = next
		next += len(s.forms())
	}
	return rows
}

func (s Spec) family(form string) string {
	words := []string{s.Method}
	if s.Method == "pgd" || s.Method == "nes" {
		words[0] += strconv.Itoa(s.Steps)
	}
	if s.Norm == "l2" && s.Method != "cw" {
		words = append(words, "l2")
	}
	words = append(words, s.Target)
	if form != "float" {
		words = append(words, form)
	}
	return strings.Join(words, "_")
}

// parameter says what the family does not: eps, and what is not as it is by default. The bare value where that is all.
func (s Spec) parameter() string {
	m, _ := findMethod(s.Method)
	plain := m.defaults
	plain.Method = s.Method
	keys := []string{"eps"}
	for _, key := range m.keys {
		inFamily := key == "target" || key == "norm" || key == "eps" || (key == "steps" && s.Method != "cw")
		if !inFamily && (slices.Contains(m.shown, key) || s.value(key) != plain.value(key)) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 1 {
		return s.value("eps")
	}
	return strings.Join(s.write(keys, nil), ", ")
}

// distinct refuses attacks that would be one row.
func distinct(specs []Spec) error {
	seen := map[string]Spec{}
	for _, s := range specs {
		for _, form := range s.forms() {
			key := s.family(form) + " " + s.parameter()
			if other, twice := seen[key]; twice {
				return fmt.Errorf("attacks %q and %q are the same row %s: leave one out", other, s, key)
			}
			seen[key] = s
		}
	}
	return nil
}
