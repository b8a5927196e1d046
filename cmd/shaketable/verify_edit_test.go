package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shaketable/cmd/shaketable/suspect"
	"shaketable/config"
)

// Files as people write them, and the lines that must come out.
const (
	blockStyle = `# ours
detectors:
  - name: other
    model: {path: a.onnx}
    input: {width: 8, height: 8}
  - name: d   # the one
    version: "3"
    model:
      path: "m.onnx"
    input:
      width: 64   # as exported
      height: 64
      color: "RGB" # really?
      mean:
        - 0
        - 0.5
        - 0
      std: [1, 1, 1]
    output:
      kind: logits
      index: 1
`
	flowStyle = `detectors: [{name: d, version: '3', model: {path: m.onnx}, input: {width: 64, height: 64, resize: {fit: crop}}, output: {kind: logit}}]`
	bareStyle = `detectors:
- name: d
  version: "3"
  model: {path: m.onnx}
  input: {width: 64, height: 64}
`
)

func TestEditsOf(t *testing.T) {
	color := suspect.Change{Path: "input.color", From: "RGB", To: "BGR"}
	mean := suspect.Change{Path: "input.mean", To: "[0.485, 0.456, 0.406]"}
	method := suspect.Change{Path: "input.resize.method", To: "area"}
	fit := suspect.Change{Path: "input.resize.fit", To: "letterbox"}
	kind := suspect.Change{Path: "output.kind", To: "logit"}
	meaning := suspect.Change{Path: "output.meaning", To: "real"}
	for _, c := range []struct {
		name    string
		text    string
		changes []suspect.Change
		want    []string // lines that are new
	}{
		{"block", blockStyle, []suspect.Change{color, mean, kind},
			[]string{`      color: BGR # really?`, `        - 0.485`, `        - 0.456`, `        - 0.406`, `      kind: logit`}},
		{"block, missing keys", blockStyle, []suspect.Change{method, fit, meaning},
			[]string{`      resize: {method: area, fit: letterbox}`, `      meaning: real`}},
		{"flow", flowStyle, []suspect.Change{color, mean, method, fit, kind}, []string{
			`detectors: [{name: d, version: '3', model: {path: m.onnx}, input: {width: 64, color: BGR, mean: [0.485, 0.456, 0.406], height: 64, resize: {fit: letterbox, method: area}}, output: {kind: logit}}]`}},
		{"no output at all", bareStyle, []suspect.Change{color, kind, meaning}, []string{
			`  output: {kind: logit, meaning: real}`, `  input: {width: 64, color: BGR, height: 64}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "detectors.yaml")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			before, err := config.LoadDetectors(path)
			if err != nil {
				t.Fatal(err)
			}
			d := before[len(before)-1]
			v := verification{options: verifyOptions{detectors: path}, detector: d}
			lead := suspect.Fit{Hypothesis: suspect.Hypothesis{Input: d.Input, Output: d.Output}}
			for _, change := range c.changes {
				set(t, &lead.Hypothesis, change)
			}
			var out strings.Builder
			if err := v.writeVerified(&out, lead); err != nil { // it loads the result and compares every value
				t.Fatal(err)
			}
			after, err := os.ReadFile(path + ".verified")
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range c.want {
				if !strings.Contains("\n"+string(after)+"\n", "\n"+line+"\n") {
					t.Errorf("lacks %q:\n%s", line, after)
				}
			}
			old := strings.Split(c.text, "\n")
			if kept := strings.Count(c.text, "#"); strings.Count(string(after), "#") != kept || len(strings.Split(string(after), "\n")) < len(old) {
				t.Errorf("comments or lines were lost:\n%s", after)
			}
		})
	}
}

// set applies a change to a hypothesis.
func set(t *testing.T, h *suspect.Hypothesis, c suspect.Change) {
	t.Helper()
	switch c.Path {
	case "input.color":
		h.Input.Color = c.To
	case "input.mean":
		h.Input.Mean = [3]float32{.485, .456, .406}
	case "input.resize.method":
		h.Input.Resize.Method = c.To
	case "input.resize.fit":
		h.Input.Resize.Fit = c.To
	case "output.kind":
		h.Output.Kind = c.To
	case "output.meaning":
		h.Output.Meaning = c.To
	default:
		t.Fatal(c.Path)
	}
}

func TestEditsRefuse(t *testing.T) {
	for name, text := range map[string]string{
		"anchors": "x: &x {width: 8, height: 8}\ndetectors:\n  - name: d\n    version: \"3\"\n    input: *x\n",
		"another": "detectors:\n  - name: e\n    version: \"3\"\n",
		"no YAML": "detectors: [",
		"length":  "detectors:\n  - {name: d, version: \"3\", input: {mean: [1]}}\n",
	} {
		v := verification{}
		v.detector.Name, v.detector.Version = "d", "3"
		if edits, err := editsOf([]byte(text), v.detector, []suspect.Change{{Path: "input.mean", To: "[1, 2, 3]"}}); err == nil {
			t.Errorf("%s: edits %v", name, edits)
		}
	}
}
