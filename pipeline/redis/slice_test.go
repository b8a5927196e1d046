package redis

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"shaketable/pipeline"
	"shaketable/pipeline/storetest"
)

// Two clients with four connections each ask for ten values at once: three have a place, everybody hears the same, and so
// does who asks after the server was killed and has come back from its append-only file.
func TestPlacesUnderConcurrencyAndRestart(t *testing.T) {
	t.Parallel()
	server := storetest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	clients := []*Store{open(t, at(server.Addr)), open(t, at(server.Addr))}
	var mu sync.Mutex
	heard := map[string]string{}
	ask := func(s *Store, value string) {
		got, err := s.Place(t.Context(), "source", value, 3)
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if before, ok := heard[value]; ok && before != got {
			t.Errorf("%s was told %s and %s", value, before, got)
		}
		heard[value] = got
	}
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 50 {
				ask(clients[g%2], fmt.Sprint("v", (i*3+g*7)%10))
			}
		})
	}
	all.Wait()
	own := 0
	for value, name := range heard {
		if name == "source="+value {
			own++
		} else if name != "source=~other" {
			t.Errorf("%s was told %s", value, name)
		}
	}
	if own != 3 || len(heard) != 10 {
		t.Fatalf("%d of %d values have a place", own, len(heard))
	}
	before, err := clients[0].Slices(t.Context())
	if err != nil || len(before) != 4 {
		t.Fatalf("%q, %v", before, err)
	}
	server.Kill()
	server.Start(t)
	late := open(t, at(server.Addr))
	for i := range 10 {
		ask(late, fmt.Sprint("v", i))
	}
	if after, err := late.Slices(t.Context()); err != nil || !slices.Equal(after, before) {
		t.Errorf("after the restart %q, %v, want %q", after, err, before)
	}
}

// A counter of places that somebody has spoiled is named, and nothing is given out.
func TestSpoiledPlaces(t *testing.T) {
	t.Parallel()
	s := open(t, at(storetest.StartRedis(t).Addr))
	key := s.keys.registry("slices")
	for name, spoil := range map[string][]any{"type": {"SET", key, "x"}, "counter": {"HSET", key, "#source", "many"}} {
		s.client.Del(t.Context(), key)
		if err := s.client.Do(t.Context(), spoil...).Err(); err != nil {
			t.Fatal(err)
		}
		before := dump(t, s)
		if got, err := s.Place(t.Context(), "source", "a", 3); err == nil || Retryable(err) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if after := dump(t, s); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("%s: something was written", name)
		}
	}
}

// Labels that were stored before they had a time still count, have no delay, and keep none when they are corrected.
func TestLabelWithoutTime(t *testing.T) {
	t.Parallel()
	s := open(t, at(storetest.StartRedis(t).Addr))
	begin(t, s)
	if err := s.client.Set(t.Context(), s.keys.label(0, "m"), "f 0 3", 0).Err(); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	b := batch(-1, 0)
	b.Probes = []pipeline.ProbeRecord{{MediaKey: "m", Generation: "g", Fine: now.Truncate(time.Minute).Unix(), Coarse: now.Truncate(time.Hour).Unix(), Decisions: "1"}}
	applied(t, s, b, pipeline.OK)
	applied(t, s, &pipeline.Batch{Stream: pipeline.Labels, Owner: "a", Prev: -1, Last: 4, Record: now,
		Labels: []pipeline.LabelRecord{{MediaKey: "m", Offset: 4, Time: now}}}, pipeline.OK)
	if got := fmt.Sprint(read(t, s)); got != "map[0L:1 0R:-1 n:1]" {
		t.Errorf("counters %s", got)
	}
	if v := s.client.Get(t.Context(), s.keys.label(0, "m")).Val(); v != "rf 0 4" {
		t.Errorf("stored label %q", v)
	}
	applied(t, s, &pipeline.Batch{Stream: pipeline.Labels, Owner: "a", Prev: 4, Last: 6, Record: now,
		Labels: []pipeline.LabelRecord{{MediaKey: "new", Offset: 5, Time: time.Unix(1700000000, 0)}, {MediaKey: "new", Fake: true, Offset: 6, Time: now}}}, pipeline.OK)
	if v := s.client.Get(t.Context(), s.keys.label(0, "new")).Val(); v != "fr 0 6 1700000000" {
		t.Errorf("stored label %q, want what the first said, and its time", v)
	}
}
