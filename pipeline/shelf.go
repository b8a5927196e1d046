package pipeline

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// shelf remembers the buckets that are over, so that a fold does not read the same day again every minute: at 70 variants
// and 12 partitions that is 20 000 hashes, which took a second and a half.
//
// In: the cells that a fold asks for. Out: their counters. Invariant: an open bucket, a total and whatever the fold insists
// on are read at every fold; what comes late into a bucket that is over, such as a label, is seen within shelfLife folds.
// Nothing is remembered across a roll-back of the ledger, and nothing that was not asked for in the last fold.
//
// Only what is shown comes from here. The evidence is of the running totals.
type shelf struct {
	cells  map[Cell]shelved
	probes map[string]int64 // by generation: running total of the last fold
}

// shelved is a bucket as it was read at a fold.
type shelved struct {
	counts Counts
	read   int64
}

const (
	// shelfLife is after how many folds a bucket is read again.
	shelfLife = 15
	// settling is how many fine buckets the watermark must be past a bucket that is over.
	settling = 3
)

// sum is [sum] through the shelf. fold counts up, insist names cells that must be fresh.
func (s *shelf) sum(ctx context.Context, l Ledger, cells []Cell, fold int64, over, insist func(Cell) bool, edges []int64) ([]Counts, error) {
	counts := make([]Counts, len(cells))
	next := make(map[Cell]shelved, len(cells))
	var missing []Cell
	var place []int
	for i, c := range cells {
		if kept, ok := s.cells[c]; ok && fold-kept.read < shelfLife && fold >= kept.read && !insist(c) {
			counts[i], next[c] = kept.counts, kept
			continue
		}
		missing, place = append(missing, c), append(place, i)
	}
	fresh, err := sum(ctx, l, missing)
	if err != nil {
		return nil, err
	}
	for j, i := range place {
		counts[i] = fresh[j]
		if !over(cells[i]) {
			continue
		}
		read := fold
		if _, known := s.cells[cells[i]]; !known { // spread: else all that was read at the start would be read again at once
			read -= int64(i) % shelfLife
		}
		next[cells[i]] = shelved{counts: compact(fresh[j], edges), read: read}
	}
	s.cells = next
	return counts, nil
}

// check empties the shelf when a running total has fallen: the ledger was rolled back.
func (s *shelf) check(totals map[string]Counts) {
	for generation, n := range s.probes {
		if totals[generation][FieldProbes] < n {
			s.cells = nil
		}
	}
	s.probes = make(map[string]int64, len(totals))
	for generation, counts := range totals {
		s.probes[generation] = counts[FieldProbes]
	}
}

// over says which buckets the watermark is past.
func (m *Machine) over(mark time.Time) func(Cell) bool {
	limit := mark.Add(-settling * m.fine).Unix()
	return func(c Cell) bool {
		width := m.fine
		if c.Kind == Coarse {
			width = m.coarse
		}
		return c.Kind != Total && c.Start+int64(width/time.Second) <= limit
	}
}

// maturedCells are those from which label coverage is judged in this fold.
func (m *Machine) maturedCells(st *State, active string, mark time.Time, totals map[string]Counts) map[Cell]bool {
	l := m.labelDelay(st, active, totals)
	cells := map[Cell]bool{}
	for _, id := range probing(st, active) {
		for _, c := range m.maturedBuckets(l, id, mark) {
			cells[c] = true
		}
	}
	return cells
}

// compact merges the bins of histograms that have no tolerance between them: no figure of a fold tells them apart, and they
// are most of what a coarse bucket holds.
func compact(counts Counts, edges []int64) Counts {
	merged := make(Counts, min(len(counts), 4*(len(edges)+2)))
	for field, n := range counts {
		merged[compactField(field, edges)] += n
	}
	return merged
}

func compactField(field string, edges []int64) string {
	at := 0
	if field != "" && field[0] >= '0' && field[0] <= '9' {
		at = strings.IndexAny(field, "krf")
	} else if field == "" || field[0] != 's' {
		return field
	}
	if at < 0 {
		return field
	}
	edge, err := strconv.ParseInt(field[at+1:], 10, 64)
	if err != nil { // no bin: a count of labels, or "0f"
		return field
	}
	return field[:at+1] + strconv.FormatInt(BinEdge(edges, edge), 10)
}
