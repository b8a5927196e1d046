package pipeline

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"
)

// Entries are finished in random orders and cut at random moments with random bounds; the batches must chain, hold each
// entry once and in order, nothing behind an unfinished one, and add up to the same counters as one batch of all; and the
// slices of each attribute add up to the whole.
func TestWindowerUnderRandomOrders(t *testing.T) {
	subject := &Subject{Meter: testMeter(t)}
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		w := NewWindower(time.Minute, time.Hour, 99)
		n := 1 + rng.IntN(60)
		var finish []int64
		outcomes, cells, probes := Counts{}, map[Cell]Counts{}, 0
		next, last, offset := 0, int64(99), int64(99)
		ends := make([]int64, n) // offsets
		done := make([]bool, n)
		take := func(b *Batch, records, most int) {
			if b.Prev != last || len(b.Probes) > most || b.Outcomes[Read] > int64(records) {
				t.Fatalf("seed %d: batch %d..%d of %d records, %d probes after %d", seed, b.Prev, b.Last, b.Outcomes[Read], len(b.Probes), last)
			}
			for range b.Outcomes[Read] {
				if !done[next] {
					t.Fatalf("seed %d: batch up to %d holds the unfinished %d", seed, b.Last, ends[next])
				}
				next++
			}
			if last = b.Last; last != ends[next-1] {
				t.Fatalf("seed %d: %d records end at %d, not at %d", seed, next, ends[next-1], last)
			}
			probes += len(b.Probes)
			addAll(outcomes, b.Outcomes)
			for c, counts := range b.Counts {
				addAll(cellOf(cells, c), counts)
			}
		}
		for pushed := 0; pushed < n || len(finish) > 0; {
			switch what := rng.IntN(3); {
			case what == 0 && pushed < n:
				offset += 1 + rng.Int64N(3)
				seq := w.Push(entry{offset: offset, record: at(0), event: at(time.Duration(pushed) * 20 * time.Second), subject: subject, slices: testSlices(pushed)})
				ends[pushed] = offset
				if seq != int64(pushed) {
					t.Fatalf("seed %d: sequence number %d, want %d", seed, seq, pushed)
				}
				finish = append(finish, seq)
				pushed++
			case what == 1 && len(finish) > 0:
				i := rng.IntN(len(finish))
				seq := finish[i]
				finish = append(finish[:i], finish[i+1:]...)
				finishEntry(w.At(seq), int(seq))
				done[seq] = true
			default:
				records, most := 1+rng.IntN(10), 1+rng.IntN(4)
				if b := w.Cut(records, most); b != nil {
					take(b, records, most)
				}
			}
		}
		for b := w.Cut(7, 2); b != nil; b = w.Cut(7, 2) {
			take(b, 7, 2)
		}
		all := NewWindower(time.Minute, time.Hour, 99)
		for i := range n {
			e := entry{offset: ends[i], record: at(0), event: at(time.Duration(i) * 20 * time.Second), subject: subject, slices: testSlices(i)}
			finishEntry(&e, i)
			all.Push(e)
		}
		one := all.Cut(n, n)
		if next != n || w.Len() != 0 || probes != len(one.Probes) || !maps.Equal(outcomes, one.Outcomes) || !maps.EqualFunc(cells, one.Counts, maps.Equal) {
			t.Fatalf("seed %d: %d of %d records: %v %v, want %v %v", seed, next, n, outcomes, cells, one.Outcomes, one.Counts)
		}
		slicesAddUp(t, cells)
	}
}

// testSlices are made anew for each entry, as those beyond what the slicer keeps are.
func testSlices(i int) []string {
	return []string{SliceName("source", string(rune('a'+i%3))), SliceName("tenant", string(rune('a'+i%2)))}
}

// slicesAddUp wants that the cells of the slices of each attribute add up to those of the whole, but for what only the whole has.
func slicesAddUp(t *testing.T, cells map[Cell]Counts) {
	t.Helper()
	sums := map[string]map[Cell]Counts{}
	for c, counts := range cells {
		attribute, _ := SplitSlice(c.Slice)
		if c.Variant > 0 && c.Slice == "" {
			continue
		}
		c.Slice = ""
		if sums[attribute] == nil {
			sums[attribute] = map[Cell]Counts{}
		}
		addAll(cellOf(sums[attribute], c), counts)
	}
	for _, attribute := range []string{"source", "tenant"} {
		if !maps.EqualFunc(sums[attribute], sums[""], maps.Equal) {
			t.Fatalf("the slices of %s add up to %v, the whole is %v", attribute, sums[attribute], sums[""])
		}
	}
}

// finishEntry gives every third entry a probe and every fifth a reason.
func finishEntry(e *entry, i int) {
	e.outcome = Unsampled
	switch {
	case i%3 == 0:
		e.outcome = Probed
		e.contents = &contents{reading: &Reading{Clean: .7, Decisions: "11111", Changes: make([]Change, 4)}, record: ProbeRecord{MediaKey: fmt.Sprint(i)}}
		for v := range e.contents.reading.Changes {
			e.contents.reading.Changes[v].Half = Kept
		}
		if i%2 == 0 {
			e.contents.attack = ReasonTimeout
		}
	case i%5 == 0:
		e.outcome, e.reason = Inconclusive, ReasonTimeout
	}
}

func addAll(sum, more Counts) {
	for k, n := range more {
		sum[k] += n
	}
}

func TestWindowerTimes(t *testing.T) {
	w := NewWindower(time.Minute, time.Hour, -1)
	if w.Cut(10, 10) != nil {
		t.Fatal("an empty queue made a batch")
	}
	subject := &Subject{Meter: testMeter(t)}
	for i, e := range []entry{
		{event: at(30 * time.Second), record: at(time.Minute), outcome: Unsampled, subject: subject},
		{event: at(0), record: at(0), outcome: Excluded, subject: subject},
		{record: at(2 * time.Minute), outcome: Late, subject: subject},         // its event time is not believed
		{record: at(90 * time.Second), outcome: DeadLettered},                  // it has none
		{event: at(10 * time.Second), record: at(0), outcome: UnknownDetector}, // it has no cells
	} {
		e.offset = int64(i)
		w.Push(e)
	}
	b := w.Cut(10, 10)
	if !b.Watermark.Equal(at(30*time.Second)) || !b.Record.Equal(at(2*time.Minute)) || b.Last != 4 || b.Prev != -1 {
		t.Errorf("watermark %s, record %s, %d..%d", b.Watermark, b.Record, b.Prev, b.Last)
	}
	if total := b.Counts[Cell{Generation: "g", Kind: Total}]; total[FieldDetections] != 2 || len(b.Counts) != 3 {
		t.Errorf("%d detections in %d cells", total[FieldDetections], len(b.Counts))
	}
}
