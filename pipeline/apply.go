package pipeline

import (
	"context"
	"fmt"
	"time"
)

// Bounds of one batch: a Lua call of this size takes a few milliseconds, which is how long it holds Redis.
const (
	batchRecords = 5000
	batchProbes  = 200
)

// How often a partition tells others where it is.
const (
	tellEvery   = 5 * time.Second // that its position is the log end
	commitEvery = 2 * time.Second // the lag hint in Kafka
)

// flush applies finished prefixes: all of them when the queue is done or final, else when one has waited long enough.
func (h *holding) flush(ctx context.Context, final bool) error {
	for {
		ready := h.windower.Ready(batchRecords)
		due := final || ready == h.windower.Len() || ready == batchRecords || h.Now().Sub(h.flushed) >= h.Flow.Flush
		if ready == 0 || !due {
			return nil
		}
		b := h.windower.Cut(batchRecords, batchProbes)
		if h.caughtUp() {
			b.AtEnd = h.Now()
			h.told = b.AtEnd
		}
		if err := h.apply(ctx, b); err != nil {
			return err
		}
		h.flushed = h.Now()
	}
}

// caughtUp says that everything in the log has been applied, or will be with the batch that was just cut.
// It has to be news: while Kafka does not answer, nobody knows where the log ends.
func (h *holding) caughtUp() bool {
	return h.windower.Len() == 0 && h.next >= h.end && h.Now().Sub(h.heard) < 2*tellEvery
}

// apply hands a batch to the store until the store has answered. While it does not, nothing is fetched: the readers hold
// one page each, and the partition waits. That goes for a store that refuses as well (no permission, a key of the wrong type):
// a person can repair it, and giving up would lose the batch or stop the other partitions.
func (h *holding) apply(ctx context.Context, b *Batch) error {
	b.Partition, b.Owner, b.Config = h.a.Partition(), h.owner, h.Config
	// The watermark never goes back: one producer's wrong clock must not carry it away from everybody else's events.
	limit := h.Now().Add(h.Window.Future)
	b.Watermark, b.Record = earlier(b.Watermark, limit), earlier(b.Record, limit)
	part := fmt.Sprintf("store (%s)", partitionPart(h.a))
	for attempt := 0; ; attempt++ {
		verdict, at, err := h.Store.Apply(ctx, b)
		if err != nil {
			if !Pause(ctx, backoff(attempt)) {
				return ctx.Err()
			}
			h.Health.Set(part, err)
			if loud(attempt) {
				h.log.Warn("the store did not take a batch: nothing is lost, but the partition waits until it does", "attempts", attempt+1, "error", err)
			}
			continue
		}
		h.Health.Set(part, nil)
		return h.verdict(b, verdict, at)
	}
}

// slicesOf asks for the slices of a detection until there is an answer: like a batch, a detection whose slice is not known
// waits, and the partition with it. Guessing would put it where a replay does not find it.
func (h *holding) slicesOf(ctx context.Context, d *Detection) ([]string, error) {
	slices, err := h.Slicer.Of(ctx, d)
	if err == nil {
		return slices, nil
	}
	part := fmt.Sprintf("store (%s)", partitionPart(h.a))
	for attempt := 0; err != nil; attempt++ {
		if ctx.Err() != nil || !Pause(ctx, backoff(attempt)) {
			return nil, ctx.Err()
		}
		h.Health.Set(part, err)
		if loud(attempt) {
			h.log.Warn("the store does not say which slice a detection belongs to: nothing is lost, but the partition waits until it does",
				"attempts", attempt+1, "error", err)
		}
		slices, err = h.Slicer.Of(ctx, d)
	}
	h.Health.Set(part, nil)
	return slices, nil
}

func (h *holding) verdict(b *Batch, v Verdict, at int64) error {
	switch v {
	case OK, DUP:
		h.applied[b.Stream] = b.Last
		h.Stats.Batches.Add(1)
		if v == DUP {
			h.Stats.Repeats.Add(1)
		}
		h.Stats.Applied.Add(b.Outcomes[Read] + b.Outcomes["label."+Read])
		return nil
	case FENCED:
		h.Stats.Fenced.Add(1)
		return errFenced
	case GAP:
		return fmt.Errorf("%w: %s: it is at %d, this worker had applied up to %d", errReplay, b.Stream, at, b.Prev)
	case LOST:
		return fmt.Errorf("%w: %s", errLost, b.Stream)
	}
	return fmt.Errorf("store answered %q to a batch of %s", v, b.Stream)
}

// housekeep says where the partition is: to the clock path that it is idle at the log end, to Kafka for lag displays.
func (h *holding) housekeep(ctx context.Context) error {
	now := h.Now()
	h.Stats.Positions.Set(Position{Detections, h.a.Partition(), h.applied[Detections] + 1, max(h.end, h.detections.end.Load())})
	if h.caughtUp() && now.Sub(h.told) >= tellEvery {
		h.told = now
		at := h.applied[Detections]
		if err := h.apply(ctx, &Batch{Stream: Detections, Prev: at, Last: at, AtEnd: now}); err != nil {
			return err
		}
	}
	if now.Sub(h.hinted) >= commitEvery {
		h.hinted = now
		h.commit(ctx)
	}
	return nil
}

// commit stores positions in Kafka. They are a hint: a failure changes nothing but the lag that others see.
func (h *holding) commit(ctx context.Context) {
	next := map[Stream]int64{Detections: h.applied[Detections] + 1}
	if h.labels != nil {
		next[Labels] = h.applied[Labels] + 1
	}
	if h.media != nil {
		next[Media] = h.mediaNext
	}
	for s, offset := range next {
		if h.committed[s] == offset {
			continue
		}
		if err := h.a.Commit(ctx, s, offset); err != nil {
			h.log.Debug("position was not committed to Kafka", "stream", s, "error", err)
			continue
		}
		h.committed[s] = offset
	}
}

// takeLabels counts a page of labels. They need no probe, so a page is one batch.
func (h *holding) takeLabels(ctx context.Context, f fetched) error {
	if f.err != nil {
		return h.unreadable(Labels, f)
	}
	if len(f.Records) == 0 {
		return nil
	}
	for start := 0; start < len(f.Records); start += batchProbes {
		page := f.Records[start:min(start+batchProbes, len(f.Records))]
		b := &Batch{Stream: Labels, Prev: h.applied[Labels], Outcomes: Counts{}}
		for i := range page {
			if !h.addLabel(ctx, b, &page[i]) {
				return ctx.Err() // the generation ended before a dead letter was safe: no later page may be counted
			}
		}
		b.Last = page[len(page)-1].Offset
		if err := h.apply(ctx, b); err != nil {
			return err
		}
	}
	h.Stats.Positions.Set(Position{Labels, h.a.Partition(), h.applied[Labels] + 1, f.End})
	return nil
}

func (h *holding) addLabel(ctx context.Context, b *Batch, r *Record) bool {
	b.Outcomes["label."+Read]++
	if r.Time.After(b.Record) {
		b.Record, b.Watermark = r.Time, r.Time
	}
	l, err := guarded(h.Labels, r)
	if err != nil {
		f := badRecord(err)
		b.Outcomes["label."+string(f.Outcome)]++
		return h.bury(ctx, newDeadLetter(Labels, r, f))
	}
	h.keyed(Labels, r, l.MediaID)
	b.Labels = append(b.Labels, LabelRecord{MediaKey: h.Sampler.Hide(l.MediaID), Fake: l.Fake, Revision: l.Revision, Offset: r.Offset, Time: l.Time})
	return true
}
