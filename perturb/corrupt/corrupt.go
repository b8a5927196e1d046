// Package corrupt makes the corruptions of ImageNet-C (Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to
// Common Corruptions and Perturbations", ICLR 2019) that are too irregular for an ONNX graph: those that branch, shuffle
// or grow something. Pictures are 8-bit RGB, row by row, of any size from 16 pixels a side.
//
// Each family is the formula of the published generator with two differences, named once here. The result is rounded to
// the nearest integer, halves up, where the generator cuts off: a cut darkens every picture by half a level, and the
// other families of this project round. And what the generator ties to 224 pixels follows the size of the picture, as
// the doc of the family says.
//
// The same seed gives the same bytes on every machine: chance is a PCG stream of integers, and every product that is
// added to something is rounded first (the explicit float64 conversions), so that no compiler fuses the two.
package corrupt

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

const (
	minSide = 16      // the shortest side of a picture: below, kernels are wider than what they work on
	maxSide = 1 << 15 // products of sides stay far from overflow
)

// Parameter is one number of a family.
type Parameter struct {
	Name string
	// Unit says what is counted, in words: "pixels", "share of the samples".
	Unit string
	// Min and Max are the least and the greatest value allowed.
	Min, Max float64
	// Integer parameters have no fraction.
	Integer bool
}

// String prints the parameter with what it allows: "radius (integer of 1..32, pixels)".
func (p Parameter) String() string {
	kind := "number"
	if p.Integer {
		kind = "integer"
	}
	return fmt.Sprintf("%s (%s of %g..%g, %s)", p.Name, kind, p.Min, p.Max, p.Unit)
}

func (p Parameter) check(family string, v float64) error {
	if !(v >= p.Min && v <= p.Max) || p.Integer && v != math.Trunc(v) { // written so that NaN fails
		return fmt.Errorf("corrupt: %s: %s = %g is not allowed: give %s", family, p.Name, v, p)
	}
	return nil
}

// Family describes a corruption.
type Family struct {
	Name       string
	Parameters []Parameter
	// Severities are the published parameters of severity 1..5. They are not ordered by how much they hurt a detector.
	Severities [5][]float64
	// Formula defines the family on samples x in [0,1].
	Formula string
	// Bounds says what happens at the limits: of the range of values, and of the picture.
	Bounds string
	// Source is where formula and severities are from.
	Source string
	// Random families depend on the seed.
	Random bool

	least int // shortest side, if not minSide
	valid func(parameters []float64) error
	apply func(in raster, parameters []float64, chance *stream) raster
}

// Families lists what Apply knows: the fifteen families of ImageNet-C that a graph does not make, then jpeg as a codec makes it.
func Families() []Family {
	return []Family{
		shotNoise(), impulseNoise(), speckleNoise(),
		defocusBlur(), glassBlur(), zoomBlur(), gaussianBlur(),
		snow(), frost(), fog(), spatter(),
		contrast(), saturate(), elasticTransform(), pixelate(),
		jpeg(),
	}
}

// Apply corrupts an 8-bit RGB picture (row by row, 3 bytes a pixel) and returns a new one of the same size. seed decides what
// random families draw; the others ignore it. Errors name the fault and what is allowed.
func Apply(family string, parameters []float64, pix []byte, width, height int, seed uint64) ([]byte, error) {
	all := Families()
	i := slices.IndexFunc(all, func(f Family) bool { return f.Name == family })
	if i < 0 {
		return nil, fmt.Errorf("corrupt: unknown family %q: known are %s", family, names(all))
	}
	f := all[i]
	if err := f.Check(parameters); err != nil {
		return nil, err
	}
	if min(width, height) < f.shortest() || max(width, height) > maxSide {
		return nil, fmt.Errorf("corrupt: %s: a picture of %d x %d pixels: sides of %d..%d are allowed", family, width, height, f.shortest(), maxSide)
	}
	if len(pix) != 3*width*height {
		return nil, fmt.Errorf("corrupt: %s: %d bytes for %d x %d pixels: 8-bit RGB takes %d", family, len(pix), width, height, 3*width*height)
	}
	return f.apply(raster{pix, width, height}, parameters, newStream(family, seed)).pix, nil
}

// Check says whether the numbers are allowed as parameters of the family.
func (f Family) Check(parameters []float64) error {
	if len(parameters) != len(f.Parameters) {
		texts := make([]string, len(f.Parameters))
		for i, p := range f.Parameters {
			texts[i] = p.String()
		}
		return fmt.Errorf("corrupt: %s: %d parameters given, it takes %d: %s", f.Name, len(parameters), len(f.Parameters), strings.Join(texts, ", "))
	}
	for i, p := range f.Parameters {
		if err := p.check(f.Name, parameters[i]); err != nil {
			return err
		}
	}
	if f.valid != nil {
		return f.valid(parameters)
	}
	return nil
}

func (f Family) shortest() int {
	if f.least > 0 {
		return f.least
	}
	return minSide
}

func names(all []Family) string {
	var list []string
	for _, f := range all {
		list = append(list, f.Name)
	}
	return strings.Join(list, ", ")
}
