package redis

import (
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"testing"
	"time"

	"shaketable/pipeline"
	"shaketable/pipeline/storetest"
)

const (
	benchVariants = 8  // the production suite
	benchProbes   = 50 // per batch
)

// load makes batches as the line does: every probe counts in the total, in its minute with the tolerance edges, and in its
// hour with the full histogram of each variant.
type load struct {
	rng       *rand.Rand
	offset    int64
	tolerance []int64
	full      []int64
	slices    int // how many slices the detections are in, in turn; 0 for none
}

func newLoad() *load {
	l := &load{rng: rand.New(rand.NewPCG(1, 2)), offset: -1, tolerance: []int64{10000, 20000, 50000, 100000, 200000}, full: []int64{0}}
	for e := int64(5000); e < pipeline.FullTick; e += 5000 {
		l.full = append(l.full, e)
	}
	return l
}

func (l *load) probe(b *pipeline.Batch, at time.Time) {
	total := pipeline.Cell{Generation: gen16, Kind: pipeline.Total}
	fine := pipeline.Cell{Generation: gen16, Kind: pipeline.Fine, Start: at.Truncate(time.Minute).Unix()}
	coarse := pipeline.Cell{Generation: gen16, Kind: pipeline.Coarse, Start: at.Truncate(time.Hour).Unix()}
	add := func(c pipeline.Cell, field string) {
		if b.Counts[c] == nil {
			b.Counts[c] = pipeline.Counts{}
		}
		b.Counts[c][field]++
	}
	if l.slices > 0 {
		slice, whole := pipeline.SliceName("source", fmt.Sprint("upload-api-", l.rng.IntN(l.slices))), add
		add = func(c pipeline.Cell, field string) {
			whole(c, field)
			if c.Variant == 0 {
				c.Slice = slice
				whole(c, field)
			}
		}
	}
	skew := pipeline.FieldSkew(pipeline.BinEdge(l.tolerance, int64(l.rng.ExpFloat64()*2000)))
	for _, c := range []pipeline.Cell{total, fine, coarse} {
		add(c, pipeline.FieldProbes)
		add(c, pipeline.FieldDetections)
		add(c, skew)
	}
	decisions := []byte{'1'}
	for i := 1; i <= benchVariants; i++ {
		d := int64(math.Min(1, l.rng.ExpFloat64()*.08) * 1e6)
		half := pipeline.Kept
		if d > 400000 {
			half = pipeline.ToReal
		}
		wide := coarse
		wide.Variant = i
		add(total, pipeline.FieldChange(i, half, pipeline.BinEdge(l.tolerance, d)))
		add(fine, pipeline.FieldChange(i, half, pipeline.BinEdge(l.tolerance, d)))
		add(wide, pipeline.FieldChange(i, half, pipeline.BinEdge(l.full, d)))
		decisions = append(decisions, "01"[l.rng.IntN(2)])
	}
	b.Probes = append(b.Probes, pipeline.ProbeRecord{MediaKey: fmt.Sprintf("%016x%016x", l.rng.Uint64(), l.rng.Uint64()), Generation: gen16,
		Offset: b.Last, Fine: fine.Start, Coarse: coarse.Start, Decisions: string(decisions)})
}

const gen16 = "0123456789abcdef"

// next is a batch of probes, one a second from at on, and the ten times as many detections that were not sampled.
func (l *load) next(at time.Time) *pipeline.Batch {
	b := &pipeline.Batch{Stream: pipeline.Detections, Owner: "a", Prev: l.offset, Last: l.offset, Counts: map[pipeline.Cell]pipeline.Counts{},
		Outcomes: pipeline.Counts{pipeline.Read: 11 * benchProbes, "probed": benchProbes, "unsampled": 10 * benchProbes}}
	for i := range benchProbes {
		b.Last += 11
		b.Record = at.Add(time.Duration(i) * time.Second)
		l.probe(b, b.Record)
	}
	b.Watermark, l.offset = b.Record, b.Last
	return b
}

func increments(b *pipeline.Batch) int {
	n := len(b.Outcomes)
	for _, c := range b.Counts {
		n += len(c)
	}
	return n
}

func benchStore(b *testing.B) *Store {
	s := open(b, at(storetest.StartRedis(b).Addr))
	if err := s.Register(b.Context(), pipeline.Generation{ID: gen16, Detector: "d"}, 1, time.Now()); err != nil {
		b.Fatal(err)
	}
	if _, err := s.Claim(b.Context(), pipeline.Detections, 0, "a", &pipeline.NewFence{Offset: -1}); err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkApply: one batch of 50 probes under 8 variants per operation. Counters/s are HINCRBY; updates/s count what every
// probe adds to the series, before the batch sums it up.
func BenchmarkApply(b *testing.B) {
	for _, slices := range benchSlices() {
		b.Run(fmt.Sprint("slices=", slices), func(b *testing.B) { benchApply(b, slices) })
	}
}

// benchSlices are none, and the ten of one attribute with that of the others.
func benchSlices() []int { return []int{0, 11} }

func benchApply(b *testing.B, slices int) {
	s, l := benchStore(b), newLoad()
	l.slices = slices
	start, n := time.Now().Add(-time.Hour), 0
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		batch := l.next(start.Add(time.Duration(i%60) * time.Minute))
		n += increments(batch)
		b.StartTimer()
		if v, _, err := s.Apply(b.Context(), batch); err != nil || v != pipeline.OK {
			b.Fatal(v, err)
		}
	}
	seconds := b.Elapsed().Seconds()
	b.ReportMetric(float64(n)/seconds, "counters/s")
	b.ReportMetric(float64(b.N*benchProbes)/seconds, "probes/s")
	b.ReportMetric(float64(b.N*benchProbes*3*(benchVariants+3))/seconds, "updates/s")
}

// BenchmarkSum reads what a fold reads: the total over 12 partitions.
func BenchmarkSum(b *testing.B) {
	s, l := benchStore(b), newLoad()
	if err := s.Register(b.Context(), pipeline.Generation{ID: gen16, Detector: "d"}, 12, time.Now()); err != nil {
		b.Fatal(err)
	}
	for range 100 {
		if _, _, err := s.Apply(b.Context(), l.next(time.Now())); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := s.Sum(b.Context(), []pipeline.Cell{{Generation: gen16, Kind: pipeline.Total}}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDay measures what Redis holds after one day of one probe a second in one partition: the counters, with the fine
// buckets of the last hours only, and apart from them the per-media keys that wait for labels.
func BenchmarkDay(b *testing.B) {
	for _, slices := range benchSlices() {
		b.Run(fmt.Sprint("slices=", slices), func(b *testing.B) {
			for b.Loop() {
				benchDay(b, slices)
			}
		})
	}
}

func benchDay(b *testing.B, slices int) {
	s, l := benchStore(b), newLoad()
	l.slices = slices
	empty := usedMemory(b, s)
	day := 24 * time.Hour
	for at := time.Duration(0); at < day; at += benchProbes * time.Second {
		if v, _, err := s.Apply(b.Context(), l.next(time.Now().Add(at-day))); err != nil || v != pipeline.OK {
			b.Fatal(v, err)
		}
	}
	full := usedMemory(b, s)
	names, err := s.client.Keys(b.Context(), s.keys.probes(0, "*")).Result()
	if err != nil {
		b.Fatal(err)
	}
	for from := 0; from < len(names); from += 1000 {
		s.client.Del(b.Context(), names[from:min(from+1000, len(names))]...)
	}
	counters := usedMemory(b, s)
	b.ReportMetric((counters-empty)/1024, "KiB_counters/day")
	b.ReportMetric((full-counters)/float64(len(names)), "B/probe_record")
	b.ReportMetric((full-empty)/(1<<20), "MiB/day")
}

func usedMemory(b *testing.B, s *Store) float64 {
	b.Helper()
	info, err := s.client.Info(b.Context(), "memory").Result()
	if err != nil {
		b.Fatal(err)
	}
	found := regexp.MustCompile(`used_memory_dataset:(\d+)`).FindStringSubmatch(info)
	if found == nil {
		b.Fatalf("no used_memory_dataset in %s", info)
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}
