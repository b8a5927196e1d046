package memory

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"testing"
	"time"

	"shaketable/pipeline"
	"shaketable/pipeline/storetest"
)

var epoch = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// history is a random course of events, one a record, with their time.
type history struct {
	batches []pipeline.Batch
	times   []time.Time
	cells   map[pipeline.Cell]bool
}

// randomHistory lets detections, probes and labels of few media happen in the course of three hours, on two partitions. Times
// ascend with offsets, so that a store which is written as they happen sees the same order.
func randomHistory(r *rand.Rand, n int) *history {
	h := &history{cells: map[pipeline.Cell]bool{}}
	next := map[position]int64{}
	for i := range n {
		at := epoch.Add(time.Duration(i) * 3 * time.Hour / time.Duration(n))
		stream := pipeline.Detections
		if r.IntN(3) == 0 {
			stream = pipeline.Labels
		}
		where := position{stream, r.IntN(2)}
		offset := next[where]
		next[where]++
		b := pipeline.Batch{Stream: stream, Partition: where.partition, Owner: "o", Prev: offset - 1, Last: offset, Watermark: at, Record: at,
			Outcomes: pipeline.Counts{"read": 1}}
		media := "m" + strconv.Itoa(r.IntN(40))
		if stream == pipeline.Labels {
			b.Labels = []pipeline.LabelRecord{{MediaKey: media, Fake: r.IntN(2) == 0, Revision: int64(r.IntN(3)), Offset: offset, Time: at}}
		} else {
			h.detect(r, &b, at, media, offset)
		}
		h.batches, h.times = append(h.batches, b), append(h.times, at)
	}
	return h
}

func (h *history) detect(r *rand.Rand, b *pipeline.Batch, at time.Time, media string, offset int64) {
	g := fmt.Sprintf("g%d", r.IntN(2))
	bucket := pipeline.BucketsAt(at, time.Minute, time.Hour)
	decisions := []string{"11-", "100", "0-0", "011"}[r.IntN(4)]
	b.Probes = []pipeline.ProbeRecord{{MediaKey: media, Generation: g, Offset: offset, Fine: bucket.Fine, Coarse: bucket.Coarse, Decisions: decisions}}
	b.Examples = []pipeline.Example{{Generation: g, Media: media, Variant: 1, Time: at}}
	b.Counts = map[pipeline.Cell]pipeline.Counts{}
	shared := pipeline.Counts{"n": 1, "d": 3, "s20000": 1, "xmodel": int64(r.IntN(2)), "apanic": 1, "0f": 1}
	changed := pipeline.Counts{"1k50000": 1, "2f1000000": 1, "12r20000": 1}
	for _, slice := range []string{"", "source=a"} {
		total := pipeline.Cell{Generation: g, Kind: pipeline.Total, Slice: slice}
		fine := pipeline.Cell{Generation: g, Kind: pipeline.Fine, Start: bucket.Fine, Slice: slice}
		coarse := pipeline.Cell{Generation: g, Kind: pipeline.Coarse, Start: bucket.Coarse, Slice: slice}
		for _, c := range []pipeline.Cell{total, fine} {
			b.Counts[c] = pipeline.Counts{}
			add(b.Counts[c], shared)
			add(b.Counts[c], changed)
		}
		b.Counts[coarse] = shared
		for field, variant := range map[string]int{"1k50000": 1, "2f1000000": 2, "12r20000": 12} {
			if slice == "" {
				of := coarse
				of.Variant = variant
				b.Counts[of] = pipeline.Counts{field: 1}
			}
		}
	}
	for c := range b.Counts {
		h.cells[c] = true
	}
}

// TestViewIsTheStoreAsItWas: at the end of every seventh minute the view holds what the reference store held then, which was written
// as things happened; in totals, fine and coarse buckets, slices and label figures.
func TestViewIsTheStoreAsItWas(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 1))
		h := randomHistory(r, 400)
		store := New(NewScout().Plan())
		reference := storetest.NewMemory(func() time.Time { return epoch })
		reference.FineTTL, reference.CoarseTTL, reference.ExampleCap = 1000*time.Hour, 1000*time.Hour, 1000
		if err := reference.Register(t.Context(), pipeline.Generation{ID: "g0", Detector: "d"}, 2, epoch); err != nil {
			t.Fatal(err)
		}
		for _, s := range []pipeline.Stream{pipeline.Detections, pipeline.Labels} {
			for p := range 2 {
				for _, at := range []pipeline.Store{store, reference} {
					if _, err := at.Claim(t.Context(), s, p, "o", &pipeline.NewFence{Offset: -1}); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		// The store of a replay is filled in any order of partitions: here one after the other.
		for _, where := range []position{{pipeline.Labels, 1}, {pipeline.Detections, 1}, {pipeline.Labels, 0}, {pipeline.Detections, 0}} {
			for _, b := range h.batches {
				if (position{b.Stream, b.Partition}) == where {
					if v, _, err := store.Apply(t.Context(), &b); v != pipeline.OK || err != nil {
						t.Fatal(v, err)
					}
				}
			}
		}
		view := store.View(time.Minute, time.Hour)
		var cells []pipeline.Cell
		for c := range h.cells {
			cells = append(cells, c)
		}
		done := 0
		for until := epoch.Add(time.Minute); !until.After(epoch.Add(3 * time.Hour)); until = until.Add(time.Minute) {
			for ; done < len(h.batches) && h.times[done].Before(until); done++ {
				if v, _, err := reference.Apply(t.Context(), &h.batches[done]); v != pipeline.OK || err != nil {
					t.Fatal(v, err)
				}
			}
			view.Advance(until)
			if until.Minute()%7 != 0 {
				continue
			}
			want, err1 := reference.Sum(t.Context(), cells)
			got, err2 := view.Sum(t.Context(), cells)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			for i := range cells {
				if !reflect.DeepEqual(got[i], want[i]) {
					t.Fatalf("seed %d, %s: %+v:\n got %v\nwant %v", seed, until, cells[i], got[i], want[i])
				}
			}
			wantExamples, _ := reference.Examples(t.Context(), "g1", 5)
			gotExamples, _ := view.Examples(t.Context(), "g1", 5)
			if len(wantExamples)+len(gotExamples) > 0 && !reflect.DeepEqual(gotExamples, wantExamples) {
				t.Fatalf("seed %d, %s: examples\n got %v\nwant %v", seed, until, gotExamples, wantExamples)
			}
		}
		if done != len(h.batches) {
			t.Fatalf("%d of %d events were compared", done, len(h.batches))
		}
	}
}

// TestViewWatermark: it is the end of the last bucket with a detection, and stands still while nothing comes.
func TestViewWatermark(t *testing.T) {
	store := New(NewScout().Plan())
	if _, err := store.Claim(t.Context(), pipeline.Detections, 0, "o", &pipeline.NewFence{Offset: -1}); err != nil {
		t.Fatal(err)
	}
	for i, minute := range []int{3, 4, 9} {
		cell := pipeline.Cell{Generation: "g", Kind: pipeline.Fine, Start: epoch.Unix() + int64(60*minute)}
		b := pipeline.Batch{Stream: pipeline.Detections, Owner: "o", Prev: int64(i) - 1, Last: int64(i),
			Counts: map[pipeline.Cell]pipeline.Counts{cell: {"d": 1}}}
		if _, _, err := store.Apply(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	view := store.View(time.Minute, time.Hour)
	if from, to := view.Span(); !from.Equal(epoch.Add(3*time.Minute)) || !to.Equal(epoch.Add(10*time.Minute)) {
		t.Errorf("span %s to %s", from, to)
	}
	for _, c := range []struct {
		until int
		want  time.Time
	}{{3, time.Time{}}, {4, epoch.Add(4*time.Minute - time.Second)}, {8, epoch.Add(5*time.Minute - time.Second)}, {10, epoch.Add(10*time.Minute - time.Second)}} {
		view.Advance(epoch.Add(time.Duration(c.until) * time.Minute))
		if f, err := view.Fences(t.Context(), pipeline.Detections); err != nil || len(f) != 1 || !f[0].Watermark.Equal(c.want) {
			t.Errorf("until minute %d: %+v, want watermark %s", c.until, f, c.want)
		}
	}
}
