// Package perturb defines what a probe does to a picture, and compiles it, together with a detector, into one ONNX graph.
//
//	image uint8 [N,H,W,3] ─► planes uint8 [N,3,H,W] ─┬─────────────────────────► clean   ┐
//	seed  int64 [N] ─────────────────────────────────┼─► one family per file ─► variants ┤ rows uint8 [(1+K)N,3,H,W]
//	                                                 └─► …                               ┘   │ chunk by chunk
//	                       p float32 [1+K,N] ◄─ probability of fake ◄─ detector ◄─ pre-process ┘
//
// Every family works on RGB, clips, and rounds to an integer of 0..255, halves up (brightness: see there); so
// variants are exact as uint8, and the picture that is scored is a picture that could be stored. Only operators with
// CPU and CUDA kernels are used, and only the number of pictures N is open: all other shapes are constants of the graph.
package perturb

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// suiteVersion changes when any pixel of any variant can change. Both suites share it, so that `production` makes the
// very pictures that `deepfake-v1` makes, and a baseline measured with one serves the other.
const suiteVersion = "1"

// family is a perturbation with five severities.
type family struct {
	name string
	// parameters are those of severity 1..5 as a person writes them.
	parameters [5]string
	// emit returns one uint8 [N,3,H,W] value per severity asked for.
	emit func(c *canvas, severities []int) []string
}

// families lists the natural families of deepfake-v1 in the order of their variants.
func families() []family {
	return []family{
		{"jpeg", jpegQualities(), emitJPEG},
		{"gaussian_blur", blurKernels(), emitBlur},
		{"saturation", saturationFactors(), emitSaturation},
		{"gain", gainFactors(), emitGain},
		{"brightness", brightnessOffsets(), emitBrightness},
		{"resize", resizeFactors(), emitResize},
		{"gaussian_noise", noiseSigmas(), emitNoise},
	}
}

// Suites are the names that Lookup knows.
func Suites() []string { return []string{"production", "deepfake-v1"} }

// Lookup returns the suite of that name: `production` (8 variants, for live traffic) or `deepfake-v1` (all 35).
func Lookup(name string) (Suite, error) {
	suite := Suite{Name: name, Version: suiteVersion}
	switch name {
	case "deepfake-v1":
		for _, f := range families() {
			for s := 1; s <= 5; s++ {
				suite.Variants = append(suite.Variants, f.variant(s))
			}
		}
	case "production":
		// The severity that users meet most; of jpeg also the one below which a face is hardly posted.
		for _, pick := range []struct {
			family   string
			severity int
		}{{"jpeg", 2}, {"jpeg", 4}, {"resize", 1}, {"gaussian_noise", 2}, {"gaussian_blur", 1}, {"gain", 2}, {"brightness", 2}, {"saturation", 3}} {
			f, err := findFamily(pick.family)
			if err != nil {
				return Suite{}, err
			}
			suite.Variants = append(suite.Variants, f.variant(pick.severity))
		}
	default:
		return Suite{}, fmt.Errorf("unknown perturbation suite %q: known are %s", name, strings.Join(Suites(), ", "))
	}
	return suite, nil
}

func (f family) variant(severity int) Variant {
	return Variant{Family: f.name, Severity: severity, Parameter: f.parameters[severity-1]}
}

func findFamily(name string) (family, error) {
	all := families()
	i := slices.IndexFunc(all, func(f family) bool { return f.name == name })
	if i < 0 {
		return family{}, fmt.Errorf("unknown perturbation family %q", name)
	}
	return all[i], nil
}

// Seed is what makes the noise of one media its own: 31 bits of SHA-256 over suite version and media id. The same media
// gets the same noise on replay, on any machine.
func Seed(mediaID, suiteVersion string) int64 {
	return seed31("media", suiteVersion, mediaID)
}

// seed31 hashes words to an integer in [0, 2^31-1), the range of the noise's modular arithmetic.
func seed31(words ...string) int64 {
	h := sha256.New()
	for _, w := range words {
		fmt.Fprintf(h, "%d:%s;", len(w), w) // lengths keep ("ab","c") and ("a","bc") apart
	}
	return int64(binary.BigEndian.Uint64(h.Sum(nil)) % mersenne31)
}
