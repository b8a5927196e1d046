package config

import (
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"shaketable/perturb"
	"shaketable/pipeline"
)

// DefaultDetector returns what an entry of the list of detectors means where it is silent. Name, model and the size of
// the input have no default; notify is that of the alerts.
func DefaultDetector() pipeline.Detector {
	d := pipeline.Detector{Version: "1", Threshold: 0.5}
	d.Input = perturb.Input{Layout: "NCHW", Color: "RGB", Scale: "unit", Std: [3]float32{1, 1, 1},
		Resize: perturb.Resize{Method: "bilinear", Fit: "stretch"}}
	d.Output = perturb.Output{Kind: "probability", Meaning: "fake"}
	return d
}

// LoadDetectors reads a file that holds a list `detectors:` and nothing else. Paths of models come back resolved against
// the folder of the file. The error is a Faults with every fault of the file, or that of opening it.
func LoadDetectors(path string) ([]pipeline.Detector, error) {
	doc, err := readDocument(path)
	if err != nil {
		return nil, err
	}
	detectors, faults := doc.onlyDetectors()
	if err := faults.err(); err != nil {
		return nil, err
	}
	for i := range detectors {
		if detectors[i].Notify == "" {
			detectors[i].Notify = pipeline.NotifyNone
		}
	}
	return detectors, nil
}

// onlyDetectors reads a document that has the list of detectors and nothing else.
func (d *document) onlyDetectors() ([]pipeline.Detector, Faults) {
	var faults Faults
	for i := 0; i+1 < len(d.root.Content); i += 2 {
		if key := d.root.Content[i]; key.Value != "detectors" {
			faults = append(faults, Fault{File: d.file, Line: key.Line, Path: key.Value,
				Text: "is no known key; a file of detectors has the one key detectors"})
		}
	}
	list, line := child(d.root, "detectors")
	if list == nil {
		return nil, append(faults, Fault{File: d.file, Path: "detectors", Text: "is missing"})
	}
	detectors, more := d.detectors(list, line)
	return detectors, append(faults, more...)
}

// detectors decodes and checks the list of detectors of a document.
func (d *document) detectors(list *yaml.Node, line int) ([]pipeline.Detector, Faults) {
	if list.Kind == yaml.AliasNode {
		list = list.Alias
	}
	if list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		return nil, Faults{{File: d.file, Line: line, Path: "detectors", Text: "must be a list of at least one detector"}}
	}
	var faults Faults
	var out []pipeline.Detector
	for i, node := range list.Content {
		at := fmt.Sprintf("detectors[%d]", i)
		det := DefaultDetector()
		if fs := d.decode(node, at, &det); len(fs) > 0 {
			faults = append(faults, fs...)
			continue // its values are not what the user wrote: checking them would only add noise
		}
		for _, p := range checkDetector(det) {
			faults = append(faults, d.fault(at+"."+p.path, p.text))
		}
		if slices.ContainsFunc(out, func(o pipeline.Detector) bool { return o.Name == det.Name && o.Version == det.Version }) {
			faults = append(faults, d.fault(at+".name", fmt.Sprintf("%s version %q is there already; "+
				"give each entry its own name or version", det.Name, det.Version)))
		}
		det.Model.Path = resolve(d.file, det.Model.Path)
		out = append(out, det)
	}
	return out, faults
}

func (d *document) fault(path, text string) Fault {
	return Fault{File: d.file, Line: d.line(path), Path: path, Text: text}
}

// resolve makes a path of the configuration relative to the file that holds it.
func resolve(file, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}

// problem is a fault before it is known where it stands.
type problem struct{ path, text string }

var (
	// Names become parts of Redis keys (where braces mark the slot), metric labels and file names.
	nameForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$`)
	digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// nameRule is nameForm in words.
const nameRule = "must be 1 to 128 letters, digits or . _ : @ - and begin with a letter or digit"

// maxSide bounds the input of a detector: a probe holds the picture and its variants in memory at this size.
const maxSide = 4096

func checkDetector(d pipeline.Detector) []problem {
	var ps []problem
	check := func(ok bool, path, format string, args ...any) {
		if !ok {
			ps = append(ps, problem{path, fmt.Sprintf(format, args...)})
		}
	}
	oneOf := func(value, path string, allowed ...string) {
		check(slices.Contains(allowed, value), path, "%q is not one of %s", value, strings.Join(allowed, ", "))
	}
	check(nameForm.MatchString(d.Name), "name", "%q %s", d.Name, nameRule)
	check(nameForm.MatchString(d.Version), "version", "%q %s (quote it in YAML if it looks like a number)", d.Version, nameRule)
	check(d.Model.Path != "", "model.path", "is missing; give the path of the ONNX file")
	check(d.Model.SHA256 == "" || digestForm.MatchString(d.Model.SHA256), "model.sha256",
		"%q must be 64 lower-case hex digits, as sha256sum prints them", d.Model.SHA256)

	side := func(v int, path string) { check(v >= 1 && v <= maxSide, path, "%d must be 1 to %d pixels", v, maxSide) }
	side(d.Input.Width, "input.width")
	side(d.Input.Height, "input.height")
	oneOf(d.Input.Layout, "input.layout", "NCHW", "NHWC")
	oneOf(d.Input.Color, "input.color", "RGB", "BGR")
	oneOf(d.Input.Scale, "input.scale", "unit", "byte")
	oneOf(d.Input.Resize.Method, "input.resize.method", "nearest", "bilinear", "area", "bicubic", "pillow_bilinear",
		"pillow_bicubic", "pillow_lanczos")
	oneOf(d.Input.Resize.Fit, "input.resize.fit", "stretch", "crop", "letterbox")
	if s := d.Input.Resize.Side; s != 0 {
		check(d.Input.Resize.Fit == "crop", "input.resize.side", "%d goes with fit crop", s)
		check(s >= max(d.Input.Width, d.Input.Height) && s <= maxSide, "input.resize.side", "%d must be at least the larger side of the input, and at most %d", s, maxSide)
	}
	for i := range 3 {
		check(finite(d.Input.Mean[i]), fmt.Sprintf("input.mean[%d]", i), "must be a finite number")
		check(finite(d.Input.Std[i]) && d.Input.Std[i] > 0, fmt.Sprintf("input.std[%d]", i),
			"%v must be a finite number above 0: pixels are divided by it", d.Input.Std[i])
	}
	oneOf(d.Output.Kind, "output.kind", "probability", "logit", "logits")
	oneOf(d.Output.Meaning, "output.meaning", "fake", "real")
	check(d.Output.Index >= 0, "output.index", "%d must not be negative", d.Output.Index)
	check(d.Threshold > 0 && d.Threshold < 1, "threshold",
		"%v must lie between 0 and 1, both excluded: it is compared with the probability of fake", d.Threshold)
	if d.Notify != "" { // else it is that of the alerts
		oneOf(d.Notify, "notify", pipeline.NotifyNone, pipeline.NotifyTicket, pipeline.NotifyPage)
	}
	return ps
}

func finite(v float32) bool { return !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0) }
