package otlp

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"shaketable/pipeline"
)

// Names: unit {share} instead of 1, because Prometheus adds _ratio to a gauge of unit 1, and RA is not to be called
// shaketable_robust_accuracy_ratio; annotations in braces add nothing. Attributes are short (detector, window, tolerance),
// because they become labels as they are. No attribute holds anything of a media.

// The attributes.
const (
	attrDetector  = attribute.Key("detector")
	attrVersion   = attribute.Key("version")
	attrFamily    = attribute.Key("family")
	attrWindow    = attribute.Key("window")
	attrTolerance = attribute.Key("tolerance")
)

// probes are the instruments of single probes.
type probes struct {
	duration metric.Float64Histogram
	change   metric.Float64Histogram
	attacked metric.Float64Histogram
}

// deliveries counts attempts to deliver transitions.
type deliveries struct{ attempts metric.Int64Counter }

func (t *Telemetry) meter() metric.Meter {
	return t.meters.Meter("shaketable", metric.WithInstrumentationVersion(t.identity.Version))
}

// instruments makes what is recorded as it happens and what needs nothing but the process itself.
func (t *Telemetry) instruments() error {
	m := t.meter()
	var faults [6]error
	t.probes.duration, faults[0] = m.Float64Histogram("shaketable.probe.duration", metric.WithUnit("s"),
		metric.WithDescription("Time that the model took for one picture and all its variants, waiting for the device included."),
		metric.WithExplicitBucketBoundaries(.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30))
	// The default tolerances are bounds, so that RR can be computed again from the histogram, independently of the windows.
	t.probes.change, faults[1] = m.Float64Histogram("shaketable.probe.change", metric.WithUnit("{share}"),
		metric.WithDescription("Change of the probability of fake by one variant of one probe."),
		metric.WithExplicitBucketBoundaries(.005, .01, .02, .05, .1, .15, .2, .3, .5, .75, 1))
	t.probes.attacked, faults[5] = m.Float64Histogram("shaketable.attack.duration", metric.WithUnit("s"),
		metric.WithDescription("Time that all attacks on one picture took, by result: concluded, or why not."),
		metric.WithExplicitBucketBoundaries(.1, .25, .5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300))
	t.deliveries.attempts, faults[2] = m.Int64Counter("shaketable.alert.deliveries", metric.WithUnit("{attempt}"),
		metric.WithDescription("Attempts to deliver an alert transition to a sink, by result."))
	_, faults[3] = m.Int64ObservableCounter("shaketable.telemetry.errors", metric.WithUnit("{error}"),
		metric.WithDescription("Errors of the telemetry itself, such as exports that failed."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(t.complaints.count.Load())
			return nil
		}))
	_, faults[4] = m.Int64ObservableGauge("shaketable.build.info", metric.WithUnit("{build}"),
		metric.WithDescription("1; version and revision of the program."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(1, metric.WithAttributes(attrVersion.String(t.identity.Version), attribute.String("revision", t.identity.Revision)))
			return nil
		}))
	return errors.Join(faults[:]...)
}

// Probed records one probe; it has the form of [pipeline.Prober]'s Observe.
func (t *Telemetry) Probed(s *pipeline.Subject, r pipeline.Reading, took time.Duration) {
	if t == nil {
		return
	}
	ctx := context.Background()
	t.probes.duration.Record(ctx, took.Seconds(), metric.WithAttributes(attrDetector.String(s.Detector.Name), attrVersion.String(s.Detector.Version)))
	for i, c := range r.Changes {
		if i < len(s.Generation.Variants) && c.Ran() {
			t.probes.change.Record(ctx, float64(c.Ticks)/float64(pipeline.FullTick),
				metric.WithAttributes(attrDetector.String(s.Detector.Name), attrVersion.String(s.Detector.Version), attrFamily.String(s.Generation.Variants[i].Family)))
		}
	}
}

// Attacked records the attacks on one picture; it has the form of [pipeline.AttackLane]'s Observe.
func (t *Telemetry) Attacked(s *pipeline.Subject, reason string, took time.Duration) {
	if t == nil {
		return
	}
	result := "concluded"
	if reason != "" {
		result = reason
	}
	t.probes.attacked.Record(context.Background(), took.Seconds(), metric.WithAttributes(attrDetector.String(s.Detector.Name),
		attrVersion.String(s.Detector.Version), attribute.String("result", result)))
}

// Delivered records an attempt to deliver a transition; it has the form of [pipeline.AlerterOptions]' Delivered.
func (t *Telemetry) Delivered(sink string, err error) {
	if t == nil {
		return
	}
	result := "acknowledged"
	if err != nil {
		result = "failed"
	}
	t.deliveries.attempts.Add(context.Background(), 1, metric.WithAttributes(attribute.String("sink", sink), attribute.String("result", result)))
}
