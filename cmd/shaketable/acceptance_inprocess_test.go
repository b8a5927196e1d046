//go:build acceptance

package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"shaketable/config"
	"shaketable/pipeline"
	"shaketable/pipeline/redis"
)

// openStore opens the stage's Redis as the program does.
func openStore(s *stage) *redis.Store {
	cfg := redis.DefaultConfig()
	cfg.Addresses = []string{s.redis.Addr}
	store, err := redis.Open(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	return store
}

// inProcess loads the stage's configuration as `run` does, without starting anything.
func inProcess(s *stage) *service {
	s.t.Setenv("SHAKETABLE_SAMPLE_KEY", acceptanceKey)
	if os.Getenv("SHAKETABLE_ONNXRUNTIME") == "" {
		library, err := filepath.Abs(filepath.Join("..", "..", ".cache", "onnxruntime", "libonnxruntime.so.1"))
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Setenv("SHAKETABLE_ONNXRUNTIME", library)
	}
	cfg, err := config.Load(s.config, os.LookupEnv)
	if err != nil {
		s.t.Fatal(err)
	}
	return &service{cfg: cfg, digest: "acceptance", log: slog.New(slog.NewTextHandler(io.Discard, nil)), store: openStore(s),
		health: &pipeline.Health{}, stats: &pipeline.Stats{}, now: time.Now, owner: "acceptance"}
}

// serial lets one call through at a time: the naive store has no locks, as it has no fence.
type serial struct {
	mu sync.Mutex
	pipeline.Store
}

func (s *serial) Claim(ctx context.Context, st pipeline.Stream, p int, owner string, create *pipeline.NewFence) (pipeline.Fence, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Store.Claim(ctx, st, p, owner, create)
}

func (s *serial) Apply(ctx context.Context, b *pipeline.Batch) (pipeline.Verdict, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Store.Apply(ctx, b)
}
