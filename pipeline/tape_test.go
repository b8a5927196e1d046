package pipeline_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"shaketable/pipeline"
	"shaketable/pipeline/storetest"
)

// tape is the reference store with a memory of every call, so that a test can take it back to an earlier moment, as a
// fail-over to a lagging replica does, or make it misbehave.
type tape struct {
	mu     sync.Mutex
	memory *storetest.Memory
	calls  []func(*storetest.Memory)
	// batches are the indices in calls of the batches that carried something.
	batches []int
	// once is done ahead of the first Apply after so many records were applied.
	once     func()
	onceFrom int64
	applied  int64
	// before is asked ahead of every Apply; an error is returned in place of the call. after may lose the reply.
	before, after func(n int, b *pipeline.Batch) error
	// claim, win and place are asked ahead of their calls.
	claim, win, place func() error
	applies           int
	verdicts          map[pipeline.Verdict]int
}

var errInjected = errors.New("injected fault")

func newTape() *tape {
	t := &tape{verdicts: map[pipeline.Verdict]int{}}
	t.reset()
	return t
}

func (t *tape) reset() {
	t.memory = storetest.NewMemory(func() time.Time { return epoch })
	// The ledger sums over the partitions that a worker has registered.
	if err := t.memory.Register(context.Background(), pipeline.Generation{ID: "any", Detector: "any"}, 4, epoch); err != nil {
		panic(err)
	}
	t.memory.FineTTL, t.memory.CoarseTTL = 1000*time.Hour, 1000*time.Hour
}

// midway has something done in the middle of the work, between two batches.
func (t *tape) midway(records int64, do func()) { t.once, t.onceFrom = do, records }

// finished says that what midway asked for has been done.
func (t *tape) finished() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.once == nil
}

// rollback forgets the last n batches and every call after the first of them. The caller is inside a call.
func (t *tape) rollback(n int) {
	t.calls = t.calls[:t.batches[max(len(t.batches)-n, 0)]]
	t.batches = t.batches[:max(len(t.batches)-n, 0)]
	t.reset()
	for _, call := range t.calls {
		call(t.memory)
	}
}

// flush forgets everything. The caller is inside a call.
func (t *tape) flush() {
	t.calls, t.batches = nil, nil
	t.reset()
}

func (t *tape) Claim(ctx context.Context, s pipeline.Stream, p int, owner string, create *pipeline.NewFence) (f pipeline.Fence, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.claim != nil {
		if err := t.claim(); err != nil {
			return f, err
		}
	}
	f, err = t.memory.Claim(ctx, s, p, owner, create)
	t.calls = append(t.calls, func(m *storetest.Memory) { m.Claim(context.Background(), s, p, owner, create) })
	return f, err
}

func (t *tape) Apply(ctx context.Context, b *pipeline.Batch) (pipeline.Verdict, int64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.applies++
	if t.once != nil && t.applied >= t.onceFrom {
		t.once()
		t.once = nil
	}
	if t.before != nil {
		if err := t.before(t.applies, b); err != nil {
			return "", 0, err
		}
	}
	v, at, err := t.memory.Apply(ctx, b)
	if b.Last != b.Prev {
		t.batches = append(t.batches, len(t.calls))
	}
	t.calls = append(t.calls, func(m *storetest.Memory) { m.Apply(context.Background(), b) })
	t.verdicts[v]++
	if v == pipeline.OK {
		t.applied += b.Outcomes[pipeline.Read]
	}
	if t.after != nil && err == nil {
		if lost := t.after(t.applies, b); lost != nil {
			return "", 0, lost
		}
	}
	return v, at, err
}

func (t *tape) Win(ctx context.Context, c pipeline.DigestClaim) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.win != nil {
		if err := t.win(); err != nil {
			return "", err
		}
	}
	t.calls = append(t.calls, func(m *storetest.Memory) { m.Win(context.Background(), c) })
	return t.memory.Win(ctx, c)
}

func (t *tape) Place(ctx context.Context, attribute, value string, limit int) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.place != nil {
		if err := t.place(); err != nil {
			return "", err
		}
	}
	t.calls = append(t.calls, func(m *storetest.Memory) { m.Place(context.Background(), attribute, value, limit) })
	return t.memory.Place(ctx, attribute, value, limit)
}

func (t *tape) Slices(ctx context.Context) ([]string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.memory.Slices(ctx)
}

func (t *tape) outcomes() pipeline.Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	all, err := t.memory.Outcomes(context.Background())
	if err != nil {
		panic(err)
	}
	sum := pipeline.Counts{}
	for _, c := range all {
		for k, v := range c {
			sum[k] += v
		}
	}
	return sum
}

func (t *tape) seen(v pipeline.Verdict) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.verdicts[v]
}
