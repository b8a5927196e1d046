package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shaketable/config"
	"shaketable/metrics"
	"shaketable/pipeline"
)

const replayHelp = `Read detections that Kafka still holds once more, probe the same media, and print the alerts that this configuration would
have sent. It joins no consumer group, commits nothing, and writes neither to Kafka nor to Redis: try a threshold, a suite or
an alert rule on the past before it counts.

The media are those that live workers chose, if the key is the same (sample.key_env) and the rate is: the one of this
configuration counts for the whole time, whatever a budget made of it. Time passes by the minutes of the events: a late
event counts in the minute in which it happened, a label from the time on that it names. Only labels that were recorded
between the two times count. Mutes, panels and baselines in Redis are not looked at: give an evaluation's baseline.json with
--baseline, or nothing is judged before alerts.burn_in is over.`

// replayFlags are what is asked for.
type replayFlags struct {
	file, from, to, baseline string
	detectors                []string
	json                     bool
}

func newReplayCommand() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay --from TIME",
		Short: "Print the alerts that a configuration would have sent for detections of the past",
		Long:  replayHelp,
		Example: "  shaketable replay --config new.yaml --from 24h-ago --baseline out/baseline.json\n" +
			"  shaketable replay --from 2026-11-20T00:00:00Z --to 2026-11-21T00:00:00Z --json",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, to, err := f.span(time.Now())
			if err != nil {
				return usageError{err}
			}
			cfg, err := config.Load(f.file, os.LookupEnv)
			if err != nil {
				return configError{err}
			}
			if err := f.narrow(&cfg); err != nil {
				return err
			}
			return replayAll(cmd.Context(), cfg, from, to, f.json, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&f.file, "config", defaultConfigFile, "configuration file")
	cmd.Flags().StringVar(&f.from, "from", "", "first record time: 2026-11-20T00:00:00Z, 24h-ago, 7d-ago")
	cmd.Flags().StringVar(&f.to, "to", "now", "record time at which to stop")
	cmd.Flags().StringSliceVar(&f.detectors, "detectors", nil, "only these detectors, by name")
	cmd.Flags().StringVar(&f.baseline, "baseline", "", "baseline.json of evaluate, in place of alerts.file")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

// span reads the two times.
func (f replayFlags) span(now time.Time) (from, to time.Time, err error) {
	if f.from == "" {
		return from, to, errors.New("--from is missing: give the record time to begin with, as in --from 24h-ago")
	}
	if from, err = parseMoment(f.from, now); err != nil {
		return from, to, fmt.Errorf("--from: %w", err)
	}
	if to, err = parseMoment(f.to, now); err != nil {
		return from, to, fmt.Errorf("--to: %w", err)
	}
	if to.After(now) {
		to = now
	}
	if !from.Before(to) {
		return from, to, fmt.Errorf("--from %s is not before --to %s", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))
	}
	return from, to, nil
}

// parseMoment reads a time: RFC 3339, now, or a distance back from now: 24h-ago, "24h ago", -24h, 7d-ago.
func parseMoment(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if text == "now" {
		return now, nil
	}
	back := strings.TrimPrefix(text, "-")
	for _, end := range []string{"-ago", " ago"} {
		back = strings.TrimSuffix(back, end)
	}
	if back != text {
		if days, ok := strings.CutSuffix(back, "d"); ok {
			if n, err := strconv.ParseFloat(days, 64); err == nil && n >= 0 && n < 10_000 {
				return now.Add(-time.Duration(n * 24 * float64(time.Hour))), nil
			}
		}
		if d, err := time.ParseDuration(back); err == nil && d >= 0 {
			return now.Add(-d), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write 2026-11-20T00:00:00Z, now, 24h-ago or 7d-ago", text)
}

// narrow makes the configuration that of a replay: only the detectors asked for, their baseline, and nothing that is written.
func (f replayFlags) narrow(cfg *config.Config) error {
	var unknown []string
	for _, name := range f.detectors {
		if !slices.ContainsFunc(cfg.Detectors, func(d pipeline.Detector) bool { return d.Name == name }) {
			unknown = append(unknown, strconv.Quote(name))
		}
	}
	if len(unknown) > 0 {
		return usageError{fmt.Errorf("--detectors: the configuration has no %s", strings.Join(unknown, ", "))}
	}
	if len(f.detectors) > 0 {
		cfg.Detectors = slices.DeleteFunc(cfg.Detectors, func(d pipeline.Detector) bool { return !slices.Contains(f.detectors, d.Name) })
	}
	if f.baseline != "" {
		cfg.Alerts.File = f.baseline
		if !slices.Contains(cfg.Alerts.Baseline, metrics.File) {
			cfg.Alerts.Baseline = append([]metrics.BaselineKind{metrics.File}, cfg.Alerts.Baseline...)
		}
	}
	cfg.Kafka.Topics.DeadLetters, cfg.Kafka.Topics.Archive = "", ""
	cfg.Flow.Start = "earliest"
	// Media that has not come by now never will: nothing is being written to this part of the log.
	cfg.Join.MaxHold = min(cfg.Join.MaxHold, 5*time.Second)
	return nil
}

// replayAll reads the history, folds it and prints what would have been told.
func replayAll(ctx context.Context, cfg config.Config, from, to time.Time, asJSON bool, stdout, stderr io.Writer) error {
	level := slog.LevelWarn
	s := &service{cfg: cfg, log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})), health: &pipeline.Health{},
		stats: &pipeline.Stats{}, now: time.Now, owner: nonce()}
	var err error
	if s.digest, err = cfg.Digest(); err != nil {
		return err
	}
	report, err := s.replay(ctx, from, to, stderr)
	if ctx.Err() != nil {
		return errors.New("replay was interrupted: nothing is left behind")
	}
	if err != nil {
		return err
	}
	if asJSON {
		return report.writeJSON(stdout)
	}
	return report.writeText(stdout, cfg)
}
