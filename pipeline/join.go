package pipeline

import (
	"slices"
	"time"
)

// Joiner brings detections and media of one partition together when the media comes on a topic of its own. In: media
// records and detections that want one, in any order. Out: which detections can go on, and with what.
//
// It belongs to one goroutine. Media is a look-up that is rebuilt by reading again, so nothing here is counted or stored.
// Invariant: a detection that waits never stops the reading of media (Ahead is false while anything waits).
//
// How far a log has been read is told by the middle of its last two pages, the earlier one, and never by more than the clock
// said when they were fetched: records with wrong timestamps must not make the look-up forget, or keep, everything else.
type Joiner struct {
	window  time.Duration // largest distance of record times between a detection and its media
	maxHold time.Duration // how long a detection waits at the end of the media log
	budget  int64         // bytes of media kept; beyond it only the offset is
	most    int           // media remembered at all; beyond it the oldest go

	seen    map[string]MediaAt
	arrived []arrival
	used    int64
	waiting map[string][]wait
	held    int

	mediaTime  time.Time // record time up to which media has been read
	mediaFar   time.Time // the furthest that mediaTime ever was
	mediaPage  time.Time // middle record time of the last page of media
	mediaEnd   time.Time // when the media log was last seen to end here; zero if it goes on
	front      time.Time // record time that no further detection is expected to lie far behind
	frontPage  time.Time // middle record time of the last page of detections
	swept      time.Time // horizon of the last sweep
	sweepEvery time.Duration
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
	time   time.Time // its record time, or that of its neighbours in the log if that is later
}

type wait struct {
	seq    int64     // of the detection
	record time.Time // its record time
	since  time.Time // when it began to wait
}

// mediaOverhead is about what remembering one media costs beside its bytes.
const mediaOverhead = 256

// NewJoiner returns an empty joiner. Durations must be positive.
func NewJoiner(window, maxHold time.Duration, budget int64) *Joiner {
	return &Joiner{window: window, maxHold: maxHold, budget: budget, most: max(int(budget/mediaOverhead), 1),
		sweepEvery: window / 8, seen: map[string]MediaAt{}, waiting: map[string][]wait{}}
}

// Want returns the media of a detection, or remembers that it waits, under its sequence number. A record time that is not
// that of its neighbours in the log makes it wait as they do.
func (j *Joiner) Want(mediaID string, seq int64, record, now time.Time) (MediaAt, bool) {
	if m, ok := j.seen[mediaID]; ok {
		return m, true
	}
	j.waiting[mediaID] = append(j.waiting[mediaID], wait{seq: seq, record: earlier(later(record, j.front), now), since: now})
	j.held++
	return MediaAt{}, false
}

// Add takes in a media record and returns the detections that waited for it. A later record of the same id replaces an
// earlier one, as on a compacted topic.
func (j *Joiner) Add(mediaID string, m MediaAt) []int64 {
	j.used -= int64(len(j.seen[mediaID].Bytes))
	if j.used+int64(len(m.Bytes)) > j.budget {
		m.Bytes = nil
	}
	j.used += int64(len(m.Bytes))
	j.seen[mediaID] = m
	j.arrived = append(j.arrived, arrival{mediaID, m.Offset, later(m.Time, j.mediaFar)})
	for len(j.arrived) > j.most {
		j.drop(j.arrived[0])
		j.arrived = j.arrived[1:]
	}
	waits := j.waiting[mediaID]
	delete(j.waiting, mediaID)
	j.held -= len(waits)
	seqs := make([]int64, len(waits))
	for i, w := range waits {
		seqs[i] = w.seq
	}
	return seqs
}

// Get returns media that was seen and is not forgotten.
func (j *Joiner) Get(mediaID string) (MediaAt, bool) {
	m, ok := j.seen[mediaID]
	return m, ok
}

// MediaPage notes a page of media, after its records: the middle record time on it (zero for an empty page), whether the
// log ended there, and when it was fetched.
func (j *Joiner) MediaPage(middle time.Time, atEnd bool, fetched time.Time) {
	if !middle.IsZero() {
		j.mediaTime, j.mediaPage = readUpTo(j.mediaPage, middle, fetched)
		j.mediaFar = later(j.mediaFar, j.mediaTime)
	}
	j.mediaEnd = time.Time{}
	if atEnd {
		j.mediaEnd = fetched
	}
}

// readUpTo returns how far a log has been read after another page, and what to remember of that page.
func readUpTo(last, middle, fetched time.Time) (to, page time.Time) {
	page = earlier(middle, fetched)
	if last.IsZero() {
		return page, page
	}
	return earlier(last, page), page
}

// DetectionPage is MediaPage for detections. At the end of their log what comes next is from then on.
func (j *Joiner) DetectionPage(middle time.Time, atEnd bool, fetched time.Time) {
	if !middle.IsZero() {
		j.front, j.frontPage = readUpTo(j.frontPage, middle, fetched)
	}
	if atEnd {
		j.front = later(j.front, earlier(j.mediaTime, fetched))
	}
}

// Ahead says that media is so far ahead of the detections that reading more would only fill memory.
func (j *Joiner) Ahead() bool {
	return j.held == 0 && !j.front.IsZero() && j.mediaTime.After(j.front.Add(2*j.window))
}

// Expire drops media that no detection can want any more, and returns the detections whose media did not come: the media
// log has moved past the window, or it still ended here after they had waited for max_hold of real time.
func (j *Joiner) Expire() []int64 {
	j.forget()
	var unmatched []int64
	for id, waits := range j.waiting {
		keep := waits[:0]
		for _, w := range waits {
			passed := j.mediaTime.After(w.record.Add(j.window))
			stale := !j.mediaEnd.IsZero() && j.mediaEnd.Sub(w.since) > j.maxHold
			if passed || stale {
				unmatched = append(unmatched, w.seq)
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

// forget drops media more than two windows older than the detections: one for the distance allowed, one for records that
// came out of the order of their times. Each goes by a time of its own, so that one from the future holds nobody back.
func (j *Joiner) forget() {
	horizon := j.front.Add(-2 * j.window)
	if j.front.IsZero() || horizon.Sub(j.swept).Abs() < j.sweepEvery {
		return
	}
	j.swept = horizon
	keep := j.arrived[:0]
	for _, a := range j.arrived {
		m, ok := j.seen[a.id]
		if !ok || m.Offset != a.offset {
			continue // a later record has taken its place
		}
		if a.time.Before(horizon) {
			j.drop(a)
			continue
		}
		keep = append(keep, a)
	}
	clear(j.arrived[len(keep):])
	j.arrived = keep
}

func (j *Joiner) drop(a arrival) {
	if m, ok := j.seen[a.id]; ok && m.Offset == a.offset {
		j.used -= int64(len(m.Bytes))
		delete(j.seen, a.id)
	}
}

// Waiting returns how many detections wait for media.
func (j *Joiner) Waiting() int { return j.held }

// earlier returns the earlier of two times.
func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// middle returns the median record time of a page, of at most 33 records spread over it; zero if it is empty.
func middle(records []Record) time.Time {
	if len(records) == 0 {
		return time.Time{}
	}
	var times []time.Time
	for i := 0; i < len(records); i += len(records)/33 + 1 {
		times = append(times, records[i].Time)
	}
	slices.SortFunc(times, time.Time.Compare)
	return times[(len(times)-1)/2]
}
