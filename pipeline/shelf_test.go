package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// shelfLedger is a ledger that knows how often each cell was read.
type shelfLedger struct {
	Ledger
	counts map[Cell]Counts
	reads  map[Cell]int
	err    error
}

func (l *shelfLedger) Sum(_ context.Context, cells []Cell) ([]Counts, error) {
	sums := make([]Counts, len(cells))
	for i, c := range cells {
		l.reads[c]++
		sums[i] = maps.Clone(l.counts[c])
	}
	return sums, l.err
}

// day is a window of so many hours, of which the last is open.
func day(hours int) (*shelfLedger, []Cell) {
	l := &shelfLedger{counts: map[Cell]Counts{}, reads: map[Cell]int{}}
	var cells []Cell
	for h := range hours {
		c := Cell{Generation: "g", Kind: Coarse, Start: int64(h) * 3600}
		l.counts[c] = Counts{FieldProbes: int64(h + 1)}
		cells = append(cells, c)
	}
	return l, cells
}

func never(Cell) bool { return false }

func TestShelfReadsWhatIsOverOnceInAWhile(t *testing.T) {
	const hours, folds = 24, 60
	l, cells := day(hours)
	m := machine2(t)
	over := m.over(time.Unix((hours-1)*3600+1800, 0))
	var s shelf
	for fold := range int64(folds) {
		before := maps.Clone(l.reads)
		counts, err := s.sum(t.Context(), l, cells, fold, over, never, []int64{50_000})
		if err != nil {
			t.Fatal(err)
		}
		read := 0
		for i, c := range cells {
			read += l.reads[c] - before[c]
			if counts[i][FieldProbes] != int64(i+1) {
				t.Fatalf("fold %d: cell %d holds %v", fold, i, counts[i])
			}
		}
		if fold > 0 && read > 4 { // 23 that are over in 15 folds, and the open one
			t.Errorf("fold %d read %d cells", fold, read)
		}
	}
	if n := l.reads[cells[hours-1]]; n != folds {
		t.Errorf("the open bucket was read %d times in %d folds", n, folds)
	}
	for _, c := range cells[:hours-1] {
		if n := l.reads[c]; n < folds/shelfLife || n > folds/shelfLife+1 {
			t.Errorf("bucket %d was read %d times", c.Start, n)
		}
	}
}

func TestShelfSeesWhatComesLate(t *testing.T) {
	l, cells := day(3)
	over := func(c Cell) bool { return c.Start < 7200 }
	var s shelf
	at := func(fold int64, insist func(Cell) bool) int64 {
		counts, err := s.sum(t.Context(), l, cells, fold, over, insist, nil)
		if err != nil {
			t.Fatal(err)
		}
		return counts[0][FieldProbes]
	}
	at(0, never)
	l.counts[cells[0]] = Counts{FieldProbes: 7}
	if n := at(1, never); n != 1 {
		t.Errorf("a fold later: %d, want what is on the shelf", n)
	}
	if n := at(1, func(c Cell) bool { return c == cells[0] }); n != 7 {
		t.Errorf("insisting: %d, want 7", n)
	}
	l.counts[cells[0]] = Counts{FieldProbes: 8}
	if n := at(1+shelfLife, never); n != 8 {
		t.Errorf("after %d folds: %d, want 8", shelfLife, n)
	}
	l.counts[cells[0]] = Counts{FieldProbes: 9}
	if n := at(0, never); n != 9 {
		t.Errorf("of a state that begins anew: %d, want 9", n)
	}
	total := func(n int64) map[string]Counts { return map[string]Counts{"g": {FieldProbes: n}} }
	s.check(total(100))
	l.counts[cells[0]] = Counts{FieldProbes: 5}
	s.check(total(100))
	if n := at(2, never); n != 9 {
		t.Errorf("an unmoved total: %d, want what is on the shelf", n)
	}
	s.check(total(99))
	if n := at(2, never); n != 5 {
		t.Errorf("after a roll-back: %d, want 5", n)
	}
}

func TestShelfForgetsAndFails(t *testing.T) {
	l, cells := day(4)
	all := func(Cell) bool { return true }
	var s shelf
	if _, err := s.sum(t.Context(), l, cells, 0, all, never, nil); err != nil || len(s.cells) != 4 {
		t.Fatalf("%d cells, %v", len(s.cells), err)
	}
	if _, err := s.sum(t.Context(), l, cells[1:], 1, all, never, nil); err != nil || len(s.cells) != 3 {
		t.Errorf("%d cells on the shelf, 3 asked for; %v", len(s.cells), err)
	}
	l.err = errors.New("away")
	if _, err := s.sum(t.Context(), l, cells, 2, all, never, nil); !errors.Is(err, l.err) || len(s.cells) != 3 {
		t.Errorf("%d cells after %v", len(s.cells), err)
	}
}

// No figure tells a compacted cell from a whole one.
func TestCompactKeepsEveryFigure(t *testing.T) {
	g := simulated()
	meter, err := NewMeter(g)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(8, 9))
	into := map[Cell]Counts{}
	for range 500 {
		probs := []float64{rng.Float64()}
		for range g.Variants {
			probs = append(probs, rng.Float64())
		}
		r, err := meter.Measure(probs, rng.Float64())
		if err != nil {
			t.Fatal(err)
		}
		meter.Count(r, Buckets{}, into, "source=web")
		meter.CountInconclusive("k5", Buckets{}, into)
		meter.CountAttackFailure("f7", Buckets{}, into)
		meter.CountDetection(Buckets{}, 3, into)
	}
	for c, counts := range into {
		for i := range 1 + len(g.Variants) {
			counts[FieldLabelled(i)], counts[FieldCorrect(i)] = 9, 5
		}
		counts[FieldLabelDelay(60)] = 4
		whole, merged := newTally(g, .05), newTally(g, .05)
		whole.add(counts)
		small := compact(counts, g.Edges)
		merged.add(small)
		if !reflect.DeepEqual(whole, merged) {
			t.Fatalf("%+v:\n%+v\n%+v", c, fmt.Sprintf("%+v", whole), fmt.Sprintf("%+v", merged))
		}
		if c.Kind == Coarse && c.Variant > 0 && len(small) > 3*(len(g.Edges)+1)+2*(1+len(g.Variants))+1 {
			t.Errorf("%+v still has %d fields", c, len(small))
		}
	}
}

// Where nothing comes late, a machine that has folded for hours sees what one sees that has just taken over.
func TestShelfChangesNoFigure(t *testing.T) {
	s := play(t, scenarioConfig())
	g := s.w.release("1.0")
	h := healthy()
	h.slices = []string{"source=web"}
	for fold := range 150 {
		s.w.pass(time.Minute, g, 20, h)
		st, err := ParseState("meso", s.state)
		if err != nil {
			t.Fatal(err)
		}
		var seen []Snapshot
		for _, m := range []*Machine{s.m, machine(t, scenarioConfig())} {
			in, err := m.Read(t.Context(), s.w.readers(), "meso", st, s.w.now)
			if err != nil {
				t.Fatal(err)
			}
			result, err := m.Step(st, in)
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, result.Snapshot)
		}
		if fold%10 == 0 && !reflect.DeepEqual(seen[0], seen[1]) {
			t.Fatalf("fold %d:\n%+v\n%+v", fold, seen[0], seen[1])
		}
		s.fold()
	}
	if len(s.m.shelf.cells) < 100 {
		t.Errorf("%d cells on the shelf after 150 folds", len(s.m.shelf.cells))
	}
}
