package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"shaketable/pipeline"
	"shaketable/pipeline/storetest"
)

// The replay test lets two workers carry one log into a store while replies get lost, workers crash, a paused one comes
// back, and Redis is rolled back or emptied. Every record has a counter of its own, which must be exactly 1 in the end:
// net totals would let a loss hide a double; and it must be in one slice. The same test must find two stores wrong that are wrong.

const logLength = 400

// world is the log, the store and what goes wrong.
type world struct {
	t        *testing.T
	rng      *rand.Rand
	proxy    *proxy
	admin    *Store // not through the proxy
	store    pipeline.Store
	places   pipeline.SlicePlaces
	workers  [2]*reader
	assigned int
	saved    map[string]string // an earlier state of Redis
	seen     map[pipeline.Verdict]int
	claims   int
}

// reader is a worker's memory: gone when it crashes.
type reader struct {
	owner string
	at    int64
}

func (w *world) batch(r *reader) *pipeline.Batch {
	last := min(r.at+1+w.rng.Int64N(5), logLength-1)
	b := &pipeline.Batch{Stream: pipeline.Detections, Owner: r.owner, Prev: r.at, Last: last, Record: time.Now(), Counts: map[pipeline.Cell]pipeline.Counts{grand: {}}}
	places := w.places
	if w.rng.IntN(2) == 0 { // so that the reply which gets lost is now that of a place, now that of the batch
		places = w.admin
	}
	for offset := r.at + 1; offset <= last; offset++ {
		slice := grand
		var err error
		if slice.Slice, err = places.Place(w.t.Context(), "source", fmt.Sprint(offset*offset%7), 3); err != nil {
			w.t.Fatal(err)
		}
		for _, c := range []pipeline.Cell{grand, slice} {
			if b.Counts[c] == nil {
				b.Counts[c] = pipeline.Counts{}
			}
			b.Counts[c][fmt.Sprintf("r%d", offset)] = 1
		}
	}
	return b
}

func (w *world) claim(r *reader) {
	w.claims++
	owner := fmt.Sprintf("owner-%d", w.claims)
	f, err := w.store.Claim(w.t.Context(), pipeline.Detections, 0, owner, nil)
	if errors.Is(err, pipeline.ErrNoFence) { // the log still has everything
		f, err = w.store.Claim(w.t.Context(), pipeline.Detections, 0, owner, &pipeline.NewFence{Offset: -1})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	r.owner, r.at = owner, f.Offset
}

// work is one turn of a worker: at most one batch.
func (w *world) work(i int) {
	r := w.workers[i]
	if r.owner == "" {
		if i == w.assigned {
			w.claim(r)
		}
		return
	}
	if r.at >= logLength-1 {
		return
	}
	b := w.batch(r)
	v, _, err := w.store.Apply(w.t.Context(), b)
	if err != nil {
		w.t.Fatal(err) // the client retries by itself, which is what makes DUP
	}
	w.seen[v]++
	switch v {
	case pipeline.OK, pipeline.DUP:
		r.at = b.Last
	default:
		r.owner = "" // drop what is in memory; claim again when it is ours
	}
}

// strike lets one thing go wrong now and then.
func (w *world) strike() {
	switch w.rng.IntN(60) {
	case 0, 1, 2:
		w.proxy.lose.Store(1)
	case 3:
		w.workers[w.assigned].owner = "" // crash
	case 4:
		w.assigned = 1 - w.assigned // and the other one keeps its memory and does not know
	case 5, 6:
		w.saved = dump(w.t, w.admin)
	case 7:
		w.restore(w.saved)
	case 8:
		if w.rng.IntN(6) == 0 {
			w.restore(nil)
			w.saved = nil
		}
	}
}

// restore puts Redis back to an earlier state.
func (w *world) restore(state map[string]string) {
	if state == nil && w.saved != nil {
		return
	}
	ctx := w.t.Context()
	w.admin.client.FlushAll(ctx)
	for name, value := range state {
		if err := w.admin.client.RestoreReplace(ctx, name, 0, value).Err(); err != nil {
			w.t.Fatal(err)
		}
	}
	w.register()
}

func (w *world) register() {
	if err := w.admin.Register(w.t.Context(), pipeline.Generation{ID: "g", Detector: "d"}, 1, time.Now()); err != nil {
		w.t.Fatal(err)
	}
}

// run works the log off and returns how many records are missing and how many counted more than once.
func (w *world) run() (missing, double int) {
	w.register()
	for turn := 0; ; turn++ {
		if turn > 20_000 {
			w.t.Fatal("the log is never done: wedged")
		}
		if r := w.workers[w.assigned]; r.owner != "" && r.at == logLength-1 {
			break
		}
		w.strike()
		w.work(w.assigned)
		if w.rng.IntN(3) == 0 {
			w.work(1 - w.assigned)
		}
	}
	counts, sliced := read(w.t, w.admin), w.sliced()
	for offset := range logLength {
		field := fmt.Sprintf("r%d", offset)
		switch n := max(counts[field], sliced[field]); {
		case counts[field] == 0 || sliced[field] == 0:
			missing++
		case n > 1:
			double++
		}
	}
	return missing, double
}

// sliced adds up the slices.
func (w *world) sliced() pipeline.Counts {
	names, err := w.admin.Slices(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var cells []pipeline.Cell
	for _, name := range names {
		cells = append(cells, pipeline.Cell{Generation: grand.Generation, Kind: pipeline.Total, Slice: name})
	}
	sums, err := w.admin.Sum(w.t.Context(), cells)
	if err != nil {
		w.t.Fatal(err)
	}
	all := pipeline.Counts{}
	for _, counts := range sums {
		for field, n := range counts {
			all[field] += n
		}
	}
	return all
}

func replay(t *testing.T, seeds int, wrap func(*Store) pipeline.Store) (missing, double int, seen map[pipeline.Verdict]int) {
	t.Helper()
	server := storetest.StartRedis(t)
	p := startProxy(t, server.Addr)
	seen = map[pipeline.Verdict]int{}
	admin := open(t, at(server.Addr))
	through := New(goredis.NewClient(&goredis.Options{Addr: p.addr, Protocol: 2, MinRetryBackoff: time.Millisecond, MaxRetryBackoff: time.Millisecond}), at(p.addr))
	defer through.Close()
	for seed := range seeds {
		admin.client.FlushAll(t.Context())
		w := &world{t: t, rng: rand.New(rand.NewPCG(uint64(seed), 1)), proxy: p, admin: admin, store: wrap(through), places: through,
			workers: [2]*reader{{}, {}}, seen: seen}
		m, d := w.run()
		missing, double = missing+m, double+d
	}
	return missing, double, seen
}

func TestReplayCountsEverythingOnce(t *testing.T) {
	t.Parallel()
	missing, double, seen := replay(t, 30, func(s *Store) pipeline.Store { return s })
	if missing != 0 || double != 0 {
		t.Errorf("%d records missing, %d counted more than once", missing, double)
	}
	for _, v := range []pipeline.Verdict{pipeline.OK, pipeline.DUP, pipeline.FENCED, pipeline.GAP, pipeline.LOST} {
		if seen[v] == 0 {
			t.Errorf("%s never happened: the test did not test it", v)
		}
	}
	t.Logf("%d records, verdicts %v", 30*logLength, seen)
}

func TestReplayFindsNaiveStores(t *testing.T) {
	t.Parallel()
	missing, double, _ := replay(t, 10, func(s *Store) pipeline.Store { return naive{Store: s} })
	if missing == 0 || double == 0 {
		t.Errorf("plain increments: %d missing, %d double; the test must find both", missing, double)
	}
	t.Logf("plain increments: %d of %d missing, %d double", missing, 10*logLength, double)
	missing, double, _ = replay(t, 10, func(s *Store) pipeline.Store { return naive{Store: s, skip: true} })
	if missing == 0 {
		t.Errorf("offset > stored: nothing missing, %d double; the test must find losses", double)
	}
	t.Logf("offset > stored: %d of %d missing, %d double", missing, 10*logLength, double)
}

// naive is a store as it should not be: plain increments and a position to resume from; with skip, a batch that ends at or
// before the position is left out.
type naive struct {
	*Store
	skip bool
}

const position = "naive-position"

func (n naive) Claim(ctx context.Context, _ pipeline.Stream, _ int, _ string, _ *pipeline.NewFence) (pipeline.Fence, error) {
	at, err := n.client.Get(ctx, position).Int64()
	if err != nil {
		at = -1
	}
	return pipeline.Fence{Offset: at}, nil
}

func (n naive) Apply(ctx context.Context, b *pipeline.Batch) (pipeline.Verdict, int64, error) {
	if n.skip {
		if at, err := n.client.Get(ctx, position).Int64(); err == nil && b.Last <= at {
			return pipeline.OK, at, nil
		}
	}
	pipe := n.client.Pipeline()
	for cell, counts := range b.Counts {
		for field, d := range counts {
			pipe.HIncrBy(ctx, n.keys.cell(b.Partition, cell), field, d)
		}
	}
	pipe.Set(ctx, position, b.Last, 0)
	_, err := pipe.Exec(ctx)
	return pipeline.OK, b.Last, err
}
