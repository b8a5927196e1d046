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

// batcher collects the jobs that wait while the device works and runs them together.
//
// In: single jobs. Out: their results, each to its own caller. Invariant: a batch has one of the bucket sizes, filled up
// with copies of its last job; no job waits for company, because while the device is busy company comes by itself.
type batcher[Job, Result any] struct {
	buckets  []int // ascending
	run      func(ctx context.Context, jobs []Job) ([]Result, error)
	requests chan *request[Job, Result]
	limit    atomic.Int64 // largest batch now; halved when memory runs out
	quit     chan struct{}
	quitting sync.Once
	done     sync.WaitGroup
}

type request[Job, Result any] struct {
	ctx    context.Context // of the caller, who may leave before the answer
	job    Job
	answer chan answer[Result] // buffered: the batcher never waits for a caller that has left
}

type answer[Result any] struct {
	result Result
	err    error
}

func newBatcher[Job, Result any](buckets []int, run func(context.Context, []Job) ([]Result, error)) *batcher[Job, Result] {
	b := &batcher[Job, Result]{buckets: buckets, run: run, requests: make(chan *request[Job, Result]), quit: make(chan struct{})}
	b.limit.Store(int64(buckets[len(buckets)-1]))
	b.done.Go(b.serve)
	return b
}

// largest is the size of the largest batch now.
func (b *batcher[Job, Result]) largest() int { return int(b.limit.Load()) }

// do runs one job in whatever company there is. A caller whose ctx is done leaves, perhaps before its job is run: what the job
// points to must not change after that.
func (b *batcher[Job, Result]) do(ctx context.Context, job Job) (result Result, err error) {
	r := &request[Job, Result]{ctx: ctx, job: job, answer: make(chan answer[Result], 1)}
	select {
	case b.requests <- r:
	case <-ctx.Done():
		return result, context.Cause(ctx)
	case <-b.quit:
		return result, errClosed
	}
	select {
	case a := <-r.answer:
		return a.result, a.err
	case <-ctx.Done():
		return result, context.Cause(ctx)
	}
}

// close answers whoever waits and returns when the run that is under way has ended. It can be called again.
func (b *batcher[Job, Result]) close() {
	b.quitting.Do(func() { close(b.quit) })
	b.done.Wait()
}

func (b *batcher[Job, Result]) serve() {
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
func (b *batcher[Job, Result]) collect(r *request[Job, Result]) []*request[Job, Result] {
	batch := []*request[Job, Result]{r}
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

// serveBatch runs a batch and answers each of its callers. After an error it runs the halves, so that a job fails
// only by itself; if memory was short, batches stay at that size, for it will be short again.
func (b *batcher[Job, Result]) serveBatch(batch []*request[Job, Result]) {
	batch = present(batch)
	if len(batch) == 0 {
		return
	}
	ctx, release := whileAnyWaits(batch)
	results, err := b.runPadded(ctx, batch)
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
			r.answer <- answer[Result]{err: err}
			continue
		}
		r.answer <- answer[Result]{result: results[i]}
	}
}

// runPadded fills the batch up to the next bucket.
func (b *batcher[Job, Result]) runPadded(ctx context.Context, batch []*request[Job, Result]) ([]Result, error) {
	size := len(batch)
	if i, found := slices.BinarySearch(b.buckets, size); !found && i < len(b.buckets) {
		size = b.buckets[i]
	}
	jobs := make([]Job, size)
	for i := range jobs {
		jobs[i] = batch[min(i, len(batch)-1)].job
	}
	return b.run(ctx, jobs)
}

// present leaves out callers that have left.
func present[Job, Result any](batch []*request[Job, Result]) []*request[Job, Result] {
	return slices.DeleteFunc(batch, func(r *request[Job, Result]) bool { return r.ctx.Err() != nil })
}

// whileAnyWaits returns a context that ends when the last caller of a batch has left.
func whileAnyWaits[Job, Result any](batch []*request[Job, Result]) (ctx context.Context, release func()) {
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
