package redis

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"shaketable/pipeline"
)

// Pending implements pipeline.Outbox.
func (s *Store) Pending(ctx context.Context, detector, sink string, limit int) ([]pipeline.Transition, error) {
	if sink == "" || limit < 1 {
		return nil, fmt.Errorf("redis: pending of %s: sink %q, limit %d: both are needed", detector, sink, limit)
	}
	bodies, err := s.lua.pending.Run(ctx, s.client, s.outbox(detector), sink, limit).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("redis: pending of %s for %s: %w", detector, sink, err)
	}
	var found []pipeline.Transition
	for _, body := range bodies {
		var t pipeline.Transition
		if err := json.Unmarshal([]byte(body), &t); err != nil {
			return nil, fmt.Errorf("redis: pending of %s for %s: %w", detector, sink, err)
		}
		found = append(found, t)
	}
	return found, nil
}

// Ack implements pipeline.Outbox.
func (s *Store) Ack(ctx context.Context, detector, sink string, ids, sinks []string) error {
	if !slices.Contains(sinks, sink) {
		return fmt.Errorf("redis: ack of %s: sink %q is not among %q", detector, sink, sinks)
	}
	args := []any{sink, len(sinks)}
	for _, v := range slices.Concat(sinks, ids) {
		args = append(args, v)
	}
	if err := s.lua.ack.Run(ctx, s.client, s.outbox(detector), args...).Err(); err != nil {
		return fmt.Errorf("redis: ack of %s by %s: %w", detector, sink, err)
	}
	return nil
}

func (s *Store) outbox(detector string) []string {
	return []string{s.keys.detector(detector, "outbox"), s.keys.detector(detector, "outbox:body"), s.keys.detector(detector, "outbox:acked")}
}
