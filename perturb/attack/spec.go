package attack

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Spec is one attack with its parameters. Make it with [Parse]; the zero value is not valid. Fields that the method does
// not have are zero.
type Spec struct {
	// Method is "fgsm", "pgd", "cw", "square" or "nes".
	Method string
	// Target is where to: "label", towards the wrong class of the true label; "self", away from the clean decision;
	// "delta", the largest |p'-p| of both directions.
	Target string
	// Norm of the budget: "linf" or "l2". Of cw it is l2, of square and nes linf.
	Norm string
	// Eps is the budget on the input: a bound on the norm of x'-x, pixels in [0,1].
	Eps float64
	// Step is the length of a step in the same unit (pgd, nes).
	Step float64
	// Steps is how many steps are taken (pgd, nes, and per search cw).
	Steps int
	// Start is "clean" or "random", a seeded point of the ball (pgd, nes).
	Start string
	// Keep is which iterate is scored: "best" by the target's own criterion, or "last" (pgd, nes).
	Keep string
	// Passes bounds the passes of square through the model per picture, all of them included. Key: queries.
	Passes int
	// P is the initial share of pixels that square changes.
	P float64
	// C weighs the margin against the squared distance, and Searches is over how many values of it cw searches.
	C        float64
	Searches int
	// Rate is Adam's learning rate (cw).
	Rate float64
	// Confidence is the margin beyond the threshold that cw asks for.
	Confidence float64
	// Variable is what cw optimises: "tanh" of Carlini and Wagner, or "clip", the pixels themselves.
	Variable string
	// Pairs and Sigma are the antithetic samples per estimate of the gradient and their spread (nes).
	Pairs int
	Sigma float64
	// Forms are what is scored: "float", "uint8", "jpeg90". Empty if the text did not say; [Variants] and [Run] then take
	// float and uint8.
	Forms []string
}

// method is a kind of attack: its parameters in the order in which they are written.
type method struct {
	name     string
	keys     []string
	shown    []string // of keys: always in a variant's parameter
	defaults Spec
}

func methods() []method {
	return []method{
		{"fgsm", []string{"target", "eps", "norm"}, nil, Spec{Norm: "linf"}},
		{"pgd", []string{"target", "eps", "step", "steps", "norm", "start", "keep"}, []string{"step"},
			Spec{Norm: "linf", Steps: 10, Start: "clean", Keep: "best"}},
		{"cw", []string{"target", "eps", "c", "steps", "searches", "rate", "confidence", "variable"}, []string{"c", "steps"},
			Spec{Norm: "l2", C: 1, Steps: 50, Searches: 1, Rate: .001, Variable: "tanh"}},
		{"square", []string{"target", "eps", "queries", "p"}, []string{"queries"}, Spec{Norm: "linf", Passes: 200, P: .8}},
		{"nes", []string{"target", "eps", "step", "steps", "pairs", "sigma", "start", "keep"}, []string{"step", "pairs"},
			Spec{Norm: "linf", Steps: 10, Pairs: 20, Sigma: .001, Start: "clean", Keep: "best"}},
	}
}

func findMethod(name string) (method, bool) {
	all := methods()
	i := slices.IndexFunc(all, func(m method) bool { return m.name == name })
	if i < 0 {
		return method{}, false
	}
	return all[i], true
}

// field is where the value of a key lives, and what it may be.
type field struct {
	word     *string
	words    []string
	number   *float64
	pixels   bool // of number: written in 1/255
	above    bool // of number: must be greater than least
	count    *int
	least    float64
	greatest float64
}

func (s *Spec) field(key string) field {
	const far = 1e6
	switch key {
	case "target":
		return field{word: &s.Target, words: []string{"label", "self", "delta"}}
	case "norm":
		return field{word: &s.Norm, words: []string{"linf", "l2"}}
	case "start":
		return field{word: &s.Start, words: []string{"clean", "random"}}
	case "keep":
		return field{word: &s.Keep, words: []string{"best", "last"}}
	case "variable":
		return field{word: &s.Variable, words: []string{"tanh", "clip"}}
	case "eps":
		return field{number: &s.Eps, pixels: true, greatest: s.largestEps()}
	case "step":
		return field{number: &s.Step, pixels: true, above: true, greatest: s.largestEps()}
	case "p":
		return field{number: &s.P, above: true, greatest: 1}
	case "c":
		return field{number: &s.C, above: true, greatest: far}
	case "rate":
		return field{number: &s.Rate, above: true, greatest: 1}
	case "confidence":
		return field{number: &s.Confidence, greatest: far}
	case "sigma":
		return field{number: &s.Sigma, above: true, greatest: 1}
	case "steps":
		return field{count: &s.Steps, least: 1, greatest: 10_000}
	case "searches":
		return field{count: &s.Searches, least: 1, greatest: 20}
	case "pairs":
		return field{count: &s.Pairs, least: 1, greatest: 1000}
	case "queries":
		return field{count: &s.Passes, least: 8, greatest: far}
	}
	return field{}
}

// largestEps is beyond what can be moved at all: 1 per pixel, and the diagonal of the largest picture.
func (s *Spec) largestEps() float64 {
	if s.Norm == "l2" {
		return 1e5
	}
	return 1
}

// String writes an attack so that [Parse] returns it again.
func (s Spec) String() string {
	m, _ := findMethod(s.Method)
	return s.Method + "(" + strings.Join(s.write(m.keys, s.Forms), ", ") + ")"
}

// write returns key=value of the keys, and of the forms if there are any.
func (s Spec) write(keys, forms []string) []string {
	var list []string
	for _, key := range keys {
		list = append(list, key+"="+s.value(key))
	}
	if len(forms) > 0 {
		list = append(list, "forms="+strings.Join(forms, "+"))
	}
	return list
}

func (s Spec) value(key string) string {
	switch f := s.field(key); {
	case f.word != nil:
		return *f.word
	case f.count != nil:
		return strconv.Itoa(*f.count)
	case f.number != nil && f.pixels && s.Norm == "linf":
		return pixels(*f.number)
	case f.number != nil:
		return strconv.FormatFloat(*f.number, 'g', -1, 64)
	}
	return ""
}

// pixels writes a number in 1/255 where that is short and exact.
func pixels(v float64) string {
	if short := strconv.FormatFloat(v*255, 'g', 6, 64); v != 0 {
		if back, err := strconv.ParseFloat(short, 64); err == nil && back/255 == v {
			return short + "/255"
		}
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// forms are those that are scored.
func (s Spec) forms() []string {
	if len(s.Forms) == 0 {
		return []string{"float", "uint8"}
	}
	return s.Forms
}

// directions is how many searches there are: delta goes up and down.
func (s Spec) directions() int {
	if s.Target == "delta" {
		return 2
	}
	return 1
}

// Gradient reports whether the attack needs the gradient of the model.
func (s Spec) Gradient() bool { return s.Method == "fgsm" || s.Method == "pgd" || s.Method == "cw" }

// Queries returns the worst case of passes through the model for one picture, with gradient or without, the clean pass
// and those of the scored forms included. A run of several attacks shares the clean passes and takes fewer.
func (s Spec) Queries() int {
	search := 1 // per direction: the end of the search
	if s.Keep == "best" {
		search++
	}
	switch s.Method {
	case "fgsm":
		search++
	case "pgd":
		search += s.Steps
	case "nes":
		search += s.Steps * (2*s.Pairs + 1)
	case "cw":
		search += s.Searches * (s.Steps + 1)
	case "square":
		return s.Passes
	}
	rescored := s.rescored()
	if s.lengthens() {
		rescored *= 1 + longer
	}
	return 1 + s.directions()*search + rescored
}

// rescored is how many forms take a pass of their own: a search ends with a pass that scores the floats.
func (s Spec) rescored() int {
	forms := s.forms()
	if slices.Contains(forms, "float") {
		return len(forms) - 1
	}
	return len(forms)
}

// check returns what is wrong with an attack, all of it.
func (s Spec) check() []string {
	m, ok := findMethod(s.Method)
	if !ok {
		return []string{fmt.Sprintf("unknown attack %q: known are %s", s.Method, strings.Join(methodNames(), ", "))}
	}
	var faults []string
	for _, key := range m.keys {
		if fault := s.field(key).check(key); fault != "" {
			faults = append(faults, fault)
		}
	}
	for i, form := range s.Forms {
		if !slices.Contains(Forms(), form) {
			faults = append(faults, fmt.Sprintf("form %q is not one of %s (several: forms=float+uint8)", form, strings.Join(Forms(), ", ")))
		}
		if slices.Contains(s.Forms[:i], form) {
			faults = append(faults, fmt.Sprintf("form %q is there twice", form))
		}
	}
	return faults
}

func (f field) check(key string) string {
	switch {
	case f.word != nil && !slices.Contains(f.words, *f.word):
		return fmt.Sprintf("%s is %q: it must be one of %s", key, *f.word, strings.Join(f.words, ", "))
	case f.count != nil && (float64(*f.count) < f.least || float64(*f.count) > f.greatest):
		return fmt.Sprintf("%s is %d: it must be %.0f to %.0f", key, *f.count, f.least, f.greatest)
	case f.number == nil:
		return ""
	}
	v, bounds := *f.number, fmt.Sprintf("%g to %g", f.least, f.greatest)
	if f.above {
		bounds = fmt.Sprintf("above %g and at most %g", f.least, f.greatest)
	}
	if math.IsNaN(v) || v < f.least || v > f.greatest || (f.above && v == f.least) {
		hint := ""
		if f.pixels && f.greatest == 1 {
			hint = " (pixels are in [0,1]: write 8/255 for eight grey levels)"
		}
		return fmt.Sprintf("%s is %g: it must be %s%s", key, v, bounds, hint)
	}
	return ""
}

func methodNames() []string {
	var names []string
	for _, m := range methods() {
		names = append(names, m.name)
	}
	return names
}
