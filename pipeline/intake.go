package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// asked is a detection that needs work outside the owner's goroutine: a probe, or a dead letter that must be
// acknowledged.
type asked struct {
	record  Record
	det     Detection
	subject *Subject
	media   *MediaAt // from the media topic; nil for the other ways of joining
	bad     *Finding // the record can't be decoded: only the letter is left to do
}

// takeDetections admits a page of detections.
func (h *holding) takeDetections(f fetched) error {
	if f.err != nil {
		return h.trouble(Detections, f)
	}
	for i := range f.Records {
		h.admit(&f.Records[i])
	}
	h.next, h.end = f.Next, f.End
	if h.joiner != nil {
		h.joiner.CaughtUp(h.next >= h.end)
	}
	return nil
}

// trouble turns what a reader could not read into the end of the holding: the next claim sees the log's bounds and
// declares the gap, or says that the log ends below the store.
func (h *holding) trouble(s Stream, f fetched) error {
	if errors.Is(f.err, ErrTrimmed) {
		return fmt.Errorf("%w: %s: %v", errReplay, s, f.err)
	}
	return fmt.Errorf("%w: %s: %v", errBeyond, s, f.err)
}

// admit decodes one detection and finishes it at once, unless it is sampled or can't be decoded.
func (h *holding) admit(r *Record) {
	e := entry{offset: r.Offset, record: r.Time}
	det, err := h.Decode(r)
	if err != nil {
		seq := h.windower.Push(e)
		h.asked[seq] = &asked{record: *r, bad: &Finding{Outcome: DeadLettered, Reason: decodeReason(err), Err: err}}
		h.ready = append(h.ready, seq)
		return
	}
	e.event = det.Time
	e.subject = h.Roster.Find(det.Detector, det.Version)
	e.outcome = h.judge(&det, r.Time, e.subject)
	seq := h.windower.Push(e)
	if h.joiner != nil {
		h.joiner.Detection(r.Time)
	}
	if e.outcome == "" {
		h.ask(seq, &asked{record: *r, det: det, subject: e.subject})
	}
}

// judge returns the outcome of a detection that needs no probe, "" for one that does. Exclusions come before anything
// is fetched.
func (h *holding) judge(d *Detection, record time.Time, s *Subject) Outcome {
	switch {
	case h.Excluded != nil && h.Excluded(d):
		return Excluded
	case s == nil:
		return UnknownDetector
	case record.Sub(d.Time) > h.Window.Lateness:
		return Late
	case d.Time.Sub(record) > h.Window.Future:
		return Future
	case !h.Sampler.Sample(d.MediaID, h.Rate):
		return Unsampled
	}
	return ""
}

// ask joins a sampled detection with its media: at once, or when the media comes.
func (h *holding) ask(seq int64, q *asked) {
	h.asked[seq] = q
	inline := len(q.det.Media.Inline) > 0
	if h.joiner == nil || inline {
		h.ready = append(h.ready, seq)
		return
	}
	if m, ok := h.joiner.Want(q.det.MediaID, seq, q.record.Time, h.Now()); ok {
		q.media = &m
		h.ready = append(h.ready, seq)
	}
}

// takeMedia feeds the look-up.
func (h *holding) takeMedia(f fetched) error {
	if f.err != nil {
		return h.trouble(Media, f)
	}
	for i := range f.Records {
		r := &f.Records[i]
		id := string(r.Key)
		if !h.Sampler.Sample(id, h.Rate) {
			h.joiner.Pass(r.Time)
			continue
		}
		m := MediaAt{Offset: r.Offset, Time: r.Time, Bytes: r.Value}
		for _, seq := range h.joiner.Add(id, m) {
			if q := h.asked[seq]; q != nil {
				q.media = &m
				h.ready = append(h.ready, seq)
			}
		}
	}
	h.mediaNext = f.Next
	h.joiner.MediaAtEnd(f.Next >= f.End)
	return nil
}

// expire ends the waiting of detections whose media did not come.
func (h *holding) expire() {
	if h.joiner == nil {
		return
	}
	for _, seq := range h.joiner.Expire(h.Now()) {
		delete(h.asked, seq)
		h.windower.At(seq).outcome = Unmatched
	}
}

// dispatch starts work while there is room.
func (h *holding) dispatch() {
	for len(h.ready) > 0 && h.inflight < h.Flow.InFlight {
		seq := h.ready[0]
		h.ready = h.ready[1:]
		q := h.asked[seq]
		h.inflight++
		h.Stats.InFlight.Add(1)
		go func() { h.results <- result{seq, h.find(q)} }()
	}
}

// find does the work of one asked detection. What was wrong with it is in the dead letters before it counts as done.
func (h *holding) find(q *asked) Finding {
	f := Finding{}
	if q.bad != nil {
		f = *q.bad
	} else {
		f = h.Prober.Probe(h.work, &q.det, q.subject, h.identity(&q.record), h.bytes(q))
	}
	if f.Err != nil && f.Outcome != "" {
		if !bury(h.work, h.Letters, newDeadLetter(Detections, &q.record, f), h.log) {
			return Finding{Err: h.work.Err()}
		}
		h.Stats.Letters.Add(1)
	}
	return f
}

// identity names a record for good: a topic that is made again starts its offsets again.
func (h *holding) identity(r *Record) string {
	return fmt.Sprintf("%s/%s/%d/%d", r.Topic, h.topic, r.Partition, r.Offset)
}

// bytes returns how the media of a detection is read.
func (h *holding) bytes(q *asked) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		switch {
		case len(q.det.Media.Inline) > 0:
			return q.det.Media.Inline, nil
		case q.media != nil && q.media.Bytes != nil:
			return q.media.Bytes, nil
		case q.media != nil:
			return h.reread(ctx, q.media.Offset)
		case h.Files != nil && q.det.Media.URI != "":
			return h.Files.Read(ctx, q.det.Media.URI)
		}
		return nil, fmt.Errorf("%w: the detection carries no media and join.media allows no other way to it", ErrNotAllowed)
	}
}

// reread fetches one media record again, because its bytes were over the buffer's budget when it passed.
func (h *holding) reread(ctx context.Context, offset int64) ([]byte, error) {
	h.refetchMu.Lock()
	defer h.refetchMu.Unlock()
	page, err := h.refetch.Fetch(ctx, offset)
	if errors.Is(err, ErrTrimmed) || err == nil && (len(page.Records) == 0 || page.Records[0].Offset != offset) {
		return nil, fmt.Errorf("%w: media record %d has left the topic", ErrMediaGone, offset)
	}
	if err != nil {
		return nil, err
	}
	return page.Records[0].Value, nil
}

// takeResult finishes a sampled detection.
func (h *holding) takeResult(r result) {
	h.inflight--
	h.Stats.InFlight.Add(-1)
	q := h.asked[r.seq]
	delete(h.asked, r.seq)
	f := r.finding
	e := h.windower.At(r.seq)
	e.outcome, e.reason = f.Outcome, f.Reason
	if f.Reading != nil {
		e.contents = h.contentsOf(q, f.Reading)
	}
}

func (h *holding) contentsOf(q *asked, r *Reading) *contents {
	c := &contents{reading: r, record: ProbeRecord{MediaKey: h.Sampler.Hide(q.det.MediaID),
		Generation: q.subject.Generation.ID, Offset: q.record.Offset, Decisions: r.Decisions}}
	worst := -1
	for i, ch := range r.Changes {
		if worst < 0 || ch.Ticks > r.Changes[worst].Ticks {
			worst = i
		}
	}
	if worst >= 0 && (r.Changes[worst].Ticks > exampleTicks || r.Changes[worst].Half != Kept) {
		c.example = &Example{Generation: q.subject.Generation.ID, Media: h.showable(q.det.MediaID), Variant: worst + 1,
			Clean: r.Clean, Perturbed: r.Changes[worst].Perturbed, Time: q.det.Time}
	}
	return c
}

// exampleTicks is how far a probability must move (.05, the headline tolerance) for its media to be worth a look.
const exampleTicks = 50_000

// showable is the media id as the configuration lets people see it.
func (h *holding) showable(mediaID string) string {
	switch h.Window.ExampleIDs {
	case "raw":
		return mediaID
	case "none":
		return ""
	}
	return h.Sampler.Hide(mediaID)
}

func decodeReason(err error) string {
	var d *DecodeError
	if errors.As(err, &d) {
		return d.Reason
	}
	return ReasonInvalidField
}
