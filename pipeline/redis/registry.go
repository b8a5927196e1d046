package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"shaketable/pipeline"
)

// Register implements pipeline.Registry. The largest number of partitions ever registered counts.
func (s *Store) Register(ctx context.Context, g pipeline.Generation, partitions int, now time.Time) error {
	if err := generation(g.ID); err != nil {
		return fmt.Errorf("redis: register %s: %w", g.Detector, err)
	}
	if g.Detector == "" || partitions < 1 || now.IsZero() {
		return fmt.Errorf("redis: register %s: detector %q, %d partitions, at %s: all three are needed", g.ID, g.Detector, partitions, now)
	}
	body, err := json.Marshal(g)
	if err != nil {
		return fmt.Errorf("redis: register %s: %w", g.ID, err)
	}
	keys := []string{s.keys.registry("partitions"), s.keys.registry("detectors"), s.keys.registry("g:" + g.Detector)}
	if err := s.lua.register.Run(ctx, s.client, keys, partitions, g.Detector, g.ID, body, nanos(now)).Err(); err != nil {
		return fmt.Errorf("redis: register %s: %w", g.ID, err)
	}
	return nil
}

// Detectors implements pipeline.Registry.
func (s *Store) Detectors(ctx context.Context) ([]string, error) {
	names, err := s.client.SMembers(ctx, s.keys.registry("detectors")).Result()
	if err != nil {
		return nil, fmt.Errorf("redis: detectors: %w", err)
	}
	slices.Sort(names)
	return names, nil
}

// Generations implements pipeline.Ledger.
func (s *Store) Generations(ctx context.Context, detector string) ([]pipeline.Registration, error) {
	fields, err := s.client.HGetAll(ctx, s.keys.registry("g:"+detector)).Result()
	if err != nil {
		return nil, fmt.Errorf("redis: generations of %s: %w", detector, err)
	}
	type numbered struct {
		no int64
		pipeline.Registration
	}
	var found []numbered
	for id, body := range fields {
		if id == "#" || strings.Contains(id, "/") {
			continue
		}
		var r numbered
		if err := json.Unmarshal([]byte(body), &r.Generation); err != nil {
			return nil, fmt.Errorf("redis: generation %s of %s: %w", id, detector, err)
		}
		var since, seen int64
		for name, into := range map[string]*int64{"no": &r.no, "since": &since, "seen": &seen} {
			if *into, err = strconv.ParseInt(fields[id+"/"+name], 10, 64); err != nil {
				return nil, fmt.Errorf("redis: generation %s of %s: %s: %w", id, detector, name, err)
			}
		}
		r.Since, r.Seen = time.Unix(0, since).UTC(), time.Unix(0, seen).UTC()
		found = append(found, r)
	}
	slices.SortFunc(found, func(a, b numbered) int { return int(a.no - b.no) })
	registrations := make([]pipeline.Registration, len(found))
	for i, r := range found {
		registrations[i] = r.Registration
	}
	return registrations, nil
}

// partitions is how many there are to sum over; 0 before the first worker has registered.
func (s *Store) partitions(ctx context.Context) (int, error) {
	n, err := s.client.Get(ctx, s.keys.registry("partitions")).Int()
	if errors.Is(err, goredis.Nil) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("number of partitions: %w", err)
	}
	return n, nil
}
