package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"shaketable/pipeline"
)

// fence returns the fence of the detections.
func (r *rig) fence() pipeline.Fence {
	r.tape.mu.Lock()
	defer r.tape.mu.Unlock()
	fences, _ := r.tape.memory.Fences(context.Background(), pipeline.Detections)
	if len(fences) != 1 {
		return pipeline.Fence{Offset: -1}
	}
	return fences[0]
}

// faulty says whether the process reports a fault of a part that begins so.
func (r *rig) faulty(part string) bool {
	for _, f := range r.line.Health.Faults() {
		if strings.HasPrefix(f, part) {
			return true
		}
	}
	return false
}

func (r *rig) sound() {
	r.t.Helper()
	if faults := r.line.Health.Faults(); len(faults) != 0 {
		r.t.Errorf("faults that are over: %v", faults)
	}
}

// detect writes a detection, and its media unless content is nil, with the same record time.
func (r *rig) detect(id string, record, event time.Time, content []byte) {
	if content != nil {
		r.broker.logs[pipeline.Media].add(pipeline.Record{Topic: "media", Partition: 3, Time: record, Key: []byte(id), Value: content})
	}
	r.broker.logs[pipeline.Detections].add(pipeline.Record{Topic: "detections", Partition: 3, Time: record, Key: []byte(id),
		Value: fmt.Appendf(nil, `{"media_id":%q,"detector":{"name":"probe-me"},"score":0.5,"time":%q}`, id, event.Format(time.RFC3339Nano))})
}

func (r *rig) wantOutcomes(want map[pipeline.Outcome]int64) {
	r.t.Helper()
	got := r.tape.outcomes()
	for o, n := range want {
		if got[string(o)] != n {
			r.t.Errorf("%s is %d, want %d (%v)", o, got[string(o)], n, got)
		}
	}
}

func TestTimesThatAreNotBelievedMoveNothing(t *testing.T) {
	r := newRig(t)
	r.line.Excluded = func(d *pipeline.Detection) bool { return strings.HasPrefix(d.MediaID, "private") }
	r.detect("a", epoch, epoch, []byte{1})
	r.detect("private-1", epoch, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), nil)
	r.detect("private-2", epoch, time.Unix(0, 0), nil)
	r.detect("private-3", epoch, epoch.Add(10*time.Second), nil)
	r.run(r.applied)
	r.wantOutcomes(map[pipeline.Outcome]int64{pipeline.Probed: 1, pipeline.Excluded: 3})
	if mark := r.fence().Watermark; !mark.Equal(epoch.Add(10 * time.Second)) {
		t.Errorf("watermark %s", mark)
	}
	// A producer whose clock is wrong in the record's own time as well.
	wrong := time.Now().Add(365 * 24 * time.Hour)
	r.detect("b", wrong, wrong, []byte{2})
	r.run(r.applied)
	if f := r.fence(); time.Until(f.Watermark) > time.Hour || time.Until(f.Record) > time.Hour {
		t.Errorf("watermark %s, record %s", f.Watermark, f.Record)
	}
}

func TestStoppedWhileTheStoreIsAwayLeavesNoFault(t *testing.T) {
	r := newRig(t)
	mix(newTraffic(r), 20, 1)
	r.tape.before = func(int, *pipeline.Batch) error { return errInjected }
	r.run(func() bool { return r.faulty("store (partition 3)") })
	r.sound() // the partition is somebody else's now
}

func TestLostWhileClaimsFailIsStillRebuilt(t *testing.T) {
	r := newRig(t)
	r.line.Flow.Rebuild = time.Since(epoch) + 1000*time.Hour
	r.line.Window.LabelHorizon = r.line.Flow.Rebuild
	r.broker.refuse = func() error { return errInjected } // so that Kafka knows of no earlier run
	tr := newTraffic(r)
	mix(tr, 100, 11)
	failing := 0
	r.tape.claim = func() error {
		if failing > 0 {
			failing--
			return errInjected
		}
		return nil
	}
	r.tape.midway(40, func() {
		r.tape.flush()
		failing = 1
		r.line.Flow.Start = "latest" // a rebuild has to be a rebuild, and not a first run
	})
	r.run(func() bool { return r.tape.finished() && r.applied() })
	tr.check()
	r.sound()
}

func TestFencedWhileKafkaDoesNotAnswerGoesOn(t *testing.T) {
	r := newRig(t)
	tr := newTraffic(r)
	mix(tr, 100, 12)
	var refusals atomic.Int64
	r.broker.refuse = func() error {
		if refusals.Add(-1) >= 0 {
			return errors.New("group coordinator not available")
		}
		return nil
	}
	r.tape.midway(30, func() {
		refusals.Store(4)
		if _, err := r.tape.memory.Claim(context.Background(), pipeline.Detections, 3, "zombie", nil); err != nil {
			t.Error(err)
		}
	})
	r.run(func() bool { return r.tape.finished() && r.applied() })
	tr.check()
	r.sound()
}

func TestOutageLongerThanTheHoldUnmatchesNobody(t *testing.T) {
	r := newRig(t)
	r.detect("a", epoch, epoch, []byte{1})
	var away atomic.Bool
	var began atomic.Int64
	r.tape.before = func(int, *pipeline.Batch) error {
		if !away.Load() {
			return nil
		}
		began.CompareAndSwap(0, time.Now().UnixNano())
		return errInjected
	}
	phase := 0
	r.run(func() bool {
		switch {
		case phase == 0 && r.applied():
			away.Store(true)
			r.detect("late", epoch, epoch.Add(-99*time.Hour), nil) // makes a batch
			r.detect("waits", epoch, epoch, nil)
			phase = 1
		case phase == 1 && began.Load() > 0 && time.Now().UnixNano()-began.Load() > int64(10*r.line.Join.MaxHold):
			r.broker.logs[pipeline.Media].add(pipeline.Record{Topic: "media", Partition: 3, Time: epoch, Key: []byte("waits"), Value: []byte{7}})
			away.Store(false)
			phase = 2
		}
		return phase == 2 && r.applied()
	})
	r.wantOutcomes(map[pipeline.Outcome]int64{pipeline.Probed: 2, pipeline.Late: 1, pipeline.Unmatched: 0})
}

func TestOneWrongClockUnmatchesNobodyElse(t *testing.T) {
	for name, future := range map[string]time.Time{"ahead": time.Now().Add(9999 * time.Hour), "1970": time.Unix(0, 0)} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.line.Join.MaxHold = time.Minute
			for i := range 60 {
				id, record := fmt.Sprint(i), epoch.Add(time.Duration(i)*time.Second)
				content := []byte{byte(i), 1}
				if i%20 == 10 {
					r.broker.logs[pipeline.Media].add(pipeline.Record{Topic: "media", Partition: 3, Time: future, Key: []byte("odd"), Value: []byte{1}})
					r.detect("odd"+id, future, future, []byte{byte(i), 9})
				}
				r.detect(id, record, record, content)
				if i == 30 { // and again after a restart
					r.run(r.applied)
				}
			}
			r.run(r.applied)
			r.wantOutcomes(map[pipeline.Outcome]int64{pipeline.Probed: 63, pipeline.Unmatched: 0})
		})
	}
}

func TestRestartReadsMediaAsFarBackAsItWasRemembered(t *testing.T) {
	r := newRig(t)
	window := r.line.Join.Window
	r.broker.logs[pipeline.Media].add(pipeline.Record{Topic: "media", Partition: 3, Time: epoch.Add(-window * 3 / 2), Key: []byte("b"), Value: []byte{2}})
	r.detect("a", epoch, epoch, []byte{1})
	r.run(r.applied)
	r.detect("b", epoch.Add(-window), epoch.Add(-window), nil) // its record came out of the order of times
	r.run(r.applied)
	r.wantOutcomes(map[pipeline.Outcome]int64{pipeline.Probed: 2})
}

func TestMediaBeyondTheBudgetIsReadAgain(t *testing.T) {
	r := newRig(t)
	r.line.Join.BufferBytes = 1 << 16
	for i := range 40 {
		content := make([]byte, 10_000)
		content[0], content[1] = byte(i), 1
		r.detect(fmt.Sprint(i), epoch, epoch, content)
	}
	r.detect("deleted", epoch, epoch, []byte{}) // a tombstone of a compacted topic
	r.run(r.applied)
	r.wantOutcomes(map[pipeline.Outcome]int64{pipeline.Probed: 40, pipeline.MediaGone: 1})
}

func TestPanicOfADecoderIsACrashOutcome(t *testing.T) {
	r := newRig(t)
	tr := newTraffic(r)
	for range 10 {
		tr.send(pipeline.Probed)
	}
	decode, labels := r.line.Decode, r.line.Labels
	r.line.Decode = func(rec *pipeline.Record) (pipeline.Detection, error) {
		if string(rec.Key) == "media-3" {
			panic("a bug")
		}
		return decode(rec)
	}
	r.line.Labels = func(rec *pipeline.Record) (pipeline.Label, error) {
		if string(rec.Key) == "media-4" {
			panic("a bug")
		}
		return labels(rec)
	}
	r.run(r.applied)
	r.wantOutcomes(map[pipeline.Outcome]int64{pipeline.Crash: 1, pipeline.Probed: 9, "crash.panic": 1, "label.crash": 1})
}

// grave keeps dead letters; it fails at first, and looks whether a record was counted before its letter was safe.
type grave struct {
	r       *rig
	failing atomic.Int64
	letters atomic.Int64
	early   atomic.Int64
}

func (g *grave) Bury(_ context.Context, d pipeline.DeadLetter) error {
	if d.Stream == pipeline.Detections && g.r.fence().Offset >= d.Offset {
		g.early.Add(1)
	}
	if g.failing.Add(-1) >= 0 {
		return errInjected
	}
	g.letters.Add(1)
	return nil
}

func TestLetterIsSafeBeforeItsRecordCounts(t *testing.T) {
	r := newRig(t)
	tr := newTraffic(r)
	mix(tr, 60, 13)
	g := &grave{r: r}
	g.failing.Store(6)
	r.line.Letters = g
	seen := false
	r.run(func() bool {
		seen = seen || r.faulty("dead letters (partition 3)")
		return r.applied()
	})
	tr.check()
	if want := tr.truth[string(pipeline.DeadLettered)] + tr.truth[string(pipeline.Inconclusive)]; g.letters.Load() != want || g.early.Load() != 0 {
		t.Errorf("%d letters, want %d; %d records were counted first", g.letters.Load(), want, g.early.Load())
	}
	if !seen {
		t.Error("the worker stayed ready while dead letters were refused")
	}
	r.sound()
}

func TestWhatProbesAndReadersWaitForIsAFault(t *testing.T) {
	r := newRig(t)
	tr := newTraffic(r)
	mix(tr, 60, 14)
	var away atomic.Bool
	away.Store(true)
	r.tape.win = func() error {
		if away.Load() {
			return errInjected
		}
		return nil
	}
	labels := r.broker.logs[pipeline.Labels]
	labels.fail.Store(true)
	r.run(func() bool {
		if away.Load() && r.faulty("store (claims)") && r.faulty("kafka labels (partition 3)") {
			away.Store(false)
			labels.fail.Store(false)
		}
		return !away.Load() && r.applied()
	})
	tr.check()
	r.sound()
}

// While Kafka does not answer, nobody may say that the position is the log end: the watermark would pass the partition by.
func TestNoEndIsToldWhileKafkaIsAway(t *testing.T) {
	r := newRig(t)
	var ahead, asked atomic.Int64
	r.line.Now = func() time.Time {
		asked.Add(1)
		return time.Now().Add(time.Duration(ahead.Load()))
	}
	delete(r.broker.logs, pipeline.Media)
	delete(r.broker.logs, pipeline.Labels)
	log := r.broker.logs[pipeline.Detections]
	r.detect("x", epoch, epoch.Add(-99*time.Hour), nil)
	phase, told := 0, time.Time{}
	r.run(func() bool {
		switch {
		case phase == 0 && !r.fence().AtEnd.IsZero():
			ahead.Store(int64(time.Hour))
			phase = 1
		case phase == 1 && time.Until(r.fence().AtEnd) > 0: // goes on being told
			log.fail.Store(true)
			phase = 2
		case phase == 2 && r.faulty("kafka detections"):
			told = r.fence().AtEnd
			ahead.Store(int64(2 * time.Hour))
			asked.Store(0)
			phase = 3
		}
		return phase == 3 && asked.Load() > 100
	})
	if now := r.fence().AtEnd; !now.Equal(told) {
		t.Errorf("said to be at the end at %s and again at %s", told, now)
	}
}

func TestRecordsOnTheWrongPartitionAreCounted(t *testing.T) {
	r := newRig(t)
	for i, key := range []string{"0", "other", ""} {
		r.broker.logs[pipeline.Detections].add(pipeline.Record{Topic: "detections", Partition: 3, Time: epoch, Key: []byte(key),
			Value: fmt.Appendf(nil, `{"media_id":"%d","detector":{"name":"nobody"},"score":0.5}`, i)})
	}
	r.run(r.applied)
	if n := r.line.Stats.Misplaced.Load(); n != 2 {
		t.Errorf("%d records were misplaced, want 2", n)
	}
}
