package pipeline

import "time"

// Which buckets a fold looks at.

// recent is the span over which generations are compared: a third of the shortest window, so that a roll-out is not
// noticed late, and at least two buckets, because the last one has only begun.
func (m *Machine) recent() time.Duration { return max(m.cfg.Windows[0]/3, 2*m.fine) }

// cellsOf lists the buckets of the window that ends with the bucket of the watermark: fine ones up to the fine horizon,
// else coarse ones with a cell per variant.
func (m *Machine) cellsOf(generation string, window time.Duration, mark time.Time, variants int) []Cell {
	if mark.IsZero() {
		return nil
	}
	kind, width := m.bucketsOf(window)
	if kind == Fine {
		variants = 0
	}
	last := floorTo(mark, width)
	return bucketsUntil(generation, kind, width, last, max(int64((window+width-1)/width), 1), variants)
}

// bucketsOf says which buckets reach as far back as a span.
func (m *Machine) bucketsOf(span time.Duration) (CellKind, time.Duration) {
	if span > m.cfg.FineHorizon {
		return Coarse, m.coarse
	}
	return Fine, m.fine
}

// bucketsUntil lists so many buckets, the last of which starts at last, with the cells of so many variants.
func bucketsUntil(generation string, kind CellKind, width time.Duration, last, count int64, variants int) []Cell {
	step := int64(width / time.Second)
	cells := make([]Cell, 0, count)
	for start := last - (count-1)*step; start <= last; start += step {
		for v := 0; v <= variants; v++ {
			cells = append(cells, Cell{Generation: generation, Kind: kind, Start: start, Variant: v})
		}
	}
	return cells
}

// slicedCells lists the buckets of a window by slice; coarse ones hold no more than the exposure of a slice.
func (m *Machine) slicedCells(generation string, window time.Duration, mark time.Time, slices []string) []Cell {
	var cells []Cell
	for _, c := range m.cellsOf(generation, window, mark, 0) {
		for _, c.Slice = range slices {
			cells = append(cells, c)
		}
	}
	return cells
}

// growing is the evidence, in relation to the alarm level, from which the buckets since its onset are read.
const growing = .4

// since is how far back the fine buckets are needed: to the onset of the oldest change for which there is some evidence, at
// most as far as they reach; never less than the longest window of fine buckets.
func (m *Machine) since(st *State, active string, mark time.Time) time.Duration {
	var span time.Duration
	for _, w := range m.cfg.Windows {
		if w <= m.cfg.FineHorizon {
			span = max(span, w)
		}
	}
	if g := st.Generations[active]; g != nil {
		for _, s := range g.Series {
			if s.Progress >= growing {
				span = max(span, min(mark.Sub(s.Onset)+m.fine, m.cfg.FineHorizon))
			}
		}
	}
	return max(span, m.fine)
}
