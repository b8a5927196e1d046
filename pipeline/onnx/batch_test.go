//go:build cgo

package onnx

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"shaketable/pipeline"
)

// gate is a run function whose runs wait to be let through, and which notes the sizes of its batches.
type gate struct {
	mu    sync.Mutex
	sizes []int
	enter chan int      // tells the size of a batch that has begun
	leave chan struct{} // lets one batch end
	quits chan struct{} // tells of a batch that was called off
	fault func(seeds []int64) error
}

func newGate() *gate {
	return &gate{enter: make(chan int, 64), leave: make(chan struct{}, 64), quits: make(chan struct{}, 64)}
}

// run returns the seed of each picture as its one probability, so that answers can be told apart.
func (g *gate) run(ctx context.Context, seeds []int64) ([][]float64, error) {
	g.mu.Lock()
	g.sizes = append(g.sizes, len(seeds))
	g.mu.Unlock()
	g.enter <- len(seeds)
	select {
	case <-g.leave:
	case <-ctx.Done():
		g.quits <- struct{}{}
		return nil, context.Cause(ctx)
	}
	if g.fault != nil {
		if err := g.fault(seeds); err != nil {
			return nil, err
		}
	}
	var probs [][]float64
	for _, s := range seeds {
		probs = append(probs, []float64{float64(s)})
	}
	return probs, nil
}

// fill starts one probe, waits until it runs, and queues n more behind it. Answers arrive on the channel returned.
func fill(t *testing.T, b *batcher[int64, []float64], g *gate, n int) <-chan error {
	t.Helper()
	answers := make(chan error, n+1)
	ask := func(seed int64) {
		probs, err := b.do(t.Context(), seed)
		if err == nil && probs[0] != float64(seed) {
			err = fmt.Errorf("seed %d got the answer of %v", seed, probs[0])
		}
		answers <- err
	}
	go ask(0)
	<-g.enter
	for i := range n {
		go ask(int64(i + 1))
	}
	return answers
}

func TestBatchesFillWhileBusy(t *testing.T) {
	g := newGate()
	b := newBatcher([]int{1, 2, 4, 8}, g.run)
	defer b.close()
	answers := fill(t, b, g, 11)
	for range 64 { // more than there can be runs: none has to wait
		select {
		case g.leave <- struct{}{}:
		default:
		}
	}
	for range 12 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	for _, size := range g.sizes {
		if !slices.Contains([]int{1, 2, 4, 8}, size) {
			t.Errorf("a batch of %d is none of the buckets", size)
		}
	}
}

func TestBatchHalvesOnOutOfMemory(t *testing.T) {
	short := fmt.Errorf("%w: test", pipeline.ErrOutOfMemory)
	for _, c := range []struct {
		name string
		most int  // batches above this have no memory
		ok   bool // probes get their answers
	}{{"room for two", 2, true}, {"room for none", 0, false}} {
		t.Run(c.name, func(t *testing.T) {
			run := func(_ context.Context, seeds []int64) ([][]float64, error) {
				if len(seeds) > c.most {
					return nil, short
				}
				var probs [][]float64
				for _, s := range seeds {
					probs = append(probs, []float64{float64(s)})
				}
				return probs, nil
			}
			b := newBatcher([]int{1, 2, 4, 8}, run)
			defer b.close()
			var batch []*request[int64, []float64]
			for i := range 8 {
				batch = append(batch, &request[int64, []float64]{ctx: t.Context(), job: int64(i), answer: make(chan answer[[]float64], 1)})
			}
			b.serveBatch(slices.Clone(batch))
			for i, r := range batch {
				a := <-r.answer
				if c.ok && (a.err != nil || a.result[0] != float64(i)) {
					t.Errorf("picture %d: %v, %v", i, a.result, a.err)
				}
				if !c.ok && !errors.Is(a.err, pipeline.ErrOutOfMemory) {
					t.Errorf("picture %d: %v", i, a.err)
				}
			}
			if want := max(c.most, 1); b.largest() != want {
				t.Errorf("batches are of %d at most now, want %d", b.largest(), want)
			}
		})
	}
}

// TestBatchFaultIsSingled: one picture that the model cannot judge fails alone, and batches stay as large as they were.
func TestBatchFaultIsSingled(t *testing.T) {
	run := func(_ context.Context, seeds []int64) ([][]float64, error) {
		if slices.Contains(seeds, 5) {
			return nil, errors.New("not a number")
		}
		return make([][]float64, len(seeds)), nil
	}
	b := newBatcher([]int{1, 2, 4, 8}, run)
	defer b.close()
	var batch []*request[int64, []float64]
	for i := range 8 {
		batch = append(batch, &request[int64, []float64]{ctx: t.Context(), job: int64(i), answer: make(chan answer[[]float64], 1)})
	}
	b.serveBatch(slices.Clone(batch))
	for i, r := range batch {
		if a := <-r.answer; (a.err != nil) != (i == 5) {
			t.Errorf("picture %d: %v", i, a.err)
		}
	}
	if b.largest() != 8 {
		t.Errorf("batches are of %d at most now", b.largest())
	}
}

// TestBatchCallersLeave: a run goes on for who still waits, and ends when nobody does.
func TestBatchCallersLeave(t *testing.T) {
	g := newGate()
	b := newBatcher([]int{1}, g.run)
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan error, 1)
	go func() {
		_, err := b.do(ctx, 1)
		answered <- err
	}()
	<-g.enter
	cancel()
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Errorf("the caller that left got %v", err)
	}
	<-g.quits // else that run could take the leave that is meant for the next
	g.leave <- struct{}{}
	if probs, err := b.do(t.Context(), 2); err != nil || probs[0] != 2 {
		t.Errorf("the next caller got %v, %v", probs, err)
	}
	b.close()
	b.close()
	if _, err := b.do(t.Context(), 3); !errors.Is(err, errClosed) {
		t.Errorf("after closing: %v", err)
	}
}

// TestBatchedModel runs the real batches of a GPU on the CPU: figures must be those of single runs but for rounding.
func TestBatchedModel(t *testing.T) {
	d := toy(t, identity)
	r := runtimeFor(t, Config{Parallel: 1, Chunk: 1})
	single := open(t, r, d, "production")
	m := &Model{runtime: r, detector: "toy", suite: suiteOf(t, "production")}
	if err := m.load(compiler(t, d, "production"), 0); err != nil {
		t.Fatal(err)
	}
	if err := m.startBatches(t.Context(), []int{1, 2, 4}); err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.NoiseFloor() > 1e-6 || m.batch.largest() != 4 {
		t.Errorf("noise floor %v, largest batch %d", m.NoiseFloor(), m.batch.largest())
	}
	var all sync.WaitGroup
	for i, p := range randomPictures(9, toySide, toySide) {
		all.Go(func() {
			got, err := m.Probe(t.Context(), p.image(toySide), p.seed)
			want, err2 := single.Probe(t.Context(), p.image(toySide), p.seed)
			if err := errors.Join(err, err2); err != nil {
				t.Error(err)
				return
			}
			for j := range want {
				if math.Abs(got[j]-want[j]) > 1e-6 {
					t.Errorf("picture %d row %d: %v in a batch, %v alone", i, j, got[j], want[j])
				}
			}
		})
	}
	finished := make(chan struct{})
	go func() { all.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-time.After(time.Minute):
		t.Fatal("probes hang")
	}
}
