package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"shaketable/perturb"
	"shaketable/pipeline"
	"shaketable/pipeline/kafka"
	"shaketable/pipeline/memory"
)

// replay runs both paths over what Kafka holds between two record times:
//
//	history ─► line without models ─► scout ─► plan
//	history ─► line ─► store ─► view, minute by minute ─► machine ─► transitions
func (s *service) replay(ctx context.Context, from, to time.Time, stderr io.Writer) (report *replayReport, err error) {
	known, err := s.baselines()
	if err != nil {
		return nil, err
	}
	history, err := kafka.NewHistory(s.cfg.Kafka, from, to, s.log.With("part", "kafka"))
	if err != nil {
		return nil, configError{err}
	}
	defer func() { err = errors.Join(err, history.Close()) }()
	if _, err := history.Partitions(ctx); err != nil { // before models are loaded, which takes long
		return nil, err
	}
	// Labels are asked for from the present on backwards: all of the history has to lie within the horizon.
	s.cfg.Window.LabelHorizon = max(s.cfg.Window.LabelHorizon, s.now().Sub(from)+time.Hour)
	subjects, closeModels, err := s.subjects(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeModels()) }()

	scout := memory.NewScout()
	scout.Moved = history.Applied
	if err := s.pass(ctx, history, blind(subjects), scout, stderr, "pass 1 of 2: looking for copies"); err != nil {
		return nil, err
	}
	store := memory.New(scout.Plan())
	store.Moved = history.Applied
	for _, subject := range subjects {
		store.Register(pipeline.Registration{Generation: subject.Generation, Since: from.UTC()})
	}
	if err := s.pass(ctx, history, subjects, store, stderr, "pass 2 of 2: probing"); err != nil {
		return nil, err
	}
	report = &replayReport{From: from.UTC(), To: to.UTC(), Records: store.Outcomes()}
	view := store.View(s.cfg.Window.Fine, s.cfg.Window.Coarse)
	return report, s.foldAll(ctx, view, known, report, stderr)
}

// traceless is a store of one process.
type traceless interface {
	pipeline.Store
	pipeline.SlicePlaces
}

// pass runs the record path of a worker over the history once, with a store that nobody else sees.
func (s *service) pass(ctx context.Context, history *kafka.History, subjects []*pipeline.Subject, store traceless, stderr io.Writer, what string) (err error) {
	line, closeLine, err := s.line(subjects)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeLine()) }()
	line.Store, line.Prober.Store = store, store
	line.Slicer = pipeline.NewSlicer(s.cfg.Slices, store)
	line.Schedule = pipeline.FixedSchedule(pipeline.RateStep{Rate: s.cfg.Sample.Rate})
	line.Prober.Observe, line.Prober.Attacks.Observe = nil, nil // there is no telemetry
	if slices.ContainsFunc(subjects, isBlind) {
		line.Prober.Prepare = noPicture
	}
	line.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelError})) // a new store is no news here
	stop := watchHistory(ctx, history, stderr, what)
	defer stop()
	if err := pipeline.NewWorker(line, history).Run(ctx); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return ctx.Err()
}

// watchHistory shows how far a pass is until the function that it returns is called.
func watchHistory(ctx context.Context, history *kafka.History, stderr io.Writer, what string) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	bar := newProgress(stderr, time.Now, "offsets", 0)
	bar.label = what
	go func() {
		defer close(ended)
		for pipeline.Pause(ctx, time.Second) {
			done, total := history.Progress()
			bar.reach(int(done), int(total))
		}
	}()
	return func() {
		cancel()
		<-ended
		bar.end()
	}
}

// blind returns subjects of the same generations that see no picture: every probe of theirs succeeds at once.
func blind(subjects []*pipeline.Subject) []*pipeline.Subject {
	list := make([]*pipeline.Subject, len(subjects))
	for i, s := range subjects {
		copied := *s
		copied.Attacker, copied.Model = nil, noModel(make([]float64, 1+len(s.Suite.Variants)))
		list[i] = &copied
	}
	return list
}

func isBlind(s *pipeline.Subject) bool {
	_, ok := s.Model.(noModel)
	return ok
}

// noModel gives every picture the same probabilities, one for each variant of the suite.
type noModel []float64

// Probe implements [pipeline.Model].
func (m noModel) Probe(context.Context, pipeline.Image, int64) ([]float64, error) {
	return slices.Clone(m), nil
}

// Size implements [pipeline.Model].
func (noModel) Size() (width, height int) { return 1, 1 }

func noPicture(context.Context, []byte, *pipeline.Detection, perturb.Input) (pipeline.Image, error) {
	return pipeline.Image{}, nil
}
