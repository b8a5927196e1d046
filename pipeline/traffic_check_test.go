package pipeline_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"shaketable/pipeline"
)

// check compares every counter of the store with the truth: missing, extra and different each fail.
func (tr *traffic) check() {
	tr.r.t.Helper()
	tr.checkOutcomes()
	got := map[string]int64{}
	for _, c := range tr.cells() {
		sums, err := tr.r.tape.memory.Sum(context.Background(), []pipeline.Cell{c})
		if err != nil {
			tr.r.t.Fatal(err)
		}
		for field, n := range sums[0] {
			got[cellKey(c, field)] = n
		}
	}
	want := maps.Clone(tr.counters)
	for k, n := range got {
		if want[k] != n && !isLabelField(k) {
			tr.r.t.Errorf("counter %s is %d, want %d", k, n, want[k])
		}
		delete(want, k)
	}
	for k, n := range want {
		if n != 0 {
			tr.r.t.Errorf("counter %s is missing, want %d", k, n)
		}
	}
	tr.checkLabels(got)
	tr.checkDelays(got)
	tr.checkSlices()
}

// isLabelField says whether a key names a counter that checkLabels looks at.
func isLabelField(key string) bool {
	field, slice, _ := strings.Cut(key, " ")
	return slice == "" && (strings.HasPrefix(field, "t/0/0/y") || strings.ContainsAny(field[len(field)-1:], "LC"))
}

// checkSlices wants the places that were given out, and that the slices add up to the whole in every cell that both have.
func (tr *traffic) checkSlices() {
	tr.r.t.Helper()
	ctx := context.Background()
	names, err := tr.r.tape.memory.Slices(ctx)
	if err != nil {
		tr.r.t.Fatal(err)
	}
	want := []string{}
	for _, source := range tr.places {
		want = append(want, "source="+source)
	}
	if tr.counters[cellKey(pipeline.Cell{Kind: pipeline.Total, Slice: "source=~other"}, "d")] > 0 {
		want = append(want, "source=~other")
	}
	slices.Sort(want)
	if !slices.Equal(names, want) {
		tr.r.t.Errorf("slices %q, want %q", names, want)
	}
	for _, c := range tr.cells() {
		if c.Variant != 0 || c.Slice != "" {
			continue
		}
		cells := []pipeline.Cell{c}
		for _, name := range names {
			c.Slice = name
			cells = append(cells, c)
		}
		sums, err := tr.r.tape.memory.Sum(ctx, cells)
		if err != nil {
			tr.r.t.Fatal(err)
		}
		for field, n := range sums[0] {
			if isLabelField(cellKey(cells[0], field)) {
				continue
			}
			for _, part := range sums[1:] {
				n -= part[field]
			}
			if n != 0 {
				tr.r.t.Errorf("%s of %+v: the slices lack %d", field, cells[0], n)
			}
		}
	}
}

// checkLabels compares the labelled counters of the totals.
func (tr *traffic) checkLabels(got map[string]int64) {
	tr.r.t.Helper()
	for v := 0; v <= tr.r.variants; v++ {
		var n, correct int64
		for id, fake := range tr.labels {
			i, _ := strconv.Atoi(id[len("media-"):])
			if !tr.r.ran(id, byte(i%199), v) {
				continue
			}
			n++
			if (arithmeticP(byte(i%199), v) >= .5) == fake {
				correct++
			}
		}
		for field, want := range map[string]int64{"L": n, "C": correct} {
			key := fmt.Sprintf("t/0/0/%d%s ", v, field)
			if got[key] != want {
				tr.r.t.Errorf("labelled counter %s is %d, want %d", key, got[key], want)
			}
		}
	}
}

func (tr *traffic) checkDelays(got map[string]int64) {
	tr.r.t.Helper()
	for key, n := range got {
		if field, ok := strings.CutPrefix(key, "t/0/0/y"); ok && n != tr.delays["y"+strings.TrimSpace(field)] {
			tr.r.t.Errorf("label delays: %s is %d, want %d", key, n, tr.delays["y"+strings.TrimSpace(field)])
		}
	}
	for field, n := range tr.delays {
		if got["t/0/0/"+field+" "] != n {
			tr.r.t.Errorf("label delays: %s is %d, want %d", field, got["t/0/0/"+field+" "], n)
		}
	}
}

func (tr *traffic) checkOutcomes() {
	tr.r.t.Helper()
	got := tr.r.tape.outcomes()
	for _, field := range append([]pipeline.Outcome{pipeline.Read, pipeline.Gap}, pipeline.Outcomes()...) {
		if got[string(field)] != tr.truth[string(field)] {
			tr.r.t.Errorf("outcome %s is %d, want %d", field, got[string(field)], tr.truth[string(field)])
		}
	}
	var sum int64
	for _, o := range pipeline.Outcomes() {
		sum += got[string(o)]
	}
	if sum != got[pipeline.Read] {
		tr.r.t.Errorf("outcomes sum to %d, read is %d", sum, got[pipeline.Read])
	}
}

func (tr *traffic) cells() []pipeline.Cell {
	g := tr.r.line.Roster.Find("probe-me", "1").Generation.ID
	all := []string{"", "source=~other"}
	for _, source := range sources {
		all = append(all, "source="+source)
	}
	var cells []pipeline.Cell
	for _, slice := range all {
		cells = append(cells, tr.cellsOf(g, slice)...)
	}
	return cells
}

func (tr *traffic) cellsOf(g, slice string) []pipeline.Cell {
	cells := []pipeline.Cell{{Generation: g, Kind: pipeline.Total, Slice: slice}}
	last := epoch.Add(time.Duration(tr.n) * 17 * time.Second).Add(3 * time.Minute)
	for t := epoch.Add(-26 * time.Hour); t.Before(last); t = t.Add(time.Minute) {
		cells = append(cells, pipeline.Cell{Generation: g, Kind: pipeline.Fine, Start: t.Truncate(time.Minute).Unix(), Slice: slice})
	}
	for t := epoch.Add(-26 * time.Hour).Truncate(time.Hour); t.Before(last); t = t.Add(time.Hour) {
		for v := 0; v <= tr.r.variants; v++ {
			cells = append(cells, pipeline.Cell{Generation: g, Kind: pipeline.Coarse, Start: t.Unix(), Variant: v, Slice: slice})
			if slice != "" {
				break // of these only that of index 0
			}
		}
	}
	return cells
}
