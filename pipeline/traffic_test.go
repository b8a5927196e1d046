package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"shaketable/pipeline"
)

// traffic writes detections, media and labels whose outcomes a test knows, and keeps the truth about them.
type traffic struct {
	r        *rig
	truth    pipeline.Counts  // outcomes
	counters map[string]int64 // "kind/start/variant/field"
	labels   map[string]bool  // media id -> fake
	n        int
}

func (tr *traffic) count(kind pipeline.CellKind, start int64, variant int, field string, n int64) {
	tr.counters[fmt.Sprintf("%s/%d/%d/%s", kind, start, variant, field)] += n
}

// send writes one detection. Kind decides what must become of it.
func (tr *traffic) send(kind pipeline.Outcome) {
	i := tr.n
	tr.n++
	at := epoch.Add(time.Duration(i) * 17 * time.Second)
	id := fmt.Sprintf("media-%d", i)
	score := .25
	event := at
	media := map[string]any{}
	name := "probe-me"
	first := byte(i % 199)
	content := []byte{first, byte(i), byte(i >> 8)}
	switch kind {
	case pipeline.Late:
		event = at.Add(-25 * time.Hour)
	case pipeline.Future:
		event = at.Add(2 * time.Minute)
	case pipeline.UnknownDetector:
		name = "nobody"
	case pipeline.Inconclusive:
		content[0] = 255
	case pipeline.Duplicate:
		content = []byte{1, 2, 3}
	}
	value, _ := json.Marshal(map[string]any{"media_id": id, "detector": map[string]any{"name": name, "version": "1"},
		"score": score, "time": event.Format(time.RFC3339Nano), "media": media})
	if kind == pipeline.DeadLettered {
		value = []byte(`{"media_id": "x", "score": `)
	}
	detection := pipeline.Record{Topic: "detections", Partition: 3, Time: at, Key: []byte(id), Value: value}
	picture := pipeline.Record{Topic: "media", Partition: 3, Time: at, Key: []byte(id), Value: content}
	mediaFirst := i%3 != 0
	wanted := kind != pipeline.Unmatched
	if mediaFirst && wanted {
		tr.r.broker.logs[pipeline.Media].add(picture)
	}
	tr.r.broker.logs[pipeline.Detections].add(detection)
	if !mediaFirst && wanted {
		tr.r.broker.logs[pipeline.Media].add(picture)
	}
	tr.expect(kind, id, first, event, score)
	if kind == pipeline.Probed && i%2 == 0 {
		tr.label(id, i%4 == 0, at)
	}
}

func (tr *traffic) label(id string, fake bool, at time.Time) {
	word := "real"
	if fake {
		word = "fake"
	}
	tr.r.broker.logs[pipeline.Labels].add(pipeline.Record{Topic: "labels", Partition: 3, Time: at, Key: []byte(id),
		Value: []byte(fmt.Sprintf(`{"media_id":%q,"label":%q}`, id, word))})
	tr.labels[id] = fake
}

// expect adds, by its own arithmetic, what a detection must add to the counters.
func (tr *traffic) expect(kind pipeline.Outcome, id string, first byte, event time.Time, score float64) {
	tr.truth["read"]++
	if kind != "" {
		tr.truth[string(kind)]++
	}
	switch kind {
	case pipeline.DeadLettered, pipeline.UnknownDetector, pipeline.Late, pipeline.Future:
		return
	}
	minute, hour := event.Truncate(time.Minute).Unix(), event.Truncate(time.Hour).Unix()
	each := func(field string) {
		tr.count(pipeline.Total, 0, 0, field, 1)
		tr.count(pipeline.Fine, minute, 0, field, 1)
		tr.count(pipeline.Coarse, hour, 0, field, 1)
	}
	each("d")
	if kind == pipeline.Inconclusive {
		each("xundecodable")
	}
	if kind != pipeline.Probed {
		return
	}
	each("n")
	p := arithmeticP(first, 0)
	if p >= .5 {
		each("0f")
	}
	skew := int64(math.Round(math.Abs(p-score) * 1e6))
	tr.count(pipeline.Total, 0, 0, "s"+edgeName(skew, false), 1)
	tr.count(pipeline.Fine, minute, 0, "s"+edgeName(skew, false), 1)
	tr.count(pipeline.Coarse, hour, 0, "s"+edgeName(skew, true), 1)
	if tr.r.attacks.breaks(id, first) {
		each("amodel")
	}
	for v := 1; v <= tr.r.variants; v++ {
		if !tr.r.ran(id, first, v) {
			continue
		}
		q := arithmeticP(first, v)
		half := "k"
		if p >= .5 && q < .5 {
			half = "r"
		} else if p < .5 && q >= .5 {
			half = "f"
		}
		d := int64(math.Round(math.Abs(q-p) * 1e6))
		field := strconv.Itoa(v) + half
		tr.count(pipeline.Total, 0, 0, field+edgeName(d, false), 1)
		tr.count(pipeline.Fine, minute, 0, field+edgeName(d, false), 1)
		tr.count(pipeline.Coarse, hour, v, field+edgeName(d, true), 1)
	}
}

// edgeName is the upper end of the right-closed bin of d, worked out without the code under test.
func edgeName(d int64, full bool) string {
	if full {
		return strconv.FormatInt((d+4999)/5000*5000, 10)
	}
	for _, e := range []int64{10000, 20000, 50000, 100000, 200000} {
		if d <= e {
			return strconv.FormatInt(e, 10)
		}
	}
	return "1000000"
}

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
			got[fmt.Sprintf("%s/%d/%d/%s", c.Kind, c.Start, c.Variant, field)] = n
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
}

func isLabelField(key string) bool { return key[len(key)-1] == 'L' || key[len(key)-1] == 'C' }

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
			key := fmt.Sprintf("t/0/0/%d%s", v, field)
			if got[key] != want {
				tr.r.t.Errorf("labelled counter %s is %d, want %d", key, got[key], want)
			}
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
	cells := []pipeline.Cell{{Generation: g, Kind: pipeline.Total}}
	last := epoch.Add(time.Duration(tr.n) * 17 * time.Second).Add(3 * time.Minute)
	for t := epoch.Add(-26 * time.Hour); t.Before(last); t = t.Add(time.Minute) {
		cells = append(cells, pipeline.Cell{Generation: g, Kind: pipeline.Fine, Start: t.Truncate(time.Minute).Unix()})
	}
	for t := epoch.Add(-26 * time.Hour).Truncate(time.Hour); t.Before(last); t = t.Add(time.Hour) {
		for v := 0; v <= tr.r.variants; v++ {
			cells = append(cells, pipeline.Cell{Generation: g, Kind: pipeline.Coarse, Start: t.Unix(), Variant: v})
		}
	}
	return cells
}

func newTraffic(r *rig) *traffic {
	return &traffic{r: r, truth: pipeline.Counts{}, counters: map[string]int64{}, labels: map[string]bool{}}
}

// run works until the store has applied everything that the logs hold, or a minute has passed.
func (r *rig) run(stop func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := pipeline.NewWorker(r.line, r.broker).Run(ctx); err != nil {
			r.t.Error(err)
		}
	}()
	for !stop() && ctx.Err() == nil {
		time.Sleep(time.Millisecond) // polls a real goroutine; nothing is decided by how long it takes
	}
	if ctx.Err() != nil {
		r.t.Errorf("did not finish: %v, faults %v", r.tape.outcomes(), r.line.Health.Faults())
	}
	cancel()
	<-done
}

// applied says that both counted streams have been applied to their ends.
func (r *rig) applied() bool {
	for _, s := range []pipeline.Stream{pipeline.Detections, pipeline.Labels} {
		b, _ := memoryLog{r.broker.logs[s]}.Bounds(context.Background())
		r.tape.mu.Lock()
		fences, _ := r.tape.memory.Fences(context.Background(), s)
		r.tape.mu.Unlock()
		if len(fences) != 1 || fences[0].Offset+1 < b.End {
			return false
		}
	}
	return true
}

// mix sends detections of every kind.
func mix(tr *traffic, n int, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	kinds := []pipeline.Outcome{pipeline.Probed, pipeline.Probed, pipeline.Probed, pipeline.Inconclusive, pipeline.Late,
		pipeline.Future, pipeline.UnknownDetector, pipeline.DeadLettered}
	for range n {
		tr.send(kinds[rng.IntN(len(kinds))])
	}
}
