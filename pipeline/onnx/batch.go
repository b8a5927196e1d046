package onnx

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"shaketable/pipeline"
)

// defaultBuckets are the batch sizes that a GPU sees: fixed, since every new shape costs it a search for algorithms.
func defaultBuckets() []int { return []int{1, 2, 4, 8} }

// runFunc probes as many pictures as there are seeds and returns the probabilities by picture.
type runFunc func(ctx context.Context, pix []byte, seeds []int64) ([][]float64, error)

// batcher collects the probes that wait while the device works and runs them together.
//
// In: single probes. Out: their results, each to its own caller. Invariant: a batch has one of the bucket sizes, filled up
// with copies of its last picture; no probe waits for company, because while the device is busy company comes by itself.
type batcher struct {
	buckets  []int // ascending
	run      runFunc
	requests chan *request
	limit    atomic.Int64 // largest batch now; halved when memory runs out
	quit     chan struct{}
	quitting sync.Once
	done     sync.WaitGroup
}

type request struct {
	ctx    context.Context // of the caller, who may leave before the answer
	pix    []byte
	seed   int64
	answer chan answer // buffered: the batcher never waits for a caller that has left
}

type answer struct {
	probs []float64
	err   error
}

func newBatcher(buckets []int, run runFunc) *batcher {
	b := &batcher{buckets: buckets, run: run, requests: make(chan *request), quit: make(chan struct{})}
	b.limit.Store(int64(buckets[len(buckets)-1]))
	b.done.Go(b.serve)
	return b
}

// largest is the size of the largest batch now.
func (b *batcher) largest() int { return int(b.limit.Load()) }

func (b *batcher) probe(ctx context.Context, pix []byte, seed int64) ([]float64, error) {
	r := &request{ctx: ctx, pix: pix, seed: seed, answer: make(chan answer, 1)}
	select {
	case b.requests <- r:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-b.quit:
		return nil, errClosed
	}
	select {
	case a := <-r.answer:
		return a.probs, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// close answers whoever waits and returns when the run that is under way has ended. It can be called again.
func (b *batcher) close() {
	b.quitting.Do(func() { close(b.quit) })
	b.done.Wait()
}

func (b *batcher) serve() {
	for {
		select {
		case r := <-b.requests:
			b.serveBatch(b.collect(r))
		case <-b.quit:
			return
		}
	}
}

// collect adds whoever else waits at this moment, up to the largest batch.
func (b *batcher) collect(r *request) []*request {
	batch := []*request{r}
	for len(batch) < b.largest() {
		select {
		case r := <-b.requests:
			batch = append(batch, r)
		default:
			return batch
		}
	}
	return batch
}

// serveBatch runs a batch and answers each of its callers. After an error it runs the halves, so that a picture fails
// only by itself; if memory was short, batches stay at that size, for it will be short again.
func (b *batcher) serveBatch(batch []*request) {
	batch = present(batch)
	if len(batch) == 0 {
		return
	}
	ctx, release := whileAnyWaits(batch)
	probs, err := b.runPadded(ctx, batch)
	release()
	if half := len(batch) / 2; err != nil && half > 0 {
		if errors.Is(err, pipeline.ErrOutOfMemory) {
			b.limit.Store(int64(min(half, b.largest())))
		}
		b.serveBatch(batch[:half])
		b.serveBatch(batch[half:])
		return
	}
	for i, r := range batch {
		if err != nil {
			r.answer <- answer{err: err}
			continue
		}
		r.answer <- answer{probs: probs[i]}
	}
}

// runPadded fills the batch up to the next bucket.
func (b *batcher) runPadded(ctx context.Context, batch []*request) ([][]float64, error) {
	size := len(batch)
	if i, found := slices.BinarySearch(b.buckets, size); !found && i < len(b.buckets) {
		size = b.buckets[i]
	}
	seeds := make([]int64, 0, size)
	pix := make([]byte, 0, size*len(batch[0].pix))
	for i := range size {
		r := batch[min(i, len(batch)-1)]
		pix, seeds = append(pix, r.pix...), append(seeds, r.seed)
	}
	return b.run(ctx, pix, seeds)
}

// present leaves out callers that have left.
func present(batch []*request) []*request {
	return slices.DeleteFunc(batch, func(r *request) bool { return r.ctx.Err() != nil })
}

// whileAnyWaits returns a context that ends when the last caller of a batch has left.
func whileAnyWaits(batch []*request) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var left atomic.Int64
	stops := make([]func() bool, len(batch))
	for i, r := range batch {
		stops[i] = context.AfterFunc(r.ctx, func() {
			if left.Add(1) == int64(len(batch)) {
				cancel()
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}
