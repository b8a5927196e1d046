package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

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

// Generation identifies figures that may be added up: same detector, model, processing, threshold, suite, attacks,
// tolerances, plan and design of the sample.
type Generation struct {
	ID       string `json:"id"` // 16 hex digits, from NewGeneration
	Detector string `json:"detector"`
	Version  string `json:"version"`
	Digest   string `json:"digest"` // of the model file
	Suite    string `json:"suite"`  // name@version
	// Codec is what recompresses, "exact" for the real one; "" for the suite's own graph.
	Codec string `json:"codec,omitempty"`
	// Variants are those of the suite, then the attacks. Their counters are named by position: the i-th is index i+1.
	Variants []perturb.Variant `json:"variants"`
	// Rates[i] is the share of probes that run variant i by design, in (0,1]; nil if every probe runs every variant.
	Rates []float64 `json:"rates,omitempty"`
	// Edges are the tolerances b in ticks, ascending, without the closing 1e6.
	Edges     []int64 `json:"edges"`
	Threshold float64 `json:"threshold"`
	Plan      string  `json:"plan"` // how probes are batched: "chunk=1", …; part of the identity because it may move figures
}

// NewGeneration derives the generation of a detector under a suite and, behind its variants, attacks. Digest is the SHA-256
// of the model file in hex, plan names the batching of the probe, edges are the tolerances in ticks, ascending.
func NewGeneration(d Detector, digest string, suite perturb.Suite, attacks []perturb.Variant, edges []int64, plan string) Generation {
	g := Generation{Detector: d.Name, Version: d.Version, Digest: digest, Suite: suite.Name + "@" + suite.Version,
		Variants: slices.Concat(suite.Variants, attacks), Edges: edges, Threshold: d.Threshold, Plan: plan}
	if suite.Codec != perturb.CodecGraph {
		g.Codec = suite.Codec
	}
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

// Sampled returns the generation whose probes run variant i with probability rates[i], in (0,1], chosen by the media and
// never by what came out: another generation, unless all rates are 1.
func (g Generation) Sampled(rates []float64) (Generation, error) {
	if len(rates) != len(g.Variants) {
		return Generation{}, fmt.Errorf("generation of %s: %d rates for %d variants", g.Detector, len(rates), len(g.Variants))
	}
	for i, r := range rates {
		if !(r > 0 && r <= 1) {
			return Generation{}, fmt.Errorf("generation of %s: variant %s %s runs in a share of %v of the probes: it must lie above 0 and be at most 1",
				g.Detector, g.Variants[i].Family, g.Variants[i].Parameter, r)
		}
	}
	if !slices.ContainsFunc(rates, func(r float64) bool { return r < 1 }) {
		return g, nil
	}
	g.Rates = slices.Clone(rates)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %v", g.ID, rates))
	g.ID = hex.EncodeToString(sum[:8])
	return g, nil
}

// DesignRates returns the share of probes that run each variant of a suite, and behind them so many attacks, when perProbe
// variants are picked for each probe (0: all) and a share of the probed media is attacked. It follows [perturb.Picks]: the
// anchor, severity 2 of jpeg, is in every choice, and of the others each is as likely as the next.
func DesignRates(suite perturb.Suite, perProbe, attacks int, attackRate float64) []float64 {
	rates := slices.Repeat([]float64{1}, len(suite.Variants))
	if perProbe > 0 && perProbe < len(rates) {
		anchor := slices.IndexFunc(suite.Variants, func(v perturb.Variant) bool { return v.Family == "jpeg" && v.Severity == 2 })
		places, others := perProbe, len(rates)
		if anchor >= 0 {
			places, others = places-1, others-1
		}
		for i := range rates {
			if i != anchor {
				rates[i] = float64(places) / float64(others)
			}
		}
	}
	return append(rates, slices.Repeat([]float64{attackRate}, attacks)...)
}

// rate is the share of probes that run the variant of an index (1 is the first) by design.
func (g Generation) rate(index int) float64 {
	if index < 1 || index > len(g.Rates) {
		return 1
	}
	return g.Rates[index-1]
}

// least is the smallest rate of the variants of some families.
func (g Generation) least(pools [][]int) float64 {
	least := 1.
	for _, pool := range pools {
		for _, i := range pool {
			least = min(least, g.rate(i))
		}
	}
	return least
}

// mayBeLeftOut says whether a probe can be whole without the variant of an index: because it was not picked, or because it
// is an attack, which runs on a sample and may fail without the probe.
func (g Generation) mayBeLeftOut(index int) bool {
	return g.rate(index) < 1 || !Natural(g.Variants[index-1].Family)
}
