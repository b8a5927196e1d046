package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"shaketable/config"
	"shaketable/pipeline"
	"shaketable/pipeline/http"
	"shaketable/pipeline/otlp"
	"shaketable/pipeline/redis"
)

// The roles of a process: probes need a device, the clock path needs only Redis.
const (
	roleAll   = "all"
	roleProbe = "probe"
	roleAlert = "alert"
)

func newRunCommand() *cobra.Command {
	var file, role, level string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Read detections from Kafka, probe a sample of them, and tell when robustness drifts",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains([]string{roleAll, roleProbe, roleAlert}, role) {
				return usageError{fmt.Errorf("role %q is not one of all, probe, alert", role)}
			}
			var lowest slog.Level
			if err := lowest.UnmarshalText([]byte(level)); err != nil {
				return usageError{fmt.Errorf("log level %q is not one of debug, info, warn, error", level)}
			}
			cfg, err := config.Load(file, os.LookupEnv)
			if err != nil {
				return configError{err}
			}
			log := slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: lowest}))
			return runWorker(cmd.Context(), cfg, role, log)
		},
	}
	cmd.Flags().StringVar(&file, "config", defaultConfigFile, "configuration file")
	cmd.Flags().StringVar(&role, "role", roleAll, "what this process does: all, probe or alert")
	cmd.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return cmd
}

// service is one process: what its two paths and its surfaces share.
type service struct {
	cfg    config.Config
	digest string
	log    *slog.Logger
	store  *redis.Store
	health *pipeline.Health
	stats  *pipeline.Stats
	now    func() time.Time
	owner  string

	telemetry *otlp.Telemetry
	watchdog  *http.Watchdog
	gauges    gauges
}

// runWorker wires the parts in the order in which they need each other, and runs them until ctx is done:
//
//	store ─┬─► record path: kafka source ─► line (decode … probe … window) ─► store
//	       ├─► clock path: one alerter per detector ─► sinks
//	       └─► surfaces: livez, readyz, metrics, state, page
//
// Every part is closed where it was opened, last opened first.
func runWorker(ctx context.Context, cfg config.Config, role string, log *slog.Logger) (err error) {
	s := &service{cfg: cfg, log: log, health: &pipeline.Health{}, stats: &pipeline.Stats{}, now: time.Now, owner: nonce()}
	if s.digest, err = cfg.Digest(); err != nil {
		return err
	}
	if err := s.openTelemetry(ctx); err != nil {
		return configError{err}
	}
	// A receiver that is away is no failure of the work; it has been told in the log.
	defer func() {
		if err := s.telemetry.Shutdown(ctx); err != nil {
			log.Warn("the last telemetry was not delivered", "error", err)
		}
	}()
	redis.LogTo(func(ctx context.Context, message string) {
		log.WarnContext(ctx, "Redis client", "part", "redis", "note", message)
	})
	if s.store, err = redis.Open(cfg.Redis); err != nil {
		return configError{err}
	}
	defer func() { err = errors.Join(err, s.store.Close()) }()
	if err := s.checkStore(ctx); err != nil {
		return err
	}
	server, err := s.serve(role)
	if err != nil {
		return configError{err}
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	defer context.AfterFunc(ctx, func() { s.health.Set("process", errors.New("is shutting down")) })()
	group, ctx := errgroup.WithContext(ctx)
	if role != roleAlert {
		group.Go(func() error { return s.record(ctx) })
		group.Go(func() error { return s.watch(ctx) })
	}
	if role != roleProbe {
		group.Go(func() error { return s.clock(ctx) })
	}
	return group.Wait()
}

// checkStore refuses a Redis that can't keep the counts, before anything is read.
func (s *service) checkStore(ctx context.Context) error {
	notes, err := s.store.Check(ctx)
	for _, n := range notes {
		s.log.Warn("Redis may become a problem", "part", "redis", "note", n)
	}
	return err
}
