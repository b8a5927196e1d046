// Package report turns an evaluation into one HTML file that can be read anywhere, printed and sent on: it asks for nothing
// from outside and needs no script.
//
//	Input ─► sheet: figures with their n and 95 % band ─► sentences, plots, statistics ─► template ─► HTML
//
// Invariants: every figure carries its n and its band; the figures are those of ra_rr.csv, because both come from
// [pipeline.Evaluation]; the file stays below [MaxBytes].
package report

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"time"

	"shaketable/metrics"
	"shaketable/pipeline"
)

//go:embed page
var assets embed.FS

// MaxBytes is how large a report may become; mail and chat take that.
const MaxBytes = 2 << 20

// headline is the tolerance that figures without another one are about: .05, in ticks.
const headline = 50_000

// alpha is the error rate of all bands.
const alpha = .05

// Input is all that a report is made of.
type Input struct {
	At    time.Time // when the evaluation began
	Tool  string    // the program and its build
	Suite string    // name@version; "" without perturbations
	Codec string    // what makes the JPEG of the suite; "" where there is none
	Media []Medium
	// Folder is what the folder of the media is called.
	Folder string
	// Attributes are the names of Medium.Values, from the columns of the labels file.
	Attributes []string
	Detectors  []Detector
	// Level is the evidence at which an alert goes off: see [metrics.ExpectedDelay].
	Level float64
	// Against says what Detector.Before is: a file name; "" without.
	Against string
	// Checks are the results of the gate, one line each; empty without.
	Checks []Check
	// Thumbnail returns a small JPEG of a medium; nil leaves pictures out.
	Thumbnail func(medium int) ([]byte, error)
}

// Medium is one picture.
type Medium struct {
	Name   string
	Fake   *bool // nil without a label
	Values []string
}

// Label returns "fake", "real" or "".
func (m Medium) Label() string {
	switch {
	case m.Fake == nil:
		return ""
	case *m.Fake:
		return "fake"
	}
	return "real"
}

// Detector is one detector with its counts.
type Detector struct {
	Counts *pipeline.Evaluation
	// Probs are the probabilities of fake, by medium as they were given to Counts: clean, then by variant, NaN for what did
	// not run; nil for a medium that could not be used.
	Probs  [][]float64
	Digest string            // SHA-256 over the media that it could use, in hex
	Engine string            // what computed it
	Floor  string            // how far the device moves a probability by itself, in words
	Attack *Attack           // nil without attacks
	Before *metrics.Baseline // what the figures are held against; nil without
}

// Attack is what is known of the attacks on a detector beside their figures.
type Attack struct {
	Bounds   []Bound   // by attack, in the order of the variants behind those of the suite
	Distance []float64 // length of the change in L2, by attack, on average
	Passes   []float64 // through the model for one picture, by attack, on average
	Notes    []string  // what must be known to read the figures
}

// Bound is how far an attack may change the pixels, which are in [0,1].
type Bound struct {
	Eps    float64
	Norm   string // "linf" or "l2"
	Target string // "self", "label" or "delta"
}

// Check is one line of the gate.
type Check struct {
	Failed bool
	Text   string
}

// HTML returns the report. It is an error if no medium could be used, or if the report would be larger than [MaxBytes].
func HTML(in Input) ([]byte, error) {
	s, err := newSheet(in)
	if err != nil {
		return nil, err
	}
	t, err := template.New("report.html").Funcs(template.FuncMap{"percent": percent, "band": band, "points": points, "count": count,
		"exact": exact, "decimal": decimal, "n": whole, "heat": heat, "words": words, "thousands": thousands, "day": day}).
		ParseFS(assets, "page/report.html")
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	style, err := assets.ReadFile("page/style.css")
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	v, err := s.view()
	if err != nil {
		return nil, err
	}
	v.Style = template.CSS(style)
	var text bytes.Buffer
	if err := t.Execute(&text, v); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	if text.Len() > MaxBytes {
		return nil, fmt.Errorf("report: it would have %d bytes, more than %d: evaluate fewer detectors at once (--only)", text.Len(), MaxBytes)
	}
	return text.Bytes(), nil
}

// errNothing says that there is nothing to report.
var errNothing = errors.New("report: no picture could be used by any detector")
