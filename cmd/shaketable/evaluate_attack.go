package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"shaketable/metrics"
	"shaketable/perturb"
	"shaketable/perturb/attack"
	"shaketable/pipeline"
	"shaketable/pipeline/onnx"
)

// attacked is what is known of the attacks on one detector, beside their figures.
type attacked struct {
	specs       []attack.Spec // as they were run
	variants    []perturb.Variant
	unsupported []string // operators without a gradient
	margin      string   // where the attacked logit was found
	masked      []attack.Suspicion
	gap         float64   // between the clean probability of the attacks and that of the probe, at most
	passes      []float64 // through the model for one picture, on average; by variant
	distance    []float64 // in L2, on average; by variant
}

// newAttacked sums up the attacks on all pictures. The order of the results is that of the pictures, so that sums come out
// alike every time. It is an error if attacks and probes do not start from the same probability.
func newAttacked(a *onnx.Attacker, d pipeline.Detector, pictures []mediaFile, results []probeResult) (*attacked, error) {
	known := &attacked{specs: a.Specs(), variants: a.Variants(), unsupported: a.Unsupported(), margin: a.Margin()}
	var judged []attack.Judged
	for i, r := range results {
		if r.err == nil && r.attacked == nil {
			judged = append(judged, attack.Judged{Result: r.attacks, Fake: pictures[i].fake})
			known.gap = max(known.gap, math.Abs(r.attacks.Clean-r.probs[0]))
		}
	}
	if edge := pipeline.DefaultWindowConfig().Edges()[0]; metrics.Ticks(0, known.gap) >= edge {
		return nil, fmt.Errorf("evaluate: detector %s: attacks start from a probability that is off by %.6f from that of the probe: "+
			"RR(%g) would count that; use device cpu", d.Name, known.gap, metrics.Tolerance(edge))
	}
	known.masked = attack.Masked(known.specs, judged, d.Threshold)
	for row := range known.variants {
		n, passes, distance := 0., 0., 0.
		for _, j := range judged {
			if o := j.Outcomes[row]; !math.IsNaN(o.P) {
				n, passes, distance = n+1, passes+float64(o.Queries), distance+o.L2
			}
		}
		known.passes, known.distance = append(known.passes, passes/n), append(known.distance, distance/n)
	}
	return known, nil
}

// warn says before the work what it will not tell.
func (t task) warn(w io.Writer) {
	towards := func(s attack.Spec) bool { return s.Target == "label" }
	labelled := slices.ContainsFunc(t.media.pictures, func(f mediaFile) bool { return f.fake != nil })
	if slices.ContainsFunc(t.attacks, towards) && !labelled {
		fmt.Fprintln(w, "attacks with target=label need labels and will have no figures: give --labels")
	}
}

// checkAttacked names the pictures that could be probed, but not attacked. It is an error if a detector has no other.
func (t task) checkAttacked(w io.Writer, done []evaluation) error {
	if len(t.attacks) == 0 {
		return nil
	}
	for _, e := range done {
		failed := 0
		for i, r := range e.results {
			if r.err == nil && r.attacked != nil {
				fmt.Fprintf(w, "not attacked: %s by %s: %v\n", t.media.pictures[i].name, e.detector.Name, r.attacked)
				failed++
			}
		}
		if failed > 0 && int64(failed) == e.counts.N() {
			return fmt.Errorf("evaluate: detector %s: none of its pictures could be attacked; the reasons are above", e.detector.Name)
		}
	}
	return nil
}

// reportAttacks is a table per detector, and what must be known to read it.
func (t task) reportAttacks(w io.Writer, done []evaluation) {
	if len(t.attacks) == 0 {
		return
	}
	fmt.Fprintf(w, "\nUnder attack, on the pictures in which the attack ran. The parameter bounds the change of the pixels, which are in [0,1];\n"+
		"|x'-x| is the Euclidean length of the change, passes are those through the model, both on average for one picture.\n")
	for _, e := range done {
		if e.counts.N() == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s %s (margin: %s; clean probability within %.2g of the probe's)\n", e.detector.Name, e.detector.Version,
			e.attacked.margin, e.attacked.gap)
		if len(e.attacked.unsupported) > 0 {
			fmt.Fprintf(w, "  no gradient through %s: square was run in place of the attacks that need one\n", strings.Join(e.attacked.unsupported, ", "))
		}
		attackTable(w, e, e.counts.Rows()[1+len(t.suite.Variants):])
		for _, s := range e.attacked.masked {
			fmt.Fprintf(w, "  %s\n", s)
		}
	}
}

func attackTable(w io.Writer, e evaluation, rows []pipeline.EvaluationRow) {
	headlineAt := slices.Index(e.counts.Generation().Edges, headline)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  attack\tparameter\tpictures\tRA_self\tRR(.05)\tRA_label\tmean |p'-p|\t|x'-x|\tpasses")
	for i, r := range rows {
		if r.N == 0 {
			fmt.Fprintf(table, "  %s\t%s\t0\t-\t-\t-\t-\t-\t-\n", r.Family, r.Parameter)
			continue
		}
		fmt.Fprintf(table, "  %s\t%s\t%d\t%s\t%s\t%s\t%s\t%.3g\t%.0f\n", r.Family, r.Parameter, r.N, share(r.RASelf), share(r.RR[headlineAt]),
			share(r.RALabel), share(r.MeanAbs), e.attacked.distance[i], e.attacked.passes[i])
	}
	table.Flush()
}

// attackTexts writes the attacks so that --attacks reads them again.
func (t task) attackTexts() string {
	texts := make([]string, len(t.attacks))
	for i, s := range t.attacks {
		texts[i] = s.String()
	}
	return strings.Join(texts, ", ")
}
