package pipeline

import (
	"time"
)

// Joiner brings detections and media of one partition together when the media comes on a topic of its own. In: media
// records and detections that want one, in any order. Out: which detections can go on, and with what.
//
// It belongs to one goroutine. Media is a look-up that is rebuilt by reading again, so nothing here is counted or stored.
// Invariant: a detection that waits never stops the reading of media (Ahead is false while anything waits).
type Joiner struct {
	window  time.Duration // largest distance of record times between a detection and its media
	maxHold time.Duration // how long a detection waits at the end of the media log
	budget  int64         // bytes of media kept; beyond it only the offset is

	seen    map[string]MediaAt
	arrived []arrival
	used    int64
	waiting map[string][]wait
	held    int

	mediaTime     time.Time // largest record time of media read
	detectionTime time.Time // largest record time of detections read
	mediaAtEnd    bool
	caughtUp      bool // detections have been read to the end of their log
}

// MediaAt is one media record: its offset, and its bytes unless the budget was spent.
type MediaAt struct {
	Offset int64
	Time   time.Time
	Bytes  []byte // nil: read the record again
}

type arrival struct {
	id     string
	offset int64
}

type wait struct {
	offset int64     // of the detection
	record time.Time // its record time
	since  time.Time // monotonic, when it began to wait
}

// NewJoiner returns an empty joiner. Durations must be positive.
func NewJoiner(window, maxHold time.Duration, budget int64) *Joiner {
	return &Joiner{window: window, maxHold: maxHold, budget: budget, seen: map[string]MediaAt{}, waiting: map[string][]wait{}}
}

// Want returns the media of a detection, or remembers that it waits.
func (j *Joiner) Want(mediaID string, offset int64, record, now time.Time) (MediaAt, bool) {
	if m, ok := j.seen[mediaID]; ok {
		return m, true
	}
	j.waiting[mediaID] = append(j.waiting[mediaID], wait{offset: offset, record: record, since: now})
	j.held++
	return MediaAt{}, false
}

// Add takes in a media record and returns the detections that waited for it. A later record of the same id replaces an
// earlier one, as on a compacted topic.
func (j *Joiner) Add(mediaID string, m MediaAt) []int64 {
	j.tookMedia(m.Time)
	if old, ok := j.seen[mediaID]; ok {
		j.used -= int64(len(old.Bytes))
	}
	if j.used+int64(len(m.Bytes)) > j.budget {
		m.Bytes = nil
	}
	j.used += int64(len(m.Bytes))
	j.seen[mediaID] = m
	j.arrived = append(j.arrived, arrival{mediaID, m.Offset})

	waits := j.waiting[mediaID]
	delete(j.waiting, mediaID)
	j.held -= len(waits)
	offsets := make([]int64, len(waits))
	for i, w := range waits {
		offsets[i] = w.offset
	}
	return offsets
}

// Pass notes a media record that no detection will want (not sampled), for its time only.
func (j *Joiner) Pass(record time.Time) { j.tookMedia(record) }

func (j *Joiner) tookMedia(record time.Time) {
	if record.After(j.mediaTime) {
		j.mediaTime = record
	}
}

// Get returns media that was seen, for a detection that had waited.
func (j *Joiner) Get(mediaID string) (MediaAt, bool) {
	m, ok := j.seen[mediaID]
	return m, ok
}

// Detection notes the record time of a detection: media too old for it and everything after may go.
func (j *Joiner) Detection(record time.Time) {
	if record.After(j.detectionTime) {
		j.detectionTime = record
	}
}

// CaughtUp says whether the detections have been read to the end of their log: what comes next is from now on.
func (j *Joiner) CaughtUp(end bool) { j.caughtUp = end }

// MediaAtEnd says whether the media log has been read to its end.
func (j *Joiner) MediaAtEnd(end bool) { j.mediaAtEnd = end }

// Ahead says that media is so far ahead of the detections that reading more would only fill memory.
func (j *Joiner) Ahead() bool {
	return j.held == 0 && !j.caughtUp && !j.detectionTime.IsZero() && j.mediaTime.After(j.detectionTime.Add(2*j.window))
}

// Expire drops media that no detection can want any more, and returns the detections whose media did not come: the media
// log has moved past the window, or it is at its end and they have waited for max_hold of real time.
func (j *Joiner) Expire(now time.Time) []int64 {
	j.forget()
	var unmatched []int64
	for id, waits := range j.waiting {
		keep := waits[:0]
		for _, w := range waits {
			passed := j.mediaTime.After(w.record.Add(j.window))
			stale := j.mediaAtEnd && now.Sub(w.since) > j.maxHold
			if passed || stale {
				unmatched = append(unmatched, w.offset)
				continue
			}
			keep = append(keep, w)
		}
		j.held -= len(waits) - len(keep)
		if len(keep) == 0 {
			delete(j.waiting, id)
			continue
		}
		j.waiting[id] = keep
	}
	return unmatched
}

// forget drops, oldest first, media more than two windows older than the detections: one for the distance allowed, one
// for records that came out of the order of their times.
func (j *Joiner) forget() {
	newest := j.detectionTime
	if j.caughtUp && j.mediaTime.After(newest) {
		newest = j.mediaTime
	}
	horizon := newest.Add(-2 * j.window)
	n := 0
	for _, a := range j.arrived {
		m, ok := j.seen[a.id]
		current := ok && m.Offset == a.offset
		if current && !m.Time.Before(horizon) {
			break
		}
		if current {
			j.used -= int64(len(m.Bytes))
			delete(j.seen, a.id)
		}
		n++
	}
	j.arrived = append(j.arrived[:0], j.arrived[n:]...)
}

// Waiting returns how many detections wait for media.
func (j *Joiner) Waiting() int { return j.held }
