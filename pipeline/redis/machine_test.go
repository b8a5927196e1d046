package redis

import (
	"fmt"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"pgregory.net/rapid"

	"shaketable/pipeline"
	"shaketable/pipeline/storetest"
)

// Any history of claims, batches, replays, zombies, labels and corrections leaves what the reference has.
func TestMatchesReference(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(t *testing.T) string{
		"server":    func(t *testing.T) string { return storetest.StartRedis(t).Addr },
		"miniredis": func(t *testing.T) string { return miniredis.RunT(t).Addr() },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := at(address(t))
			shared := open(t, cfg)
			run := 0
			rapid.Check(t, func(t *rapid.T) {
				run++
				cfg.Prefix = fmt.Sprintf("run-%d", run)
				now := time.Now().UTC()
				storetest.Compare(t, storetest.NewMemory(func() time.Time { return now }), New(shared.client, cfg), now)
			})
		})
	}
}

// However detections and labels are cut into batches and interleaved, and whatever is sent twice, the counters are the same.
func TestInterleavingDoesNotMatter(t *testing.T) {
	t.Parallel()
	cfg := at(storetest.StartRedis(t).Addr)
	shared := open(t, cfg)
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		probes, labels := drawLog(t)
		var first []pipeline.Counts
		for i := range 3 {
			run++
			cfg.Prefix = fmt.Sprintf("run-%d", run)
			got := interleave(t, New(shared.client, cfg), probes, labels)
			if i == 0 {
				first = got
			} else if fmt.Sprint(got) != fmt.Sprint(first) {
				t.Fatalf("interleaving %d:\n got %v\nwant %v", i, got, first)
			}
		}
	})
}

func drawLog(t *rapid.T) (probes []pipeline.ProbeRecord, labels []pipeline.LabelRecord) {
	now := time.Now()
	media := rapid.SampledFrom([]string{"m1", "m2"})
	for i := range rapid.IntRange(1, 8).Draw(t, "probes") {
		probes = append(probes, pipeline.ProbeRecord{MediaKey: media.Draw(t, "media"), Generation: "g", Offset: int64(i),
			Fine: now.Truncate(time.Minute).Unix(), Coarse: now.Truncate(time.Hour).Unix(), Decisions: rapid.StringMatching(`[01]{3}`).Draw(t, "decisions")})
	}
	for i := range rapid.IntRange(1, 8).Draw(t, "labels") {
		labels = append(labels, pipeline.LabelRecord{MediaKey: media.Draw(t, "media"), Fake: rapid.Bool().Draw(t, "fake"),
			Revision: rapid.Int64Range(0, 3).Draw(t, "revision"), Offset: int64(i), Time: now.Add(time.Duration(rapid.IntRange(-1, 40).Draw(t, "days")) * 24 * time.Hour)})
	}
	return probes, labels
}

// interleave applies both logs in a drawn order and cut, with repeats, and returns the counters.
func interleave(t *rapid.T, s *Store, probes []pipeline.ProbeRecord, labels []pipeline.LabelRecord) []pipeline.Counts {
	ctx := t.Context()
	if err := s.Register(ctx, pipeline.Generation{ID: "g", Detector: "d"}, 1, time.Now()); err != nil {
		t.Fatal(err)
	}
	at := map[pipeline.Stream]int64{pipeline.Detections: -1, pipeline.Labels: -1}
	length := map[pipeline.Stream]int{pipeline.Detections: len(probes), pipeline.Labels: len(labels)}
	for stream := range at {
		if _, err := s.Claim(ctx, stream, 0, "a", &pipeline.NewFence{Offset: -1}); err != nil {
			t.Fatal(err)
		}
	}
	for {
		var open []pipeline.Stream
		for _, stream := range []pipeline.Stream{pipeline.Detections, pipeline.Labels} {
			if int(at[stream]) < length[stream]-1 {
				open = append(open, stream)
			}
		}
		if len(open) == 0 {
			break
		}
		stream := rapid.SampledFrom(open).Draw(t, "stream")
		from := int(at[stream]) + 1
		to := rapid.IntRange(from+1, length[stream]).Draw(t, "cut")
		b := pipeline.Batch{Stream: stream, Owner: "a", Prev: at[stream], Last: int64(to) - 1, Record: time.Now()}
		if stream == pipeline.Detections {
			b.Probes = probes[from:to]
		} else {
			b.Labels = labels[from:to]
		}
		want := pipeline.OK
		for range rapid.IntRange(1, 2).Draw(t, "times") {
			if v, _, err := s.Apply(ctx, &b); err != nil || v != want {
				t.Fatalf("apply: %s, %v; want %s", v, err, want)
			}
			want = pipeline.DUP
		}
		at[stream] = b.Last
	}
	p := probes[0]
	sums, err := s.Sum(ctx, []pipeline.Cell{{Generation: "g", Kind: pipeline.Total}, {Generation: "g", Kind: pipeline.Fine, Start: p.Fine},
		{Generation: "g", Kind: pipeline.Coarse, Start: p.Coarse}})
	if err != nil {
		t.Fatal(err)
	}
	outcomes, err := s.Outcomes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return append(sums, outcomes...)
}
