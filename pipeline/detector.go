package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"shaketable/perturb"
)

// Detector is a named, versioned model as the configuration gives it.
type Detector struct {
	Name    string `yaml:"name"`
	Version string `yaml:"version"`
	Model   struct {
		// Path of the ONNX file, relative to the configuration file.
		Path string `yaml:"path"`
		// SHA256 of the file, lower-case hex. The worker refuses a file with another digest.
		SHA256 string `yaml:"sha256"`
	} `yaml:"model"`
	Input  perturb.Input  `yaml:"input"`
	Output perturb.Output `yaml:"output"`
	// Threshold on p, the probability of fake: p >= threshold is decided fake.
	Threshold float64 `yaml:"threshold"`
	// Notify is the highest tier that may leave this house: "none" (watching), "ticket" or "page".
	Notify string `yaml:"notify"`
	// Owner is the route of its alerts, handed through as an attribute.
	Owner string `yaml:"owner"`
	// Runbook is a link for the alert's text; "" for none.
	Runbook string `yaml:"runbook"`
}

// Generation identifies figures that may be added up: same detector, model, processing, threshold, suite, tolerances and plan.
type Generation struct {
	ID       string            `json:"id"` // 16 hex digits, from NewGeneration
	Detector string            `json:"detector"`
	Version  string            `json:"version"`
	Digest   string            `json:"digest"` // of the model file
	Suite    string            `json:"suite"`  // name@version
	Variants []perturb.Variant `json:"variants"`
	// Edges are the tolerances b in ticks, ascending, without the closing 1e6.
	Edges     []int64 `json:"edges"`
	Threshold float64 `json:"threshold"`
	Plan      string  `json:"plan"` // how probes are batched: "chunk=1", …; part of the identity because it may move figures
}

// NewGeneration derives the generation of a detector under a suite. Digest is the SHA-256 of the model file in hex, plan
// names the batching of the probe, edges are the tolerances in ticks, ascending.
func NewGeneration(d Detector, digest string, suite perturb.Suite, edges []int64, plan string) Generation {
	g := Generation{Detector: d.Name, Version: d.Version, Digest: digest, Suite: suite.Name + "@" + suite.Version,
		Variants: suite.Variants, Edges: edges, Threshold: d.Threshold, Plan: plan}
	identity, err := json.Marshal(struct {
		Generation
		Input  perturb.Input
		Output perturb.Output
	}{g, d.Input, d.Output})
	if err != nil { // only NaN in a threshold, mean or std can do this, and the configuration refuses those
		panic(fmt.Sprintf("pipeline: generation of %s: %v", d.Name, err))
	}
	sum := sha256.Sum256(identity)
	g.ID = hex.EncodeToString(sum[:8])
	return g
}
