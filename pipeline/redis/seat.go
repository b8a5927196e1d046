package redis

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"shaketable/pipeline"
)

// Hold implements pipeline.Seat. Lease lives are measured by the server's clock, tokens grow even over a fail-over.
func (s *Store) Hold(ctx context.Context, detector, owner string, ttl time.Duration) (int64, error) {
	if detector == "" || owner == "" || ttl < time.Millisecond {
		return 0, fmt.Errorf("redis: hold: detector %q, owner %q and a life of %s: all three are needed", detector, owner, ttl)
	}
	keys := []string{s.keys.detector(detector, "lease"), s.keys.detector(detector, "token")}
	token, err := s.lua.hold.Run(ctx, s.client, keys, owner, ttl.Milliseconds()).Text()
	if err != nil {
		return 0, fmt.Errorf("redis: hold %s: %w", detector, err)
	}
	n, err := strconv.ParseInt(token, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("redis: hold %s: token: %w", detector, err)
	}
	return n, nil
}

// Release implements pipeline.Release. A lease that is no longer the caller's stays.
func (s *Store) Release(ctx context.Context, detector string, token int64) error {
	if err := s.lua.release.Run(ctx, s.client, []string{s.keys.detector(detector, "lease")}, decimal(token)).Err(); err != nil {
		return fmt.Errorf("redis: release %s: %w", detector, err)
	}
	return nil
}

// Load implements pipeline.Seat.
func (s *Store) Load(ctx context.Context, detector string) (int64, []byte, error) {
	v, err := s.client.HMGet(ctx, s.keys.detector(detector, "state"), "seq", "blob").Result()
	if err != nil {
		return 0, nil, fmt.Errorf("redis: load %s: %w", detector, err)
	}
	if v[0] == nil {
		return 0, nil, nil
	}
	seq, err := strconv.ParseInt(text(v[0]), 10, 64)
	if err != nil {
		return 0, nil, fmt.Errorf("redis: load %s: sequence: %w", detector, err)
	}
	return seq, []byte(text(v[1])), nil
}

// Save implements pipeline.Seat. A retry is recognised by sequence, token and a digest of all it carries.
func (s *Store) Save(ctx context.Context, step pipeline.Save) error {
	if step.Detector == "" || step.Token <= 0 || step.Prev < 0 {
		return fmt.Errorf("redis: save: detector %q, token %d, previous sequence %d", step.Detector, step.Token, step.Prev)
	}
	digest := sha256.New()
	part := func(b []byte) { fmt.Fprintf(digest, "%d:", len(b)); digest.Write(b) }
	part(step.State)
	part(step.Snapshot)
	rest := []any{len(step.Done)}
	for _, id := range step.Done {
		part([]byte(id))
		rest = append(rest, id)
	}
	for _, t := range step.Transitions {
		body, err := json.Marshal(t)
		if err != nil {
			return fmt.Errorf("redis: save %s: transition %s: %w", step.Detector, t.ID, err)
		}
		if t.ID == "" {
			return fmt.Errorf("redis: save %s: a transition has no id", step.Detector)
		}
		part(body)
		rest = append(rest, t.ID, body)
	}
	var keys []string
	for _, name := range []string{"lease", "state", "snapshot", "outbox", "outbox:body", "orders", "orders:body"} {
		keys = append(keys, s.keys.detector(step.Detector, name))
	}
	args := append([]any{decimal(step.Token), decimal(step.Prev), decimal(step.Prev + 1), hex.EncodeToString(digest.Sum(nil)),
		step.State, step.Snapshot}, rest...)
	verdict, err := s.lua.save.Run(ctx, s.client, keys, args...).Text()
	if err != nil {
		return fmt.Errorf("redis: save %s: %w", step.Detector, err)
	}
	switch verdict {
	case "LEASE":
		return fmt.Errorf("redis: save %s: token %d: %w", step.Detector, step.Token, pipeline.ErrNotSeated)
	case "SEQUENCE":
		return fmt.Errorf("redis: save %s: sequence %d is not the stored one: %w", step.Detector, step.Prev, pipeline.ErrNotSeated)
	}
	return nil
}

// Snapshot implements pipeline.Snapshots.
func (s *Store) Snapshot(ctx context.Context, detector string) ([]byte, error) {
	b, err := s.client.Get(ctx, s.keys.detector(detector, "snapshot")).Bytes()
	if errors.Is(err, goredis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("redis: snapshot of %s: %w", detector, err)
	}
	return b, nil
}
