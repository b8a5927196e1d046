package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"pgregory.net/rapid"

	"shaketable/pipeline"
)

// Compare drives a store and the reference through the same random history of claims, batches, replays, zombies, labels
// and corrections, and wants the same answers and the same counters after every step. Both have to be empty.
func Compare(t *rapid.T, reference, subject Backend, now time.Time) {
	m := &machine{ref: reference, sub: subject, now: now, last: map[fenceID]pipeline.Batch{}}
	for _, g := range []string{"g1", "g2"} {
		for _, s := range []Backend{reference, subject} {
			if err := s.Register(t.Context(), pipeline.Generation{ID: g, Detector: "d"}, machinePartitions, now); err != nil {
				t.Fatal(err)
			}
		}
		m.cells = append(m.cells, m.cellsOf(g)...)
	}
	t.Repeat(map[string]func(*rapid.T){"claim": m.claim, "next": m.next, "apply": m.apply, "replay": m.replay, "stay": m.stay, "win": m.win, "place": m.place, "": m.check})
}

const machinePartitions = 2

type machine struct {
	ref, sub Backend
	now      time.Time
	cells    []pipeline.Cell
	last     map[fenceID]pipeline.Batch // sent last
}

// starts are the buckets of this moment, of one fine bucket ago, and of one that is too old to be kept.
func (m *machine) starts() []time.Time {
	return []time.Time{m.now, m.now.Add(-2 * time.Hour), m.now.Add(-31 * 24 * time.Hour)}
}

// machineSlices are those that batches count in; "" is the whole.
func machineSlices() []string { return []string{"", "source=web", "source=~other"} }

func (m *machine) cellsOf(generation string) []pipeline.Cell {
	cells := []pipeline.Cell{{Generation: generation, Kind: pipeline.Total}}
	for _, slice := range machineSlices()[1:] {
		cells = append(cells, pipeline.Cell{Generation: generation, Kind: pipeline.Total, Slice: slice})
		for _, at := range m.starts() {
			minute, hour := buckets(at)
			cells = append(cells, pipeline.Cell{Generation: generation, Kind: pipeline.Fine, Start: minute, Slice: slice},
				pipeline.Cell{Generation: generation, Kind: pipeline.Coarse, Start: hour, Slice: slice})
		}
	}
	for _, at := range m.starts() {
		minute, hour := buckets(at)
		cells = append(cells, pipeline.Cell{Generation: generation, Kind: pipeline.Fine, Start: minute})
		for v := range 3 {
			cells = append(cells, pipeline.Cell{Generation: generation, Kind: pipeline.Coarse, Start: hour, Variant: v})
		}
	}
	return cells
}

func drawStream(t *rapid.T) fenceID {
	return fenceID{rapid.SampledFrom([]pipeline.Stream{pipeline.Detections, pipeline.Labels}).Draw(t, "stream"),
		rapid.IntRange(0, machinePartitions-1).Draw(t, "partition")}
}

func (m *machine) claim(t *rapid.T) {
	id := drawStream(t)
	owner := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "owner")
	var create *pipeline.NewFence
	if rapid.Bool().Draw(t, "create") {
		create = &pipeline.NewFence{Offset: rapid.Int64Range(-1, 5).Draw(t, "at"), TopicID: "topic"}
	}
	want, wantErr := m.ref.Claim(t.Context(), id.stream, id.partition, owner, create)
	got, err := m.sub.Claim(t.Context(), id.stream, id.partition, owner, create)
	if errors.Is(err, pipeline.ErrNoFence) != errors.Is(wantErr, pipeline.ErrNoFence) || (err == nil) != (wantErr == nil) {
		t.Fatalf("claim: got %v, want %v", err, wantErr)
	}
	if err == nil && got != want {
		t.Fatalf("claim:\n got %+v\nwant %+v", got, want)
	}
}

// next applies a batch that goes on where the fence stands, so that histories get long.
func (m *machine) next(t *rapid.T) {
	id := drawStream(t)
	fences, err := m.ref.Fences(t.Context(), id.stream)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fences {
		if f.Partition == id.partition {
			m.send(t, id, m.batch(t, id, f.Owner, f.Offset))
		}
	}
}

// apply sends a batch from a believed offset and owner, which may be wrong.
func (m *machine) apply(t *rapid.T) {
	id := drawStream(t)
	m.send(t, id, m.batch(t, id, rapid.SampledFrom([]string{"a", "b"}).Draw(t, "owner"), rapid.Int64Range(-1, 12).Draw(t, "prev")))
}

func (m *machine) replay(t *rapid.T) {
	id := drawStream(t)
	if b, ok := m.last[id]; ok {
		m.send(t, id, b)
	}
}

func (m *machine) stay(t *rapid.T) {
	id := drawStream(t)
	prev := m.last[id].Last
	b := pipeline.Batch{Stream: id.stream, Partition: id.partition, Owner: "a", Prev: prev, Last: prev, AtEnd: m.now}
	m.send(t, id, b)
}

func (m *machine) send(t *rapid.T, id fenceID, b pipeline.Batch) {
	v1, o1, err1 := m.ref.Apply(t.Context(), &b)
	v2, o2, err2 := m.sub.Apply(t.Context(), &b)
	if err1 != nil || err2 != nil {
		t.Fatalf("apply %+v: %v, reference %v", b, err2, err1)
	}
	if v1 != v2 || o1 != o2 {
		t.Fatalf("apply %+v: got %s at %d, want %s at %d", b, v2, o2, v1, o1)
	}
	m.last[id] = b
}

func (m *machine) batch(t *rapid.T, id fenceID, owner string, prev int64) pipeline.Batch {
	n := rapid.Int64Range(1, 3).Draw(t, "records")
	b := pipeline.Batch{Stream: id.stream, Partition: id.partition, Owner: owner, Prev: prev, Last: prev + n, Record: m.now,
		Watermark: m.now.Add(time.Duration(rapid.IntRange(-5, 5).Draw(t, "watermark"))), Config: "c",
		Outcomes: pipeline.Counts{"read": n}}
	if rapid.Bool().Draw(t, "end") {
		b.AtEnd = m.now
	}
	for offset := prev + 1; offset <= b.Last; offset++ {
		media := fmt.Sprintf("m%d", rapid.IntRange(1, 3).Draw(t, "media"))
		if id.stream == pipeline.Labels {
			b.Labels = append(b.Labels, pipeline.LabelRecord{MediaKey: media, Fake: rapid.Bool().Draw(t, "fake"),
				Revision: rapid.Int64Range(0, 2).Draw(t, "revision"), Offset: offset, Time: m.labelTime(t)})
			continue
		}
		g := rapid.SampledFrom([]string{"g1", "g2"}).Draw(t, "generation")
		minute, hour := buckets(rapid.SampledFrom(m.starts()).Draw(t, "bucket"))
		b.Probes = append(b.Probes, pipeline.ProbeRecord{MediaKey: media, Generation: g, Offset: offset, Fine: minute, Coarse: hour,
			Decisions: rapid.StringMatching(`[01][01-]{2}`).Draw(t, "decisions")})
		if b.Counts == nil {
			b.Counts = map[pipeline.Cell]pipeline.Counts{}
		}
		slice, variant := rapid.SampledFrom(machineSlices()).Draw(t, "slice"), 0
		if slice == "" {
			variant = rapid.IntRange(0, 2).Draw(t, "variant")
		}
		for _, c := range []pipeline.Cell{{Generation: g, Kind: pipeline.Total, Slice: slice}, {Generation: g, Kind: pipeline.Fine, Start: minute, Slice: slice},
			{Generation: g, Kind: pipeline.Coarse, Start: hour, Variant: variant, Slice: slice}} {
			if b.Counts[c] == nil {
				b.Counts[c] = pipeline.Counts{}
			}
			b.Counts[c][rapid.SampledFrom([]string{"n", "d", "1k50000", "2f1000000"}).Draw(t, "field")] += rapid.Int64Range(0, 3).Draw(t, "delta")
		}
	}
	return b
}

// labelTime is none, or somewhere around the probes of any bucket.
func (m *machine) labelTime(t *rapid.T) time.Time {
	if rapid.IntRange(0, 4).Draw(t, "timed") == 0 {
		return time.Time{}
	}
	return m.now.Add(time.Duration(rapid.Int64Range(-40*86400, 40*86400).Draw(t, "given")) * time.Second)
}

func (m *machine) place(t *rapid.T) {
	attribute, value := rapid.SampledFrom([]string{"source", "tenant"}).Draw(t, "attribute"), rapid.SampledFrom([]string{"", "a", "b", "c", "~other"}).Draw(t, "value")
	limit := rapid.IntRange(1, 3).Draw(t, "limit")
	want, err1 := m.ref.Place(t.Context(), attribute, value, limit)
	got, err2 := m.sub.Place(t.Context(), attribute, value, limit)
	if err1 != nil || err2 != nil || got != want {
		t.Fatalf("place %s=%s of %d: got %q (%v), want %q (%v)", attribute, value, limit, got, err2, want, err1)
	}
}

func (m *machine) win(t *rapid.T) {
	c := pipeline.DigestClaim{Key: rapid.SampledFrom([]string{"k", "l"}).Draw(t, "key"),
		Holder: rapid.SampledFrom([]string{"0/1", "1/1"}).Draw(t, "holder"), TTL: time.Hour}
	want, err1 := m.ref.Win(t.Context(), c)
	got, err2 := m.sub.Win(t.Context(), c)
	if err1 != nil || err2 != nil || got != want {
		t.Fatalf("win: got %q (%v), want %q (%v)", got, err2, want, err1)
	}
}

// check compares everything that can be read.
func (m *machine) check(t *rapid.T) {
	same(t, "sum", m.sub, m.ref, func(s Backend) (any, error) { return s.Sum(t.Context(), m.cells) })
	same(t, "slices", m.sub, m.ref, func(s Backend) (any, error) {
		names, err := s.Slices(t.Context())
		return append([]string{}, names...), err
	})
	same(t, "outcomes", m.sub, m.ref, func(s Backend) (any, error) { return s.Outcomes(t.Context()) })
	for _, stream := range []pipeline.Stream{pipeline.Detections, pipeline.Labels} {
		same(t, "fences", m.sub, m.ref, func(s Backend) (any, error) { return s.Fences(t.Context(), stream) })
	}
}

func same(t *rapid.T, what string, subject, reference Backend, read func(Backend) (any, error)) {
	got, err := read(subject)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	want, err := read(reference)
	if err != nil {
		t.Fatalf("%s of the reference: %v", what, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}
