package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"shaketable/metrics"
	"shaketable/pipeline"
	"shaketable/pipeline/kafka"
	"shaketable/pipeline/redis"
)

// windowConfig counts in buckets of a second, so that a minute shows what takes an hour in production.
func windowConfig() pipeline.WindowConfig {
	w := pipeline.DefaultWindowConfig()
	w.Fine, w.Coarse, w.ExampleIDs = time.Second, time.Minute, pipeline.IDsRaw
	return w
}

// alertConfig folds every second. Statistics and allowances are the defaults; only times and counts are scaled down.
func alertConfig() pipeline.AlertConfig {
	c := pipeline.DefaultAlertConfig()
	c.Baseline = []metrics.BaselineKind{metrics.Predecessor, metrics.BurnIn}
	c.Period, c.Lease, c.Notify = time.Second, 5*time.Second, pipeline.NotifyPage
	c.Windows = []time.Duration{10 * time.Second, 30 * time.Second, time.Minute}
	c.BurnIn = pipeline.BurnInConfig{MinProbes: 120, MinDuration: 3 * time.Second}
	c.Predecessor.MinProbes = 160
	c.Resolve.Hold, c.NoData.MaxHold, c.NoData.Idle = 10*time.Second, 10*time.Second, 5*time.Second
	return c
}

func openStore(address string) (*redis.Store, error) {
	cfg := redis.DefaultConfig()
	cfg.Addresses = []string{address}
	cfg.FineTTL, cfg.CoarseTTL, cfg.LabelHorizon, cfg.ExampleTTL = 10*time.Minute, time.Hour, 10*time.Minute, 10*time.Minute
	return redis.Open(cfg)
}

func newSource(brokers []string, log *slog.Logger) (*kafka.Source, error) {
	cfg := kafka.DefaultConfig()
	cfg.Brokers, cfg.Group = brokers, "shaketable-demo"
	cfg.Topics = kafka.Topics{Detections: topicDetections, Media: topicMedia, Labels: topicLabels}
	cfg.SessionTimeout, cfg.Heartbeat, cfg.Fetch.MaxWait = 6*time.Second, time.Second, 100*time.Millisecond
	return kafka.NewSource(cfg, log)
}

// newLine wires the record path: every picture is probed.
func newLine(store *redis.Store, versions []*deployment, log *slog.Logger) (*pipeline.Line, error) {
	decoder, err := pipeline.NewDecoder(pipeline.DefaultDecodeConfig())
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	labels, err := pipeline.NewLabelDecoder(pipeline.DefaultDecodeConfig())
	if err != nil {
		return nil, fmt.Errorf("labels: %w", err)
	}
	flow, join := pipeline.DefaultFlow(), pipeline.DefaultJoinConfig()
	flow.Drain = time.Second
	join.Window, join.BufferBytes = time.Minute, 8<<20 // a picture and its detection are produced together
	return &pipeline.Line{
		Store: store, Roster: pipeline.NewRoster(subjectsOf(versions)), Sampler: pipeline.NewSampler(secret()), Schedule: pipeline.FixedSchedule(pipeline.RateStep{Rate: 1}),
		Decode: decoder.Decode, Labels: labels.Decode, Slicer: pipeline.NewSlicer(pipeline.DefaultSliceConfig(), store),
		Prober: &pipeline.Prober{Store: store, Timeout: 10 * time.Second, ClaimFor: time.Hour,
			Prepare: pipeline.NewPreparer(pipeline.DefaultPrepareConfig()).Prepare, Slots: make(chan struct{}, 2*runtime.GOMAXPROCS(0))},
		Join: join, Window: windowConfig(), Flow: flow, Config: "demo",
		Now: time.Now, Nonce: func() string { return hex.EncodeToString(secret()) }, Log: log,
		Health: &pipeline.Health{}, Stats: &pipeline.Stats{},
	}, nil
}

func subjectsOf(versions []*deployment) []*pipeline.Subject {
	var subjects []*pipeline.Subject
	for _, v := range versions {
		subjects = append(subjects, v.subject)
	}
	return subjects
}

// secret is 128 random bits.
func secret() []byte {
	key := make([]byte, 16)
	rand.Read(key) // never fails: it would crash the program
	return key
}

func newAlerter(store *redis.Store, d pipeline.Detector, sink pipeline.Sink, log *slog.Logger) (*pipeline.Alerter, error) {
	machine, err := pipeline.NewMachine(alertConfig(), windowConfig(), pipeline.Route{Notify: d.Notify, Owner: d.Owner, Runbook: d.Runbook}, nil)
	if err != nil {
		return nil, err
	}
	return pipeline.NewAlerter(pipeline.AlerterOptions{Detector: d.Name, Owner: "demo", Machine: machine, Ledger: store, Seat: store,
		Outbox: store, Sinks: []pipeline.Sink{sink}, Examples: store, Slices: store, Panels: store, Log: log}), nil
}
