package otlp

import (
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"shaketable/pipeline"
)

// clockGauges show the snapshots of the clock path: what is known of each detector. Detector-wide figures only; families
// and variants are on the page and in the state API, where they cost no series.
type clockGauges struct {
	accuracy, bound, ratio, clean, skew, inconclusive, evidence metric.Float64ObservableGauge
	age, success                                                metric.Float64ObservableGauge
	samples, active, moved                                      metric.Int64ObservableGauge
	coverage, sliceShare, sliceAccuracy, sliceRatio             metric.Float64ObservableGauge
}

func newClockGauges(w *watcher) clockGauges {
	return clockGauges{
		accuracy: w.gauge("robust.accuracy", "{share}", "RA: share of probes whose decision is the same after the perturbation, by window."),
		bound:    w.gauge("robust.accuracy.bound", "{share}", "95 % band of RA, by bound low and high."),
		ratio:    w.gauge("robust.ratio", "{share}", "RR(tolerance): share of probes whose probability moved by at most the tolerance, by window."),
		clean:    w.gauge("clean.accuracy", "{share}", "Share of labelled probes that the clean picture decides rightly, by window."),
		skew: w.gauge("serving.skew", "{share}",
			"Share of deployed scores that differ from ours by more than alerts.skew.tolerance, by window."),
		inconclusive: w.gauge("probe.inconclusive", "{share}", "Share of probes that could not be concluded, by window."),
		evidence:     w.gauge("drift.evidence", "{share}", "Strongest evidence of a drift among the judged series of a tier; an alert fires at 1."),
		age:          w.gauge("watermark.age", "s", "Age of the event time up to which everything is counted."),
		success:      w.gauge("evaluation.last_success", "s", "Unix time of the last judgement."),
		samples:      w.level("window.samples", "{sample}", "Samples in a window, by kind: detection, probe, labelled."),
		moved:        w.level("panel.moved", "{picture}", "Pictures of the frozen panel whose probability has moved since this version was first probed."),
		coverage:     w.gauge("label.coverage", "{share}", "Share of probes old enough for a label that have one."),
		sliceShare:   w.gauge("slice.share", "{share}", "Share of the detections of the shortest window that are of a slice."),
		sliceAccuracy: w.gauge("slice.robust.accuracy", "{share}",
			"RA of a slice in the shortest window."),
		sliceRatio: w.gauge("slice.robust.ratio", "{share}", "RR(0.05) of a slice in the shortest window."),
		active:     w.level("alert.active", "{alert}", "1 for the state that the alert of a tier has, 0 for the others."),
	}
}

// states are the ones that an alert can rest in; each has its series, so that a change shows as two steps.
func states() []pipeline.AlertState {
	return []pipeline.AlertState{pipeline.StateLearning, pipeline.StateOK, pipeline.StateFiring, pipeline.StateResolved,
		pipeline.StateNoData, pipeline.StateUntrusted, pipeline.StateSuperseded}
}

func (g clockGauges) observe(o metric.Observer, s *pipeline.Snapshot, now time.Time) {
	name := attrDetector.String(s.Detector)
	version := attrVersion.String(s.Generation.Version)
	o.ObserveFloat64(g.success, float64(s.ComputedAt.UnixMilli())/1000, metric.WithAttributes(name))
	if !s.Watermark.IsZero() {
		o.ObserveFloat64(g.age, now.Sub(s.Watermark).Seconds(), metric.WithAttributes(name))
	}
	for _, t := range s.Tiers {
		for _, state := range states() {
			value := int64(0)
			if t.State == state {
				value = 1
			}
			// Without the version: an alert outlives a roll-out.
			o.ObserveInt64(g.active, value, metric.WithAttributes(name, attribute.String("tier", string(t.Tier)),
				attribute.String("state", string(state)), attribute.String("notify", s.Notify)))
		}
		if evidence, ok := strongest(s.Series, t.Tier); ok {
			o.ObserveFloat64(g.evidence, evidence, metric.WithAttributes(name, version, attribute.String("tier", string(t.Tier))))
		}
	}
	for _, w := range s.Windows {
		g.window(o, w, name, version)
	}
	if s.Panel != nil {
		o.ObserveInt64(g.moved, int64(s.Panel.Moved), metric.WithAttributes(name, version))
	}
	if s.Labels != nil && s.Labels.Coverage != nil {
		o.ObserveFloat64(g.coverage, s.Labels.Coverage.Value, metric.WithAttributes(name))
	}
	for _, slice := range s.Slices {
		g.slice(o, slice, name, version)
	}
}

// slice shows the shortest window of a slice. How many slices there can be is bounded by the configuration.
func (g clockGauges) slice(o metric.Observer, s pipeline.SliceView, detector, version attribute.KeyValue) {
	if len(s.Windows) == 0 || s.Windows[0].Detections == 0 {
		return
	}
	w, with := s.Windows[0], metric.WithAttributes(detector, version, attribute.String("slice", s.Slice))
	o.ObserveFloat64(g.sliceShare, w.Share, with)
	if w.RASelf != nil {
		o.ObserveFloat64(g.sliceAccuracy, w.RASelf.Value, with)
	}
	if w.RR != nil {
		o.ObserveFloat64(g.sliceRatio, w.RR.Value, with)
	}
}

func strongest(list []pipeline.SeriesView, t pipeline.Tier) (evidence float64, judged bool) {
	for _, s := range list {
		if s.Tier == t && s.Judged {
			evidence, judged = max(evidence, s.Evidence), true
		}
	}
	return evidence, judged
}

func (g clockGauges) window(o metric.Observer, w pipeline.WindowView, detector, version attribute.KeyValue) {
	with := func(more ...attribute.KeyValue) metric.MeasurementOption {
		return metric.WithAttributes(append(more, detector, version, attrWindow.String(w.Name))...)
	}
	kind := func(k string) metric.MeasurementOption { return with(attribute.String("kind", k)) }
	o.ObserveInt64(g.samples, w.Detections, kind("detection"))
	o.ObserveInt64(g.samples, w.Probes, kind("probe"))
	if r := w.CleanAccuracy; r != nil {
		o.ObserveInt64(g.samples, int64(r.N), kind("labelled"))
		o.ObserveFloat64(g.clean, r.Value, with())
	}
	if w.Skew != nil {
		o.ObserveFloat64(g.skew, 1-w.Skew.Value, with())
	}
	failed := int64(0)
	for _, n := range w.Inconclusive {
		failed += n
	}
	if all := failed + w.Probes; all > 0 {
		o.ObserveFloat64(g.inconclusive, float64(failed)/float64(all), with())
	}
	for _, s := range w.Scopes {
		if s.Scope != pipeline.ScopeDetector {
			continue
		}
		if r := s.RASelf; r != nil {
			o.ObserveFloat64(g.accuracy, r.Value, with())
			o.ObserveFloat64(g.bound, r.Low, with(attribute.String("bound", "low")))
			o.ObserveFloat64(g.bound, r.High, with(attribute.String("bound", "high")))
		}
		for _, f := range s.RR {
			o.ObserveFloat64(g.ratio, f.RR.Value, with(attrTolerance.String(toleranceText(f.Tolerance))))
		}
	}
}

// toleranceText writes .05 as 0.05 and .1 as 0.10: two decimals at least, as people name tolerances.
func toleranceText(b float64) string {
	if text := strconv.FormatFloat(b, 'f', -1, 64); len(text) > len("0.00") {
		return text
	}
	return strconv.FormatFloat(b, 'f', 2, 64)
}
