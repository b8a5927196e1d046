package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"shaketable/metrics"
	"shaketable/pipeline"
	"shaketable/pipeline/memory"
)

// replayed is the clock path of one detector.
type replayed struct {
	detector string
	machine  *pipeline.Machine
	state    *pipeline.State
	last     pipeline.Snapshot
}

// foldAll lets time pass over a view and folds, as an alerter does: every period, of every detector. It ends with the
// events, or where the history was to end if that is later: so silence is told as well.
func (s *service) foldAll(ctx context.Context, view *memory.View, known []metrics.Baseline, report *replayReport, stderr io.Writer) error {
	var all []*replayed
	for _, d := range s.cfg.Detectors {
		if report.has(d.Name) { // versions share an alerter
			continue
		}
		route := pipeline.Route{Notify: d.Notify, Owner: d.Owner, Runbook: d.Runbook}
		machine, err := pipeline.NewMachine(s.cfg.Alerts, s.cfg.Window, route, known)
		if err != nil {
			return configError{fmt.Errorf("detector %s: %w", d.Name, err)}
		}
		all = append(all, &replayed{detector: d.Name, machine: machine, state: pipeline.NewState(d.Name)})
		report.Detectors = append(report.Detectors, replayedDetector{Name: d.Name})
	}
	first, end := view.Span()
	if first.IsZero() {
		return nil
	}
	if report.From.After(first) { // what was late then is there from the beginning: hours without anything else would look like silence
		first = report.From
	}
	if report.To.After(end) {
		end = report.To
	}
	// A fold looks at whole fine buckets.
	step := s.cfg.Alerts.Period
	if rest := step % s.cfg.Window.Fine; rest > 0 {
		step += s.cfg.Window.Fine - rest
	}
	total := int(end.Sub(first)/step) + 1
	bar := newProgress(stderr, s.now, "folds", total)
	defer bar.end()
	for now := first.Truncate(step).Add(step); !now.After(end.Add(step - 1)); now = now.Add(step) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		view.Advance(now)
		for i, d := range all {
			told, err := d.fold(ctx, view, now)
			if err != nil {
				return err
			}
			report.Transitions = append(report.Transitions, told...)
			report.Detectors[i].take(d.last)
		}
		report.Folds++
		bar.reach(report.Folds, total)
	}
	return nil
}

// fold is one fold at a moment of the past.
func (d *replayed) fold(ctx context.Context, view *memory.View, now time.Time) ([]pipeline.Transition, error) {
	in, err := d.machine.Read(ctx, pipeline.Readers{Ledger: view, Examples: view, Slices: view}, d.detector, d.state, now)
	if err != nil {
		return nil, err
	}
	result, err := d.machine.Step(d.state, in)
	if err != nil {
		return nil, fmt.Errorf("replay %s at %s: %w", d.detector, now.Format(time.RFC3339), err)
	}
	d.state, d.last = result.State, result.Snapshot
	return result.Transitions, nil
}
