package pipeline

import (
	"fmt"
	"math"
	"time"

	"shaketable/metrics"
)

// Reading is what one probe showed, ready to be counted.
type Reading struct {
	Clean float64 // p of the clean picture, our own run
	// Decisions[i] is '1' if variant i was decided fake, '0' if real, [NotRun] if it did not run; index 0 is clean.
	Decisions string
	Changes   []Change // one per variant, without the clean picture
	Skew      int64    // |deployed score - p| in ticks
}

// NotRun stands in a string of decisions for a variant that did not run: it counts neither as labelled nor as correct.
const NotRun = '-'

// Change is how one variant moved the probability. The zero value is that of a variant that did not run.
type Change struct {
	Ticks     int64
	Half      Half
	Perturbed float64
}

// Ran says whether the variant ran in this probe.
func (c Change) Ran() bool { return c.Half != 0 }

// Meter turns the probabilities of a probe into a Reading and a Reading into counters, for one generation.
//
// In: p and p' of every variant, as [Model.Probe] and [Attacker.Attack] return them; NaN for one that did not run. Out:
// counters of three kinds of cell. Invariant: each probe adds exactly one to the histogram of every variant that ran in
// it, in every kind of cell, and nothing to the others. So any of them gives the variant's own n, and no variant's n is the
// number of probes, unless all always run.
type Meter struct {
	generation Generation
	full       metrics.Edges
}

// NewMeter returns the meter of a generation.
func NewMeter(g Generation) (*Meter, error) {
	tolerances := make([]float64, len(g.Edges))
	for i, e := range g.Edges {
		tolerances[i] = metrics.Tolerance(e)
	}
	full, err := metrics.FullEdges(tolerances)
	if err != nil {
		return nil, fmt.Errorf("measure: generation %s: %w", g.ID, err)
	}
	return &Meter{generation: g, full: full}, nil
}

// Measure compares the perturbed probabilities with the clean one; deployed is the score that the detection carried.
func (m *Meter) Measure(probs []float64, deployed float64) (Reading, error) {
	want := 1 + len(m.generation.Variants)
	if len(probs) != want {
		return Reading{}, fmt.Errorf("measure: model returned %d probabilities, the generation has %d variants and the clean picture", len(probs), want-1)
	}
	clean := probs[0]
	threshold := m.generation.Threshold
	r := Reading{Clean: clean, Skew: metrics.Ticks(clean, deployed), Changes: make([]Change, 0, want-1)}
	decisions := make([]byte, want)
	for i, p := range probs {
		if i > 0 && math.IsNaN(p) && m.generation.mayBeLeftOut(i) {
			decisions[i] = NotRun
			r.Changes = append(r.Changes, Change{})
			continue
		}
		d := metrics.Ticks(clean, p)
		if d == metrics.Undefined {
			return Reading{}, fmt.Errorf("measure: model returned %v for variant %d, which is no probability", p, i)
		}
		decisions[i] = '0'
		if p >= threshold {
			decisions[i] = '1'
		}
		if i > 0 {
			r.Changes = append(r.Changes, Change{Ticks: d, Half: halfOf(clean, p, threshold), Perturbed: p})
		}
	}
	r.Decisions = string(decisions)
	return r, nil
}

func halfOf(p, q, threshold float64) Half {
	switch metrics.TurnOf(p, q, threshold) {
	case metrics.TurnedReal:
		return ToReal
	case metrics.TurnedFake:
		return ToFake
	}
	return Kept
}

// Buckets are the starts of the buckets that an event falls into, unix seconds of event time.
type Buckets struct{ Fine, Coarse int64 }

// BucketsAt floors an event time to both widths, which are whole seconds.
func BucketsAt(t time.Time, fine, coarse time.Duration) Buckets {
	return Buckets{Fine: floorTo(t, fine), Coarse: floorTo(t, coarse)}
}

func floorTo(t time.Time, width time.Duration) int64 {
	w := int64(width / time.Second)
	s := t.Unix()
	return s - ((s%w)+w)%w // floors before 1970 as well
}

// Count adds a reading to the counters of all its cells: those of all detections, and those of the slices it is in.
func (m *Meter) Count(r Reading, at Buckets, into map[Cell]Counts, slices ...string) {
	m.countShared(r, at, "", into)
	for _, slice := range slices {
		m.countShared(r, at, slice, into)
	}
	for i, ch := range r.Changes {
		if !ch.Ran() {
			continue
		}
		c := Cell{Generation: m.generation.ID, Kind: Coarse, Start: at.Coarse, Variant: i + 1}
		cellOf(into, c)[FieldChange(i+1, ch.Half, m.bin(c, ch.Ticks))]++
	}
}

// countShared adds to the cells that a slice has as well.
func (m *Meter) countShared(r Reading, at Buckets, slice string, into map[Cell]Counts) {
	for _, c := range m.shared(at, slice) {
		cell := cellOf(into, c)
		cell[FieldProbes]++
		cell[FieldSkew(m.bin(c, r.Skew))]++
		if r.Decisions[0] == '1' {
			cell[FieldCleanFake]++
		}
		if c.Kind == Coarse {
			continue
		}
		for i, ch := range r.Changes {
			if ch.Ran() {
				cell[FieldChange(i+1, ch.Half, m.bin(c, ch.Ticks))]++
			}
		}
	}
}

// CountInconclusive adds a probe that could not be concluded, beside the series and never inside.
func (m *Meter) CountInconclusive(reason string, at Buckets, into map[Cell]Counts, slices ...string) {
	m.bump(FieldInconclusive(reason), 1, at, into, slices)
}

// CountAttackFailure adds a probe that was concluded, but whose attack was not.
func (m *Meter) CountAttackFailure(reason string, at Buckets, into map[Cell]Counts, slices ...string) {
	m.bump(FieldAttackFailure(reason), 1, at, into, slices)
}

// CountDetection adds n detections that were read, sampled or not.
func (m *Meter) CountDetection(at Buckets, n int64, into map[Cell]Counts, slices ...string) {
	m.bump(FieldDetections, n, at, into, slices)
}

func (m *Meter) bump(field string, n int64, at Buckets, into map[Cell]Counts, slices []string) {
	for _, c := range m.shared(at, "") {
		cellOf(into, c)[field] += n
	}
	for _, slice := range slices {
		for _, c := range m.shared(at, slice) {
			cellOf(into, c)[field] += n
		}
	}
}

// shared returns the cells that hold what is not per variant: total, fine, and the coarse one of index 0.
func (m *Meter) shared(at Buckets, slice string) [3]Cell {
	id := m.generation.ID
	return [3]Cell{{Generation: id, Kind: Total, Slice: slice}, {Generation: id, Kind: Fine, Start: at.Fine, Slice: slice},
		{Generation: id, Kind: Coarse, Start: at.Coarse, Slice: slice}}
}

// bin returns the edge that names the bin of d: the tolerances' edges, and in coarse cells the full histogram's.
func (m *Meter) bin(c Cell, d int64) int64 {
	if c.Kind != Coarse {
		return BinEdge(m.generation.Edges, d)
	}
	if i := m.full.Bin(d); i != metrics.Undefined {
		return m.full[i]
	}
	return FullTick
}

func cellOf(into map[Cell]Counts, c Cell) Counts {
	counts := into[c]
	if counts == nil {
		counts = Counts{}
		into[c] = counts
	}
	return counts
}
