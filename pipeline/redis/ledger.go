package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	goredis "github.com/redis/go-redis/v9"

	"shaketable/pipeline"
)

// readChunk bounds the commands of one pipeline, and with it the memory that its replies take.
const readChunk = 1000

// Sum implements pipeline.Ledger. Counters that are zero are left out; a cell that nobody wrote is empty.
func (s *Store) Sum(ctx context.Context, cells []pipeline.Cell) ([]pipeline.Counts, error) {
	for _, c := range cells {
		if err := validateCell(c); err != nil {
			return nil, fmt.Errorf("redis: sum: %w", err)
		}
	}
	n, err := s.partitions(ctx)
	if err != nil {
		return nil, fmt.Errorf("redis: sum: %w", err)
	}
	sums := make([]pipeline.Counts, len(cells))
	for i := range sums {
		sums[i] = pipeline.Counts{}
	}
	key := func(i int) string { return s.keys.cell(i/len(cells), cells[i%len(cells)]) }
	for from := 0; from < n*len(cells); from += readChunk {
		pipe := s.client.Pipeline()
		for i := from; i < min(from+readChunk, n*len(cells)); i++ {
			pipe.HGetAll(ctx, key(i))
		}
		replies, err := collect(ctx, pipe)
		if err != nil {
			return nil, fmt.Errorf("redis: sum: %w", err)
		}
		for j, r := range replies {
			if err := addReply(sums[(from+j)%len(cells)], r); err != nil {
				return nil, fmt.Errorf("redis: sum: key %s: %w", key(from+j), err)
			}
		}
	}
	return sums, nil
}

// Outcomes returns the outcome counters of every partition, in order of partition.
func (s *Store) Outcomes(ctx context.Context) ([]pipeline.Counts, error) {
	n, err := s.partitions(ctx)
	if err != nil {
		return nil, fmt.Errorf("redis: outcomes: %w", err)
	}
	pipe := s.client.Pipeline()
	for p := range n {
		pipe.HGetAll(ctx, s.keys.outcomes(p))
	}
	replies, err := collect(ctx, pipe)
	if err != nil {
		return nil, fmt.Errorf("redis: outcomes: %w", err)
	}
	all := make([]pipeline.Counts, n)
	for p, r := range replies {
		all[p] = pipeline.Counts{}
		if err := addReply(all[p], r); err != nil {
			return nil, fmt.Errorf("redis: outcomes of partition %d: %w", p, err)
		}
	}
	return all, nil
}

// Examples returns at most n examples of a generation over all partitions, newest first.
func (s *Store) Examples(ctx context.Context, generation string, n int) ([]pipeline.Example, error) {
	partitions, err := s.partitions(ctx)
	if err != nil {
		return nil, fmt.Errorf("redis: examples of %s: %w", generation, err)
	}
	pipe := s.client.Pipeline()
	for p := range partitions {
		pipe.LRange(ctx, s.keys.examples(p, generation), 0, -1)
	}
	replies, err := collect(ctx, pipe)
	if err != nil {
		return nil, fmt.Errorf("redis: examples of %s: %w", generation, err)
	}
	var found []pipeline.Example
	for _, r := range replies {
		for _, body := range r.(*goredis.StringSliceCmd).Val() {
			e := pipeline.Example{Generation: generation}
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				return nil, fmt.Errorf("redis: examples of %s: %w", generation, err)
			}
			found = append(found, e)
		}
	}
	slices.SortStableFunc(found, func(a, b pipeline.Example) int { return b.Time.Compare(a.Time) })
	return found[:min(max(n, 0), len(found))], nil
}

// collect runs a pipeline and fails with the first error of any command.
func collect(ctx context.Context, pipe goredis.Pipeliner) ([]goredis.Cmder, error) {
	if pipe.Len() == 0 {
		return nil, nil
	}
	replies, err := pipe.Exec(ctx)
	if err != nil && !errors.Is(err, goredis.Nil) {
		return nil, err
	}
	for _, r := range replies {
		if err := r.Err(); err != nil && !errors.Is(err, goredis.Nil) {
			return nil, fmt.Errorf("%s %v: %w", r.Name(), r.Args()[1], err)
		}
	}
	return replies, nil
}

func sliceOf(r goredis.Cmder) ([]any, error) {
	c, ok := r.(*goredis.SliceCmd)
	if !ok {
		return nil, fmt.Errorf("unexpected reply %T", r)
	}
	return c.Result()
}

// addReply adds the counters of one hash.
func addReply(sum pipeline.Counts, r goredis.Cmder) error {
	c, ok := r.(*goredis.MapStringStringCmd)
	if !ok {
		return fmt.Errorf("unexpected reply %T", r)
	}
	for field, v := range c.Val() {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return fmt.Errorf("field %s: %w", field, err)
		}
		if sum[field] += n; sum[field] == 0 {
			delete(sum, field)
		}
	}
	return nil
}
