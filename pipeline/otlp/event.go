package otlp

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"

	"shaketable/pipeline"
)

// EventName names the log event of a transition.
const EventName = "shaketable.alert.transition"

// eventOf writes a transition as a log record. Attributes carry what machines route and compute by. The body is the whole
// text of the message, although the convention for events advises against a body: this one is read by people, and a body
// is what every log view shows first.
func eventOf(t pipeline.Transition) log.Record {
	var r log.Record
	r.SetEventName(EventName)
	r.SetTimestamp(t.At)
	severity, text := severityOf(t)
	r.SetSeverity(severity)
	r.SetSeverityText(text)
	r.SetBody(attribute.StringValue(t.Text))
	r.AddAttributes(
		attribute.String("alertname", "shaketable "+t.Rule),
		attribute.String("shaketable.detector.name", t.Detector),
		attribute.String("shaketable.detector.version", t.Version),
		attribute.String("shaketable.generation", t.Generation),
		attribute.String("shaketable.alert.id", t.ID),
		attribute.String("shaketable.alert.episode", t.Episode),
		attribute.String("shaketable.alert.fingerprint", t.Fingerprint),
		attribute.String("shaketable.alert.rule", t.Rule),
		attribute.String("shaketable.alert.state", string(t.State)),
		attribute.String("shaketable.alert.previous_state", string(t.Previous)),
		attribute.String("shaketable.alert.tier", string(t.Tier)),
		attribute.String("shaketable.alert.notify", t.Notify),
		attribute.Float64("shaketable.alert.value", t.Value),
		attribute.Float64("shaketable.alert.ci_low", t.Low),
		attribute.Float64("shaketable.alert.ci_high", t.High),
		attribute.Int64("shaketable.alert.sample_count", t.N),
		attribute.String("shaketable.alert.window", t.Window),
		attribute.Float64("shaketable.alert.baseline", t.Baseline),
		attribute.String("shaketable.alert.baseline_name", t.BaselineName),
		attribute.String("shaketable.alert.summary", t.Summary),
	)
	if !t.Started.IsZero() {
		r.AddAttributes(attribute.String("shaketable.alert.started_at", t.Started.UTC().Format(timeLayout)))
	}
	if t.Repeat > 0 {
		r.AddAttributes(attribute.Int("shaketable.alert.repeat", t.Repeat))
	}
	if t.Flapping {
		r.AddAttributes(attribute.Bool("shaketable.alert.flapping", true))
	}
	for name, value := range map[string]string{"shaketable.alert.runbook_url": t.Runbook, "shaketable.alert.owner": t.Owner,
		"shaketable.alert.cause": t.Cause, "shaketable.alert.mute": t.Muted} {
		if value != "" {
			r.AddAttributes(attribute.String(name, value))
		}
	}
	return r
}

// timeLayout is RFC 3339 with milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// severityOf is ERROR only for what may wake people: a page-tier alert that fires and whose owner lets it page. An alert
// that its owner keeps in the house is INFO: it would have been louder.
func severityOf(t pipeline.Transition) (log.Severity, string) {
	switch {
	case t.State == pipeline.StateNoData, t.State == pipeline.StateUntrusted:
		return log.SeverityWarn, "WARN"
	case t.State != pipeline.StateFiring, t.Notify == pipeline.NotifyNone, t.Tier == pipeline.LogOnly:
		return log.SeverityInfo, "INFO"
	case t.Tier == pipeline.Paging && t.Notify == pipeline.NotifyPage:
		return log.SeverityError, "ERROR"
	}
	return log.SeverityWarn, "WARN"
}
