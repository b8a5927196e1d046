package storetest

import (
	"strings"
	"testing"
	"time"

	"shaketable/pipeline"
)

// corrections takes out of a total what corrected labels made of its correct decisions, and returns it.
func corrections(total pipeline.Counts) pipeline.Counts {
	taken := pipeline.Counts{}
	for field, n := range total {
		if strings.HasSuffix(field, "R") {
			taken[field] = n
			delete(total, field)
		}
	}
	return taken
}

// Probe and label count each other, whoever comes second.
func contractLabels(t *testing.T, s Subject) {
	ready(t, s)
	minute, hour := buckets(time.Now())
	cells := []pipeline.Cell{total(), {Generation: gen, Kind: pipeline.Fine, Start: minute},
		{Generation: gen, Kind: pipeline.Coarse, Start: hour}, {Generation: gen, Kind: pipeline.Coarse, Start: hour, Variant: 1}}
	all := func(what string, want pipeline.Counts) {
		t.Helper()
		got := sum(t, s, cells...)
		corrections(got[0])
		equal(t, what, got, []pipeline.Counts{want, want, want, {}})
	}
	revised := func(what string, want pipeline.Counts) {
		t.Helper()
		equal(t, what, corrections(sum(t, s, total())[0]), want)
	}
	probe := func(offset int64, decisions string) pipeline.Batch {
		b := detections("a", offset-1, offset)
		b.Probes = []pipeline.ProbeRecord{{MediaKey: "m", Generation: gen, Offset: offset, Fine: minute, Coarse: hour, Decisions: decisions}}
		return b
	}
	label := func(offset int64, fake bool) pipeline.Batch {
		return labels(offset-1, offset, pipeline.LabelRecord{MediaKey: "m", Fake: fake, Offset: offset})
	}
	apply(t, s, probe(0, "101"), pipeline.OK, 0)
	all("no label yet", pipeline.Counts{})
	apply(t, s, label(0, true), pipeline.OK, 0)
	all("label second", pipeline.Counts{"0L": 1, "1L": 1, "2L": 1, "0C": 1, "2C": 1})
	apply(t, s, label(0, true), pipeline.DUP, 0)
	apply(t, s, probe(1, "110"), pipeline.OK, 1)
	all("probe second", pipeline.Counts{"0L": 2, "1L": 2, "2L": 2, "0C": 2, "1C": 1, "2C": 1})
	apply(t, s, label(1, true), pipeline.OK, 1)
	revised("nothing was corrected", pipeline.Counts{})
	all("said again", pipeline.Counts{"0L": 2, "1L": 2, "2L": 2, "0C": 2, "1C": 1, "2C": 1})
	apply(t, s, label(2, false), pipeline.OK, 2)
	all("corrected", pipeline.Counts{"0L": 2, "1L": 2, "2L": 2, "1C": 1, "2C": 1})
	revised("corrected", pipeline.Counts{"0R": -2})
	apply(t, s, probe(2, "000"), pipeline.OK, 2)
	all("probe after the correction", pipeline.Counts{"0L": 3, "1L": 3, "2L": 3, "0C": 1, "1C": 2, "2C": 2})
	// Back and forth inside one batch moves nothing in the end.
	apply(t, s, labels(2, 4, pipeline.LabelRecord{MediaKey: "m", Fake: true, Offset: 3},
		pipeline.LabelRecord{MediaKey: "m", Fake: false, Offset: 4}), pipeline.OK, 4)
	all("there and back", pipeline.Counts{"0L": 3, "1L": 3, "2L": 3, "0C": 1, "1C": 2, "2C": 2})
	revised("the probe after the correction is revised as well", pipeline.Counts{"0R": -1, "1R": 1, "2R": 1})
	equal(t, "outcomes", steady[[]pipeline.Counts](t)(s.Outcomes(t.Context()))[1],
		pipeline.Counts{"label.applied": 2, "label.corrected": 3})
}

// A variant that did not run in a probe is neither labelled nor correct, whoever comes second, and however often the label
// is corrected.
func contractLeftOut(t *testing.T, s Subject) {
	ready(t, s)
	minute, hour := buckets(time.Now())
	cells := []pipeline.Cell{total(), {Generation: gen, Kind: pipeline.Fine, Start: minute}, {Generation: gen, Kind: pipeline.Coarse, Start: hour}}
	all := func(what string, want pipeline.Counts) {
		t.Helper()
		got := sum(t, s, cells...)
		corrections(got[0])
		equal(t, what, got, []pipeline.Counts{want, want, want})
	}
	revised := func(what string, want pipeline.Counts) {
		t.Helper()
		equal(t, what, corrections(sum(t, s, total())[0]), want)
	}
	probe := func(offset int64, decisions string) pipeline.Batch {
		b := detections("a", offset-1, offset)
		b.Probes = []pipeline.ProbeRecord{{MediaKey: "m", Generation: gen, Offset: offset, Fine: minute, Coarse: hour, Decisions: decisions}}
		return b
	}
	label := func(offset int64, fake bool) pipeline.Batch {
		return labels(offset-1, offset, pipeline.LabelRecord{MediaKey: "m", Fake: fake, Offset: offset})
	}
	apply(t, s, probe(0, "1-0-"), pipeline.OK, 0)
	apply(t, s, label(0, true), pipeline.OK, 0)
	all("label second", pipeline.Counts{"0L": 1, "2L": 1, "0C": 1})
	apply(t, s, probe(1, "01--"), pipeline.OK, 1)
	all("probe second", pipeline.Counts{"0L": 2, "1L": 1, "2L": 1, "0C": 1, "1C": 1})
	apply(t, s, label(1, false), pipeline.OK, 1)
	all("corrected", pipeline.Counts{"0L": 2, "1L": 1, "2L": 1, "0C": 1, "2C": 1})
	revised("corrected", pipeline.Counts{"1R": -1, "2R": 1})
	apply(t, s, label(2, true), pipeline.OK, 2)
	revised("and back", pipeline.Counts{})
	all("and back", pipeline.Counts{"0L": 2, "1L": 1, "2L": 1, "0C": 1, "1C": 1})
	apply(t, s, probe(2, "1---"), pipeline.OK, 2)
	all("only the clean picture", pipeline.Counts{"0L": 3, "1L": 1, "2L": 1, "0C": 2, "1C": 1})
}

// Labels are ordered by (revision, offset), not by arrival, and one explicit revision says one thing.
func contractLabelOrder(t *testing.T, s Subject) {
	type said struct {
		fake     bool
		revision int64
	}
	for i, c := range []struct {
		name  string
		said  []said
		fake  bool // what holds in the end
		count pipeline.Counts
	}{
		{"no revisions: the later one", []said{{true, 0}, {false, 0}}, false, pipeline.Counts{"label.applied": 1, "label.corrected": 1}},
		{"an older revision", []said{{true, 2}, {false, 1}}, true, pipeline.Counts{"label.applied": 1, "label.stale": 1}},
		{"none after one", []said{{true, 1}, {false, 0}}, true, pipeline.Counts{"label.applied": 1, "label.stale": 1}},
		{"length before digits", []said{{true, 9}, {false, 10}}, false, pipeline.Counts{"label.applied": 1, "label.corrected": 1}},
		{"one revision, two labels", []said{{true, 3}, {false, 3}}, true, pipeline.Counts{"label.applied": 1, "label.conflict": 1}},
		{"one revision, one label", []said{{true, 3}, {true, 3}}, true, pipeline.Counts{"label.applied": 2}},
		{"after a conflict", []said{{true, 3}, {false, 3}, {false, 4}}, false,
			pipeline.Counts{"label.applied": 1, "label.conflict": 1, "label.corrected": 1}},
	} {
		p := i // a partition of its own, so that counters do not mix
		if err := s.Register(t.Context(), pipeline.Generation{ID: gen, Detector: "d"}, p+1, time.Now()); err != nil {
			t.Fatal(err)
		}
		for _, stream := range []pipeline.Stream{pipeline.Detections, pipeline.Labels} {
			steady[pipeline.Fence](t)(s.Claim(t.Context(), stream, p, "a", &pipeline.NewFence{Offset: -1}))
		}
		b := detections("a", -1, 0)
		b.Partition = p
		minute, hour := buckets(time.Now())
		id := "g" + string(rune('a'+i))
		b.Probes = []pipeline.ProbeRecord{{MediaKey: "m", Generation: id, Fine: minute, Coarse: hour, Decisions: "10"}}
		apply(t, s, b, pipeline.OK, 0)
		for off, l := range c.said {
			b := labels(int64(off)-1, int64(off), pipeline.LabelRecord{MediaKey: "m", Fake: l.fake, Revision: l.revision, Offset: int64(off)})
			b.Partition = p
			apply(t, s, b, pipeline.OK, int64(off))
		}
		want := pipeline.Counts{"0L": 1, "1L": 1, "1C": 1}
		if c.fake {
			want = pipeline.Counts{"0L": 1, "1L": 1, "0C": 1}
		}
		if c.fake != c.said[0].fake { // what the first label would have counted otherwise
			want["0R"], want["1R"] = -1, 1
		}
		equal(t, c.name, sum(t, s, pipeline.Cell{Generation: id, Kind: pipeline.Total})[0], want)
		equal(t, c.name, steady[[]pipeline.Counts](t)(s.Outcomes(t.Context()))[p], c.count)
	}
}
