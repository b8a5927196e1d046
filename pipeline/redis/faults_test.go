package redis

import (
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"shaketable/pipeline"
	"shaketable/pipeline/storetest"
)

// begin registers generation g and claims both streams of partition 0.
func begin(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Register(t.Context(), pipeline.Generation{ID: "g", Detector: "d"}, 1, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, stream := range []pipeline.Stream{pipeline.Detections, pipeline.Labels} {
		if _, err := s.Claim(t.Context(), stream, 0, "a", &pipeline.NewFence{Offset: -1}); err != nil {
			t.Fatal(err)
		}
	}
}

var grand = pipeline.Cell{Generation: "g", Kind: pipeline.Total}

// batch adds one to n of the total and to read.
func batch(prev, last int64) *pipeline.Batch {
	return &pipeline.Batch{Stream: pipeline.Detections, Owner: "a", Prev: prev, Last: last, Record: time.Now(),
		Outcomes: pipeline.Counts{"read": 1}, Counts: map[pipeline.Cell]pipeline.Counts{grand: {"n": 1}}}
}

func applied(t *testing.T, s *Store, b *pipeline.Batch, want pipeline.Verdict) {
	t.Helper()
	if v, _, err := s.Apply(t.Context(), b); err != nil || v != want {
		t.Fatalf("apply %d..%d: %s, %v; want %s", b.Prev, b.Last, v, err, want)
	}
}

func read(t *testing.T, s *Store) pipeline.Counts {
	t.Helper()
	sums, err := s.Sum(t.Context(), []pipeline.Cell{grand})
	if err != nil {
		t.Fatal(err)
	}
	return sums[0]
}

// The reply to a batch is lost: the client's own retry is answered DUP and nothing counts twice.
func TestLostReply(t *testing.T) {
	p := startProxy(t, storetest.StartRedis(t).Addr)
	s := open(t, at(p.addr))
	begin(t, s)
	applied(t, s, batch(-1, 4), pipeline.OK)
	p.lose.Store(1)
	applied(t, s, batch(4, 9), pipeline.DUP)
	applied(t, s, batch(9, 10), pipeline.OK)
	if n := read(t, s)["n"]; n != 3 {
		t.Fatalf("n is %d after three batches", n)
	}
	token, err := s.Hold(t.Context(), "d", "me", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	p.lose.Store(1)
	save := pipeline.Save{Detector: "d", Token: token, State: []byte("s"), Transitions: []pipeline.Transition{{ID: "t1"}}}
	if err := s.Save(t.Context(), save); err != nil {
		t.Fatalf("save whose reply was lost: %v", err)
	}
	pending, err := s.Pending(t.Context(), "d", "otlp", 9)
	if err != nil || len(pending) != 1 {
		t.Fatalf("outbox after a retried save: %v, %v", pending, err)
	}
}

// Redis comes back from an older snapshot: the next batch is told GAP and where to go on, and the replay restores the sums.
func TestRolledBack(t *testing.T) {
	server := storetest.StartRedis(t, "--dbfilename", "old.rdb")
	s := open(t, at(server.Addr))
	begin(t, s)
	applied(t, s, batch(-1, 4), pipeline.OK)
	if err := s.client.Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	applied(t, s, batch(4, 9), pipeline.OK)
	applied(t, s, batch(9, 12), pipeline.OK)
	server.Kill()
	if old, err := filepath.Glob(filepath.Join(server.Dir, "old.rdb")); err != nil || len(old) != 1 {
		t.Fatalf("no snapshot was written: %v %v", old, err)
	}
	server.Start(t)
	v, offset, err := s.Apply(t.Context(), batch(12, 13))
	if err != nil || v != pipeline.GAP || offset != 4 {
		t.Fatalf("after the roll-back: %s at %d, %v", v, offset, err)
	}
	applied(t, s, batch(4, 9), pipeline.OK)
	applied(t, s, batch(9, 12), pipeline.OK)
	applied(t, s, batch(12, 13), pipeline.OK)
	if n := read(t, s)["n"]; n != 4 {
		t.Fatalf("n is %d after four batches", n)
	}
}

// Everything is gone: LOST, not a quiet new start.
func TestFlushAll(t *testing.T) {
	s := open(t, at(storetest.StartRedis(t).Addr))
	begin(t, s)
	applied(t, s, batch(-1, 4), pipeline.OK)
	if err := s.client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	applied(t, s, batch(4, 9), pipeline.LOST)
	if _, err := s.Claim(t.Context(), pipeline.Detections, 0, "a", nil); !errors.Is(err, pipeline.ErrNoFence) {
		t.Fatalf("claim: %v", err)
	}
}

// A key of the wrong type, or a counter that is none, in the middle of a batch: an error that names it, and not one key of
// the slot differs from before.
func TestNothingIsAppliedByHalves(t *testing.T) {
	minute, hour := time.Now().Truncate(time.Minute).Unix(), time.Now().Truncate(time.Hour).Unix()
	coarse := pipeline.Cell{Generation: "g", Kind: pipeline.Coarse, Start: hour, Variant: 3}
	detections := func() *pipeline.Batch {
		b := batch(0, 9)
		b.Counts[coarse] = pipeline.Counts{"3k0": 5, "3k50000": 5}
		b.Probes = []pipeline.ProbeRecord{{MediaKey: "m1", Generation: "g", Offset: 5, Fine: minute, Coarse: hour, Decisions: "10"},
			{MediaKey: "m2", Generation: "g", Offset: 6, Fine: minute, Coarse: hour, Decisions: "11"}}
		b.Examples = []pipeline.Example{{Generation: "g", Media: "m1"}}
		return b
	}
	labels := func() *pipeline.Batch {
		return &pipeline.Batch{Stream: pipeline.Labels, Owner: "a", Prev: -1, Last: 0, Record: time.Now(), Outcomes: pipeline.Counts{"label.read": 1},
			Labels: []pipeline.LabelRecord{{MediaKey: "m0", Fake: false, Revision: 7, Offset: 0}}}
	}
	k := keys{prefix: "shaketable"}
	for name, c := range map[string]struct {
		batch  *pipeline.Batch
		spoil  []any
		naming string
	}{
		"fence":             {detections(), []any{"SET", k.fence(0, pipeline.Detections), "x"}, "WRONGTYPE"},
		"outcomes":          {detections(), []any{"SET", k.outcomes(0), "x"}, k.outcomes(0)},
		"cell":              {detections(), []any{"SET", k.cell(0, coarse), "x"}, k.cell(0, coarse)},
		"counter":           {detections(), []any{"HSET", k.cell(0, coarse), "3k50000", "many"}, "3k50000"},
		"counter too large": {detections(), []any{"HSET", k.cell(0, coarse), "3k50000", "9223372036854775806"}, "3k50000"},
		"probes":            {detections(), []any{"SET", k.probes(0, "m2"), "x"}, k.probes(0, "m2")},
		"label":             {detections(), []any{"RPUSH", k.label(0, "m2"), "x"}, "WRONGTYPE"},
		"no label":          {detections(), []any{"SET", k.label(0, "m2"), "x"}, k.label(0, "m2")},
		"examples":          {detections(), []any{"SET", k.examples(0, "g"), "x"}, k.examples(0, "g")},
		"labels: label":     {labels(), []any{"RPUSH", k.label(0, "m0"), "x"}, "WRONGTYPE"},
		"labels: probes":    {labels(), []any{"SET", k.probes(0, "m0"), "x"}, "WRONGTYPE"},
		"labels: no probe":  {labels(), []any{"HSET", k.probes(0, "m0"), "g/5", "1,2"}, k.probes(0, "m0")},
		"labels: bucket":    {labels(), []any{"SET", k.cell(0, pipeline.Cell{Generation: "g", Kind: pipeline.Fine, Start: minute}), "x"}, ":m:g:"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, at(storetest.StartRedis(t).Addr))
			begin(t, s)
			first := batch(-1, 0)
			first.Probes = []pipeline.ProbeRecord{{MediaKey: "m0", Generation: "g", Fine: minute, Coarse: hour, Decisions: "10"}}
			applied(t, s, first, pipeline.OK)
			if strings.HasPrefix(name, "labels: probes") || name == "fence" || name == "outcomes" {
				s.client.Del(t.Context(), c.spoil[1].(string))
			}
			if err := s.client.Do(t.Context(), c.spoil...).Err(); err != nil {
				t.Fatal(err)
			}
			before := dump(t, s)
			v, _, err := s.Apply(t.Context(), c.batch)
			if err == nil || !strings.Contains(err.Error(), c.naming) || Retryable(err) {
				t.Fatalf("apply: %s, %v; want an error that names %s and is not retryable", v, err, c.naming)
			}
			if after := dump(t, s); !reflect.DeepEqual(after, before) {
				t.Fatalf("something was written:\n got %q\nwant %q", after, before)
			}
		})
	}
}

// dump returns the serialised value of every key.
func dump(t *testing.T, s *Store) map[string]string {
	t.Helper()
	found := map[string]string{}
	names, err := s.client.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		v, err := s.client.Dump(t.Context(), name).Result()
		if err != nil {
			t.Fatal(err)
		}
		found[name] = v
	}
	return found
}

// A fence of another layout is left alone.
func TestForeignSchema(t *testing.T) {
	s := open(t, at(storetest.StartRedis(t).Addr))
	begin(t, s)
	s.client.HSet(t.Context(), s.keys.fence(0, pipeline.Detections), "schema", "2")
	if _, err := s.Claim(t.Context(), pipeline.Detections, 0, "b", nil); err == nil || !strings.Contains(err.Error(), `layout "2"`) {
		t.Fatalf("claim: %v", err)
	}
}

// Out of memory is refused whole, said as such, and the same batch goes through once there is room.
func TestOutOfMemory(t *testing.T) {
	s := open(t, at(storetest.StartRedis(t).Addr))
	begin(t, s)
	applied(t, s, batch(-1, 0), pipeline.OK)
	limit := func(v string) {
		t.Helper()
		if err := s.client.ConfigSet(t.Context(), "maxmemory", v).Err(); err != nil {
			t.Fatal(err)
		}
	}
	limit("1")
	if v, _, err := s.Apply(t.Context(), batch(0, 1)); err == nil || !Retryable(err) {
		t.Fatalf("without memory: %s, %v; want a retryable error", v, err)
	}
	limit("0")
	applied(t, s, batch(0, 1), pipeline.OK)
	if n := read(t, s)["n"]; n != 2 {
		t.Fatalf("n is %d after two batches", n)
	}
}

// A successor takes the lease between any two steps of a save and its retries: every update is in the chain exactly once.
func TestTakeoverDuringSave(t *testing.T) {
	p := startProxy(t, storetest.StartRedis(t).Addr)
	s := open(t, at(p.addr))
	cfg := at(p.addr)
	cfg.Retries = 0
	impatient := open(t, cfg) // sees the lost reply itself
	ctx := t.Context()
	if err := impatient.Save(ctx, pipeline.Save{Detector: "warm", Token: 1}); !errors.Is(err, pipeline.ErrNotSeated) {
		t.Fatal(err) // this made the script known, so that the reply lost below is the one to the step itself
	}
	for _, arrived := range []bool{true, false} {
		name := map[bool]string{true: "arrived", false: "late"}[arrived]
		old, err := s.Hold(ctx, name, "old", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		step := pipeline.Save{Detector: name, Token: old, Prev: 0, State: []byte("old"), Transitions: []pipeline.Transition{{ID: "t1"}}}
		if arrived {
			p.lose.Store(1)
			if err := impatient.Save(ctx, step); err == nil || !Retryable(err) {
				t.Fatalf("save with a lost reply: %v", err)
			}
		}
		if err := s.Release(ctx, name, old); err != nil {
			t.Fatal(err)
		}
		token, err := s.Hold(ctx, name, "new", time.Minute)
		if err != nil || token <= old {
			t.Fatalf("successor's token %d after %d, %v", token, old, err)
		}
		if err := s.Save(ctx, step); arrived != (err == nil) {
			t.Fatalf("%s: retry by the old holder: %v", name, err)
		}
		seq, state, err := s.Load(ctx, name)
		if err != nil || arrived != (string(state) == "old") {
			t.Fatalf("%s: successor loads %d %q, %v", name, seq, state, err)
		}
		if err := s.Save(ctx, pipeline.Save{Detector: name, Token: token, Prev: seq, State: []byte("new")}); err != nil {
			t.Fatal(err)
		}
		if err := s.Save(ctx, step); !errors.Is(err, pipeline.ErrNotSeated) {
			t.Fatalf("%s: after the successor's save: %v", name, err)
		}
		pending, err := s.Pending(ctx, name, "otlp", 9)
		if err != nil || len(pending) != map[bool]int{true: 1, false: 0}[arrived] {
			t.Fatalf("%s: outbox %v, %v", name, pending, err)
		}
	}
}

// A fail-over forgets the largest token: the next holder still gets a larger one.
func TestTokenGrowsOverLoss(t *testing.T) {
	s := open(t, at(storetest.StartRedis(t).Addr))
	first, err := s.Hold(t.Context(), "d", "a", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	s.client.FlushAll(t.Context())
	second, err := s.Hold(t.Context(), "d", "b", time.Minute)
	if err != nil || second <= first {
		t.Fatalf("token %d after %d, %v", second, first, err)
	}
	// The clock went back, or another server's was ahead: the counter goes on, beyond what a double holds.
	s.client.Set(t.Context(), s.keys.detector("e", "token"), "9007199254740992", 0)
	if token, err := s.Hold(t.Context(), "e", "a", time.Minute); err != nil || token != 9007199254740993 {
		t.Fatalf("token %d after 9007199254740992, %v", token, err)
	}
}

// Forget removes what names one media and leaves the sums.
func TestForget(t *testing.T) {
	s := open(t, at(storetest.StartRedis(t).Addr))
	begin(t, s)
	b := batch(-1, 9)
	for i, m := range []string{"key1", "key2"} {
		b.Probes = append(b.Probes, pipeline.ProbeRecord{MediaKey: m, Generation: "g", Offset: int64(i), Decisions: "1"})
		b.Examples = append(b.Examples, pipeline.Example{Generation: "g", Media: "raw of " + m}, pipeline.Example{Generation: "g", Media: m})
	}
	applied(t, s, b, pipeline.OK)
	applied(t, s, &pipeline.Batch{Stream: pipeline.Labels, Owner: "a", Prev: -1, Last: 0, Record: time.Now(),
		Labels: []pipeline.LabelRecord{{MediaKey: "key1", Fake: true}}}, pipeline.OK)
	gone, err := s.Forget(t.Context(), "key1", "raw of key1")
	if err != nil || gone != 4 {
		t.Fatalf("forgot %d, %v; want probes, label and two examples", gone, err)
	}
	for name, v := range dump(t, s) {
		if strings.Contains(name+v, "key1") {
			t.Errorf("%s still names the media", name)
		}
	}
	if got := read(t, s); got["n"] != 1 || got["0L"] != 1 {
		t.Fatalf("sums changed: %v", got)
	}
	if again, err := s.Forget(t.Context(), "key1"); err != nil || again != 0 {
		t.Fatalf("second time: %d, %v", again, err)
	}
}
