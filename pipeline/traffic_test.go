package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
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
	delays   map[string]int64 // label delays by field
	places   []string         // slices by source, in the order of first sight
	n        int
}

// sources are told apart, sliceCap of them by a slice of their own; "" and what comes too late share others.
var sources = []string{"web", "", "app", "ftp", "kiosk"}

const sliceCap = 3

func cellKey(c pipeline.Cell, field string) string {
	return fmt.Sprintf("%s/%d/%d/%s %s", c.Kind, c.Start, c.Variant, field, c.Slice)
}

func (tr *traffic) count(kind pipeline.CellKind, start int64, variant int, field string, n int64) {
	tr.counters[cellKey(pipeline.Cell{Kind: kind, Start: start, Variant: variant}, field)] += n
}

// slice is where a source must be counted: the first three that are seen have a slice of their own.
func (tr *traffic) slice(source string) string {
	if !slices.Contains(tr.places, source) {
		if len(tr.places) == sliceCap {
			return "source=~other"
		}
		tr.places = append(tr.places, source)
	}
	return "source=" + source
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
	source := sources[i*i/7%len(sources)]
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
		"score": score, "time": event.Format(time.RFC3339Nano), "media": media, "source": source})
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
	tr.expect(kind, id, first, event, score, source)
	if kind == pipeline.Probed && i%2 == 0 {
		tr.label(id, i%4 == 0, at)
	}
}

func (tr *traffic) label(id string, fake bool, at time.Time) {
	word := "real"
	if fake {
		word = "fake"
	}
	// How much later than the probe's minute the label says it was given, and where that has to be counted.
	late := []struct {
		seconds int64
		field   string
	}{{-300, "y60"}, {60, "y60"}, {61, "y300"}, {86_400, "y86400"}, {86_401, "y172800"}, {2_592_000, "y2592000"}, {2_592_001, "yinf"}}[len(tr.labels)%7]
	given := at.Truncate(time.Minute).Add(time.Duration(late.seconds) * time.Second)
	tr.delays[late.field]++
	tr.r.broker.logs[pipeline.Labels].add(pipeline.Record{Topic: "labels", Partition: 3, Time: at, Key: []byte(id),
		Value: []byte(fmt.Sprintf(`{"media_id":%q,"label":%q,"time":%q}`, id, word, given.Format(time.RFC3339)))})
	tr.labels[id] = fake
}

// expect adds, by its own arithmetic, what a detection must add to the counters.
func (tr *traffic) expect(kind pipeline.Outcome, id string, first byte, event time.Time, score float64, source string) {
	tr.truth["read"]++
	if kind != "" {
		tr.truth[string(kind)]++
	}
	switch kind {
	case pipeline.DeadLettered, pipeline.UnknownDetector, pipeline.Late, pipeline.Future:
		return
	}
	minute, hour := event.Truncate(time.Minute).Unix(), event.Truncate(time.Hour).Unix()
	slice := tr.slice(source)
	// narrow and wide are counted for all and for the slice, variants in wide cells for all only.
	count := func(kind pipeline.CellKind, start int64, field string) {
		tr.count(kind, start, 0, field, 1)
		tr.counters[cellKey(pipeline.Cell{Kind: kind, Start: start, Slice: slice}, field)]++
	}
	narrow := func(field string) {
		count(pipeline.Total, 0, field)
		count(pipeline.Fine, minute, field)
	}
	each := func(field string) {
		narrow(field)
		count(pipeline.Coarse, hour, field)
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
	narrow("s" + edgeName(skew, false))
	count(pipeline.Coarse, hour, "s"+edgeName(skew, true))
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
		narrow(field + edgeName(d, false))
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

func newTraffic(r *rig) *traffic {
	return &traffic{r: r, truth: pipeline.Counts{}, counters: map[string]int64{}, labels: map[string]bool{},
		delays: map[string]int64{}}
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
