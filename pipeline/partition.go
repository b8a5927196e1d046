package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// holding is one claim on one partition number, from claim to the end of the generation or to a verdict that asks for a
// new claim. One goroutine owns it; readers and probes only send to it.
type holding struct {
	*Line
	a     Assignment
	log   *slog.Logger
	owner string
	topic string // identity of the detections log: topic id, if the broker tells one

	windower  *Windower
	joiner    *Joiner
	refetch   Log // a second reader of the media topic, for media whose bytes were not kept
	refetchMu sync.Mutex
	det       Detection // of the record being admitted: one place for all spares an allocation per record
	asked     map[int64]*asked
	results   chan result
	inflight  int
	work      context.Context // of probes: outlives the generation by the drain

	detections, media, labels *logReader
	next, end                 int64     // detections: first offset not pushed, log end
	heard                     time.Time // when the last page of detections was fetched
	misplaced                 bool      // a record was keyed by something else than its media id, and it was said
	applied                   map[Stream]int64
	committed                 map[Stream]int64
	mediaNext                 int64
	ready                     []int64 // sampled detections that have all they need, by sequence number
	flushed, told, hinted     time.Time
}

// result is a finding on its way back to the owner.
type result struct {
	seq     int64
	finding Finding
}

// hold claims the partition and works until ctx ends (nil) or a verdict ends the claim.
func (l *Line) hold(ctx context.Context, a Assignment, lost bool, log *slog.Logger) error {
	reading, stop := context.WithCancel(ctx)
	work, abandon := context.WithCancel(context.WithoutCancel(ctx))
	h := &holding{Line: l, a: a, log: log, owner: l.Nonce(), work: work, asked: map[int64]*asked{},
		results: make(chan result, l.Flow.InFlight), applied: map[Stream]int64{}, committed: map[Stream]int64{}}
	defer func() { // readers first: they use logs that the next holding opens again
		stop()
		abandon()
		h.detections.wait()
		h.media.wait()
		h.labels.wait()
		for ; h.inflight > 0; h.inflight-- {
			<-h.results
			h.Stats.InFlight.Add(-1)
		}
	}()
	err := h.open(reading, lost)
	if err == nil {
		err = h.loop(ctx)
	}
	switch {
	case errors.Is(err, errFenced):
		h.prove(ctx)
		return err
	case err != nil:
		return err
	}
	return h.drain(ctx)
}

// prove waits until Kafka confirms that this member still owns the partition, or the generation is over. A fail-over can
// bring an older owner back, which fences the rightful one: membership decides, not the store.
func (h *holding) prove(ctx context.Context) {
	for attempt := 0; ; attempt++ {
		err := h.a.Commit(ctx, Detections, h.applied[Detections]+1)
		if err == nil {
			return
		}
		if loud(attempt) && ctx.Err() == nil {
			h.log.Warn("fenced off, and Kafka does not confirm the membership: the partition waits", "error", err)
		}
		h.Health.Set(partitionPart(h.a), fmt.Errorf("%w, and Kafka does not confirm the membership: %v", errFenced, err))
		if !Pause(ctx, backoff(attempt)) {
			return
		}
	}
}

// trouble returns what a reader tells when it can't read.
func (h *holding) trouble(s Stream) func(attempt int, err error) {
	part := fmt.Sprintf("kafka %s (%s)", s, partitionPart(h.a))
	return func(attempt int, err error) {
		h.Health.Set(part, err)
		if err != nil && loud(attempt) {
			h.log.Warn("fetch failed, trying again", "stream", s, "attempts", attempt+1, "error", err)
		}
	}
}

// open claims the counted streams, declares what Kafka no longer has, and starts the readers.
func (h *holding) open(ctx context.Context, lost bool) error {
	det, err := h.claim(ctx, h.a, Detections, h.owner, lost, h.log)
	if err != nil {
		return err
	}
	h.Slicer.Forget() // whatever ended the last claim, the store may have been taken back
	h.topic = det.bounds.TopicID
	h.next, h.end = det.fence.Offset+1, det.bounds.End
	h.applied[Detections] = det.fence.Offset
	h.windower = NewWindower(h.Window.Fine, h.Window.Coarse, det.fence.Offset)
	if err := h.declareGap(ctx, Detections, det.fence.Offset, det.bounds.Start); err != nil {
		return err
	}
	log := h.a.Log(Detections)
	if media := h.a.Log(Media); media != nil {
		h.joiner = NewJoiner(h.Join.Window, h.Join.MaxHold, h.Join.BufferBytes)
		from, err := h.mediaStart(ctx, log, media, det)
		if err != nil {
			return err
		}
		h.refetch = h.a.Log(Media)
		h.mediaNext = from
		h.media = read(ctx, media, from, h.Now, h.trouble(Media))
	}
	if labels := h.a.Log(Labels); labels != nil {
		if err := h.openLabels(ctx, labels, lost); err != nil {
			return err
		}
	}
	h.Health.Drop(partitionPart(h.a))
	h.detections = read(ctx, log, h.next, h.Now, h.trouble(Detections))
	return nil
}

func (h *holding) openLabels(ctx context.Context, labels Log, lost bool) error {
	c, err := h.claim(ctx, h.a, Labels, h.owner, lost, h.log)
	if err != nil {
		return err
	}
	h.applied[Labels] = c.fence.Offset
	if err := h.declareGap(ctx, Labels, c.fence.Offset, c.bounds.Start); err != nil {
		return err
	}
	h.labels = read(ctx, labels, h.applied[Labels]+1, h.Now, h.trouble(Labels))
	return nil
}

// mediaStart finds where media must be read from so that the next detections find their own: as far behind them as the
// joiner remembers. The next detection is looked at, because the fence's time is that of the newest record, which a wrong
// clock may have put anywhere.
func (h *holding) mediaStart(ctx context.Context, detections, media Log, det claimed) (int64, error) {
	around := h.Now()
	if !det.fence.Record.IsZero() {
		around = earlier(around, det.fence.Record)
	}
	if h.next < h.end {
		page, err := detections.Fetch(ctx, h.next)
		if err != nil {
			return 0, fmt.Errorf("look at the first detection: %w", err)
		}
		if len(page.Records) > 0 {
			around = earlier(around, page.Records[0].Time)
		}
	}
	return media.At(ctx, around.Add(-2*h.Join.Window))
}

// declareGap counts records that retention has taken before they were applied: an explicit loss, never a silent jump.
func (h *holding) declareGap(ctx context.Context, s Stream, last, start int64) error {
	missing := start - (last + 1)
	if missing <= 0 {
		return nil
	}
	h.log.Error("Kafka no longer has records that were not applied", "stream", s, "missing", missing, "from", last+1, "to", start-1)
	field := Gap
	if s == Labels {
		field = "label." + Gap
	}
	b := &Batch{Stream: s, Prev: last, Last: start - 1, Outcomes: Counts{field: missing}}
	if err := h.apply(ctx, b); err != nil {
		return err
	}
	h.Stats.Gaps.Add(missing)
	if s == Detections {
		h.windower.last, h.next = b.Last, start
	}
	return nil
}

// loop is the heart: whatever comes next, taken in by the one goroutine that owns the state.
func (h *holding) loop(ctx context.Context) error {
	tick := time.NewTicker(h.Flow.Flush)
	defer tick.Stop()
	for {
		var err error
		select {
		case f := <-h.detections.from(h.roomForDetections()):
			err = h.takeDetections(ctx, f)
		case f := <-h.media.from(h.media == nil || !h.joiner.Ahead()):
			err = h.takeMedia(ctx, f)
		case f := <-h.labels.from(true):
			err = h.takeLabels(ctx, f)
		case r := <-h.results:
			h.takeResult(r)
		case <-tick.C:
			h.expire()
			err = h.housekeep(ctx)
		case <-ctx.Done():
			return nil
		}
		if err == nil {
			h.dispatch()
			err = h.flush(ctx, false)
		}
		if err != nil {
			return err
		}
	}
}

// roomForDetections closes the intake while too much is unfinished: the lag becomes visible, and nothing is dropped.
func (h *holding) roomForDetections() bool {
	return h.windower.Len() < h.Flow.Queue && len(h.asked) < 4*h.Flow.InFlight
}

// drain lets running probes end for a while after the partition was taken, applies what is contiguous and commits.
func (h *holding) drain(ctx context.Context) error {
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.Flow.Drain)
	defer cancel()
	for h.inflight > 0 && late.Err() == nil {
		select {
		case r := <-h.results:
			h.takeResult(r)
		case <-late.Done():
		}
	}
	final, done := context.WithTimeout(context.WithoutCancel(ctx), h.Flow.Drain)
	defer done()
	if err := h.flush(final, true); err != nil {
		return err
	}
	h.commit(final)
	return nil
}
