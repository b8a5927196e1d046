package pipeline

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

var joinEpoch = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// at is a moment after the epoch of these tests.
func at(d time.Duration) time.Time { return joinEpoch.Add(d) }

func newTestJoiner() *Joiner { return NewJoiner(5*time.Minute, time.Minute, 1<<20) }

func wantWaiting(t *testing.T, j *Joiner, id string, seq int64, record, now time.Time) {
	t.Helper()
	if m, ok := j.Want(id, seq, record, now); ok {
		t.Fatalf("%s found %+v", id, m)
	}
}

func expired(j *Joiner) []int64 {
	gone := j.Expire()
	slices.Sort(gone)
	return gone
}

// mediaUpTo reads two pages, fetched soon, that begin there.
func mediaUpTo(j *Joiner, d time.Duration) {
	j.MediaPage(at(d), false, at(4*time.Minute))
	j.MediaPage(at(d), false, at(4*time.Minute))
}

func TestJoinInAnyOrder(t *testing.T) {
	j := newTestJoiner()
	if waits := j.Add("a", MediaAt{Offset: 1, Time: at(0), Bytes: []byte("A")}); len(waits) != 0 {
		t.Fatalf("somebody waited: %v", waits)
	}
	if m, ok := j.Want("a", 10, at(0), at(0)); !ok || string(m.Bytes) != "A" {
		t.Fatalf("media first: %+v %v", m, ok)
	}
	for seq := range int64(3) { // several detectors judge one media
		wantWaiting(t, j, "b", seq, at(0), at(0))
	}
	wantWaiting(t, j, "c", 3, at(0), at(0))
	if waits := j.Add("b", MediaAt{Offset: 2, Time: at(0)}); !slices.Equal(waits, []int64{0, 1, 2}) || j.Waiting() != 1 {
		t.Fatalf("woken %v, %d wait", waits, j.Waiting())
	}
	j.Add("a", MediaAt{Offset: 3, Time: at(0), Bytes: []byte("AA")})
	if m, ok := j.Get("a"); !ok || m.Offset != 3 || j.used != 2 {
		t.Fatalf("the later record does not replace the earlier: %+v, %d bytes", m, j.used)
	}
}

func TestJoinUnmatched(t *testing.T) {
	for _, c := range []struct {
		name string
		then func(j *Joiner)
		want []int64
	}{
		{"nothing is read", func(*Joiner) {}, nil},
		{"the log goes on", func(j *Joiner) { j.MediaPage(at(0), false, at(time.Hour)) }, nil},
		{"the log ends, not for long", func(j *Joiner) { j.MediaPage(time.Time{}, true, at(59*time.Second)) }, nil},
		{"the log ends, for long", func(j *Joiner) { j.MediaPage(time.Time{}, true, at(61*time.Second)) }, []int64{1, 2}},
		{"within the window", func(j *Joiner) { mediaUpTo(j, 3*time.Minute) }, nil},
		{"past the window of one", func(j *Joiner) { mediaUpTo(j, 4*time.Minute) }, []int64{1}},
		{"a page that begins within the window", func(j *Joiner) {
			j.Add("x", MediaAt{Offset: 1, Time: at(0)})
			j.Add("y", MediaAt{Offset: 2, Time: at(time.Hour)})
			j.MediaPage(at(0), false, at(time.Hour))
		}, nil},
		// Clocks that are a year ahead say no more than the worker's own; of one page, nothing.
		{"media from the future", func(j *Joiner) { mediaUpTo(j, 365*24*time.Hour) }, []int64{1}},
		{"one page from the future, hours later", func(j *Joiner) { j.MediaPage(at(365*24*time.Hour), false, at(9*time.Hour)) }, nil},
		// A page that was fetched before the store went away, and taken when it came back, is old news.
		{"an old page", func(j *Joiner) { j.MediaPage(time.Time{}, true, at(time.Second)) }, nil},
		{"the log ended and goes on", func(j *Joiner) {
			j.MediaPage(time.Time{}, true, at(2*time.Minute))
			j.MediaPage(at(0), false, at(2*time.Minute))
		}, nil},
	} {
		j := newTestJoiner()
		wantWaiting(t, j, "a", 1, at(-2*time.Minute), at(0))
		wantWaiting(t, j, "b", 2, at(0), at(0))
		j.MediaPage(at(0), false, at(0))
		c.then(j)
		if got := expired(j); !slices.Equal(got, c.want) || j.Waiting() != 2-len(c.want) {
			t.Errorf("%s: unmatched %v, want %v; %d wait", c.name, got, c.want, j.Waiting())
		}
	}
}

// A detection from the future waits no longer than one from now.
func TestJoinDetectionFromTheFuture(t *testing.T) {
	j := newTestJoiner()
	wantWaiting(t, j, "a", 1, at(365*24*time.Hour), at(0))
	j.MediaPage(at(6*time.Minute), false, at(6*time.Minute)) // the first page
	if got := expired(j); !slices.Equal(got, []int64{1}) {
		t.Errorf("unmatched %v", got)
	}
}

// One from long ago waits as long as its neighbours.
func TestJoinDetectionFromLongAgo(t *testing.T) {
	j := newTestJoiner()
	mediaUpTo(j, 0)
	j.DetectionPage(at(0), false, at(0))
	wantWaiting(t, j, "a", 1, at(-9999*time.Hour), at(0))
	mediaUpTo(j, 4*time.Minute)
	if got := expired(j); got != nil {
		t.Errorf("unmatched %v", got)
	}
	j.MediaPage(at(6*time.Minute), false, at(9*time.Minute))
	j.MediaPage(at(6*time.Minute), false, at(9*time.Minute))
	if got := expired(j); !slices.Equal(got, []int64{1}) {
		t.Errorf("unmatched %v, want [1]", got)
	}
}

func TestJoinRemembers(t *testing.T) {
	hour := at(time.Hour)
	for _, c := range []struct {
		name string
		then func(j *Joiner)
		kept string
	}{
		{"no detections yet", func(j *Joiner) { j.MediaPage(hour, false, hour) }, "old new future"},
		{"detections are behind", func(j *Joiner) { j.DetectionPage(at(9*time.Minute), false, hour) }, "old new future"},
		{"two windows on", func(j *Joiner) { j.DetectionPage(at(11*time.Minute), false, hour) }, "new future"},
		{"far on", func(j *Joiner) { j.DetectionPage(hour, false, hour) }, "future"},
		{"no detections for an hour", func(j *Joiner) { j.MediaPage(hour, true, hour); j.DetectionPage(time.Time{}, true, hour) }, "future"},
		// One wrong clock must not make it forget.
		{"detection from the future", func(j *Joiner) { j.DetectionPage(at(999*time.Hour), false, at(9*time.Minute)) }, "old new future"},
		{"media from the future", func(j *Joiner) {
			j.MediaPage(at(999*time.Hour), true, at(9*time.Minute))
			j.DetectionPage(time.Time{}, true, at(9*time.Minute))
		}, "old new future"},
		// The page said "the end" an hour ago; media read since is no measure of where the detections are.
		{"an old page", func(j *Joiner) { j.MediaPage(hour, true, hour); j.DetectionPage(time.Time{}, true, at(9*time.Minute)) }, "old new future"},
	} {
		j := newTestJoiner()
		j.Add("future", MediaAt{Offset: 0, Time: at(999 * time.Hour), Bytes: make([]byte, 10)}) // comes first, holds nobody back
		j.Add("old", MediaAt{Offset: 1, Time: at(0), Bytes: make([]byte, 10)})
		j.Add("new", MediaAt{Offset: 2, Time: at(5 * time.Minute), Bytes: make([]byte, 10)})
		c.then(j)
		j.Expire()
		kept := ""
		for _, id := range []string{"old", "new", "future"} {
			if _, ok := j.Get(id); ok {
				kept += " " + id
			}
		}
		if kept != " "+c.kept || j.used != int64(10*len(j.seen)) || len(j.arrived) != len(j.seen) {
			t.Errorf("%s: kept%s, want %s; %d bytes and %d arrivals of %d", c.name, kept, c.kept, j.used, len(j.arrived), len(j.seen))
		}
	}
}

func TestJoinMiddleOfAPage(t *testing.T) {
	page := func(minutes ...int) (records []Record) {
		for _, m := range minutes {
			records = append(records, Record{Time: at(time.Duration(m) * time.Minute)})
		}
		return records
	}
	long := make([]int, 1000)
	for i := range long {
		long[i] = i
		if i%3 == 0 {
			long[i] = -9999999
		}
	}
	for _, c := range []struct {
		records  []Record
		from, to int
	}{
		{page(7), 7, 7}, {page(1, 2), 1, 1}, {page(3, -999999, 2), 2, 2}, {page(1, 999999, 2), 2, 2}, {page(long...), 150, 400},
	} {
		if got := middle(c.records); got.Before(at(time.Duration(c.from)*time.Minute)) || got.After(at(time.Duration(c.to)*time.Minute)) {
			t.Errorf("%d records: %s", len(c.records), got)
		}
	}
	if !middle(nil).IsZero() {
		t.Error("an empty page has a middle")
	}
}

// A record with a time of long ago stays as long as its neighbours in the log.
func TestJoinKeepsWhatCameLate(t *testing.T) {
	j := newTestJoiner()
	for range 2 {
		j.MediaPage(at(0), false, at(0))
	}
	j.MediaPage(at(-9999*time.Hour), false, at(0))
	j.Add("a", MediaAt{Offset: 1, Time: at(-9999 * time.Hour)})
	j.DetectionPage(at(9*time.Minute), false, at(9*time.Minute))
	j.Expire()
	if _, ok := j.Get("a"); !ok {
		t.Error("forgotten at once")
	}
	j.DetectionPage(at(11*time.Minute), false, at(11*time.Minute))
	j.DetectionPage(at(11*time.Minute), false, at(11*time.Minute))
	j.Expire()
	if _, ok := j.Get("a"); ok {
		t.Error("never forgotten")
	}
}

// Whatever is sent, memory is bounded by the budget, and what is forgotten first is the oldest.
func TestJoinMemoryIsBounded(t *testing.T) {
	j := NewJoiner(5*time.Minute, time.Minute, 100*mediaOverhead)
	for i := range 1000 {
		j.Add(fmt.Sprint(i%400), MediaAt{Offset: int64(i), Time: at(999 * time.Hour), Bytes: make([]byte, 700)})
		var held int64
		for _, m := range j.seen {
			held += int64(len(m.Bytes))
		}
		if held != j.used || held > j.budget || len(j.seen) > 100 || len(j.arrived) > 100 {
			t.Fatalf("after %d: %d bytes held, %d counted, %d media, %d arrivals", i, held, j.used, len(j.seen), len(j.arrived))
		}
	}
	if m, ok := j.Get("199"); !ok || m.Offset != 999 {
		t.Error("the newest was forgotten")
	}
}

func TestJoinAhead(t *testing.T) {
	hour := at(time.Hour)
	j := newTestJoiner()
	ahead := func(want bool, why string) {
		t.Helper()
		if j.Ahead() != want {
			t.Errorf("%s: ahead is %v", why, !want)
		}
	}
	j.MediaPage(at(30*time.Minute), false, hour)
	ahead(false, "no detection was seen")
	j.DetectionPage(at(0), false, hour)
	ahead(true, "30 minutes before the detections")
	wantWaiting(t, j, "a", 1, at(0), hour)
	ahead(false, "somebody waits")
	j.Add("a", MediaAt{Offset: 1, Time: at(0)})
	ahead(true, "nobody waits any more")
	j.DetectionPage(at(21*time.Minute), false, hour)
	ahead(true, "one page near says little")
	j.DetectionPage(at(21*time.Minute), false, hour)
	ahead(false, "the detections have come near")
	j.MediaPage(hour, false, hour)
	j.MediaPage(hour, false, hour)
	ahead(true, "an hour after the epoch")
	j.DetectionPage(time.Time{}, true, hour)
	ahead(false, "the detections are at their end")
}
