package memory

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"shaketable/pipeline"
)

// fences keep the chain of batches of every partition, as every store does.
type fences struct {
	// Moved is told where a stream is to go on after each batch; nil for nobody. It is called with the store locked.
	Moved func(s pipeline.Stream, partition int, next int64)

	mu   sync.Mutex
	held map[position]*pipeline.Fence
}

type position struct {
	stream    pipeline.Stream
	partition int
}

// Claim implements pipeline.Store.
func (f *fences) Claim(_ context.Context, s pipeline.Stream, partition int, owner string, create *pipeline.NewFence) (pipeline.Fence, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := position{s, partition}
	fence := f.held[at]
	if fence == nil {
		if create == nil {
			return pipeline.Fence{}, fmt.Errorf("memory: claim %s/%d: %w", s, partition, pipeline.ErrNoFence)
		}
		fence = &pipeline.Fence{Stream: s, Partition: partition, Offset: create.Offset, TopicID: create.TopicID}
		if f.held == nil {
			f.held = map[position]*pipeline.Fence{}
		}
		f.held[at] = fence
	}
	fence.Owner = owner
	fence.Epoch++
	return *fence, nil
}

// move applies a batch to its fence and, if it is the next one, calls add while it holds the lock.
func (f *fences) move(b *pipeline.Batch, add func()) (pipeline.Verdict, int64, error) {
	if b.Owner == "" || b.Last < b.Prev {
		return "", 0, errors.New("memory: apply: no owner, or offsets that go back")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	fence := f.held[position{b.Stream, b.Partition}]
	switch {
	case fence == nil:
		return pipeline.LOST, -1, nil
	case fence.Owner != b.Owner:
		return pipeline.FENCED, fence.Offset, nil
	case b.Last != b.Prev && fence.Offset == b.Last:
		return pipeline.DUP, fence.Offset, nil
	case fence.Offset != b.Prev:
		return pipeline.GAP, fence.Offset, nil
	}
	if b.Last != b.Prev {
		add()
		fence.Offset = b.Last
		if f.Moved != nil {
			f.Moved(b.Stream, b.Partition, b.Last+1)
		}
	}
	return pipeline.OK, fence.Offset, nil
}
