package storetest

import (
	"errors"
	"testing"
	"time"

	"shaketable/pipeline"
)

const leaseLife = 500 * time.Millisecond

// hold takes the lease and fails unless it is got or refused as wanted.
func hold(t testing.TB, s Subject, owner string, want bool) int64 {
	t.Helper()
	token := steady[int64](t)(s.Hold(t.Context(), "meso4", owner, leaseLife))
	if (token > 0) != want {
		t.Fatalf("%s holds %d, want held: %t", owner, token, want)
	}
	return token
}

func contractLease(t *testing.T, s Subject) {
	a := hold(t, s, "a", true)
	hold(t, s, "b", false)
	if again := hold(t, s, "a", true); again != a {
		t.Fatalf("renewal changed the token from %d to %d", a, again)
	}
	s.Elapse(leaseLife + 50*time.Millisecond)
	b := hold(t, s, "b", true)
	if b <= a {
		t.Fatalf("token %d after %d does not grow", b, a)
	}
	release := func(token int64) {
		t.Helper()
		if err := s.Release(t.Context(), "meso4", token); err != nil {
			t.Fatal(err)
		}
	}
	release(a) // no longer a's to give
	hold(t, s, "c", false)
	release(b)
	if c := hold(t, s, "c", true); c <= b {
		t.Fatalf("token %d after %d does not grow", c, b)
	}
	if other := steady[int64](t)(s.Hold(t.Context(), "inception", "d", leaseLife)); other <= 0 {
		t.Fatal("another detector's lease is taken")
	}
}

// step is a save that leaves a trace of its own.
func step(token, prev int64, mark string, ids ...string) pipeline.Save {
	save := pipeline.Save{Detector: "meso4", Token: token, Prev: prev, State: []byte("state " + mark), Snapshot: []byte("{\"is\":\"" + mark + "\"}")}
	for _, id := range ids {
		save.Transitions = append(save.Transitions, pipeline.Transition{ID: id, Detector: "meso4", State: pipeline.StateFiring, N: 9007199254740993})
	}
	return save
}

func contractSave(t *testing.T, s Subject) {
	ctx := t.Context()
	stands := func(what string, seq int64, mark string) {
		t.Helper()
		got, state, err := s.Load(ctx, "meso4")
		if err != nil || got != seq || string(state) != "state "+mark {
			t.Fatalf("%s: sequence %d, state %q, error %v", what, got, state, err)
		}
		equal(t, what, string(steady[[]byte](t)(s.Snapshot(ctx, "meso4"))), "{\"is\":\""+mark+"\"}")
	}
	seq, state, err := s.Load(ctx, "meso4")
	if seq != 0 || state != nil || err != nil {
		t.Fatalf("empty seat: %d %q %v", seq, state, err)
	}
	equal(t, "no snapshot", steady[[]byte](t)(s.Snapshot(ctx, "meso4")), []byte(nil))
	refused := func(what string, save pipeline.Save) {
		t.Helper()
		if err := s.Save(ctx, save); !errors.Is(err, pipeline.ErrNotSeated) {
			t.Fatalf("%s: %v", what, err)
		}
	}
	taken := func(save pipeline.Save) {
		t.Helper()
		if err := s.Save(ctx, save); err != nil {
			t.Fatal(err)
		}
	}
	refused("no lease", step(1, 0, "x"))
	a := hold(t, s, "a", true)
	taken(step(a, 0, "one", "t1"))
	taken(step(a, 0, "one", "t1")) // retry
	stands("one", 1, "one")
	refused("same place, other content", step(a, 0, "two"))
	refused("a sequence ahead", step(a, 2, "two"))
	refused("another token", step(a+1, 1, "two"))
	taken(step(a, 1, "two", "t2"))
	s.Elapse(leaseLife + 50*time.Millisecond)
	refused("lease ran out", step(a, 2, "late", "t3"))
	b := hold(t, s, "b", true)
	refused("lease is another's", step(a, 2, "late", "t3"))
	taken(step(a, 1, "two", "t2")) // its own retry may still learn that it had arrived
	taken(step(b, 2, "three", "t4"))
	stands("three", 3, "three")
	pending := steady[[]pipeline.Transition](t)(s.Pending(ctx, "meso4", "otlp", 10))
	equal(t, "outbox", ids(pending), []string{"t1", "t2", "t4"})
	equal(t, "transition", pending[2], step(b, 2, "three", "t4").Transitions[0])
}

func ids(list []pipeline.Transition) []string {
	var out []string
	for _, t := range list {
		out = append(out, t.ID)
	}
	return out
}

func contractOutbox(t *testing.T, s Subject) {
	ctx := t.Context()
	token := hold(t, s, "a", true)
	if err := s.Save(ctx, step(token, 0, "x", "t1", "t2", "t3")); err != nil {
		t.Fatal(err)
	}
	both := []string{"otlp", "webhook"}
	pending := func(sink string, limit int, want ...string) {
		t.Helper()
		equal(t, "pending for "+sink, ids(steady[[]pipeline.Transition](t)(s.Pending(ctx, "meso4", sink, limit))), want)
	}
	ack := func(sink string, sinks []string, ids ...string) {
		t.Helper()
		if err := s.Ack(ctx, "meso4", sink, ids, sinks); err != nil {
			t.Fatal(err)
		}
	}
	pending("otlp", 10, "t1", "t2", "t3")
	pending("otlp", 2, "t1", "t2")
	ack("otlp", both, "t1", "t3")
	ack("otlp", both, "t1") // a retry
	pending("otlp", 10, "t2")
	pending("webhook", 10, "t1", "t2", "t3")
	ack("webhook", both, "t1", "t2")
	pending("otlp", 10, "t2")
	pending("webhook", 10, "t3")
	pending("new sink", 10, "t2", "t3") // t1 is gone, both had it
	ack("otlp", both, "t1")             // an id that is gone leaves no trace
	ack("otlp", []string{"otlp"}, "t2") // webhook is no longer configured: t3 waits for nobody
	pending("webhook", 10)
	if err := s.Ack(ctx, "meso4", "pager", []string{"t1"}, both); err == nil {
		t.Fatal("an unknown sink acknowledged")
	}
}
