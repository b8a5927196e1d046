package pipeline

import (
	"context"
	"fmt"
	"time"
)

// FoldInput is everything that one fold knows: what the ledger held, and the time of the wall clock.
//
// In: the ledger. Out: input for [Machine.Step]. Invariant: Step asks nobody else, so the same input and state give the
// same state, snapshot and transitions, on any worker.
type FoldInput struct {
	Now         time.Time
	Generations []Registration
	Fences      []Fence // of the detections
	// Totals and Recent hold, by generation, the running totals and the latest detections, see [Machine.recent].
	Totals map[string]Counts
	Recent map[string]int64
	// Cells are the buckets of the windows of the generation that these figures make the active one.
	Cells map[Cell]Counts
	// Examples of the active generation, for the people who look at an alert; may be nil.
	Examples []Example
}

// ExampleReader returns media that moved far, the latest first, at most n.
type ExampleReader interface {
	Examples(ctx context.Context, generation string, n int) ([]Example, error)
}

// shownExamples is how many media an alert names at most.
const shownExamples = 5

// Read takes from the ledger what the next fold of a detector needs. Examples may be nil.
func (m *Machine) Read(ctx context.Context, l Ledger, x ExampleReader, detector string, st *State, now time.Time) (FoldInput, error) {
	in := FoldInput{Now: now, Totals: map[string]Counts{}, Recent: map[string]int64{}, Cells: map[Cell]Counts{}}
	var err error
	if in.Fences, err = l.Fences(ctx, Detections); err != nil {
		return in, fmt.Errorf("fold %s: fences: %w", detector, err)
	}
	if in.Generations, err = l.Generations(ctx, detector); err != nil {
		return in, fmt.Errorf("fold %s: generations: %w", detector, err)
	}
	mark := watermarkOf(in.Fences, st.Watermark, now, m.cfg.NoData.Idle)
	if err := m.readTotals(ctx, l, st, mark, &in); err != nil {
		return in, fmt.Errorf("fold %s: totals: %w", detector, err)
	}
	active := st.Choice.next(in.Recent, in.Generations, mark, m.recent()).Active
	if active == "" {
		return in, nil
	}
	if err := m.readWindows(ctx, l, active, mark, &in); err != nil {
		return in, fmt.Errorf("fold %s: windows: %w", detector, err)
	}
	if x != nil {
		if in.Examples, err = x.Examples(ctx, active, shownExamples); err != nil {
			return in, fmt.Errorf("fold %s: examples: %w", detector, err)
		}
	}
	return in, nil
}

func (m *Machine) readTotals(ctx context.Context, l Ledger, st *State, mark time.Time, in *FoldInput) error {
	var cells []Cell
	for _, g := range candidates(in.Generations, st.Choice.Active) {
		cells = append(cells, Cell{Generation: g.ID, Kind: Total})
		cells = append(cells, m.cellsOf(g.ID, m.recent(), mark, 0)...)
	}
	counts, err := l.Sum(ctx, cells)
	if err != nil {
		return err
	}
	if len(counts) != len(cells) {
		return fmt.Errorf("the ledger returned %d cells of %d", len(counts), len(cells))
	}
	for i, c := range cells {
		if c.Kind == Total {
			in.Totals[c.Generation] = counts[i]
		} else {
			in.Recent[c.Generation] += counts[i][FieldDetections]
		}
	}
	return nil
}

func (m *Machine) readWindows(ctx context.Context, l Ledger, active string, mark time.Time, in *FoldInput) error {
	variants := 0
	for _, g := range in.Generations {
		if g.ID == active {
			variants = len(g.Variants)
		}
	}
	var cells []Cell
	asked := map[Cell]bool{}
	for _, w := range m.cfg.Windows {
		for _, c := range m.cellsOf(active, w, mark, variants) {
			if !asked[c] {
				asked[c] = true
				cells = append(cells, c)
			}
		}
	}
	counts, err := l.Sum(ctx, cells)
	if err != nil {
		return err
	}
	if len(counts) != len(cells) {
		return fmt.Errorf("the ledger returned %d cells of %d", len(counts), len(cells))
	}
	for i, c := range cells {
		if len(counts[i]) > 0 {
			in.Cells[c] = counts[i]
		}
	}
	return nil
}

// recent is the span over which generations are compared: a third of the shortest window, so that a roll-out is not
// noticed late, and at least two buckets, because the last one has only begun.
func (m *Machine) recent() time.Duration { return max(m.cfg.Windows[0]/3, 2*m.fine) }

// cellsOf lists the buckets of the window that ends with the bucket of the watermark: fine ones up to the fine horizon,
// else coarse ones with a cell per variant.
func (m *Machine) cellsOf(generation string, window time.Duration, mark time.Time, variants int) []Cell {
	if mark.IsZero() {
		return nil
	}
	kind, width := Fine, m.fine
	if window > m.cfg.FineHorizon {
		kind, width = Coarse, m.coarse
	} else {
		variants = 0
	}
	step := int64(width / time.Second)
	last := floorTo(mark, width)
	count := max(int64((window+width-1)/width), 1)
	var cells []Cell
	for start := last - (count-1)*step; start <= last; start += step {
		for v := 0; v <= variants; v++ {
			cells = append(cells, Cell{Generation: generation, Kind: kind, Start: start, Variant: v})
		}
	}
	return cells
}
