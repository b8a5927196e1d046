// Package perturb defines what a probe does to a picture, and compiles it, together with a detector, into one ONNX graph.
//
//	image uint8 [N,H,W,3] ─► planes uint8 [N,3,H,W] ─┬─────────────────────────► clean   ┐
//	seed  int64 [N] ─────────────────────────────────┼─► one family per file ─► variants ┤ rows uint8 [(1+K)N,3,H,W]
//	                                                 └─► …                               │   │ picked rows, if so asked
//	host  uint8 [·,N,H,W,3] ─► what a graph can't make, see Painter ─────────► variants ┘   │ chunk by chunk
//	                       p float32 [1+K,N] ◄─ probability of fake ◄─ detector ◄─ pre-process ┘
//
// Every family works on RGB, clips, and rounds to an integer of 0..255, halves up (brightness: see there); so
// variants are exact as uint8, and the picture that is scored is a picture that could be stored. Only operators with
// CPU and CUDA kernels are used, and only the number of pictures N is open: all other shapes are constants of the graph.
package perturb

import (
	"fmt"
	"slices"
	"strings"
)

// suiteVersion is that of `production` and `deepfake-v1`. It changes when any pixel of any variant can change. Both share it,
// so that `production` makes the very pictures that `deepfake-v1` makes, and a baseline measured with one serves the other.
const suiteVersion = "2"

// How the variants of a suite are recompressed.
const (
	// CodecGraph recompresses inside the graph, where a GPU can do it, and within a rounding error of a real codec.
	CodecGraph = "graph"
	// CodecExact encodes and decodes for real, on the CPU.
	CodecExact = "exact"
)

// Suites are the names that Lookup knows.
func Suites() []string {
	return []string{"production", "deepfake-v1", "imagenet-c", "imagenet-c-extra", "df1"}
}

// Lookup returns the built-in suite of that name: `production` (8 variants, for live traffic), `deepfake-v1` (all 50),
// `imagenet-c` (the 15 corruptions of ImageNet-C), `imagenet-c-extra` (its 4 others) or `df1` (DeeperForensics-1.0).
func Lookup(name string) (Suite, error) {
	suite := Suite{Name: name, Version: suiteVersion, Codec: CodecGraph}
	switch name {
	case "production":
		suite.Variants = production()
	case "deepfake-v1":
		suite.Variants = allSeverities(Families()[:deepfakeFamilies])
	case "imagenet-c":
		suite.Version, suite.Variants = imagenetVersion, imagenetC()
	case "imagenet-c-extra":
		suite.Version, suite.Variants = imagenetVersion, imagenetExtra()
	case "df1":
		suite.Version, suite.Variants = df1Version, df1()
	default:
		return Suite{}, fmt.Errorf("unknown perturbation suite %q: known are %s", name, strings.Join(Suites(), ", "))
	}
	return suite, nil
}

// WithCodec is the suite with another way to recompress: "graph" or "exact".
func (s Suite) WithCodec(codec string) (Suite, error) {
	if !slices.Contains([]string{CodecGraph, CodecExact}, codec) {
		return Suite{}, fmt.Errorf("suite %q: codec %q must be %s or %s", s.Name, codec, CodecGraph, CodecExact)
	}
	s.Codec = codec
	return s, nil
}

// production has the severity that users meet most; of jpeg also the one below which a face is hardly posted.
func production() []Variant {
	return []Variant{jpegFamily().Variant(2), jpegFamily().Variant(4), resizeFamily().Variant(1), noiseFamily().Variant(2),
		blurFamily().Variant(1), gainFamily().Variant(2), brightnessFamily().Variant(2), saturationFamily().Variant(3)}
}

// deepfakeFamilies is how many of Families, from the first on, make up deepfake-v1.
const deepfakeFamilies = 10

// allSeverities lists families with all five severities each.
func allSeverities(families []Family) (all []Variant) {
	for _, f := range families {
		for s := range f.Severities {
			all = append(all, f.Variant(s+1))
		}
	}
	return all
}
