package pipeline_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"shaketable/pipeline"
)

func TestEveryDetectionEndsInOneOutcomeAndEveryCounterIsRight(t *testing.T) {
	r := newRig(t)
	tr := newTraffic(r)
	mix(tr, 300, 1)
	r.run(r.applied)
	tr.check()
}

func TestRedisRollbackIsReplayedExactly(t *testing.T) {
	r := newRig(t)
	tr := newTraffic(r)
	mix(tr, 200, 2)
	r.tape.midway(60, func() { r.tape.rollback(20) })
	r.run(func() bool { return r.tape.finished() && r.applied() })
	tr.check()
	if r.tape.seen(pipeline.GAP)+r.tape.seen(pipeline.FENCED)+r.tape.seen(pipeline.LOST) == 0 {
		t.Error("the rollback was not noticed")
	}
}

func TestGapVerdictIsForcedAndReplayed(t *testing.T) {
	r := newRig(t)
	tr := newTraffic(r)
	mix(tr, 200, 3)
	// The claim is much older than what is rolled back: only the chain of offsets can tell.
	r.tape.midway(60, func() { r.tape.rollback(4) })
	r.run(func() bool { return r.tape.finished() && r.applied() })
	tr.check()
	if r.tape.seen(pipeline.GAP) == 0 {
		t.Error("GAP was never answered")
	}
}

func TestLostStoreIsRebuiltFromKafka(t *testing.T) {
	r := newRig(t)
	r.line.Flow.Rebuild = time.Since(epoch) + 1000*time.Hour
	r.line.Window.LabelHorizon = r.line.Flow.Rebuild
	tr := newTraffic(r)
	mix(tr, 200, 4)
	r.tape.midway(60, r.tape.flush)
	r.run(func() bool { return r.tape.finished() && r.applied() })
	tr.check()
	if r.tape.seen(pipeline.LOST) == 0 {
		t.Error("LOST was never answered")
	}
}

func TestLostReplyIsNotCountedTwice(t *testing.T) {
	r := newRig(t)
	tr := newTraffic(r)
	mix(tr, 150, 5)
	loaded := 0
	r.tape.after = func(_ int, b *pipeline.Batch) error {
		if b.Last == b.Prev {
			return nil
		}
		if loaded++; loaded%3 == 1 {
			return errInjected
		}
		return nil
	}
	r.run(r.applied)
	tr.check()
	if r.tape.seen(pipeline.DUP) == 0 {
		t.Error("DUP was never answered")
	}
}

func TestStoppedWorkersCountOnce(t *testing.T) {
	r := newRig(t)
	tr := newTraffic(r)
	mix(tr, 240, 6)
	for stop := int64(40); stop <= 200; stop += 40 {
		r.line.Flow.Drain = time.Duration(stop%80) * time.Millisecond // with a drain, and without
		r.run(func() bool { return r.tape.outcomes()[pipeline.Read] >= stop })
	}
	r.run(r.applied)
	tr.check()
}

func TestStoreOutageLosesNothing(t *testing.T) {
	r := newRig(t)
	tr := newTraffic(r)
	mix(tr, 120, 7)
	r.tape.before = func(n int, _ *pipeline.Batch) error {
		if n > 2 && n < 6 {
			return errInjected
		}
		return nil
	}
	ready := true
	r.run(func() bool {
		ready = ready && len(r.line.Health.Faults()) == 0
		return r.applied()
	})
	tr.check()
	if ready {
		t.Error("the worker stayed ready while the store did not answer")
	}
	if faults := r.line.Health.Faults(); len(faults) != 0 {
		t.Errorf("still not ready: %v", faults)
	}
}

func TestAnotherOwnerFencesAndIsFenced(t *testing.T) {
	r := newRig(t)
	tr := newTraffic(r)
	mix(tr, 150, 8)
	r.tape.midway(30, func() {
		if _, err := r.tape.memory.Claim(context.Background(), pipeline.Detections, 3, "zombie", nil); err != nil {
			t.Error(err)
		}
	})
	r.run(func() bool { return r.tape.finished() && r.applied() })
	tr.check()
	if r.tape.seen(pipeline.FENCED) == 0 {
		t.Error("FENCED was never answered")
	}
}

func TestUnmatchedAfterTheHold(t *testing.T) {
	r := newRig(t)
	tr := newTraffic(r)
	for _, kind := range []pipeline.Outcome{pipeline.Probed, pipeline.Unmatched, pipeline.Probed, pipeline.Unmatched, pipeline.Probed} {
		tr.send(kind)
	}
	r.run(r.applied)
	tr.check()
}

func TestTrimmedRecordsAreADeclaredGap(t *testing.T) {
	r := newRig(t)
	tr := newTraffic(r)
	for range 30 {
		tr.send(pipeline.Probed)
	}
	r.run(r.applied)
	before := r.tape.outcomes()
	for range 20 {
		tr.send(pipeline.Probed)
	}
	log := r.broker.logs[pipeline.Detections]
	log.trim(log.records[40].Offset)
	missing := log.records[40].Offset - (log.records[29].Offset + 1)
	r.run(r.applied)
	after := r.tape.outcomes()
	if after[pipeline.Gap] != missing {
		t.Errorf("gap is %d, want %d", after[pipeline.Gap], missing)
	}
	if got := after[pipeline.Read] - before[pipeline.Read]; got != 10 {
		t.Errorf("read %d records after the gap, want 10", got)
	}
}

func TestDuplicateContentIsProbedOnce(t *testing.T) {
	r := newRig(t)
	tr := newTraffic(r)
	tr.send(pipeline.Duplicate) // the first of them is the one that counts
	for range 5 {
		tr.send(pipeline.Duplicate)
	}
	r.run(r.applied)
	got := r.tape.outcomes()
	if got[string(pipeline.Probed)] != 1 || got[string(pipeline.Duplicate)] != 5 {
		t.Errorf("probed %d, duplicate %d; want 1 and 5", got[string(pipeline.Probed)], got[string(pipeline.Duplicate)])
	}
}

func TestInlineMediaNeedsNoTopic(t *testing.T) {
	r := newRig(t)
	delete(r.broker.logs, pipeline.Media)
	value := fmt.Sprintf(`{"media_id":"a","detector":{"name":"probe-me"},"score":0.5,"media":{"data":%q}}`,
		base64.StdEncoding.EncodeToString([]byte{9, 9}))
	r.broker.logs[pipeline.Detections].add(pipeline.Record{Topic: "detections", Partition: 3, Time: epoch, Key: []byte("a"), Value: []byte(value)})
	r.run(r.applied)
	if got := r.tape.outcomes(); got[string(pipeline.Probed)] != 1 {
		t.Errorf("outcomes %v, want one probed", got)
	}
}

func TestPanicIsACrashOutcomeAndThePartitionGoesOn(t *testing.T) {
	r := newRig(t)
	tr := newTraffic(r)
	for range 10 {
		tr.send(pipeline.Probed)
	}
	r.model.hook = func(first byte) error {
		if first == 4 {
			panic("a bug")
		}
		return nil
	}
	r.run(r.applied)
	got := r.tape.outcomes()
	if got[string(pipeline.Crash)] != 1 || got[string(pipeline.Probed)] != 9 {
		t.Errorf("crash %d, probed %d; want 1 and 9", got[string(pipeline.Crash)], got[string(pipeline.Probed)])
	}
}
