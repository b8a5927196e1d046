package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"shaketable/pipeline"
	"shaketable/pipeline/kafka"
)

// registerEvery is how often a worker says which generations it probes.
const registerEvery = 15 * time.Second

// record opens the record path and works until ctx is done.
func (s *service) record(ctx context.Context) (err error) {
	s.health.Set("start", errors.New("detectors are being loaded"))
	source, err := kafka.NewSource(s.cfg.Kafka, s.log.With("part", "kafka"))
	if err != nil {
		return configError{err}
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	warnings, err := source.Preflight(ctx, s.cfg.Flow.Rebuild)
	for _, w := range warnings {
		s.log.Warn("Kafka may become a problem", "part", "kafka", "note", w)
	}
	if err != nil {
		return err
	}
	subjects, closeModels, err := s.subjects(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeModels()) }()
	line, closeLine, err := s.line(subjects)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeLine()) }()
	if err := s.register(ctx, source, subjects); err != nil {
		return err
	}
	go s.keepRegistered(ctx, source, subjects, line.Slicer)
	if err := s.keepSample(ctx, line.Schedule); err != nil {
		return err
	}
	s.gauges.samples(line.Schedule)
	defer s.panel(ctx, line.Prober, subjects)()
	s.health.Set("start", nil)
	s.log.Info("reading detections", "topic", s.cfg.Kafka.Topics.Detections, "rate", line.Schedule.InForce(s.now()).Rate, "detectors", len(subjects))
	return pipeline.NewWorker(line, source).Run(ctx)
}

// line puts the stages together.
func (s *service) line(subjects []*pipeline.Subject) (*pipeline.Line, func() error, error) {
	decoder, err := pipeline.NewDecoder(s.cfg.Decode)
	if err != nil {
		return nil, nil, configError{err}
	}
	labels, err := pipeline.NewLabelDecoder(s.cfg.Decode)
	if err != nil {
		return nil, nil, configError{err}
	}
	excluder, err := pipeline.NewExcluder(s.cfg.Exclude)
	if err != nil {
		return nil, nil, configError{err}
	}
	slicer := pipeline.NewSlicer(s.cfg.Slices, s.store)
	if !excluder.NeedsAttributes() && !slicer.NeedsAttributes() {
		decoder = decoder.WithoutAttributes()
	}
	key, err := s.cfg.Sample.Key(os.Getenv)
	if err != nil {
		return nil, nil, configError{err}
	}
	sampler := pipeline.NewSampler(key)
	l := &pipeline.Line{Store: s.store, Roster: pipeline.NewRoster(subjects), Sampler: sampler, Schedule: s.schedule(sampler),
		Decode: decoder.Decode, Labels: labels.Decode, Excluded: excluder.Excluded, Slicer: slicer, Prober: s.prober(sampler),
		Join: s.cfg.Join, Window: s.cfg.Window, Flow: s.cfg.Flow, Config: s.digest,
		Now: s.now, Nonce: nonce, Log: s.log, Health: s.health, Stats: s.stats}
	var closers []func() error
	closeAll := func() error {
		var faults []error
		for _, c := range closers {
			faults = append(faults, c())
		}
		return errors.Join(faults...)
	}
	if s.cfg.Join.Media == pipeline.MediaFile {
		if l.Files, err = pipeline.NewFiles(s.cfg.Join.Root, s.cfg.Prepare.MaxBytes); err != nil {
			return nil, nil, configError{err}
		}
		closers = append(closers, l.Files.Close)
	}
	if s.cfg.Kafka.Topics.DeadLetters != "" {
		producer, err := kafka.NewProducer(s.cfg.Kafka)
		if err != nil {
			return nil, nil, errors.Join(err, closeAll())
		}
		closers = append(closers, producer.Close)
		l.Letters = producer
	}
	return l, closeAll, nil
}

func (s *service) prober(sampler *pipeline.Sampler) *pipeline.Prober {
	parallel := s.cfg.Probe.Parallel
	if parallel == 0 {
		parallel = defaultParallel()
	}
	return &pipeline.Prober{Store: s.store, Prepare: pipeline.NewPreparer(s.cfg.Prepare).Prepare, Timeout: s.cfg.Probe.Timeout,
		ClaimFor: s.cfg.Window.Lateness + 24*time.Hour, // the day itself, and the latest record that may still belong to it
		Slots:    make(chan struct{}, 4*parallel), Observe: s.telemetry.Probed,
		Attacks: &pipeline.AttackLane{Sampler: sampler, Rate: s.cfg.Attacks.Rate, Timeout: s.cfg.Attacks.Timeout, Observe: s.telemetry.Attacked}}
}

// register tells the clock path what is probed, and over how many partitions to sum.
func (s *service) register(ctx context.Context, source *kafka.Source, subjects []*pipeline.Subject) error {
	partitions, err := source.Partitions(ctx)
	if err != nil {
		return err
	}
	for _, subject := range subjects {
		if err := s.store.Register(ctx, subject.Generation, partitions, s.now()); err != nil {
			return fmt.Errorf("register %s: %w", subject.Detector.Name, err)
		}
	}
	return nil
}

// keepRegistered repeats it: the topics may have grown, and Redis may have lost what it was told.
func (s *service) keepRegistered(ctx context.Context, source *kafka.Source, subjects []*pipeline.Subject, slicer *pipeline.Slicer) {
	tick := time.NewTicker(registerEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := errors.Join(s.register(ctx, source, subjects), slicer.Renew(ctx)); err != nil && ctx.Err() == nil {
				s.log.Warn("generations and slices could not be registered, trying again", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// nonce is 128 random bits in hex.
func nonce() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: it would crash the program
	return hex.EncodeToString(b[:])
}
