package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"shaketable/pipeline"
)

var _ pipeline.BudgetStore = (*Store)(nil)

// budget is the key of one period, whose start is in unix seconds.
func (k keys) budget(start time.Time) string {
	return k.registry("budget:" + strconv.FormatInt(start.Unix(), 10))
}

// ReportSpending implements pipeline.BudgetStore.
func (s *Store) ReportSpending(ctx context.Context, start time.Time, worker string, spent pipeline.Spending, keep time.Duration) error {
	if worker == "" || keep < time.Second || spent.Device < 0 || spent.Eligible < 0 || spent.Sampled < 0 {
		return fmt.Errorf("redis: spending of worker %q, %+v, kept for %s: all must be there and none negative", worker, spent, keep)
	}
	text := fmt.Sprintf("%d %d %d", spent.Device.Milliseconds(), spent.Eligible, spent.Sampled)
	_, err := s.client.TxPipelined(ctx, func(p goredis.Pipeliner) error {
		p.HSet(ctx, s.keys.budget(start), worker, text)
		p.Expire(ctx, s.keys.budget(start), keep)
		return nil
	})
	if err != nil {
		return fmt.Errorf("redis: spending: %w", err)
	}
	return nil
}

// Spendings implements pipeline.BudgetStore.
func (s *Store) Spendings(ctx context.Context, starts []time.Time) ([]pipeline.Spending, error) {
	pipe := s.client.Pipeline()
	replies := make([]*goredis.MapStringStringCmd, len(starts))
	for i, start := range starts {
		replies[i] = pipe.HGetAll(ctx, s.keys.budget(start))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("redis: spendings: %w", err)
	}
	sums := make([]pipeline.Spending, len(starts))
	for i, r := range replies {
		for worker, text := range r.Val() {
			one, err := parseSpending(text)
			if err != nil {
				return nil, fmt.Errorf("redis: spending of worker %s from %s: %w", worker, starts[i], err)
			}
			sums[i] = sums[i].Plus(one)
		}
	}
	return sums, nil
}

// parseSpending reads "<device ms> <eligible> <sampled>".
func parseSpending(text string) (pipeline.Spending, error) {
	var figures [3]int64
	parts := strings.Fields(text)
	if len(parts) != len(figures) {
		return pipeline.Spending{}, fmt.Errorf("%q has %d figures, not %d", text, len(parts), len(figures))
	}
	for i, p := range parts {
		n, err := strconv.ParseInt(p, 10, 64)
		if err != nil || n < 0 {
			return pipeline.Spending{}, fmt.Errorf("%q: %q is no count", text, p)
		}
		figures[i] = n
	}
	return pipeline.Spending{Device: time.Duration(figures[0]) * time.Millisecond, Eligible: figures[1], Sampled: figures[2]}, nil
}
