package otlp

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"shaketable/pipeline"
)

// Process is what the gauges and counters of a process look at. Every function is called in the middle of an export: it
// returns what is in memory and asks nobody.
type Process struct {
	Stats  *pipeline.Stats
	Health *pipeline.Health
	// Snapshots returns those of the detectors whose lease this process holds: a series that nobody can vouch for is absent.
	Snapshots func(now time.Time) []*pipeline.Snapshot
	Devices   func() []Device
	Outbox    func() []Waiting
	// SampleRate returns the share of media that is probed now; false in a process that probes none. Nil is such a process.
	SampleRate func(now time.Time) (rate float64, ok bool)
	Now        func() time.Time
}

// Device is how long the probes and attacks of a detector have held the device.
type Device struct {
	Detector, Version string
	Seconds           func() float64
	// Queries is how often attacks have asked the model; nil if it is not attacked.
	Queries func() int64
}

// Waiting is how many transitions of a detector a sink has not acknowledged; at most [OutboxLimit] are counted.
type Waiting struct {
	Detector, Sink string
	Count          int
}

// OutboxLimit is the largest count of [Waiting].
const OutboxLimit = 1000

// watcher collects observable instruments until they are registered with one callback.
type watcher struct {
	meter  metric.Meter
	all    []metric.Observable
	faults []error
}

func (w *watcher) counter(name, unit, help string) metric.Int64ObservableCounter {
	i, err := w.meter.Int64ObservableCounter("shaketable."+name, metric.WithUnit(unit), metric.WithDescription(help))
	w.add(i, err)
	return i
}

func (w *watcher) level(name, unit, help string) metric.Int64ObservableGauge {
	i, err := w.meter.Int64ObservableGauge("shaketable."+name, metric.WithUnit(unit), metric.WithDescription(help))
	w.add(i, err)
	return i
}

func (w *watcher) gauge(name, unit, help string) metric.Float64ObservableGauge {
	i, err := w.meter.Float64ObservableGauge("shaketable."+name, metric.WithUnit(unit), metric.WithDescription(help))
	w.add(i, err)
	return i
}

func (w *watcher) add(i metric.Observable, err error) {
	w.all = append(w.all, i)
	w.faults = append(w.faults, err)
}

// Watch registers the gauges and counters of a process; it is called once.
func (t *Telemetry) Watch(p Process) error {
	w := &watcher{meter: t.meter()}
	worker, clock := newWorkerGauges(w), newClockGauges(w)
	_, err := w.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		worker.observe(o, p)
		now := p.Now()
		for _, s := range p.Snapshots(now) {
			clock.observe(o, s, now)
		}
		return nil
	}, w.all...)
	return errors.Join(append(w.faults, err)...)
}

// workerGauges tell of the work of this process, whatever it judges.
type workerGauges struct {
	applied, batches, repeats, refused, replays, letters, missing, queries metric.Int64ObservableCounter
	inflight, lag, waiting, faults                                         metric.Int64ObservableGauge
	device                                                                 metric.Float64ObservableCounter
	rate                                                                   metric.Float64ObservableGauge
}

func newWorkerGauges(w *watcher) workerGauges {
	g := workerGauges{
		applied:  w.counter("records.applied", "{record}", "Detections and labels that this process has brought into the counters."),
		batches:  w.counter("batches.applied", "{batch}", "Batches that the store has taken."),
		repeats:  w.counter("batches.repeated", "{batch}", "Batches sent again that the store had already taken."),
		refused:  w.counter("batches.refused", "{batch}", "Batches that the store refused because another worker has the partition."),
		replays:  w.counter("replays", "{replay}", "Partitions read again because the store had lost what was counted."),
		letters:  w.counter("dead_letters", "{record}", "Records that were handed to the dead-letter topic, or logged where there is none."),
		missing:  w.counter("records.missing", "{record}", "Records that Kafka no longer had when they were to be read."),
		queries:  w.counter("attack.queries", "{query}", "Passes through a model that attacks have made, with gradient or without."),
		inflight: w.level("probes.in_flight", "{probe}", "Sampled detections under way, dead letters included."),
		lag:      w.level("consumer.lag", "{record}", "Records in Kafka that are not in the counters, by stream and partition held."),
		waiting:  w.level("alert.outbox", "{transition}", "Alert transitions that a sink has not acknowledged."),
		rate:     w.gauge("sampling.rate", "{share}", "Share of the media that is probed: sample.rate, or what sample.budget leaves of it."),
		faults:   w.level("health.faults", "{fault}", "Parts of this process that have a fault; 0 is ready."),
	}
	var err error
	g.device, err = w.meter.Float64ObservableCounter("shaketable.device.seconds", metric.WithUnit("s"),
		metric.WithDescription("Time that probes and attacks have held the device."))
	w.add(g.device, err)
	return g
}

func (g workerGauges) observe(o metric.Observer, p Process) {
	s := p.Stats
	o.ObserveInt64(g.applied, s.Applied.Load())
	o.ObserveInt64(g.batches, s.Batches.Load())
	o.ObserveInt64(g.repeats, s.Repeats.Load())
	o.ObserveInt64(g.refused, s.Fenced.Load())
	o.ObserveInt64(g.replays, s.Replays.Load())
	o.ObserveInt64(g.letters, s.Letters.Load())
	o.ObserveInt64(g.missing, s.Gaps.Load())
	o.ObserveInt64(g.inflight, s.InFlight.Load())
	o.ObserveInt64(g.faults, int64(len(p.Health.Faults())))
	if p.SampleRate != nil {
		if rate, ok := p.SampleRate(p.Now()); ok {
			o.ObserveFloat64(g.rate, rate)
		}
	}
	for _, pos := range s.Positions.List() {
		o.ObserveInt64(g.lag, pos.Lag(), metric.WithAttributes(attribute.String("stream", string(pos.Stream)), attribute.Int("partition", pos.Partition)))
	}
	for _, d := range p.Devices() {
		which := metric.WithAttributes(attrDetector.String(d.Detector), attrVersion.String(d.Version))
		o.ObserveFloat64(g.device, d.Seconds(), which)
		if d.Queries != nil {
			o.ObserveInt64(g.queries, d.Queries(), which)
		}
	}
	for _, w := range p.Outbox() {
		o.ObserveInt64(g.waiting, int64(w.Count), metric.WithAttributes(attrDetector.String(w.Detector), attribute.String("sink", w.Sink)))
	}
}
