package onnx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"shaketable/perturb"
	"shaketable/perturb/attack"
	"shaketable/pipeline"
)

// passBuckets are the batch sizes of attacks on a GPU. The graphs of gradients have their batch frozen, so each is a model of
// its own.
func passBuckets() []int { return []int{1, 4, 16} }

// passes runs a detector on float pixels, with gradient or without: the model that attacks see.
//
// In: float32 planes in [0,1]. Out: probability, margin and gradient. Invariant: on a CPU a picture runs alone (a model
// with a fixed batch gets copies of it), so that nothing depends on company; on a GPU what waits is batched.
type passes struct {
	runtime *Runtime
	w, h    int
	rows    int // pictures of a run on a CPU
	// forward and backward by the pictures of a run. There is no backward where no attack needs it.
	forward, backward map[int]*session
	score, slope      *batcher[[]float32, reply] // nil on a CPU
	nanos             atomic.Int64
}

var _ attack.Model = (*passes)(nil)

// reply is what a pass says of one picture.
type reply struct {
	p, margin float32
	gradient  []float32
}

// newPasses loads the models of the first bucket, from the bytes that were compiled for it.
func newPasses(r *Runtime, first *perturb.Attackable, gradient bool) (*passes, error) {
	m := &passes{runtime: r, w: first.Width, h: first.Height, rows: first.Batch, forward: map[int]*session{}, backward: map[int]*session{}}
	if err := m.load(first, gradient); err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

// load adds the models of a bucket.
func (m *passes) load(a *perturb.Attackable, gradient bool) (err error) {
	if m.forward[a.Batch], err = newSession(a.Forward, []string{"x"}, []string{"p", "margin"}, m.runtime.device); err != nil {
		delete(m.forward, a.Batch)
		return err
	}
	if !gradient {
		return nil
	}
	if m.backward[a.Batch], err = newSession(a.Backward, []string{"x"}, []string{"p", "margin", "gradient"}, m.runtime.device); err != nil {
		delete(m.backward, a.Batch)
		return fmt.Errorf("gradient: %w", err)
	}
	return nil
}

// startBatches loads and warms up the other buckets of a GPU, as far as its memory goes, and hands passes to batchers.
func (m *passes) startBatches(ctx context.Context, compile func(batch int) (*perturb.Attackable, error), gradient bool) error {
	buckets := []int{m.rows}
	if m.rows == 1 {
		buckets = passBuckets()
	}
	for i, n := range buckets {
		err := m.startBucket(ctx, compile, n, gradient)
		if errors.Is(err, pipeline.ErrOutOfMemory) && i > 0 {
			buckets = buckets[:i]
			break
		}
		if err != nil {
			return err
		}
	}
	m.nanos.Store(0)
	m.score = newBatcher(buckets, func(ctx context.Context, x [][]float32) ([]reply, error) { return m.run(ctx, x, m.forward, nil) })
	if gradient {
		m.slope = newBatcher(buckets, func(ctx context.Context, x [][]float32) ([]reply, error) { return m.run(ctx, x, m.backward, nil) })
	}
	return nil
}

func (m *passes) startBucket(ctx context.Context, compile func(batch int) (*perturb.Attackable, error), n int, gradient bool) error {
	if m.forward[n] == nil {
		a, err := compile(n)
		if err != nil {
			return err
		}
		if err := m.load(a, gradient); err != nil {
			return err
		}
	}
	x := slices.Repeat([][]float32{make([]float32, 3*m.w*m.h)}, n)
	_, err := m.run(ctx, x, m.forward, nil)
	if err == nil && gradient {
		_, err = m.run(ctx, x, m.backward, nil)
	}
	return err
}

// Size implements [attack.Model].
func (m *passes) Size() (width, height int) { return m.w, m.h }

// Score implements [attack.Model].
func (m *passes) Score(ctx context.Context, x []float32, n int) (p, margin []float32, err error) {
	return m.pass(ctx, x, n, nil)
}

// Gradient implements [attack.Model].
func (m *passes) Gradient(ctx context.Context, x []float32, n int, gradient []float32) (p, margin []float32, err error) {
	return m.pass(ctx, x, n, gradient)
}

func (m *passes) pass(ctx context.Context, x []float32, n int, gradient []float32) (p, margin []float32, err error) {
	size := 3 * m.w * m.h
	if n < 1 || len(x) != n*size || (gradient != nil && len(gradient) != len(x)) {
		return nil, nil, fmt.Errorf("%d values for %d pictures of %d x %d pixels", len(x), n, m.w, m.h)
	}
	replies, err := m.replies(ctx, slices.Collect(slices.Chunk(x, size)), gradient)
	if err != nil {
		return nil, nil, err
	}
	for i, r := range replies {
		if err := checkProbability(r.p); err != nil {
			return nil, nil, err
		}
		p, margin = append(p, r.p), append(margin, r.margin)
		if gradient != nil {
			copy(gradient[i*size:], r.gradient)
		}
	}
	return p, margin, nil
}

// replies runs every picture alone, or on a GPU in whatever company there is.
func (m *passes) replies(ctx context.Context, pictures [][]float32, gradient []float32) ([]reply, error) {
	list := make([]reply, len(pictures))
	sessions, batch := m.forward, m.score
	if gradient != nil {
		sessions, batch = m.backward, m.slope
	}
	if m.score == nil {
		for i, x := range pictures {
			var into []float32
			if gradient != nil && m.rows == 1 {
				into = gradient[i*len(x) : (i+1)*len(x)]
			}
			all, err := m.run(ctx, slices.Repeat([][]float32{x}, m.rows), sessions, into)
			if err != nil {
				return nil, err
			}
			list[i] = all[0]
		}
		return list, nil
	}
	return list, together(len(pictures), func(i int) (err error) {
		list[i], err = batch.do(ctx, pictures[i])
		return err
	})
}

// run runs as many pictures as one of the sessions takes. Gradients go to where the caller wants them, if it says so.
func (m *passes) run(ctx context.Context, pictures [][]float32, sessions map[int]*session, gradient []float32) ([]reply, error) {
	s := sessions[len(pictures)]
	if s == nil {
		return nil, fmt.Errorf("no model for a batch of %d is loaded", len(pictures))
	}
	release, err := m.runtime.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	began := time.Now()
	defer func() { m.nanos.Add(int64(time.Since(began))) }()
	n, size := int64(len(pictures)), 3*m.w*m.h
	x := pictures[0]
	if n > 1 {
		x = slices.Concat(pictures...)
	}
	shape := []int64{n, 3, int64(m.h), int64(m.w)}
	p, margin := make([]float32, n), make([]float32, n)
	out := []tensor{floatsOf(p, n), floatsOf(margin, n)}
	if s == m.backward[len(pictures)] {
		if gradient == nil {
			gradient = make([]float32, len(x))
		}
		out = append(out, floatsOf(gradient, shape...))
	}
	if err := s.run(ctx, []tensor{floatsOf(x, shape...)}, out); err != nil {
		return nil, err
	}
	list := make([]reply, n)
	for i := range list {
		list[i] = reply{p: p[i], margin: margin[i]}
		if gradient != nil {
			list[i].gradient = gradient[i*size : (i+1)*size]
		}
	}
	return list, nil
}

// close waits for passes and frees the models.
func (m *passes) close() error {
	for _, b := range []*batcher[[]float32, reply]{m.score, m.slope} {
		if b != nil {
			b.close()
		}
	}
	var faults []error
	for _, sessions := range []map[int]*session{m.forward, m.backward} {
		for _, s := range sessions {
			faults = append(faults, s.close())
		}
	}
	return errors.Join(faults...)
}
