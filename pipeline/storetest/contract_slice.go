package storetest

import (
	"testing"
	"time"

	"shaketable/pipeline"
)

// The cells of slices are apart from each other and from the whole, whatever the slice is called; they live as long as those
// of the whole, and labels leave them alone.
func contractSlices(t *testing.T, s Subject) {
	ready(t, s)
	now := time.Now()
	minute, hour := buckets(now)
	oldMinute, oldHour := buckets(now.Add(-31 * 24 * time.Hour))
	names := []string{"", "source=", "source=web", "source=~other", "source=a:b/{1} c", "tenant=web"}
	b := detections("a", -1, 0)
	b.Counts = map[pipeline.Cell]pipeline.Counts{}
	var kept, gone []pipeline.Cell
	var want []pipeline.Counts
	for i, name := range names {
		for _, c := range []pipeline.Cell{{Kind: pipeline.Total}, {Kind: pipeline.Fine, Start: minute}, {Kind: pipeline.Coarse, Start: hour}} {
			c.Generation, c.Slice = gen, name
			counts := pipeline.Counts{"n": int64(i + 1), "d": int64(10 * len(name))}
			if name == "" {
				delete(counts, "d")
			}
			b.Counts[c] = counts
			kept, want = append(kept, c), append(want, counts)
		}
		for _, c := range []pipeline.Cell{{Kind: pipeline.Fine, Start: oldMinute}, {Kind: pipeline.Coarse, Start: oldHour}} {
			c.Generation, c.Slice = gen, name
			b.Counts[c] = pipeline.Counts{"n": 1}
			gone = append(gone, c)
		}
	}
	b.Probes = []pipeline.ProbeRecord{{MediaKey: "m", Generation: gen, Fine: minute, Coarse: hour, Decisions: "1"}}
	apply(t, s, b, pipeline.OK, 0)
	apply(t, s, b, pipeline.DUP, 0)
	equal(t, "cells", sum(t, s, kept...), want)
	for i, counts := range sum(t, s, gone...) {
		if len(counts) > 0 {
			t.Errorf("%+v is kept: %v", gone[i], counts)
		}
	}
	apply(t, s, labels(-1, 0, pipeline.LabelRecord{MediaKey: "m", Fake: true}), pipeline.OK, 0)
	for i, counts := range sum(t, s, kept...) {
		if kept[i].Slice == "" {
			equal(t, "labelled", counts, pipeline.Counts{"n": 1, "0L": 1, "0C": 1})
		} else {
			equal(t, "slice after a label", counts, want[i])
		}
	}
	for name, c := range map[string]pipeline.Cell{"a variant": {Kind: pipeline.Coarse, Start: hour, Variant: 1, Slice: "source=web"}, "no attribute": {Kind: pipeline.Total, Slice: "web"}} {
		c.Generation = gen
		bad := detections("a", 0, 1)
		bad.Counts = map[pipeline.Cell]pipeline.Counts{c: {"n": 1}}
		if v, _, err := s.Apply(t.Context(), &bad); err == nil {
			t.Errorf("a slice with %s: answered %s", name, v)
		}
	}
}

// Places are given out once, in the order of first sight, and kept; a larger limit gives out more.
func contractPlaces(t *testing.T, s Subject) {
	ctx := t.Context()
	list := func(want ...string) {
		t.Helper()
		equal(t, "slices", append([]string{}, steady[[]string](t)(s.Slices(ctx))...), append([]string{}, want...))
	}
	list()
	for _, c := range []struct {
		attribute, value string
		limit            int
		want             string
	}{
		{"source", "b", 2, "source=b"},
		{"source", "~other", 2, "source=~other"}, // meant literally: no place is taken
		{"source", "", 2, "source="},
		{"source", "a", 2, "source=~other"},
		{"source", "b", 2, "source=b"},
		{"source", "b", 1, "source=b"}, // what is given is kept
		{"tenant", "a", 1, "tenant=a"},
		{"tenant", "b", 1, "tenant=~other"},
		{"source", "a", 3, "source=a"},
		{"source", "c", 3, "source=~other"},
		{"#source", "x", 1, "#source=x"}, // a name like those of the store's own fields
		{"source", "=x{}: y", 4, "source==x{}: y"},
	} {
		equal(t, c.attribute+" "+c.value, steady[string](t)(s.Place(ctx, c.attribute, c.value, c.limit)), c.want)
	}
	list("#source=x", "source=", "source==x{}: y", "source=a", "source=b", "source=~other", "tenant=a", "tenant=~other")
	for name, do := range map[string]func() (string, error){
		"no attribute": func() (string, error) { return s.Place(ctx, "", "a", 1) },
		"=":            func() (string, error) { return s.Place(ctx, "a=b", "c", 1) },
		"no limit":     func() (string, error) { return s.Place(ctx, "other", "a", 0) },
	} {
		if got, err := do(); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}
