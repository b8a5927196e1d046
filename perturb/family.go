package perturb

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Parameter is one number that a family takes.
type Parameter struct {
	Name string
	Unit string // empty: a bare number
	// Min and Max bound the value, both included.
	Min, Max float64
	Whole    bool // only whole numbers
	Optional bool // may be left out; the formula says what holds then
}

// Family is a kind of perturbation, with what a person needs to know to choose among its levels.
type Family struct {
	Name       string
	Parameters []Parameter // optional ones last
	// Severities are the values of severity 1 to 5, in the order of Parameters.
	Severities [5][]float64
	// Formula says what happens to a sample, Bounds why it stays within 0..255, Source where the severities come from.
	Formula, Bounds, Source string
	Random                  bool // depends on the seed of the media
	Host                    bool // made in Go before the graph, see Painter

	// check, where there is one, holds values against rules that bounds cannot express.
	check func(values []float64) error
	// emit returns one uint8 [N,3,H,W] value per setting; nil for families that the host makes.
	emit func(c *canvas, settings []setting) []string
}

// setting is one level of a family: what its variant's parameter text says.
type setting struct {
	text   string
	values []float64 // those of optional parameters may be missing at the end
}

// Families describes every natural family: those of the graph in the order of deepfake-v1, then those of the host.
func Families() []Family {
	all := []Family{
		jpegFamily(), blurFamily(), saturationFamily(), gainFamily(), brightnessFamily(), resizeFamily(), noiseFamily(),
		motionFamily(), occlusionFamily(), socialFamily(), // the last of deepfake-v1
		noiseYCbCrFamily(), pixelationFamily(),
	}
	return append(all, hostFamilies()...)
}

func findFamily(name string) (Family, error) {
	all := Families()
	i := slices.IndexFunc(all, func(f Family) bool { return f.Name == name })
	if i < 0 {
		return Family{}, fmt.Errorf("unknown perturbation family %q: known are %s", name, familyNames(all))
	}
	return all[i], nil
}

func familyNames(all []Family) string {
	names := make([]string, len(all))
	for i, f := range all {
		names[i] = f.Name
	}
	return strings.Join(names, ", ")
}

// Variant is the family at one of its five severities; severity must be 1 to 5.
func (f Family) Variant(severity int) Variant { return f.at(severity, f.Severities[severity-1]...) }

// at is the family at any values, under a severity that is only a label.
func (f Family) at(severity int, values ...float64) Variant {
	return Variant{Family: f.Name, Severity: severity, Parameter: f.text(values)}
}

// text writes values the way a variant carries them: a single one bare ("0.032"), more with their names ("radius=10, sigma=3").
func (f Family) text(values []float64) string {
	if len(values) == 1 {
		return number(values[0])
	}
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = f.Parameters[i].Name + "=" + number(v)
	}
	return strings.Join(words, ", ")
}

// number is the shortest text that reads back as the same value.
func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// accept checks values against the bounds of the parameters, and names every fault with what is allowed.
func (f Family) accept(values []float64) (faults []string) {
	for i, v := range values {
		p := f.Parameters[i]
		switch {
		case !(v >= p.Min && v <= p.Max):
			faults = append(faults, fmt.Sprintf("%s is %s: it must be %s", p.Name, number(v), p.allowed()))
		case p.Whole && v != float64(int64(v)):
			faults = append(faults, fmt.Sprintf("%s is %s: it must be a whole number, %s", p.Name, number(v), p.allowed()))
		}
	}
	if len(faults) == 0 && f.check != nil {
		if err := f.check(values); err != nil {
			faults = append(faults, err.Error())
		}
	}
	return faults
}

// allowed says in words which values a parameter takes.
func (p Parameter) allowed() string {
	return strings.TrimSpace(fmt.Sprintf("%s to %s %s", number(p.Min), number(p.Max), p.Unit))
}

// firsts are the first values of settings: all that a family with one parameter has.
func firsts(settings []setting) []float64 {
	numbers := make([]float64, len(settings))
	for i, s := range settings {
		numbers[i] = s.values[0]
	}
	return numbers
}
