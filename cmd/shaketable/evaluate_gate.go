package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"shaketable/cmd/shaketable/report"
	"shaketable/metrics"
	"shaketable/pipeline"
)

// limit is one rule of the gate: a share that must hold, or by how much it may fall.
type limit struct {
	text      string
	metric    pipeline.Metric
	edge      int64 // of RR, in ticks
	family    string
	parameter string
	least     float64 // the share that must hold; 0 where fall counts
	fall      float64 // by how much it may be below the baseline
}

// When the gate fails.
const (
	failSeen = "seen" // what was measured breaks a limit
	failSure = "sure" // and the whole 95 % band does
)

const limitForms = `write 'RR(.05) -0.05' (may fall by .05 against the baseline), 'RA_self .95' (must be .95 at least), 'RR(.05)/jpeg -0.03' or 'RA_label/jpeg/q=75 .9'`

// parseLimit reads one --fail-on.
func parseLimit(text string) (limit, error) {
	form := regexp.MustCompile(`^(?i)(RA_self|RA_label|RR\(([0-9.]+)\))(?-i)(?:/([^/]+?)(?:/(.+?))?)?\s+(-?[0-9]*\.?[0-9]+)$`)
	m := form.FindStringSubmatch(strings.TrimSpace(strings.ReplaceAll(text, "−", "-")))
	if m == nil {
		return limit{}, fmt.Errorf("%q is no limit: %s", text, limitForms)
	}
	l := limit{text: text, metric: pipeline.Metric(strings.ToLower(m[1])), family: m[3], parameter: m[4]}
	if m[2] != "" {
		b, err := strconv.ParseFloat(m[2], 64)
		l.metric, l.edge = pipeline.MetricRR, metrics.Edge(b)
		if edges := pipeline.DefaultWindowConfig().Edges(); err != nil || !slices.Contains(edges, l.edge) {
			return limit{}, fmt.Errorf("%q: there is no RR(%s): tolerances are %s", text, m[2], edgeList(edges))
		}
	}
	v, err := strconv.ParseFloat(m[5], 64)
	switch negative := strings.HasPrefix(m[5], "-"); {
	case err != nil || v < -1 || v > 1 || v == 0 && !negative:
		return limit{}, fmt.Errorf("%q: %s is no share: write .05 for 5 points", text, m[5])
	case negative:
		l.fall = -v
	default:
		l.least = v
	}
	return l, nil
}

func edgeList(edges []int64) string {
	var list []string
	for _, e := range edges {
		list = append(list, shortDecimal(metrics.Tolerance(e)))
	}
	return strings.Join(list, " ")
}

// shortDecimal writes ".05".
func shortDecimal(v float64) string {
	return strings.TrimPrefix(strconv.FormatFloat(v, 'f', -1, 64), "0")
}

// series is the name under which an evaluation knows what is limited.
func (l limit) series() string { return pipeline.SeriesName(l.metric, l.edge, l.family, l.parameter) }

// title is the limited figure as people write it.
func (l limit) title() string {
	rule := pipeline.Series{Metric: l.metric, Edge: l.edge, Family: l.family, Parameter: l.parameter}.Rule()
	return strings.Replace(rule, "(0.", "(.", 1)
}

// parseLimits reads all of them and checks that this evaluation can tell.
func (t task) parseLimits(texts []string) (limits []limit, err error) {
	var faults []error
	for _, text := range texts {
		l, err := parseLimit(text)
		if err == nil {
			err = t.measures(l)
		}
		if err != nil {
			faults = append(faults, err)
		}
		limits = append(limits, l)
	}
	return limits, errors.Join(faults...)
}

// measures says why a limit is about nothing that will be measured.
func (t task) measures(l limit) error {
	var families []string
	found := l.family == "" && len(t.suite.Variants) > 0
	for _, v := range t.variants() {
		if !slices.Contains(families, v.Family) {
			families = append(families, v.Family)
		}
		found = found || v.Family == l.family && (l.parameter == "" || l.parameter == v.Parameter)
	}
	switch {
	case !found && l.family == "":
		return fmt.Errorf("%q: without a suite there is no figure over all families: name one of %s", l.text, strings.Join(families, ", "))
	case !found:
		return fmt.Errorf("%q: nothing of this evaluation is called %s: families are %s", l.text, strings.Trim(l.family+"/"+l.parameter, "/"), strings.Join(families, ", "))
	case l.metric == pipeline.MetricRALabel && !slices.ContainsFunc(t.media.pictures, func(f mediaFile) bool { return f.fake != nil }):
		return fmt.Errorf("%q: RA_label needs labels: give --labels", l.text)
	case l.least == 0 && t.against == nil:
		return fmt.Errorf("%q: a fall is one against something: give --against baseline.json", l.text)
	}
	for _, b := range t.against {
		if _, ok := trialsOf(b, l); !ok && l.least == 0 {
			return fmt.Errorf("%q: the baseline of %s has no such figure", l.text, b.Provenance[provenanceDetector])
		}
	}
	return nil
}

// trialsOf finds the limited figure in a baseline.
func trialsOf(b metrics.Baseline, l limit) (metrics.Trials, bool) {
	r, ok := b.Series[l.series()]
	if !ok && l.parameter != "" { // the only variant of a family is the family
		r, ok = b.Series[pipeline.SeriesName(l.metric, l.edge, l.family, "")]
	}
	return metrics.Trials{N: r.N, K: r.K}, ok && r.N > 0
}

// gate judges every limit for every detector.
func (t task) gate(done []evaluation, when string) (checks []report.Check, err error) {
	for i, e := range done {
		now, err := e.counts.Baseline(t.began, "to be judged", nil)
		for _, l := range t.limits {
			if err != nil { // nothing was counted
				checks = append(checks, report.Check{Failed: true, Text: fmt.Sprintf("%s: %s could not be measured: no picture could be used", e.detector.Name, l.title())})
				continue
			}
			is, ok := trialsOf(now, l)
			if !ok {
				checks = append(checks, report.Check{Failed: true, Text: fmt.Sprintf("%s: %s could not be measured: it ran on no picture", e.detector.Name, l.title())})
				continue
			}
			var c report.Check
			if l.least > 0 {
				c, err = l.judgeLeast(is, when)
			} else {
				was, _ := trialsOf(t.against[i], l)
				c, err = l.judgeFall(is, was, when)
			}
			if err != nil {
				return nil, fmt.Errorf("evaluate: gate: detector %s: %w", e.detector.Name, err)
			}
			c.Text = e.detector.Name + ": " + c.Text
			checks = append(checks, c)
		}
	}
	return checks, nil
}

// slack keeps the rounding of sums out of a verdict.
const slack = 1e-9

// judgeLeast holds a share against what must hold.
func (l limit) judgeLeast(is metrics.Trials, when string) (report.Check, error) {
	held := 1 - is.K/is.N
	b, err := metrics.Wilson(is.N-is.K, is.N, .05)
	if err != nil {
		return report.Check{}, err
	}
	below, sure := held < l.least-slack, b.Upper < l.least
	text := fmt.Sprintf("%s is %s, and %s must hold", l.title(), share(held), shortDecimal(l.least))
	if below {
		text += chance(sure, "it is below that beyond chance", "on other pictures it could be above")
	}
	return report.Check{Failed: below && (sure || when == failSeen),
		Text: fmt.Sprintf("%s (95 %% band %s to %s, n %s)", text, share(b.Lower), share(b.Upper), pictures(is.N))}, nil
}

// judgeFall holds a share against what it was.
func (l limit) judgeFall(is, was metrics.Trials, when string) (report.Check, error) {
	d, err := metrics.Newcombe(is.N-is.K, is.N, was.N-was.K, was.N, .05)
	if err != nil {
		return report.Check{}, err
	}
	fall := is.K/is.N - was.K/was.N
	below, sure := fall > l.fall+slack, -d.Upper > l.fall
	verb := fmt.Sprintf("fell from %s to %s, by %s, and may fall by %s", share(1-was.K/was.N), share(1-is.K/is.N), share(fall), shortDecimal(l.fall))
	if fall <= slack {
		verb = fmt.Sprintf("is %s, was %s", share(1-is.K/is.N), share(1-was.K/was.N))
	}
	text := l.title() + " " + verb
	switch {
	case below:
		text += chance(sure, "that much is beyond chance", chanceOfFall(d))
	case fall > slack:
		text += chance(d.Upper < 0, "the fall is beyond chance", "the fall is within chance")
	}
	return report.Check{Failed: below && (sure || when == failSeen),
		Text: fmt.Sprintf("%s (95 %% band of the change %s to %s, n %s now and %s then)", text, signed(d.Lower), signed(d.Upper), pictures(is.N), pictures(was.N))}, nil
}

func chanceOfFall(d metrics.Interval) string {
	if d.Upper < 0 {
		return "it fell beyond chance, but on other pictures perhaps by less than that"
	}
	return "on other pictures the fall could be none"
}

func chance(sure bool, yes, no string) string {
	if sure {
		return "; " + yes
	}
	return "; " + no
}

func signed(v float64) string {
	if v < 0 {
		return "-" + share(-v)
	}
	return "+" + share(v)
}

// pictures writes a number of trials, which is fractional where some variants ran on fewer pictures.
func pictures(n float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(n, 'f', 1, 64), ".0")
}

// gateError says that the gate failed; everything else was done.
type gateError struct{ failed []string }

func (e gateError) Error() string {
	return "gate failed:\n  " + strings.Join(e.failed, "\n  ")
}

// failures is a gateError, or nil if the gate passed.
func failures(checks []report.Check) error {
	var e gateError
	for _, c := range checks {
		if c.Failed {
			e.failed = append(e.failed, c.Text)
		}
	}
	if len(e.failed) == 0 {
		return nil
	}
	return e
}
