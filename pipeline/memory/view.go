package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"shaketable/pipeline"
)

// View is what a store would have held at a moment of event time: everything that happened before, and nothing else.
//
// In: the fine buckets, probes and labels of a [Store]. Out: a ledger. Invariant: totals and coarse buckets are the sums of
// the fine buckets that have ended, and of the labels that were given by then; so a late event counts from the minute on
// in which it happened. Coarse buckets hold the edges of fine ones only.
type View struct {
	store        *Store
	fine, coarse time.Duration
	until        time.Time // nothing that happened at or after it is seen
	mark         time.Time
	cells        map[pipeline.Cell]pipeline.Counts
	buckets      []bucket // that are not seen yet, by start
	labels       []label  // not given yet, by time
	media        map[mediaKey]*media
	examples     map[string][]pipeline.Example // by time
}

// bucket is everything that falls into one fine bucket.
type bucket struct {
	start  int64
	cells  map[pipeline.Cell]pipeline.Counts
	probes []*probe
}

var (
	_ pipeline.Ledger        = (*View)(nil)
	_ pipeline.ExampleReader = (*View)(nil)
	_ pipeline.SliceReader   = (*View)(nil)
)

// View returns a view of nothing yet, which takes the store over: it must not be written any more, nor have another view.
// Widths are those of the buckets.
func (s *Store) View(fine, coarse time.Duration) *View {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := &View{store: s, fine: fine, coarse: coarse, cells: map[pipeline.Cell]pipeline.Counts{}, media: map[mediaKey]*media{},
		labels: slices.Clone(s.labels), examples: map[string][]pipeline.Example{}}
	byStart := map[int64]*bucket{}
	at := func(start int64) *bucket {
		if byStart[start] == nil {
			byStart[start] = &bucket{start: start, cells: map[pipeline.Cell]pipeline.Counts{}}
		}
		return byStart[start]
	}
	for cell, counts := range s.fine {
		at(cell.Start).cells[cell] = counts
	}
	for i := range s.probes {
		p := s.probes[i]
		b := at(p.Fine)
		b.probes = append(b.probes, &p)
	}
	for _, start := range slices.Sorted(maps.Keys(byStart)) {
		v.buckets = append(v.buckets, *byStart[start])
	}
	slices.SortFunc(v.labels, func(a, b label) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.partition, b.partition), cmp.Compare(a.Offset, b.Offset))
	})
	for generation, list := range s.examples {
		list = slices.Clone(list)
		slices.SortFunc(list, func(a, b pipeline.Example) int {
			return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Media, b.Media), cmp.Compare(a.Variant, b.Variant))
		})
		v.examples[generation] = list
	}
	return v
}

// Span returns the start of the first bucket and the end of the last; zero times if there is none.
func (v *View) Span() (from, to time.Time) {
	if len(v.buckets) == 0 {
		return from, to
	}
	return time.Unix(v.buckets[0].start, 0).UTC(), time.Unix(v.buckets[len(v.buckets)-1].start, 0).Add(v.fine).UTC()
}

// Advance shows what happened before a time, which must not go back: buckets that have ended, and labels that were given.
func (v *View) Advance(until time.Time) {
	v.until = until
	for len(v.buckets) > 0 && !time.Unix(v.buckets[0].start, 0).Add(v.fine).After(until) {
		v.show(v.buckets[0])
		v.buckets = v.buckets[1:]
	}
	for len(v.labels) > 0 && v.labels[0].Time.Before(until) {
		v.give(v.labels[0])
		v.labels = v.labels[1:]
	}
}

func (v *View) show(b bucket) {
	for cell, counts := range b.cells {
		v.cells[cell] = counts
		total := cell
		total.Kind, total.Start = pipeline.Total, 0
		v.add(total, counts)
		v.addCoarse(cell, counts)
		if counts[pipeline.FieldDetections] > 0 {
			// The last second of the bucket: the watermark is an event time that was reached.
			v.mark = time.Unix(cell.Start, 0).Add(v.fine - time.Second).UTC()
		}
	}
	for _, p := range b.probes {
		v.probed(p)
	}
}

// addCoarse deals the fields of a fine bucket to the coarse ones: one for each variant, and one for the rest.
func (v *View) addCoarse(fine pipeline.Cell, counts pipeline.Counts) {
	cell := fine
	cell.Kind, cell.Start = pipeline.Coarse, pipeline.BucketsAt(time.Unix(fine.Start, 0), v.fine, v.coarse).Coarse
	for field, n := range counts {
		cell.Variant = variantOf(field)
		if cell.Variant > 0 && cell.Slice != "" {
			continue
		}
		v.count(cell, field, n)
	}
}

func (v *View) add(cell pipeline.Cell, counts pipeline.Counts) {
	for field, n := range counts {
		v.count(cell, field, n)
	}
}

func (v *View) count(cell pipeline.Cell, field string, n int64) {
	counts := v.cells[cell]
	if counts == nil {
		counts = pipeline.Counts{}
		v.cells[cell] = counts
	}
	if counts[field] += n; counts[field] == 0 {
		delete(counts, field)
	}
}

// variantOf is the variant that a field is a change of; 0 for every other field.
func variantOf(field string) int {
	i := 0
	for at := range len(field) {
		switch c := field[at]; {
		case c >= '0' && c <= '9':
			i = 10*i + int(c-'0')
		case at > 0 && (pipeline.Half(c) == pipeline.Kept || pipeline.Half(c) == pipeline.ToReal || pipeline.Half(c) == pipeline.ToFake):
			return i
		default:
			return 0
		}
	}
	return 0
}

// Sum implements pipeline.Ledger.
func (v *View) Sum(_ context.Context, cells []pipeline.Cell) ([]pipeline.Counts, error) {
	sums := make([]pipeline.Counts, len(cells))
	for i, cell := range cells {
		sums[i] = pipeline.Counts{}
		add(sums[i], v.cells[cell])
	}
	return sums, nil
}

// Fences implements pipeline.Ledger: one partition, read to its end. Its watermark is the end of the last bucket that holds
// a detection.
func (v *View) Fences(_ context.Context, s pipeline.Stream) ([]pipeline.Fence, error) {
	return []pipeline.Fence{{Stream: s, Watermark: v.mark, Record: v.mark, AtEnd: v.until}}, nil
}

// Generations implements pipeline.Ledger. All are being probed, at every moment.
func (v *View) Generations(_ context.Context, detector string) ([]pipeline.Registration, error) {
	list := slices.Clone(v.store.generations[detector])
	for i := range list {
		list[i].Seen = v.until
	}
	return list, nil
}

// Examples implements pipeline.ExampleReader.
func (v *View) Examples(_ context.Context, generation string, n int) ([]pipeline.Example, error) {
	list := v.examples[generation]
	end, _ := slices.BinarySearchFunc(list, v.until, func(e pipeline.Example, t time.Time) int { return e.Time.Compare(t) })
	found := slices.Clone(list[max(0, end-n):end])
	slices.Reverse(found)
	return found, nil
}

// Slices implements pipeline.SliceReader. All have their place from the beginning; one without a detection is empty.
func (v *View) Slices(ctx context.Context) ([]string, error) { return v.store.Slices(ctx) }
