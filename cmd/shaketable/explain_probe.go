package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"text/tabwriter"
	"time"

	"shaketable/metrics"
	"shaketable/perturb"
	"shaketable/pipeline"
)

// bench loads the configured detectors, all versions of one or of all, as a worker does, outside of any stream. seconds is
// what they have taken of the device.
func (d *desk) bench(ctx context.Context, log io.Writer) (list []*pipeline.Subject, seconds func() float64, closeAll func() error, err error) {
	cfg := d.cfg
	if d.detector != "" {
		cfg.Detectors = nil
		for _, one := range d.cfg.Detectors {
			if one.Name == d.detector {
				cfg.Detectors = append(cfg.Detectors, one)
			}
		}
	}
	s := &service{cfg: cfg, now: time.Now, log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn})),
		health: &pipeline.Health{}, stats: &pipeline.Stats{}}
	list, closeAll, err = s.subjects(ctx)
	return list, func() float64 { return s.spent().Device.Seconds() }, closeAll, err
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// probeNow runs the picture through every detector with the noise that its id gives it, and prints how each variant moved
// it.
func (e *explanation) probeNow(ctx context.Context, name string, log io.Writer) (err error) {
	subjects, _, closeAll, err := e.bench(ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	fmt.Fprintf(e.out, "\nprobed now: %s, %d bytes, SHA-256 %s, the whole picture\n", name, len(e.picture), digestOf(e.picture))
	prepare := pipeline.NewPreparer(e.cfg.Prepare)
	var failed []error
	for _, s := range subjects {
		probs, err := e.probeOne(ctx, s, prepare)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s %s: %w", s.Detector.Name, s.Detector.Version, err))
			continue
		}
		if err := tellProbe(e.out, s, probs); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// probeOne returns p of the clean picture, of the variants and, if they are configured, of the attacks.
func (e *explanation) probeOne(ctx context.Context, s *pipeline.Subject, prepare *pipeline.Preparer) ([]float64, error) {
	whole := pipeline.Detection{MediaID: e.id, Detector: s.Detector.Name}
	img, err := prepare.Prepare(ctx, e.picture, &whole, s.Detector.Input)
	if err != nil {
		return nil, err
	}
	seed := perturb.Seed(e.id, s.Suite.Version)
	probs, err := s.Model.Probe(ctx, img, seed)
	if err != nil || s.Attacker == nil {
		return probs, err
	}
	attacked, err := s.Attacker.Attack(ctx, img, seed, nil)
	return append(probs, attacked...), err
}

// tellProbe prints one line per variant.
func tellProbe(out io.Writer, s *pipeline.Subject, probs []float64) error {
	reading, err := s.Meter.Measure(probs, probs[0])
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s %s, generation %s: probability of fake %.6f, %s at the threshold %v\n", s.Detector.Name, s.Detector.Version,
		s.Generation.ID, reading.Clean, verdict(reading.Decisions[0] == '1'), s.Detector.Threshold)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  variant\tprobability\tmoved by\tverdict")
	for i, c := range reading.Changes {
		v := s.Generation.Variants[i]
		if math.IsNaN(probs[i+1]) {
			fmt.Fprintf(w, "  %s %s\t-\t-\tnot run for this media\n", v.Family, v.Parameter)
			continue
		}
		word := "kept"
		if c.Half != pipeline.Kept {
			word = "turned to " + verdict(c.Half == pipeline.ToFake)
		}
		fmt.Fprintf(w, "  %s %s\t%.6f\t%.6f\t%s\n", v.Family, v.Parameter, c.Perturbed, metrics.Tolerance(c.Ticks), word)
	}
	return w.Flush()
}
