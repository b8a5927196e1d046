package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"shaketable/cmd/shaketable/report"
	"shaketable/metrics"
	"shaketable/perturb"
	"shaketable/pipeline"
)

// headline is the tolerance whose RR the report shows, in ticks.
const headline = 50_000

// printReport prints what the figures say, in words.
func printReport(w io.Writer, t task, done []evaluation, took time.Duration) {
	pictures := t.media.pictures
	labels := map[string]int{}
	for _, p := range pictures {
		labels[p.label()]++
	}
	fmt.Fprintf(w, "%d pictures (%d fake, %d real, %d without label), %s, %s\n", len(pictures),
		labels["fake"], labels["real"], labels[""], t.what(), took.Round(time.Second))
	if len(t.suite.Variants) > 0 {
		floors(w, done)
		fmt.Fprintln(w)
		summary(w, done)
	}
	t.reportAttacks(w, done)
	fmt.Fprintf(w, "\nHow many probes it takes until a fall of 5, 10 and 20 points is noticed, for what can still get worse;\n"+
		"`-` marks what fails too often already, or what so small a fall can't be told from here.\n")
	for _, e := range done {
		if e.counts.N() > 0 {
			watch(w, e)
		}
	}
}

// floors says by how much the device moves a probability when nothing else does.
func floors(w io.Writer, done []evaluation) {
	for _, e := range done {
		fmt.Fprintf(w, "noise floor of %s: %s\n", e.detector.Name, floorWords(e))
	}
}

func floorWords(e evaluation) string {
	text := fmt.Sprintf("%.2g when a picture is probed twice, %.2g in company", e.floors.Alone, e.floors.Company)
	if e.floors.Providers > 0 {
		text += fmt.Sprintf(", %.2g between this device and the CPU", e.floors.Providers)
	}
	return text
}

// what names the suite, who makes its jpeg, and the attacks.
func (t task) what() string {
	text := "no suite"
	if n := len(t.suite.Variants); n > 0 {
		text = fmt.Sprintf("suite %s@%s with %d variants", t.suite.Name, t.suite.Version, n)
	}
	if slices.ContainsFunc(t.suite.Variants, func(v perturb.Variant) bool { return v.Family == "jpeg" || v.Family == "social" }) {
		text += fmt.Sprintf(" (jpeg by codec %s)", t.suite.Codec)
	}
	if len(t.attacks) > 0 {
		text += fmt.Sprintf(", attacks: %d", len(t.attacks))
	}
	return text
}

// summary is one line per detector.
func summary(w io.Writer, done []evaluation) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "detector\tverdict holds\tmoves by .05 at most\tperturbed and right\tweakest family")
	fmt.Fprintln(t, "\tRA_self\tRR(.05)\tRA_label\tby RR(.05)")
	for _, e := range done {
		if e.counts.N() == 0 {
			fmt.Fprintf(t, "%s\tno picture could be used\n", e.detector.Name)
			continue
		}
		ra, rr, label := heldOf(e, "", pipeline.MetricRASelf), heldOf(e, "", pipeline.MetricRR), heldOf(e, "", pipeline.MetricRALabel)
		weakest, low := "", math.Inf(1)
		for _, r := range e.counts.Results() {
			if r.Scope == pipeline.ScopeFamily && r.Metric == pipeline.MetricRR && r.Edge == headline && pipeline.Natural(r.Family) && r.Held() < low {
				weakest, low = r.Family, r.Held()
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s (%s; its verdict holds %s)\n", e.detector.Name, share(ra), share(rr), share(label),
			weakest, share(low), share(heldOf(e, weakest, pipeline.MetricRASelf)))
	}
	t.Flush()
}

// heldOf returns the share that holds for a family, or over all families for "". NaN: there is none.
func heldOf(e evaluation, family string, m pipeline.Metric) float64 {
	for _, r := range e.counts.Results() {
		if r.Scope != pipeline.ScopeVariant && r.Family == family && r.Metric == m && (m != pipeline.MetricRR || r.Edge == headline) {
			return r.Held()
		}
	}
	return math.NaN()
}

// watch recommends the series of one detector.
func watch(w io.Writer, e evaluation) {
	fmt.Fprintf(w, "\n%s %s\n", e.detector.Name, e.detector.Version)
	level, err := pipeline.DefaultAlertConfig().AlarmLevel(pipeline.Paging)
	if err != nil {
		fmt.Fprintln(w, "  ", err)
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  family\tRA_self\tprobes\tRR(.05)\tprobes")
	type cells struct{ held, probes [2]string }
	var families []string
	rows := map[string]*cells{}
	for _, r := range e.counts.Results() {
		column := map[pipeline.Metric]int{pipeline.MetricRASelf: 1, pipeline.MetricRR: 2}[r.Metric] - 1
		if r.Scope == pipeline.ScopeVariant || column < 0 || r.Metric == pipeline.MetricRR && r.Edge != headline {
			continue
		}
		if rows[r.Family] == nil {
			rows[r.Family] = &cells{}
			families = append(families, r.Family)
		}
		rows[r.Family].held[column], rows[r.Family].probes[column] = share(r.Held()), delays(r.Trials, level)
	}
	for _, f := range families {
		name := f
		if f == "" {
			name = "all families"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\n", name, rows[f].held[0], rows[f].probes[0], rows[f].held[1], rows[f].probes[1])
	}
	t.Flush()
}

// delays returns the probes that falls of 5, 10 and 20 points take to be noticed, "-" for one that is not.
func delays(t metrics.Trials, level float64) string {
	probes, parts := report.Noticed(t, level), []string(nil)
	for _, n := range probes {
		if n == 0 {
			parts = append(parts, "-")
		} else {
			parts = append(parts, strconv.Itoa(n))
		}
	}
	if !slices.ContainsFunc(probes[:], func(n int) bool { return n > 0 }) {
		return "-"
	}
	return strings.Join(parts, " / ")
}

// share prints ".830"; 1 stays "1".
func share(v float64) string {
	switch {
	case math.IsNaN(v):
		return "-"
	case v >= .9995:
		return "1"
	}
	return strings.TrimPrefix(strconv.FormatFloat(v, 'f', 3, 64), "0")
}
