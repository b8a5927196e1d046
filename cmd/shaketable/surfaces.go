package main

import (
	"context"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"shaketable/pipeline"
	"shaketable/pipeline/http"
	"shaketable/pipeline/onnx"
	"shaketable/pipeline/otlp"
)

// outboxEvery is how often the sizes of the outboxes are read for the gauges.
const outboxEvery = 15 * time.Second

// gauges is what the gauges look at, filled in as the parts of the process come up.
type gauges struct {
	mu       sync.Mutex
	alerters []*pipeline.Alerter
	devices  []otlp.Device
	waiting  []otlp.Waiting
	schedule *pipeline.Schedule // nil until the record path is open
}

// openTelemetry starts telemetry before anything else, so that it ends after everything else: the last figures of a
// process are sent when its work is over.
func (s *service) openTelemetry(ctx context.Context) (err error) {
	id := otlp.Identity{Version: "unknown", Instance: s.owner}
	if info, ok := debug.ReadBuildInfo(); ok {
		b := newBuild(info)
		id.Version, id.Revision = b.Version, b.Revision
	}
	if s.telemetry, err = otlp.Open(ctx, s.cfg.Telemetry, id, os.Getenv, s.log.With("part", "telemetry")); err != nil {
		return err
	}
	return s.telemetry.Watch(otlp.Process{Stats: s.stats, Health: s.health, Snapshots: s.gauges.snapshots, Devices: s.gauges.listDevices,
		Outbox: s.gauges.listWaiting, SampleRate: s.gauges.sampleRate, Now: s.now})
}

// serve starts the surfaces of the process.
func (s *service) serve(role string) (*http.Server, error) {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = newBuild(info).Version
	}
	if role != roleAlert {
		s.watchdog = http.NewWatchdog(s.stats, s.health, s.cfg.HTTP.Stuck)
	}
	server, err := http.Open(s.cfg.HTTP, http.Options{States: s.store, Health: s.health, Watchdog: s.watchdog,
		Metrics: s.telemetry.Handler(), Role: role, Version: version, Now: s.now, Log: s.log.With("part", "http")})
	if err == nil && server != nil {
		s.log.Info("serving the page, the state and the metrics", "address", server.Address())
	}
	return server, err
}

// watch ends the process if probes are stuck.
func (s *service) watch(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.watchdog.Check(s.now()); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// watchOutbox reads how much waits for the sinks of the detectors that this process judges: gauges ask nobody.
func (s *service) watchOutbox(ctx context.Context, sinks []pipeline.Sink) {
	tick := time.NewTicker(outboxEvery)
	defer tick.Stop()
	for {
		var list []otlp.Waiting
		for _, snapshot := range s.gauges.snapshots(s.now()) {
			for _, sink := range sinks {
				pending, err := s.store.Pending(ctx, snapshot.Detector, sink.Name(), otlp.OutboxLimit)
				if err != nil { // the alerter complains about the same
					continue
				}
				list = append(list, otlp.Waiting{Detector: snapshot.Detector, Sink: sink.Name(), Count: len(pending)})
			}
		}
		s.gauges.mu.Lock()
		s.gauges.waiting = list
		s.gauges.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (g *gauges) judges(a *pipeline.Alerter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.alerters = append(g.alerters, a)
}

func (g *gauges) runs(d pipeline.Detector, m *onnx.Model, a *attacker) {
	device := otlp.Device{Detector: d.Name, Version: d.Version, Seconds: m.DeviceSeconds}
	if a != nil {
		device.Seconds = func() float64 { return m.DeviceSeconds() + a.DeviceSeconds() }
		device.Queries = a.passes.Load
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.devices = append(g.devices, device)
}

// snapshots returns those of the detectors whose lease this process holds now.
func (g *gauges) snapshots(now time.Time) []*pipeline.Snapshot {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []*pipeline.Snapshot
	for _, a := range g.alerters {
		if s := a.Current(now); s != nil {
			list = append(list, s)
		}
	}
	return list
}

func (g *gauges) listDevices() []otlp.Device {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.devices
}

func (g *gauges) listWaiting() []otlp.Waiting {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting
}

func (g *gauges) samples(schedule *pipeline.Schedule) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.schedule = schedule
}

// sampleRate returns the share of media that is probed at a time; false in a process that probes none.
func (g *gauges) sampleRate(now time.Time) (float64, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.schedule == nil {
		return 0, false
	}
	return g.schedule.InForce(now).Rate, true
}
