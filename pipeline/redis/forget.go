package redis

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	goredis "github.com/redis/go-redis/v9"

	"shaketable/pipeline"
)

// Forget deletes what is kept about one media: its stored probes and label in every partition, and every example shown
// under its key or one of the other names (the raw id, where that is what examples show). It returns how many keys and
// examples went. Counters stay: they are sums in which no media can be told apart.
func (s *Store) Forget(ctx context.Context, mediaKey string, names ...string) (int, error) {
	if mediaKey == "" {
		return 0, fmt.Errorf("redis: forget: media key is empty")
	}
	partitions, err := s.partitions(ctx)
	if err != nil {
		return 0, fmt.Errorf("redis: forget: %w", err)
	}
	pipe := s.client.Pipeline()
	for p := range partitions {
		// One key a command: a cluster refuses a DEL over slots.
		pipe.Del(ctx, s.keys.probes(p, mediaKey))
		pipe.Del(ctx, s.keys.label(p, mediaKey))
	}
	replies, err := collect(ctx, pipe)
	if err != nil {
		return 0, fmt.Errorf("redis: forget: %w", err)
	}
	gone := removed(replies)
	detectors, err := s.Detectors(ctx)
	if err != nil {
		return gone, fmt.Errorf("redis: forget: %w", err)
	}
	names = append(slices.Clone(names), mediaKey)
	for _, detector := range detectors {
		generations, err := s.Generations(ctx, detector)
		if err != nil {
			return gone, fmt.Errorf("redis: forget: %w", err)
		}
		for _, g := range generations {
			n, err := s.forgetExamples(ctx, g.ID, partitions, names)
			if err != nil {
				return gone, fmt.Errorf("redis: forget: examples of %s: %w", g.ID, err)
			}
			gone += n
		}
	}
	return gone, nil
}

func (s *Store) forgetExamples(ctx context.Context, generation string, partitions int, names []string) (int, error) {
	read, write := s.client.Pipeline(), s.client.Pipeline()
	for p := range partitions {
		read.LRange(ctx, s.keys.examples(p, generation), 0, -1)
	}
	lists, err := collect(ctx, read)
	if err != nil {
		return 0, err
	}
	for p, r := range lists {
		for _, body := range r.(*goredis.StringSliceCmd).Val() {
			var e pipeline.Example
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				return 0, err
			}
			if slices.Contains(names, e.Media) {
				write.LRem(ctx, s.keys.examples(p, generation), 0, body)
			}
		}
	}
	replies, err := collect(ctx, write)
	return removed(replies), err
}

// removed adds up the integer replies.
func removed(replies []goredis.Cmder) int {
	n := 0
	for _, r := range replies {
		if c, ok := r.(*goredis.IntCmd); ok {
			n += int(c.Val())
		}
	}
	return n
}
