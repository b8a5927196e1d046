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
	// Slices holds the running totals of the active generation by slice; their fine buckets are in Cells. Leaving holds
	// those of the generation that was active until now, in the fold in which another one takes over.
	Slices  map[string]Counts
	Leaving map[string]Counts
	// Panels holds the first and the last run of the frozen panel by generation; nil where there is no panel.
	Panels map[string]PanelRuns
	// Outcomes are those of all partitions and detectors together; nil if the ledger does not tell them.
	Outcomes Counts
	// Orders of people, oldest first, that no fold has carried out yet.
	Orders []Order
	// Sinks are the names of where transitions go.
	Sinks []string
}

// ExampleReader returns media that moved far, the latest first, at most n.
type ExampleReader interface {
	Examples(ctx context.Context, generation string, n int) ([]Example, error)
}

// shownExamples is how many media an alert names at most.
const shownExamples = 5

// Readers are where a fold takes its input from. All but the ledger may be nil: what they would say is not known then.
type Readers struct {
	Ledger   Ledger
	Examples ExampleReader
	Slices   SliceReader
	Panels   PanelReader
	Orders   Orders
}

// OutcomeReader returns the outcomes of every partition. A ledger that has it shows how labels contradict each other.
type OutcomeReader interface {
	Outcomes(ctx context.Context) ([]Counts, error)
}

// Read takes from the readers what the next fold of a detector needs.
func (m *Machine) Read(ctx context.Context, from Readers, detector string, st *State, now time.Time) (FoldInput, error) {
	in := FoldInput{Now: now, Totals: map[string]Counts{}, Recent: map[string]int64{}, Cells: map[Cell]Counts{}}
	failed := func(what string, err error) (FoldInput, error) {
		return in, fmt.Errorf("fold %s: %s: %w", detector, what, err)
	}
	var err error
	if in.Fences, err = from.Ledger.Fences(ctx, Detections); err != nil {
		return failed("fences", err)
	}
	if in.Generations, err = from.Ledger.Generations(ctx, detector); err != nil {
		return failed("generations", err)
	}
	if from.Orders != nil {
		if in.Orders, err = from.Orders.PendingOrders(ctx, detector); err != nil {
			return failed("orders", err)
		}
	}
	if in.Outcomes, err = outcomesOf(ctx, from.Ledger); err != nil {
		return failed("outcomes", err)
	}
	mark := watermarkOf(in.Fences, st.Watermark, now, m.cfg.NoData.Idle)
	if err := m.readTotals(ctx, from.Ledger, st, mark, &in); err != nil {
		return failed("totals", err)
	}
	active := st.Choice.next(in.Recent, in.Generations, mark, m.recent()).Active
	if active == "" {
		return in, nil
	}
	if err := m.readSlices(ctx, from, active, st.Choice.Active, &in); err != nil {
		return failed("slices", err)
	}
	if err := m.readWindows(ctx, from.Ledger, st, active, mark, &in); err != nil {
		return failed("windows", err)
	}
	if from.Panels != nil {
		if in.Panels, err = from.Panels.Panels(ctx, detector); err != nil {
			return failed("panels", err)
		}
	}
	if from.Examples != nil {
		if in.Examples, err = from.Examples.Examples(ctx, active, shownExamples); err != nil {
			return failed("examples", err)
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
	counts, err := sum(ctx, l, cells)
	if err != nil {
		return err
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

// readSlices reads the totals of every slice that has a place and that the generation has met.
func (m *Machine) readSlices(ctx context.Context, from Readers, active, before string, in *FoldInput) error {
	if from.Slices == nil {
		return nil
	}
	names, err := from.Slices.Slices(ctx)
	if err != nil {
		return err
	}
	of := func(generation string) (map[string]Counts, error) {
		cells := make([]Cell, len(names))
		for i, name := range names {
			cells[i] = Cell{Generation: generation, Kind: Total, Slice: name}
		}
		counts, err := sum(ctx, from.Ledger, cells)
		met := map[string]Counts{}
		for i := range counts {
			if len(counts[i]) > 0 {
				met[names[i]] = counts[i]
			}
		}
		return met, err
	}
	if in.Slices, err = of(active); err != nil || before == "" || before == active {
		return err
	}
	in.Leaving, err = of(before)
	return err
}

// readWindows reads the buckets of the windows, of the time since a change may have begun, and of the labels, which come
// later than what they are about.
func (m *Machine) readWindows(ctx context.Context, l Ledger, st *State, active string, mark time.Time, in *FoldInput) error {
	var g Generation
	for _, r := range in.Generations {
		if r.ID == active {
			g = r.Generation
		}
	}
	slices := sortedKeys(in.Slices)
	var cells []Cell
	asked := map[Cell]bool{}
	ask := func(list []Cell) {
		for _, c := range list {
			if !asked[c] {
				asked[c] = true
				cells = append(cells, c)
			}
		}
	}
	for _, span := range m.looks(in.Orders) {
		ask(m.cellsOf(active, span, mark, len(g.Variants)))
	}
	for _, w := range m.cfg.Windows {
		ask(m.slicedCells(active, w, mark, slices))
	}
	since := m.since(st, active, mark)
	ask(m.cellsOf(active, since, mark, 0))
	ask(m.slicedCells(active, since, mark, slices))
	ask(m.labelledCells(st, active, mark, in.Totals))
	// What is judged, or frozen as a baseline, must be as fresh as can be; the rest is shown.
	judged := m.maturedCells(st, active, mark, in.Totals)
	fresh := func(c Cell) bool { return judged[c] || len(in.Orders) > 0 }
	m.shelf.check(in.Totals)
	counts, err := m.shelf.sum(ctx, l, cells, st.Folds, m.over(mark), fresh, g.Edges)
	if err != nil {
		return err
	}
	for i, c := range cells {
		if len(counts[i]) > 0 {
			in.Cells[c] = counts[i]
		}
	}
	return nil
}

// outcomesOf adds up the outcomes of all partitions.
func outcomesOf(ctx context.Context, l Ledger) (Counts, error) {
	r, ok := l.(OutcomeReader)
	if !ok {
		return nil, nil
	}
	all, err := r.Outcomes(ctx)
	total := Counts{}
	for _, counts := range all {
		for field, n := range counts {
			total[field] += n
		}
	}
	return total, err
}

// sum is Ledger.Sum, held to its promise.
func sum(ctx context.Context, l Ledger, cells []Cell) ([]Counts, error) {
	if len(cells) == 0 {
		return nil, nil
	}
	counts, err := l.Sum(ctx, cells)
	if err == nil && len(counts) != len(cells) {
		err = fmt.Errorf("the ledger returned %d cells of %d", len(counts), len(cells))
	}
	return counts, err
}
