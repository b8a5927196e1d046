package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"shaketable/pipeline"
)

func contractCounts(t *testing.T, s Subject) {
	ready(t, s)
	steady[pipeline.Fence](t)(s.Claim(t.Context(), pipeline.Detections, 2, "a", &pipeline.NewFence{Offset: -1}))
	minute, hour := buckets(time.Now())
	fine := pipeline.Cell{Generation: gen, Kind: pipeline.Fine, Start: minute}
	coarse := pipeline.Cell{Generation: gen, Kind: pipeline.Coarse, Start: hour, Variant: 8}
	for p := 1; p <= 2; p++ {
		b := detections("a", -1, 4)
		b.Partition = p
		b.Counts = map[pipeline.Cell]pipeline.Counts{
			total(): {"n": 2, "8k50000": 2, "zero": 0}, fine: {"n": 1}, coarse: {"8r1000000": int64(p)}}
		apply(t, s, b, pipeline.OK, 4)
	}
	empty := pipeline.Cell{Generation: "other", Kind: pipeline.Total}
	equal(t, "sums", sum(t, s, total(), fine, empty, coarse),
		[]pipeline.Counts{{"n": 4, "8k50000": 4}, {"n": 2}, {}, {"8r1000000": 3}})
	equal(t, "nothing asked", len(sum(t, s)), 0)
}

// A batch of more fields than a Lua stack holds.
func contractLargeBatch(t *testing.T, s Subject) {
	ready(t, s)
	b := detections("a", -1, 0)
	counts := pipeline.Counts{}
	for i := range 12000 {
		counts[fmt.Sprintf("f%d", i)] = int64(i + 1)
	}
	b.Counts = map[pipeline.Cell]pipeline.Counts{total(): counts}
	apply(t, s, b, pipeline.OK, 0)
	equal(t, "sum", sum(t, s, total())[0], counts)
}

// A bucket whose life is over, by its start, keeps nothing; the total does.
func contractOldBuckets(t *testing.T, s Subject) {
	ready(t, s)
	now := time.Now()
	b := detections("a", -1, 0)
	b.Counts = map[pipeline.Cell]pipeline.Counts{total(): {"n": 1}}
	var cells []pipeline.Cell
	before1970 := now.Sub(time.Unix(-9*24*3600, 0))
	for _, age := range []time.Duration{5 * time.Hour, 7 * time.Hour, 29 * 24 * time.Hour, 31 * 24 * time.Hour, before1970} {
		minute, hour := buckets(now.Add(-age))
		fine := pipeline.Cell{Generation: gen, Kind: pipeline.Fine, Start: minute}
		coarse := pipeline.Cell{Generation: gen, Kind: pipeline.Coarse, Start: hour}
		b.Counts[fine], b.Counts[coarse] = pipeline.Counts{"n": 1}, pipeline.Counts{"n": 1}
		cells = append(cells, fine, coarse)
		b.Probes = append(b.Probes, pipeline.ProbeRecord{MediaKey: "m", Generation: gen, Offset: minute, Fine: minute, Coarse: hour, Decisions: "1"})
	}
	apply(t, s, b, pipeline.OK, 0)
	apply(t, s, labels(-1, 0, pipeline.LabelRecord{MediaKey: "m", Fake: true}), pipeline.OK, 0)
	full, gone := pipeline.Counts{"n": 1, "0L": 1, "0C": 1}, pipeline.Counts{}
	equal(t, "buckets", sum(t, s, cells...), []pipeline.Counts{full, full, gone, full, gone, full, gone, gone, gone, gone})
	equal(t, "total", sum(t, s, total())[0], pipeline.Counts{"n": 1, "0L": 5, "0C": 5})
}

func contractExamples(t *testing.T, s Subject) {
	ready(t, s)
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	b := detections("a", -1, 0)
	for i := range 25 {
		b.Examples = append(b.Examples, pipeline.Example{Generation: gen, Media: fmt.Sprint(i), Variant: 3, Clean: .9, Perturbed: .1, Time: at.Add(time.Duration(i))})
	}
	apply(t, s, b, pipeline.OK, 0)
	found := steady[[]pipeline.Example](t)(s.Examples(t.Context(), gen, 100))
	if len(found) != 20 {
		t.Fatalf("%d examples are kept, want the newest 20", len(found))
	}
	equal(t, "newest", found[0], b.Examples[24])
	equal(t, "oldest kept", found[19], b.Examples[5])
	more := detections("a", 0, 1)
	more.Examples = []pipeline.Example{{Generation: gen, Media: "newer", Time: at.Add(time.Minute)}}
	apply(t, s, more, pipeline.OK, 1)
	found = steady[[]pipeline.Example](t)(s.Examples(t.Context(), gen, 100))
	if len(found) != 20 {
		t.Fatalf("%d examples are kept after another batch", len(found))
	}
	equal(t, "newest of both", found[0], more.Examples[0])
	equal(t, "oldest of both", found[19], b.Examples[6])
	equal(t, "limit", len(steady[[]pipeline.Example](t)(s.Examples(t.Context(), gen, 3))), 3)
}

func contractRefusals(t *testing.T, s Subject) {
	ready(t, s)
	stays := detections("a", 0, 0)
	stays.Outcomes = pipeline.Counts{"read": 1}
	blind := detections("a", -1, 0) // the clean picture always runs
	blind.Probes = []pipeline.ProbeRecord{{MediaKey: "m", Generation: gen, Decisions: "-01"}}
	for name, b := range map[string]pipeline.Batch{"no clean decision": blind, "counts without progress": stays, "backwards": detections("a", 5, 4), "no owner": detections("", -1, 0)} {
		if v, _, err := s.Apply(t.Context(), &b); err == nil {
			t.Errorf("%s: answered %s", name, v)
		}
	}
	if _, err := s.Claim(context.Background(), pipeline.Media, 0, "a", nil); err == nil || errors.Is(err, pipeline.ErrNoFence) {
		t.Errorf("claim of a look-up stream: %v", err)
	}
}
