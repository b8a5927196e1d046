package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"shaketable/perturb"
)

// listWidth is where a line of --list ends, in columns.
const listWidth = 110

// listFamilies describes all that a suite can be made of, and the suites that there are.
func listFamilies(w io.Writer) error {
	for _, f := range perturb.Families() {
		fmt.Fprintln(w, f.Name)
		for _, p := range f.Parameters {
			describe(w, "parameter", p.Name+": "+limits(p))
		}
		describe(w, "severities", severities(f))
		describe(w, "formula", f.Formula)
		describe(w, "bounds", f.Bounds)
		describe(w, "source", f.Source)
		describe(w, "made", made(f))
		fmt.Fprintln(w)
	}
	for _, name := range perturb.Suites() {
		suite, err := perturb.Lookup(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "suite %s, version %s: %d variants\n", suite.Name, suite.Version, len(suite.Variants))
		describe(w, "", contents(suite))
	}
	return nil
}

// contents names the variants of a suite, family by family: jpeg@1..5 if it has all severities, else jpeg(q=75; q=40).
func contents(suite perturb.Suite) string {
	var list []string
	for rest := suite.Variants; len(rest) > 0; {
		name, n := rest[0].Family, 0
		for n < len(rest) && rest[n].Family == name {
			n++
		}
		list = append(list, levels(rest[:n]))
		rest = rest[n:]
	}
	return strings.Join(list, ", ")
}

// levels names variants of one family.
func levels(variants []perturb.Variant) string {
	name, texts := variants[0].Family, make([]string, len(variants))
	known := slices.IndexFunc(perturb.Families(), func(f perturb.Family) bool { return f.Name == name })
	whole := known >= 0 && len(variants) == 5
	for i, v := range variants {
		texts[i] = parameters(v)
		whole = whole && v == perturb.Families()[known].Variant(i+1)
	}
	if whole {
		return name + "@1..5"
	}
	return name + "(" + strings.Join(texts, "; ") + ")"
}

// parameters are those of a variant with their names.
func parameters(v perturb.Variant) string {
	return strings.TrimSuffix(strings.TrimPrefix(v.String(), v.Family+"("), ")")
}

// limits says which values a parameter takes.
func limits(p perturb.Parameter) string {
	text := short(p.Min) + " to " + short(p.Max)
	if p.Whole {
		text = "a whole number, " + text
	}
	if p.Unit != "" {
		text += " " + p.Unit
	}
	if p.Optional {
		text += " (may be left out)"
	}
	return text
}

func short(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// severities writes the table of a family: "q = 90, 75, 60, 40, 25", or level by level if there are several parameters.
func severities(f perturb.Family) string {
	var levels []string
	for severity := 1; severity <= 5; severity++ {
		levels = append(levels, f.Variant(severity).Parameter)
	}
	if !strings.Contains(levels[0], "=") {
		return f.Parameters[0].Name + " = " + strings.Join(levels, ", ")
	}
	return strings.Join(levels, "; ")
}

func made(f perturb.Family) string {
	text := "in the model's graph"
	if f.Host {
		text = "on the host, before the graph"
	}
	if f.Random {
		text += "; random, seeded by the media id"
	}
	return text
}

// describe prints a labelled paragraph; nothing if there is no text.
func describe(w io.Writer, label, text string) {
	line := fmt.Sprintf("  %-11s", label)
	indent := strings.Repeat(" ", len(line))
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > listWidth && line != indent {
			fmt.Fprintln(w, line)
			line = indent
		}
		line += " " + word
	}
	if strings.TrimSpace(text) != "" {
		fmt.Fprintln(w, line)
	}
}
