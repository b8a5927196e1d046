package memory

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"shaketable/pipeline"
)

// TestPlanTakesEventTime: whoever asks first, the copy whose event was first wins, and slices get places by their first event.
func TestPlanTakesEventTime(t *testing.T) {
	scout := NewScout()
	for p := range 3 {
		if _, err := scout.Claim(t.Context(), pipeline.Detections, p, "o", &pipeline.NewFence{Offset: 9}); err != nil {
			t.Fatal(err)
		}
	}
	// By partition: minute of the event and source. Partition 0 asks first and is last.
	for _, c := range []struct {
		partition, minute int
		source            string
	}{{0, 30, "late"}, {2, 10, "early"}, {1, 10, "ears"}} {
		holder := fmt.Sprintf("detections/id/%d/10", c.partition)
		if won, err := scout.Win(t.Context(), pipeline.DigestClaim{Key: "k", Holder: holder, TTL: time.Hour}); err != nil || won != holder {
			t.Errorf("first pass: %q, %v", won, err)
		}
		fine := epoch.Unix() + int64(60*c.minute)
		name, err := scout.Place(t.Context(), "source", c.source, 1)
		if err != nil || name != "source="+c.source {
			t.Errorf("first pass: slice %q, %v", name, err)
		}
		b := pipeline.Batch{Stream: pipeline.Detections, Partition: c.partition, Owner: "o", Prev: 9, Last: 10,
			Probes: []pipeline.ProbeRecord{{Generation: "g", Offset: 10, Fine: fine}},
			Counts: map[pipeline.Cell]pipeline.Counts{{Generation: "g", Kind: pipeline.Fine, Start: fine, Slice: name}: {"d": 1}}}
		if v, _, err := scout.Apply(t.Context(), &b); v != pipeline.OK || err != nil {
			t.Fatal(v, err)
		}
	}
	plan := scout.Plan()
	store := New(plan)
	for p, want := range []bool{false, true, false} {
		holder := fmt.Sprintf("detections/id/%d/10", p)
		won, err := store.Win(t.Context(), pipeline.DigestClaim{Key: "k", Holder: holder, TTL: time.Hour})
		if err != nil || (won == holder) != want {
			t.Errorf("partition %d: %q won, %v", p, won, err)
		}
	}
	for value, want := range map[string]string{"late": "source=~other", "ears": "source=ears", "early": "source=early", "unheard": "source=~other", "~other": "source=~other"} {
		if got, err := store.Place(t.Context(), "source", value, 2); err != nil || got != want {
			t.Errorf("slice of %q: %q, %v, want %q", value, got, err, want)
		}
	}
	if plan.Probes != 3 {
		t.Errorf("%d probes in the plan", plan.Probes)
	}
}

// TestPlacesAreThereFromTheBeginning: a stranger that is read before those who have a place does not take it from them.
func TestPlacesAreThereFromTheBeginning(t *testing.T) {
	scout := NewScout()
	if _, err := scout.Claim(t.Context(), pipeline.Detections, 0, "o", &pipeline.NewFence{Offset: 0}); err != nil {
		t.Fatal(err)
	}
	sources := []string{"stranger", "first", "second"} // as they are read; those of the minute are ranked by name
	for i, source := range sources {
		b := pipeline.Batch{Stream: pipeline.Detections, Owner: "o", Prev: int64(i), Last: int64(i) + 1,
			Counts: map[pipeline.Cell]pipeline.Counts{{Generation: "g", Kind: pipeline.Fine, Start: epoch.Unix(), Slice: "source=" + source}: {"d": 1}}}
		if v, _, err := scout.Apply(t.Context(), &b); v != pipeline.OK || err != nil {
			t.Fatal(v, err)
		}
	}
	slicer := pipeline.NewSlicer(pipeline.SliceConfig{Attributes: []string{"source"}, Cap: 2}, New(scout.Plan()))
	for i, want := range []string{"source=~other", "source=first", "source=second"} {
		if got, err := slicer.Of(t.Context(), &pipeline.Detection{Source: sources[i]}); err != nil || got[0] != want {
			t.Errorf("%s is in %q, %v, want %q", sources[i], got, err, want)
		}
	}
}

// TestScoutIsBounded: however many values there are, and however long before any of them is counted.
func TestScoutIsBounded(t *testing.T) {
	scout := NewScout()
	for i := range scoutSlices + 10 {
		name, err := scout.Place(t.Context(), "source", fmt.Sprint(i), 1)
		if want := i < scoutSlices; err != nil || (name != "source=~other") != want {
			t.Fatalf("value %d: %q, %v", i, name, err)
		}
	}
	if all, err := scout.Slices(t.Context()); err != nil || len(all) != scoutSlices {
		t.Errorf("%d slices, %v", len(all), err)
	}
}

// TestStoreKeepsTheChain: the answers are those of every store.
func TestStoreKeepsTheChain(t *testing.T) {
	store := New(NewScout().Plan())
	if _, err := store.Claim(t.Context(), pipeline.Detections, 0, "a", nil); !errors.Is(err, pipeline.ErrNoFence) {
		t.Errorf("claim of nothing: %v", err)
	}
	batch := func(owner string, prev, last int64) *pipeline.Batch {
		return &pipeline.Batch{Stream: pipeline.Detections, Owner: owner, Prev: prev, Last: last, Outcomes: pipeline.Counts{"read": last - prev}}
	}
	if v, _, err := store.Apply(t.Context(), batch("a", 4, 5)); v != pipeline.LOST || err != nil {
		t.Errorf("before a claim: %s, %v", v, err)
	}
	if f, err := store.Claim(t.Context(), pipeline.Detections, 0, "a", &pipeline.NewFence{Offset: 4}); err != nil || f.Offset != 4 {
		t.Fatalf("claim: %+v, %v", f, err)
	}
	for i, c := range []struct {
		batch *pipeline.Batch
		want  pipeline.Verdict
	}{
		{batch("a", 4, 7), pipeline.OK}, {batch("a", 4, 7), pipeline.DUP}, {batch("b", 7, 8), pipeline.FENCED}, {batch("a", 5, 8), pipeline.GAP},
		{batch("a", 7, 7), pipeline.OK}, {batch("a", 7, 9), pipeline.OK},
	} {
		if v, _, err := store.Apply(t.Context(), c.batch); v != c.want || err != nil {
			t.Errorf("step %d: %s, %v, want %s", i, v, err, c.want)
		}
	}
	if n := store.Outcomes()["read"]; n != 5 {
		t.Errorf("%d records are counted, want 5", n)
	}
	if _, _, err := store.Apply(t.Context(), batch("", 9, 10)); err == nil {
		t.Error("a batch without an owner was taken")
	}
}
