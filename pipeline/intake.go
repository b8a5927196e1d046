package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// asked is a detection that needs work outside the owner's goroutine: a probe, or a dead letter that must be
// acknowledged.
type asked struct {
	record  Record
	det     Detection
	subject *Subject
	media   *MediaAt // from the media topic; nil for the other ways of joining. Its bytes stay with the joiner until dispatch
	bad     *Finding // the record can't be decoded: only the letter is left to do
}

// takeDetections admits a page of detections.
func (h *holding) takeDetections(ctx context.Context, f fetched) error {
	if f.err != nil {
		return h.unreadable(Detections, f)
	}
	if err := h.Schedule.Cover(ctx, newest(f.Records)); err != nil {
		return err
	}
	for i := range f.Records {
		if err := h.admit(ctx, &f.Records[i]); err != nil {
			return err
		}
	}
	h.next, h.end, h.heard = f.Next, f.End, f.at
	if h.joiner != nil {
		h.joiner.DetectionPage(middle(f.Records), h.next >= h.end, f.at)
	}
	return nil
}

// unreadable turns what a reader could not read into the end of the holding: the next claim sees the log's bounds and
// declares the gap, or says that the log ends below the store.
func (h *holding) unreadable(s Stream, f fetched) error {
	if errors.Is(f.err, ErrTrimmed) {
		return fmt.Errorf("%w: %s: %v", errReplay, s, f.err)
	}
	return fmt.Errorf("%w: %s: %v", errBeyond, s, f.err)
}

// admit decodes one detection and finishes it at once, unless it is sampled or can't be decoded. The error is that of ctx.
func (h *holding) admit(ctx context.Context, r *Record) error {
	e := entry{offset: r.Offset, record: r.Time}
	var err error
	if h.det, err = guarded(h.Decode, r); err != nil {
		seq, bad := h.windower.Push(e), badRecord(err)
		h.asked[seq] = &asked{record: *r, bad: &bad}
		h.ready = append(h.ready, seq)
		return nil
	}
	det := &h.det
	h.keyed(Detections, r, det.MediaID)
	untimely := h.untimely(det.Time, r.Time)
	if untimely == "" {
		e.event = det.Time // whatever else becomes of the record, a time that is not believed is not used
	}
	e.subject = h.Roster.Find(det.Detector, det.Version)
	e.outcome = h.judge(det, r.Time, untimely, e.subject)
	if e.subject != nil && untimely == "" && e.outcome != Excluded { // what is excluded leaves no value of its own anywhere
		if e.slices, err = h.slicesOf(ctx, det); err != nil {
			return err
		}
	}
	seq := h.windower.Push(e)
	if e.outcome == "" {
		h.ask(seq, &asked{record: *r, det: *det, subject: e.subject})
	}
	return nil
}

// judge returns the outcome of a detection that needs no probe, "" for one that does. Exclusions come before anything
// is fetched.
func (h *holding) judge(d *Detection, record time.Time, untimely Outcome, s *Subject) Outcome {
	switch {
	case h.Excluded != nil && h.Excluded(d):
		return Excluded
	case s == nil:
		return UnknownDetector
	case untimely != "":
		return untimely
	}
	h.Stats.Eligible.Add(1)
	if !h.Sampler.Sample(d.MediaID, h.Schedule.Rate(record)) {
		return Unsampled
	}
	h.Stats.Sampled.Add(1)
	return ""
}

// newest is the latest record time of a page.
func newest(records []Record) (t time.Time) {
	for i := range records {
		if records[i].Time.After(t) {
			t = records[i].Time
		}
	}
	return t
}

// untimely says whether an event time can't be believed: it is judged against the record's own time, so that a replay judges
// the same.
func (h *holding) untimely(event, record time.Time) Outcome {
	switch {
	case record.Sub(event) > h.Window.Lateness:
		return Late
	case event.Sub(record) > h.Window.Future:
		return Future
	}
	return ""
}

// keyed notices records that lie on the wrong partition: media and labels are looked for where the media id leads to.
func (h *holding) keyed(s Stream, r *Record, mediaID string) {
	if string(r.Key) == mediaID || h.media == nil && h.labels == nil {
		return
	}
	h.Stats.Misplaced.Add(1)
	if h.misplaced {
		return
	}
	h.misplaced = true
	h.log.Warn("record's key is not its media id: its media or label may lie on another partition, where it is not found; key all topics by media id",
		"stream", s, "topic", r.Topic, "offset", r.Offset)
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
		q.media = &MediaAt{Offset: m.Offset}
		h.ready = append(h.ready, seq)
	}
}

// takeMedia feeds the look-up.
func (h *holding) takeMedia(ctx context.Context, f fetched) error {
	if f.err != nil {
		return h.unreadable(Media, f)
	}
	if err := h.Schedule.Cover(ctx, newest(f.Records).Add(h.Join.Window)); err != nil {
		return err
	}
	for i := range f.Records {
		r := &f.Records[i]
		id := string(r.Key)
		if id == "" || !h.Sampler.Sample(id, h.Schedule.Largest(r.Time, h.Join.Window)) {
			continue // no detection will ask for it
		}
		for _, seq := range h.joiner.Add(id, MediaAt{Offset: r.Offset, Time: r.Time, Bytes: r.Value}) {
			if q := h.asked[seq]; q != nil {
				q.media = &MediaAt{Offset: r.Offset}
				h.ready = append(h.ready, seq)
			}
		}
	}
	h.mediaNext = f.Next
	h.joiner.MediaPage(middle(f.Records), f.Next >= f.End, f.at)
	return nil
}

// expire ends the waiting of detections whose media did not come.
func (h *holding) expire() {
	if h.joiner == nil {
		return
	}
	for _, seq := range h.joiner.Expire() {
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
		if q.media != nil {
			if m, ok := h.joiner.Get(q.det.MediaID); ok {
				q.media = &m
			}
		}
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
	if f.Err != nil && f.Outcome != "" && !h.bury(h.work, newDeadLetter(Detections, &q.record, f)) {
		return Finding{Err: h.work.Err()}
	}
	if f.Attack.Err != nil {
		h.attackFailed(&q.record, q.subject, f.Attack)
	}
	return f
}

// attackFailed logs an attack that failed, at a bounded rate: it is counted wherever its probe is.
func (l *Line) attackFailed(r *Record, s *Subject, f AttackFailure) {
	if ok, held := l.attackLog.pass(l.Now()); ok {
		l.Log.Warn("attack could not be concluded, its probe counts", "detector", s.Detector.Name, "version", s.Detector.Version,
			"topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "reason", f.Reason, "error", f.Err, "held_back", held)
	}
}

// errPanic marks a panic while a record was being decoded.
var errPanic = errors.New("panic")

// guarded turns a panic on one record into an error, so that the record ends as a crash and the partition goes on.
func guarded[T any](decode func(*Record) (T, error), r *Record) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("decode %s/%d@%d: %w: %v\n%s", r.Topic, r.Partition, r.Offset, errPanic, p, debug.Stack())
		}
	}()
	return decode(r)
}

// badRecord is the end of a record that could not be decoded.
func badRecord(err error) Finding {
	if errors.Is(err, errPanic) {
		return Finding{Outcome: Crash, Reason: ReasonPanic, Err: err}
	}
	return Finding{Outcome: DeadLettered, Reason: decodeReason(err), Err: err}
}

// identity names a record for good: a topic that is made again starts its offsets again.
func (h *holding) identity(r *Record) string {
	return fmt.Sprintf("%s/%s/%d/%d", r.Topic, h.topic, r.Partition, r.Offset)
}

// bytes returns how the media of a detection is read. What has to come from Kafka again is read here, before the probe takes
// a slot: those are shared by all partitions, and one whose broker is away must not stop the others.
func (h *holding) bytes(q *asked) func(context.Context) ([]byte, error) {
	if q.media != nil && len(q.media.Bytes) == 0 && len(q.det.Media.Inline) == 0 {
		data, err := h.reread(h.work, q.media.Offset)
		return func(context.Context) ([]byte, error) { return data, err }
	}
	return func(ctx context.Context) ([]byte, error) {
		switch {
		case len(q.det.Media.Inline) > 0:
			return q.det.Media.Inline, nil
		case q.media != nil:
			return q.media.Bytes, nil
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
	if len(page.Records[0].Value) == 0 {
		return nil, fmt.Errorf("%w: media record %d is empty: the media was deleted", ErrMediaGone, offset)
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
		e.contents.attack = f.Attack.Reason
	}
}

func (h *holding) contentsOf(q *asked, r *Reading) *contents {
	c := &contents{reading: r, record: ProbeRecord{MediaKey: h.Sampler.Hide(q.det.MediaID),
		Generation: q.subject.Generation.ID, Offset: q.record.Offset, Decisions: r.Decisions}}
	worst := -1
	for i, ch := range r.Changes {
		// An attack moves any media far: it would hide those that ordinary handling moves.
		if !ch.Ran() || !Natural(q.subject.Generation.Variants[i].Family) {
			continue
		}
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
