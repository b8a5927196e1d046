package redis

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"shaketable/pipeline"
)

// schema is the version of the layout. A worker refuses a fence of another one.
const schema = "1"

// Claim implements pipeline.Store. A retry by the same owner counts as one claim.
func (s *Store) Claim(ctx context.Context, stream pipeline.Stream, partition int, owner string, create *pipeline.NewFence) (pipeline.Fence, error) {
	if err := counted(stream, partition, owner); err != nil {
		return pipeline.Fence{}, fmt.Errorf("redis: claim: %w", err)
	}
	offset, topic := "", ""
	if create != nil {
		if create.Offset < -1 {
			return pipeline.Fence{}, fmt.Errorf("redis: claim %s/%d: offset %d of the new fence is below -1", stream, partition, create.Offset)
		}
		offset, topic = strconv.FormatInt(create.Offset, 10), create.TopicID
	}
	reply, err := s.lua.claim.Run(ctx, s.client, []string{s.keys.fence(partition, stream)}, owner, schema, offset, topic).Slice()
	if err != nil {
		return pipeline.Fence{}, fmt.Errorf("redis: claim %s/%d: %w", stream, partition, err)
	}
	switch text(reply[0]) {
	case "NONE":
		return pipeline.Fence{}, fmt.Errorf("redis: claim %s/%d: %w", stream, partition, pipeline.ErrNoFence)
	case "SCHEMA":
		return pipeline.Fence{}, fmt.Errorf("redis: claim %s/%d: the fence has layout %q and this worker knows %s: run the version that wrote it, or another prefix",
			stream, partition, text(reply[1]), schema)
	}
	return parseFence(stream, partition, reply[1:])
}

// Fences implements pipeline.Ledger.
func (s *Store) Fences(ctx context.Context, stream pipeline.Stream) ([]pipeline.Fence, error) {
	n, err := s.partitions(ctx)
	if err != nil {
		return nil, fmt.Errorf("redis: fences of %s: %w", stream, err)
	}
	pipe := s.client.Pipeline()
	for p := range n {
		pipe.HMGet(ctx, s.keys.fence(p, stream), "off", "own", "ep", "wm", "rt", "inc", "cfg", "end")
	}
	replies, err := collect(ctx, pipe)
	if err != nil {
		return nil, fmt.Errorf("redis: fences of %s: %w", stream, err)
	}
	var fences []pipeline.Fence
	for p, r := range replies {
		values, err := sliceOf(r)
		if err != nil {
			return nil, fmt.Errorf("redis: fence of %s/%d: %w", stream, p, err)
		}
		if values[0] == nil {
			continue
		}
		f, err := parseFence(stream, p, values)
		if err != nil {
			return nil, err
		}
		fences = append(fences, f)
	}
	return fences, nil
}

// parseFence reads off own ep wm rt inc cfg end.
func parseFence(stream pipeline.Stream, partition int, v []any) (pipeline.Fence, error) {
	f := pipeline.Fence{Stream: stream, Partition: partition, Owner: text(v[1]), TopicID: text(v[5]), Config: text(v[6])}
	fields := []struct {
		name string
		set  func(int64)
	}{
		{"off", func(n int64) { f.Offset = n }}, {"", nil}, {"ep", func(n int64) { f.Epoch = n }},
		{"wm", func(n int64) { f.Watermark = time.Unix(0, n).UTC() }}, {"rt", func(n int64) { f.Record = time.Unix(0, n).UTC() }},
		{"", nil}, {"", nil}, {"end", func(n int64) { f.AtEnd = time.Unix(0, n).UTC() }},
	}
	for i, field := range fields {
		if field.set == nil || text(v[i]) == "" {
			continue
		}
		n, err := strconv.ParseInt(text(v[i]), 10, 64)
		if err != nil {
			return f, fmt.Errorf("redis: fence of %s/%d: field %s: %w", stream, partition, field.name, err)
		}
		field.set(n)
	}
	return f, nil
}

// nanos is how a time is stored: unix nanoseconds, "" for the zero time.
func nanos(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixNano(), 10)
}

// text reads one value of a reply; nil is "".
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	return fmt.Sprint(v)
}
