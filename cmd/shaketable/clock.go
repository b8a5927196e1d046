package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"shaketable/metrics"
	"shaketable/pipeline"
	"shaketable/pipeline/kafka"
)

// defaultParallel is one probe per processor.
func defaultParallel() int { return runtime.GOMAXPROCS(0) }

// clock runs the alerters of all detectors that the configuration lists, until ctx is done.
func (s *service) clock(ctx context.Context) (err error) {
	known, err := s.baselines()
	if err != nil {
		return err
	}
	archive, err := s.archive(ctx)
	if err != nil {
		return err
	}
	if archive != nil {
		defer func() { err = errors.Join(err, archive.Close()) }()
	}
	var all sync.WaitGroup
	seen := map[string]bool{}
	for _, d := range s.cfg.Detectors {
		if seen[d.Name] { // versions of one detector share an alerter
			continue
		}
		seen[d.Name] = true
		alerter, err := s.alerter(d, known, archive)
		if err != nil {
			return configError{fmt.Errorf("detector %s: %w", d.Name, err)}
		}
		s.gauges.judges(alerter)
		all.Go(func() { alerter.Run(ctx) })
	}
	all.Go(func() { s.watchOutbox(ctx, s.sinks()) })
	all.Wait()
	return nil
}

func (s *service) alerter(d pipeline.Detector, known []metrics.Baseline, archive *kafka.Archive) (*pipeline.Alerter, error) {
	machine, err := pipeline.NewMachine(s.cfg.Alerts, s.cfg.Window, pipeline.Route{Notify: d.Notify, Owner: d.Owner, Runbook: d.Runbook}, known)
	if err != nil {
		return nil, err
	}
	o := pipeline.AlerterOptions{Detector: d.Name, Owner: s.owner, Machine: machine, Ledger: s.store, Seat: s.store,
		Outbox: s.store, Sinks: s.sinks(), Examples: s.store, Slices: s.store, Panels: s.store, Orders: s.store,
		Delivered: s.telemetry.Delivered, Log: s.log}
	if archive != nil {
		o.Archive = archive
	}
	return pipeline.NewAlerter(o), nil
}

// archive opens the topic that outlives Redis, if there is one.
func (s *service) archive(ctx context.Context) (*kafka.Archive, error) {
	if s.cfg.Kafka.Topics.Archive == "" {
		return nil, nil
	}
	archive, err := kafka.NewArchive(s.cfg.Kafka, s.log.With("part", "archive"))
	if err != nil {
		return nil, configError{err}
	}
	for _, w := range archive.Check(ctx) {
		s.log.Warn("the archive may become a problem", "part", "archive", "note", w)
	}
	return archive, nil
}

// baselines reads the file of an evaluation, if the configuration names one.
func (s *service) baselines() ([]metrics.Baseline, error) {
	if s.cfg.Alerts.File == "" {
		return nil, nil
	}
	data, err := os.ReadFile(s.cfg.Alerts.File)
	if err != nil {
		return nil, configError{fmt.Errorf("alerts.file: %w", err)}
	}
	list, err := pipeline.ParseBaselines(data)
	if err != nil {
		return nil, configError{fmt.Errorf("alerts.file %s: %w", s.cfg.Alerts.File, err)}
	}
	return list, nil
}

// sinks are where transitions go. Without a receiver of OTLP there is none, and alerts are in the log, on the page and in
// the metrics only.
func (s *service) sinks() []pipeline.Sink {
	if sink := s.telemetry.Sink(); sink != nil {
		return []pipeline.Sink{sink}
	}
	return nil
}
