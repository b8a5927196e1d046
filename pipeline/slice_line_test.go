package pipeline_test

import (
	"fmt"
	"slices"
	"testing"

	"shaketable/pipeline"
)

// While the store does not say which slice a detection belongs to, the partition waits and the worker is not ready; then
// everything is where it belongs.
func TestSlicesWaitForTheStore(t *testing.T) {
	r := newRig(t)
	tr := newTraffic(r)
	mix(tr, 120, 9)
	asked := 0
	r.tape.place = func() error {
		if asked++; asked > 1 && asked < 5 {
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
	if faults := r.line.Health.Faults(); len(faults) != 0 || asked < 6 {
		t.Errorf("still not ready: %v; asked %d times", faults, asked)
	}
}

// A worker that is stopped while it waits has applied nothing that it could not place, and the next one goes on.
func TestStoppedWhileSlicesWait(t *testing.T) {
	r := newRig(t)
	tr := newTraffic(r)
	mix(tr, 120, 10)
	away := true
	asked := make(chan struct{}, 1000)
	r.tape.place = func() error {
		asked <- struct{}{}
		if away {
			return errInjected
		}
		return nil
	}
	r.run(func() bool { return len(asked) > 2 })
	// Only what needs no slice may be there.
	for field, n := range r.tape.outcomes() {
		fine := []string{"read", string(pipeline.Late), string(pipeline.Future), string(pipeline.UnknownDetector), string(pipeline.DeadLettered), "dead_lettered.invalid_json",
			"label.read", "label.applied"}
		if n > 0 && !slices.Contains(fine, field) {
			t.Errorf("%s is %d, though no detection had a slice", field, n)
		}
	}
	away = false
	r.run(r.applied)
	tr.check()
}

// What is excluded gets no slice: its source may name a person, and would be kept for ever in a place that others need.
func TestExcludedHasNoSlice(t *testing.T) {
	r := newRig(t)
	r.line.Excluded = func(d *pipeline.Detection) bool { return d.MediaID == "private" }
	for _, id := range []string{"private", "public"} {
		r.broker.logs[pipeline.Detections].add(pipeline.Record{Topic: "detections", Partition: 3, Time: epoch, Key: []byte(id),
			Value: fmt.Appendf(nil, `{"media_id":%q,"detector":{"name":"probe-me"},"score":0.5,"time":"2026-11-01T12:00:00Z","source":"of %s"}`, id, id)})
	}
	r.run(r.applied)
	r.wantOutcomes(map[pipeline.Outcome]int64{pipeline.Excluded: 1, pipeline.Unmatched: 1})
	if got, err := r.tape.Slices(t.Context()); err != nil || !slices.Equal(got, []string{"source=of public"}) {
		t.Errorf("places %q, %v", got, err)
	}
}
