package suspect

import (
	"fmt"
	"strings"

	"shaketable/perturb"
)

// Hypothesis is one way from a file to a score.
type Hypothesis struct {
	Input  perturb.Input
	Output perturb.Output
	// Exif is "apply" or "ignore", as prepare.exif of the configuration.
	Exif string
	// Form is what the service's scores are. It is recognised, and no change of the detector.
	Form Form
}

// Form is what a score is.
type Form string

// The forms that are recognised.
const (
	Probability Form = "probability"
	Percent     Form = "percent" // 0..100
	Logit       Form = "logit"   // log(p/(1-p))
)

// Change is one key of the configuration that a hypothesis sets otherwise.
type Change struct {
	Path     string // below the detector: "input.color"; or "prepare.exif"
	From, To string // as YAML writes them
}

// Changes lists in what h differs from base, in the order of the configuration. Form is not among them.
func (h Hypothesis) Changes(base Hypothesis) []Change {
	var list []Change
	add := func(path, from, to string) {
		if from != to {
			list = append(list, Change{Path: path, From: from, To: to})
		}
	}
	a, b := base.Input, h.Input
	add("input.width", fmt.Sprint(a.Width), fmt.Sprint(b.Width))
	add("input.height", fmt.Sprint(a.Height), fmt.Sprint(b.Height))
	add("input.layout", a.Layout, b.Layout)
	add("input.color", a.Color, b.Color)
	add("input.scale", a.Scale, b.Scale)
	add("input.mean", triple(a.Mean), triple(b.Mean))
	add("input.std", triple(a.Std), triple(b.Std))
	add("input.resize.method", a.Resize.Method, b.Resize.Method)
	add("input.resize.fit", a.Resize.Fit, b.Resize.Fit)
	add("input.resize.side", fmt.Sprint(a.Resize.Side), fmt.Sprint(b.Resize.Side))
	add("output.name", base.Output.Name, h.Output.Name)
	add("output.kind", base.Output.Kind, h.Output.Kind)
	add("output.index", fmt.Sprint(base.Output.Index), fmt.Sprint(h.Output.Index))
	add("output.meaning", base.Output.Meaning, h.Output.Meaning)
	add("prepare.exif", base.Exif, h.Exif)
	return list
}

// triple is a list as YAML writes it.
func triple(v [3]float32) string { return fmt.Sprintf("[%g, %g, %g]", v[0], v[1], v[2]) }

// steps counts the decisions in which h differs from base: what stands together in the configuration counts once.
func (h Hypothesis) steps(base Hypothesis) int {
	n := 0
	for _, differs := range []bool{
		h.Input.Width != base.Input.Width || h.Input.Height != base.Input.Height,
		h.Input.Layout != base.Input.Layout,
		h.Input.Color != base.Input.Color,
		h.Input.Scale != base.Input.Scale || h.Input.Mean != base.Input.Mean || h.Input.Std != base.Input.Std,
		h.Input.Resize.Method != base.Input.Resize.Method,
		h.Input.Resize.Fit != base.Input.Resize.Fit || h.Input.Resize.Side != base.Input.Resize.Side,
		h.Exif != base.Exif,
		h.Output.Name != base.Output.Name || h.Output.Index != base.Output.Index,
		h.Output.Kind != base.Output.Kind,
		h.Output.Meaning != base.Output.Meaning,
	} {
		if differs {
			n++
		}
	}
	return n
}

// String lists the changes of nothing: the decisions themselves, for tests and logs.
func (h Hypothesis) String() string {
	return fmt.Sprintf("%+v %+v exif=%s form=%s", h.Input, h.Output, h.Exif, h.Form)
}

// Describe puts the changes against base in one line; "as configured" if there are none.
func (h Hypothesis) Describe(base Hypothesis) string {
	var words []string
	for _, c := range h.Changes(base) {
		words = append(words, c.Path[strings.LastIndex(c.Path, ".")+1:]+" "+c.To)
	}
	if len(words) == 0 {
		return "as configured"
	}
	return strings.Join(words, ", ")
}
