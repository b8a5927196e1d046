package storetest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"shaketable/pipeline"
)

// Contract runs everything that a store must keep. open is called once per subtest and returns an empty store.
func Contract(t *testing.T, open func(t *testing.T) Subject) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, s Subject)
	}{
		{"fence", contractFence},
		{"verdicts", contractVerdicts},
		{"large offsets", contractLargeOffsets},
		{"at end", contractAtEnd},
		{"counts", contractCounts},
		{"slices", contractSlices},
		{"places", contractPlaces},
		{"large batch", contractLargeBatch},
		{"old buckets", contractOldBuckets},
		{"label after probe", contractLabels},
		{"label of variants that did not run", contractLeftOut},
		{"label order", contractLabelOrder},
		{"label delay", contractLabelDelay},
		{"examples", contractExamples},
		{"claims", contractClaims},
		{"refusals", contractRefusals},
		{"registry", contractRegistry},
		{"lease", contractLease},
		{"save", contractSave},
		{"outbox", contractOutbox},
		{"orders", contractOrders},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

const gen = "0123456789abcdef"

// hour and minute are the buckets of records that are being made now: nothing of them expires while a test runs.
func buckets(now time.Time) (minute, hour int64) {
	return now.Truncate(time.Minute).Unix(), now.Truncate(time.Hour).Unix()
}

func total() pipeline.Cell { return pipeline.Cell{Generation: gen, Kind: pipeline.Total} }

// steady stops the test on an error.
func steady[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// apply applies and compares the answer.
func apply(t testing.TB, s Subject, b pipeline.Batch, want pipeline.Verdict, offset int64) {
	t.Helper()
	v, off, err := s.Apply(t.Context(), &b)
	if err != nil {
		t.Fatal(err)
	}
	if v != want || off != offset {
		t.Fatalf("apply %d..%d by %s: got %s at %d, want %s at %d", b.Prev, b.Last, b.Owner, v, off, want, offset)
	}
}

func sum(t testing.TB, s Subject, cells ...pipeline.Cell) []pipeline.Counts {
	t.Helper()
	return steady[[]pipeline.Counts](t)(s.Sum(t.Context(), cells))
}

// ready registers a generation over three partitions and claims both streams of partition 1 at -1.
func ready(t testing.TB, s Subject) {
	t.Helper()
	g := pipeline.Generation{ID: gen, Detector: "meso4"}
	if err := s.Register(t.Context(), g, 3, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, stream := range []pipeline.Stream{pipeline.Detections, pipeline.Labels} {
		steady[pipeline.Fence](t)(s.Claim(t.Context(), stream, 1, "a", &pipeline.NewFence{Offset: -1}))
	}
}

func detections(owner string, prev, last int64) pipeline.Batch {
	return pipeline.Batch{Stream: pipeline.Detections, Partition: 1, Owner: owner, Prev: prev, Last: last, Record: time.Now()}
}

func labels(prev, last int64, records ...pipeline.LabelRecord) pipeline.Batch {
	return pipeline.Batch{Stream: pipeline.Labels, Partition: 1, Owner: "a", Prev: prev, Last: last, Record: time.Now(), Labels: records}
}

func contractFence(t *testing.T, s Subject) {
	ctx := t.Context()
	if err := s.Register(ctx, pipeline.Generation{ID: gen, Detector: "d"}, 3, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Claim(ctx, pipeline.Detections, 2, "a", nil); !errors.Is(err, pipeline.ErrNoFence) {
		t.Fatalf("claim without a fence: %v", err)
	}
	claim := steady[pipeline.Fence](t)
	f := claim(s.Claim(ctx, pipeline.Detections, 2, "a", &pipeline.NewFence{Offset: 41, TopicID: "t1"}))
	equal(t, "new fence", f, pipeline.Fence{Stream: pipeline.Detections, Partition: 2, Offset: 41, Owner: "a", Epoch: 1, TopicID: "t1"})
	equal(t, "retry", claim(s.Claim(ctx, pipeline.Detections, 2, "a", &pipeline.NewFence{Offset: 0, TopicID: "t2"})), f)

	at := time.Date(2026, 11, 22, 10, 0, 0, 123456789, time.UTC)
	b := pipeline.Batch{Stream: pipeline.Detections, Partition: 2, Owner: "a", Prev: 41, Last: 50, Watermark: at,
		Record: at.Add(time.Second), AtEnd: at.Add(2 * time.Second), Config: "c1"}
	apply(t, s, b, pipeline.OK, 50)
	b.Prev, b.Last, b.Watermark, b.Record, b.AtEnd, b.Config = 50, 51, at.Add(-time.Hour), time.Time{}, time.Time{}, "c2"
	apply(t, s, b, pipeline.OK, 51)
	want := pipeline.Fence{Stream: pipeline.Detections, Partition: 2, Offset: 51, Owner: "a", Epoch: 1, TopicID: "t1",
		Watermark: at, Record: at.Add(time.Second), Config: "c2"}
	fences := steady[[]pipeline.Fence](t)
	equal(t, "fences", fences(s.Fences(ctx, pipeline.Detections)), []pipeline.Fence{want})
	equal(t, "fences of labels", len(fences(s.Fences(ctx, pipeline.Labels))), 0)

	b.Prev, b.Last, b.AtEnd = 51, 52, at
	apply(t, s, b, pipeline.OK, 52)
	f = claim(s.Claim(ctx, pipeline.Detections, 2, "b", nil))
	if f.Epoch != 2 || f.Owner != "b" || !f.AtEnd.IsZero() {
		t.Fatalf("claimed by another: %+v", f)
	}
}

func contractVerdicts(t *testing.T, s Subject) {
	lost := detections("a", 5, 6)
	lost.Partition = 2
	apply(t, s, lost, pipeline.LOST, -1)
	ready(t, s)
	b := detections("a", -1, 9)
	b.Outcomes = pipeline.Counts{pipeline.Read: 10}
	b.Counts = map[pipeline.Cell]pipeline.Counts{total(): {"n": 3}}
	apply(t, s, b, pipeline.OK, 9)
	apply(t, s, b, pipeline.DUP, 9)
	b.Owner = "z"
	apply(t, s, b, pipeline.FENCED, 9) // off == last, but not mine: that is no DUP
	b.Owner, b.Prev, b.Last = "a", 4, 12
	apply(t, s, b, pipeline.GAP, 9)
	b.Prev, b.Last = 12, 20
	apply(t, s, b, pipeline.GAP, 9)
	steady[pipeline.Fence](t)(s.Claim(t.Context(), pipeline.Detections, 1, "b", nil))
	b.Prev, b.Last = 9, 20
	apply(t, s, b, pipeline.FENCED, 9)
	b.Owner = "b"
	apply(t, s, b, pipeline.OK, 20)
	equal(t, "sum", sum(t, s, total()), []pipeline.Counts{{"n": 6}})
	equal(t, "outcomes", steady[[]pipeline.Counts](t)(s.Outcomes(t.Context()))[1], pipeline.Counts{pipeline.Read: 20})
}

// Offsets that are one and the same double must not be taken for each other.
func contractLargeOffsets(t *testing.T, s Subject) {
	const even, odd = 9007199254740992, 9007199254740993
	if float64(even) != float64(odd) {
		t.Fatal("the case needs two offsets that are equal as doubles")
	}
	ready(t, s)
	apply(t, s, detections("a", -1, even), pipeline.OK, even)
	apply(t, s, detections("a", odd, odd+1), pipeline.GAP, even)
	apply(t, s, detections("a", even-1, odd), pipeline.GAP, even)
	b := detections("a", even, odd)
	b.Counts = map[pipeline.Cell]pipeline.Counts{total(): {"n": 1}}
	apply(t, s, b, pipeline.OK, odd)
	apply(t, s, b, pipeline.DUP, odd)
	const most = 9223372036854775807
	apply(t, s, detections("a", odd, most-1), pipeline.OK, most-1)
	apply(t, s, detections("a", most-1, most), pipeline.OK, most)

	apply(t, s, labels(-1, 0, pipeline.LabelRecord{MediaKey: "m", Fake: true, Revision: odd, Offset: 0}), pipeline.OK, 0)
	apply(t, s, labels(0, 1, pipeline.LabelRecord{MediaKey: "m", Fake: false, Revision: even, Offset: 1}), pipeline.OK, 1)
	equal(t, "outcomes", steady[[]pipeline.Counts](t)(s.Outcomes(t.Context()))[1],
		pipeline.Counts{"label.applied": 1, "label.stale": 1})
	apply(t, s, labels(1, 3, pipeline.LabelRecord{MediaKey: "n", Fake: true, Revision: even, Offset: 2},
		pipeline.LabelRecord{MediaKey: "n", Fake: false, Revision: odd, Offset: 3}), pipeline.OK, 3)
	equal(t, "outcomes", steady[[]pipeline.Counts](t)(s.Outcomes(t.Context()))[1],
		pipeline.Counts{"label.applied": 2, "label.stale": 1, "label.corrected": 1})
}

func contractAtEnd(t *testing.T, s Subject) {
	ready(t, s)
	apply(t, s, detections("a", -1, 7), pipeline.OK, 7)
	at := time.Unix(1_700_000_000, 5).UTC()
	end := func() time.Time {
		return steady[[]pipeline.Fence](t)(s.Fences(t.Context(), pipeline.Detections))[0].AtEnd
	}
	stay := pipeline.Batch{Stream: pipeline.Detections, Partition: 1, Owner: "a", Prev: 7, Last: 7, AtEnd: at, Watermark: at}
	apply(t, s, stay, pipeline.OK, 7)
	equal(t, "end", end(), at)
	f := steady[[]pipeline.Fence](t)(s.Fences(t.Context(), pipeline.Detections))[0]
	if !f.Watermark.IsZero() {
		t.Fatalf("a batch without records moved the watermark: %+v", f)
	}
	other := stay
	other.Owner, other.AtEnd = "z", at.Add(1)
	apply(t, s, other, pipeline.FENCED, 7)
	other = stay
	other.Prev, other.Last, other.AtEnd = 6, 6, at.Add(1)
	apply(t, s, other, pipeline.GAP, 7)
	equal(t, "end after refusals", end(), at)
	stay.AtEnd = time.Time{}
	apply(t, s, stay, pipeline.OK, 7)
	equal(t, "end taken back", end(), time.Time{})
}

func contractClaims(t *testing.T, s Subject) {
	win := func(key, holder string) string {
		t.Helper()
		return steady[string](t)(s.Win(t.Context(), pipeline.DigestClaim{Key: key, Holder: holder, TTL: 300 * time.Millisecond}))
	}
	equal(t, "first", win("k", "detections/0/5"), "detections/0/5")
	equal(t, "second", win("k", "detections/0/9"), "detections/0/5")
	equal(t, "replay", win("k", "detections/0/5"), "detections/0/5")
	equal(t, "other key", win("l", "detections/0/9"), "detections/0/9")
	s.Elapse(350 * time.Millisecond)
	equal(t, "after its life", win("k", "detections/0/9"), "detections/0/9")
	if _, err := s.Win(t.Context(), pipeline.DigestClaim{Key: "k", Holder: "h"}); err == nil {
		t.Fatal("a claim without a life was taken")
	}
}

func contractRegistry(t *testing.T, s Subject) {
	ctx := t.Context()
	equal(t, "sum before anything", sum(t, s, total()), []pipeline.Counts{{}})
	at := time.Date(2026, 11, 22, 10, 0, 0, 7, time.UTC)
	second := pipeline.Generation{ID: "0000", Detector: "meso4", Version: "2", Edges: []int64{10000, 9007199254740993}, Threshold: .5}
	register := func(g pipeline.Generation, partitions int, now time.Time) {
		t.Helper()
		if err := s.Register(ctx, g, partitions, now); err != nil {
			t.Fatal(err)
		}
	}
	register(pipeline.Generation{ID: gen, Detector: "meso4"}, 3, at)
	register(second, 2, at.Add(-time.Hour)) // by a worker whose clock is behind
	register(pipeline.Generation{ID: gen, Detector: "meso4"}, 3, at.Add(time.Minute))
	register(pipeline.Generation{ID: gen, Detector: "meso4"}, 3, at.Add(time.Second))
	register(pipeline.Generation{ID: "g3", Detector: "inception"}, 1, at)
	equal(t, "detectors", steady[[]string](t)(s.Detectors(ctx)), []string{"inception", "meso4"})
	equal(t, "generations", steady[[]pipeline.Registration](t)(s.Generations(ctx, "meso4")), []pipeline.Registration{
		{Generation: pipeline.Generation{ID: gen, Detector: "meso4"}, Since: at, Seen: at.Add(time.Minute)},
		{Generation: second, Since: at.Add(-time.Hour), Seen: at.Add(-time.Hour)}})
	equal(t, "unknown detector", len(steady[[]pipeline.Registration](t)(s.Generations(ctx, "nobody"))), 0)
	equal(t, "partitions", len(steady[[]pipeline.Counts](t)(s.Outcomes(ctx))), 3)
}
