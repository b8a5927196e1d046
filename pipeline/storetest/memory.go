package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"shaketable/pipeline"
)

// Memory is the reference store. It keeps probes and labels and counts them when it is asked, so that its label figures
// cannot depend on who came first. Lives of per-media keys are not modelled: a test has to stay inside the label horizon.
type Memory struct {
	FineTTL, CoarseTTL time.Duration
	ExampleCap         int

	now        func() time.Time
	mu         sync.Mutex
	fences     map[fenceID]*pipeline.Fence
	parts      map[int]*part
	claims     map[string]claim
	partitions int
	detectors  map[string][]pipeline.Registration
	seats      map[string]*seat
	slices     map[string]bool // by name
}

type fenceID struct {
	stream    pipeline.Stream
	partition int
}

type claim struct {
	holder string
	until  time.Time
}

// part is what one partition holds.
type part struct {
	outcomes pipeline.Counts
	cells    map[pipeline.Cell]pipeline.Counts
	probes   []pipeline.ProbeRecord
	said     map[string]bool // by media: its first label
	labels   map[string]pipeline.LabelRecord
	first    map[string]time.Time // of the first label of a media
	examples map[string][]pipeline.Example
}

// NewMemory returns an empty reference store with the default lives. now is asked about leases, claims and buckets.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{FineTTL: 6 * time.Hour, CoarseTTL: 30 * 24 * time.Hour, ExampleCap: 20, now: now,
		fences: map[fenceID]*pipeline.Fence{}, parts: map[int]*part{}, claims: map[string]claim{},
		detectors: map[string][]pipeline.Registration{}, seats: map[string]*seat{}, slices: map[string]bool{}}
}

var _ Backend = (*Memory)(nil)

// Claim implements pipeline.Store.
func (m *Memory) Claim(_ context.Context, s pipeline.Stream, partition int, owner string, create *pipeline.NewFence) (pipeline.Fence, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if owner == "" || partition < 0 || s != pipeline.Detections && s != pipeline.Labels {
		return pipeline.Fence{}, fmt.Errorf("memory: claim %s/%d by %q", s, partition, owner)
	}
	id := fenceID{s, partition}
	f := m.fences[id]
	if f == nil {
		if create == nil {
			return pipeline.Fence{}, fmt.Errorf("memory: claim %s/%d: %w", s, partition, pipeline.ErrNoFence)
		}
		f = &pipeline.Fence{Stream: s, Partition: partition, Offset: create.Offset, TopicID: create.TopicID}
		m.fences[id] = f
	}
	if f.Owner != owner {
		f.Owner, f.AtEnd = owner, time.Time{}
		f.Epoch++
	}
	return *f, nil
}

// Apply implements pipeline.Store.
func (m *Memory) Apply(_ context.Context, b *pipeline.Batch) (pipeline.Verdict, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	moves := b.Prev != b.Last
	for _, p := range b.Probes {
		if p.Decisions == "" || p.Decisions[0] == pipeline.NotRun {
			return "", 0, fmt.Errorf("memory: apply: decisions %q without that of the clean picture", p.Decisions)
		}
	}
	for c := range b.Counts {
		if attribute, _ := pipeline.SplitSlice(c.Slice); c.Slice != "" && (attribute == "" || c.Variant != 0) {
			return "", 0, fmt.Errorf("memory: apply: cell %+v of no slice, or of a variant", c)
		}
	}
	loaded := len(b.Outcomes)+len(b.Counts)+len(b.Probes)+len(b.Labels)+len(b.Examples) > 0
	if b.Owner == "" || b.Last < b.Prev || !moves && loaded {
		return "", 0, errors.New("memory: apply: no owner, or offsets that do not fit the counts")
	}
	f := m.fences[fenceID{b.Stream, b.Partition}]
	switch {
	case f == nil:
		return pipeline.LOST, -1, nil
	case moves && f.Offset == b.Last && f.Owner == b.Owner:
		return pipeline.DUP, f.Offset, nil
	case f.Owner != b.Owner:
		return pipeline.FENCED, f.Offset, nil
	case f.Offset != b.Prev:
		return pipeline.GAP, f.Offset, nil
	}
	f.AtEnd = b.AtEnd
	if !moves {
		return pipeline.OK, f.Offset, nil
	}
	m.part(b.Partition).add(b, m.ExampleCap)
	f.Offset, f.Config = b.Last, b.Config
	if b.Watermark.After(f.Watermark) {
		f.Watermark = b.Watermark
	}
	if b.Record.After(f.Record) {
		f.Record = b.Record
	}
	return pipeline.OK, f.Offset, nil
}

// Win implements pipeline.Store.
func (m *Memory) Win(_ context.Context, c pipeline.DigestClaim) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.Key == "" || c.Holder == "" || c.TTL <= 0 {
		return "", errors.New("memory: win: key, holder and life are needed")
	}
	if held, ok := m.claims[c.Key]; ok && m.now().Before(held.until) {
		return held.holder, nil
	}
	m.claims[c.Key] = claim{c.Holder, m.now().Add(c.TTL)}
	return c.Holder, nil
}

func (m *Memory) part(p int) *part {
	if m.parts[p] == nil {
		m.parts[p] = &part{outcomes: pipeline.Counts{}, cells: map[pipeline.Cell]pipeline.Counts{},
			labels: map[string]pipeline.LabelRecord{}, said: map[string]bool{}, first: map[string]time.Time{}, examples: map[string][]pipeline.Example{}}
	}
	return m.parts[p]
}

func (p *part) add(b *pipeline.Batch, exampleCap int) {
	addCounts(p.outcomes, b.Outcomes)
	for cell, counts := range b.Counts {
		if p.cells[cell] == nil {
			p.cells[cell] = pipeline.Counts{}
		}
		addCounts(p.cells[cell], counts)
	}
	p.probes = append(p.probes, b.Probes...)
	for _, l := range b.Labels {
		p.outcomes["label."+p.judge(l)]++
	}
	for _, e := range b.Examples {
		list := append(p.examples[e.Generation], e)
		p.examples[e.Generation] = list[max(0, len(list)-exampleCap):]
	}
}

// judge stores a label if it is the newest, and says what it was.
func (p *part) judge(l pipeline.LabelRecord) string {
	old, known := p.labels[l.MediaKey]
	verdict := "applied"
	switch {
	case !known:
		p.first[l.MediaKey], p.said[l.MediaKey] = l.Time, l.Fake
	case l.Revision > 0 && l.Revision == old.Revision && l.Fake != old.Fake:
		return "conflict"
	case l.Revision < old.Revision || l.Revision == old.Revision && l.Offset <= old.Offset:
		return "stale"
	case l.Fake != old.Fake:
		verdict = "corrected"
	}
	p.labels[l.MediaKey] = l
	return verdict
}

// labelled returns the label figures of a cell: a probe of its generation and bucket counts under the label of its media.
func (p *part) labelled(cell pipeline.Cell) pipeline.Counts {
	counts := pipeline.Counts{}
	if cell.Variant != 0 || cell.Slice != "" {
		return counts
	}
	for _, r := range p.probes {
		label, ok := p.labels[r.MediaKey]
		in := cell.Kind == pipeline.Total || cell.Kind == pipeline.Fine && cell.Start == r.Fine ||
			cell.Kind == pipeline.Coarse && cell.Start == r.Coarse
		if !ok || !in || r.Generation != cell.Generation {
			continue
		}
		if first := p.first[r.MediaKey]; cell.Kind == pipeline.Total && !first.IsZero() {
			counts[pipeline.FieldLabelDelayOf(first.Unix()-r.Fine)]++
		}
		for i, decision := range r.Decisions {
			if decision == pipeline.NotRun {
				continue
			}
			counts[pipeline.FieldLabelled(i)]++
			if (decision == '1') == label.Fake {
				counts[pipeline.FieldCorrect(i)]++
			}
			if cell.Kind == pipeline.Total && p.said[r.MediaKey] != label.Fake {
				counts[pipeline.FieldRevised(i)] += map[bool]int64{true: 1, false: -1}[(decision == '1') == label.Fake]
			}
		}
	}
	return counts
}

// Sum implements pipeline.Ledger.
func (m *Memory) Sum(_ context.Context, cells []pipeline.Cell) ([]pipeline.Counts, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sums := make([]pipeline.Counts, len(cells))
	for i, cell := range cells {
		sums[i] = pipeline.Counts{}
		life := map[pipeline.CellKind]time.Duration{pipeline.Fine: m.FineTTL, pipeline.Coarse: m.CoarseTTL}[cell.Kind]
		if life > 0 && !m.now().Before(time.Unix(cell.Start, 0).Add(life)) {
			continue
		}
		for p := range m.partitions {
			addCounts(sums[i], m.part(p).cells[cell])
			addCounts(sums[i], m.part(p).labelled(cell))
		}
		maps.DeleteFunc(sums[i], func(_ string, n int64) bool { return n == 0 })
	}
	return sums, nil
}

// Fences implements pipeline.Ledger.
func (m *Memory) Fences(_ context.Context, s pipeline.Stream) ([]pipeline.Fence, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var fences []pipeline.Fence
	for p := range m.partitions {
		if f := m.fences[fenceID{s, p}]; f != nil {
			fences = append(fences, *f)
		}
	}
	return fences, nil
}

// Outcomes returns the outcome counters of every registered partition.
func (m *Memory) Outcomes(context.Context) ([]pipeline.Counts, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]pipeline.Counts, m.partitions)
	for p := range all {
		all[p] = maps.Clone(m.part(p).outcomes)
	}
	return all, nil
}

// Examples returns at most n examples of a generation, newest first.
func (m *Memory) Examples(_ context.Context, generation string, n int) ([]pipeline.Example, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []pipeline.Example
	for p := range m.partitions {
		list := slices.Clone(m.part(p).examples[generation])
		slices.Reverse(list)
		found = append(found, list...)
	}
	slices.SortStableFunc(found, func(a, b pipeline.Example) int { return b.Time.Compare(a.Time) })
	return found[:min(n, len(found))], nil
}

// addCounts adds what is not zero: a counter that is zero is as if it were not there.
func addCounts(sum, more pipeline.Counts) {
	for field, n := range more {
		if n != 0 {
			sum[field] += n
		}
	}
}
