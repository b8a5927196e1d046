package redis

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"shaketable/perturb"
	"shaketable/pipeline"
	"shaketable/pipeline/storetest"
)

// clock is a Redis with history, and the clock path over it.
type clock struct {
	size       clockSize
	store      *Store
	generation pipeline.Generation
	hour       []map[pipeline.Cell]pipeline.Counts // templates at hour 0
	minute     []map[pipeline.Cell]pipeline.Counts // of the shared cells, by minute
	offset     int64
	now        time.Time
	empty      float64
}

func newClock(b *testing.B, size clockSize) *clock {
	b.Helper()
	c := &clock{size: size, store: open(b, at(storetest.StartRedis(b).Addr)), offset: -1, now: time.Now().Truncate(time.Hour)}
	c.generation = pipeline.Generation{ID: gen16, Detector: "d", Version: "1", Threshold: .5, Edges: pipeline.DefaultWindowConfig().Edges()}
	for v := range size.variants {
		c.generation.Variants = append(c.generation.Variants, perturb.Variant{Family: fmt.Sprintf("family%d", v/5), Severity: 1 + v%5, Parameter: fmt.Sprint(v % 5)})
	}
	ctx := b.Context()
	if err := c.store.Register(ctx, c.generation, size.partitions, time.Now()); err != nil {
		b.Fatal(err)
	}
	for p := range size.partitions {
		if _, err := c.store.Claim(ctx, pipeline.Detections, p, "a", &pipeline.NewFence{Offset: -1}); err != nil {
			b.Fatal(err)
		}
	}
	c.draw(b)
	c.empty = usedMemory(b, c.store)
	began := time.Now()
	for h := size.hours; h > 0; h-- {
		c.fill(b, c.now.Add(-time.Duration(h)*time.Hour), h <= clockFine)
	}
	b.Logf("history of %d hours applied in %.0f s", size.hours, time.Since(began).Seconds())
	return c
}

// draw counts the probes of an hour as the line does. Variants move p by .01 to .07 on average.
func (c *clock) draw(b *testing.B) {
	meter, err := pipeline.NewMeter(c.generation)
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	names := make([]string, c.size.slices)
	for i := range names {
		name, err := c.store.Place(b.Context(), "source", fmt.Sprintf("source-%d", i), c.size.slices)
		if err != nil {
			b.Fatal(err)
		}
		names[i] = name
	}
	probs := make([]float64, 1+c.size.variants)
	for range 60 {
		into := map[pipeline.Cell]pipeline.Counts{}
		for range clockProbes / 60 {
			probs[0] = rng.Float64()
			for v := 1; v <= c.size.variants; v++ {
				probs[v] = min(1, probs[0]+rng.ExpFloat64()*.01*float64(1+v%7))
			}
			r, err := meter.Measure(probs, min(1, probs[0]+rng.ExpFloat64()*.002))
			if err != nil {
				b.Fatal(err)
			}
			var of []string
			if len(names) > 0 {
				of = []string{names[rng.IntN(len(names))]}
			}
			meter.CountDetection(pipeline.Buckets{}, 10, into, of...)
			meter.Count(r, pipeline.Buckets{}, into, of...)
		}
		label(into, c.size.variants)
		c.minute = append(c.minute, into)
	}
	whole := map[pipeline.Cell]pipeline.Counts{}
	for _, m := range c.minute {
		add(whole, m)
	}
	c.hour = append(c.hour, whole)
}

// label counts a label for every probe of the cells of all detections, four in five of them decided rightly.
func label(into map[pipeline.Cell]pipeline.Counts, variants int) {
	for cell, counts := range into {
		if cell.Slice != "" {
			continue
		}
		for v := range 1 + variants {
			if cell.Kind == pipeline.Coarse && v != cell.Variant {
				continue
			}
			counts[pipeline.FieldLabelled(v)] = clockProbes / 60
			counts[pipeline.FieldCorrect(v)] = clockProbes / 60 * 4 / 5
		}
	}
}

func add(into, from map[pipeline.Cell]pipeline.Counts) {
	for cell, counts := range from {
		if into[cell] == nil {
			into[cell] = pipeline.Counts{}
		}
		for field, n := range counts {
			into[cell][field] += n
		}
	}
}

// moved moves cells drawn at hour 0 to their bucket.
func moved(from map[pipeline.Cell]pipeline.Counts, hour, minute time.Time, fine bool) map[pipeline.Cell]pipeline.Counts {
	out := make(map[pipeline.Cell]pipeline.Counts, len(from))
	for cell, counts := range from {
		switch cell.Kind {
		case pipeline.Coarse:
			cell.Start = hour.Unix()
		case pipeline.Fine:
			if !fine {
				continue
			}
			cell.Start = minute.Unix()
		}
		out[cell] = counts
	}
	return out
}

// fill applies an hour to every partition, with its minutes or without.
func (c *clock) fill(b *testing.B, hour time.Time, minutes bool) {
	if !minutes {
		c.apply(b, moved(c.hour[0], hour, hour, false), hour.Add(time.Hour-time.Second), 60)
		return
	}
	for m := range c.minute {
		at := hour.Add(time.Duration(m) * time.Minute)
		c.apply(b, moved(c.minute[m], hour, at, true), at.Add(59*time.Second), 1)
	}
}

func (c *clock) apply(b *testing.B, counts map[pipeline.Cell]pipeline.Counts, mark time.Time, records int64) {
	for p := range c.size.partitions {
		batch := &pipeline.Batch{Partition: p, Stream: pipeline.Detections, Owner: "a", Prev: c.offset, Last: c.offset + records,
			Counts: counts, Outcomes: pipeline.Counts{pipeline.Read: records}, Watermark: mark, Record: mark}
		if v, _, err := c.store.Apply(b.Context(), batch); err != nil || v != pipeline.OK {
			b.Fatal(v, err)
		}
	}
	c.offset += records
}
