package perturb

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Parse reads a variant as a person writes it: "gaussian_noise(sigma=0.1)", "jpeg(q=60)", "jpeg(60)", "motion_blur(radius=10,
// sigma=3)", or by severity, "jpeg@2". A variant without a severity in its text has severity 0; NewSuite numbers them.
func Parse(text string) (Variant, error) {
	v, err := parseVariant(strings.TrimSpace(text))
	if err != nil {
		return Variant{}, fmt.Errorf("perturbation %q: %w", text, err)
	}
	return v, nil
}

func parseVariant(text string) (Variant, error) {
	name, arguments, isCall := strings.Cut(text, "(")
	if isCall {
		inside, closed := strings.CutSuffix(arguments, ")")
		if !closed {
			return Variant{}, errors.New("the closing parenthesis is missing at the end")
		}
		f, err := findFamily(strings.TrimSpace(name))
		if err != nil {
			return Variant{}, err
		}
		values, err := f.parse(inside)
		if err != nil {
			return Variant{}, err
		}
		return f.at(0, values...), nil
	}
	name, level, isLevel := strings.Cut(text, "@")
	f, err := findFamily(strings.TrimSpace(name))
	if err != nil {
		return Variant{}, err
	}
	if !isLevel {
		return Variant{}, fmt.Errorf("say how strong: %s, or %s@1 to %s@5", f.example(), f.Name, f.Name)
	}
	severity, err := strconv.Atoi(strings.TrimSpace(level))
	if err != nil || severity < 1 || severity > 5 {
		return Variant{}, fmt.Errorf("severity %q must be 1 to 5", level)
	}
	return f.Variant(severity), nil
}

// example is the family at severity 1, as one writes it.
func (f Family) example() string { return f.Variant(1).String() }

// parse reads values, "radius=10, sigma=3" or one bare number, and reports all faults.
func (f Family) parse(text string) ([]float64, error) {
	given := map[string]float64{}
	var faults []string
	fault := func(format string, a ...any) { faults = append(faults, fmt.Sprintf(format, a...)) }
	words := strings.Split(text, ",")
	for _, word := range words {
		key, value, named := strings.Cut(word, "=")
		if !named {
			key, value = f.Parameters[0].Name, word
		}
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		v, err := strconv.ParseFloat(value, 64)
		_, twice := given[key]
		switch {
		case !named && len(words) > 1:
			fault("%q has no name: write %s", strings.TrimSpace(word), f.example())
		case !slices.ContainsFunc(f.Parameters, func(p Parameter) bool { return p.Name == key }):
			fault("unknown parameter %q: %s takes %s", key, f.Name, f.takes())
		case err != nil && !errors.Is(err, strconv.ErrRange): // a number beyond float64 is infinite, and out of bounds
			fault("%s is %q, which is no number: write %s", key, value, f.example())
		case twice:
			fault("%s is given twice", key)
		default:
			given[key] = v + 0 // -0 is 0: one text, one variant
		}
	}
	if len(faults) > 0 {
		return nil, errors.New(strings.Join(faults, "; "))
	}
	return f.order(given)
}

// order lines up named values with the parameters and checks them.
func (f Family) order(given map[string]float64) ([]float64, error) {
	var values []float64
	var faults []string
	for _, p := range f.Parameters {
		v, ok := given[p.Name]
		if ok {
			values = append(values, v)
		} else if !p.Optional {
			faults = append(faults, fmt.Sprintf("%s is missing: %s takes %s", p.Name, f.Name, f.takes()))
		}
	}
	if len(faults) == 0 {
		faults = f.accept(values)
	}
	if len(faults) > 0 {
		return nil, errors.New(strings.Join(faults, "; "))
	}
	return values, nil
}

// takes lists the parameters with what they allow.
func (f Family) takes() string {
	words := make([]string, len(f.Parameters))
	for i, p := range f.Parameters {
		words[i] = p.Name + " (" + p.allowed() + ")"
		if p.Optional {
			words[i] = p.Name + " (optional, " + p.allowed() + ")"
		}
	}
	return strings.Join(words, ", ")
}

// String is the variant as Parse reads it, without the severity. A variant of no natural family (an attack) is written alike.
func (v Variant) String() string {
	switch {
	case v.Parameter == "":
		return v.Family
	case strings.Contains(v.Parameter, "="):
		return v.Family + "(" + v.Parameter + ")"
	}
	if f, err := findFamily(v.Family); err == nil {
		return v.Family + "(" + f.Parameters[0].Name + "=" + v.Parameter + ")"
	}
	return v.Family + "(" + v.Parameter + ")"
}

// resolve finds the family of a variant and reads its parameter. The severity is only a label and is not looked at.
func (v Variant) resolve() (Family, setting, error) {
	f, err := findFamily(v.Family)
	if err != nil {
		return Family{}, setting{}, err
	}
	values, err := f.parse(v.Parameter)
	if err != nil {
		return Family{}, setting{}, fmt.Errorf("perturbation %s with parameter %q: %w", v.Family, v.Parameter, err)
	}
	return f, setting{text: f.text(values), values: values}, nil
}

// NewSuite makes a user's own suite. Severities are numbered from 1 inside every family, in the order given, and serve as
// labels only. All faults are reported at once.
func NewSuite(name, version string, variants []string) (Suite, error) {
	s := Suite{Name: name, Version: version, Codec: CodecGraph}
	var faults []error
	fault := func(format string, a ...any) {
		faults = append(faults, fmt.Errorf("suite %q: "+format, append([]any{name}, a...)...))
	}
	if strings.TrimSpace(name) == "" {
		fault("it has no name")
	}
	if slices.Contains(Suites(), name) {
		fault("the name is taken by a built-in suite: choose another")
	}
	if strings.TrimSpace(version) == "" {
		fault("it has no version: give it one, and another whenever the list changes")
	}
	if len(variants) == 0 {
		fault(`it has no variants: list some, such as "jpeg(q=60)" or "resize@2"`)
	}
	severity, at := map[string]int{}, map[string]int{}
	for i, text := range variants {
		v, err := Parse(text)
		if err != nil {
			fault("variant %d: %w", i+1, err)
			continue
		}
		if first, twice := at[v.String()]; twice {
			fault("variant %d, %s, is the same as variant %d", i+1, v, first)
			continue
		}
		at[v.String()] = i + 1
		severity[v.Family]++
		v.Severity = severity[v.Family]
		s.Variants = append(s.Variants, v)
	}
	if len(faults) > 0 {
		return Suite{}, errors.Join(faults...)
	}
	return s, nil
}
