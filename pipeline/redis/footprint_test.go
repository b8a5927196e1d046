package redis

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"shaketable/perturb"
	"shaketable/pipeline"
	"shaketable/pipeline/storetest"
)

// memoryOf reads what a server says its data takes.
func memoryOf(t *testing.T, s *Store) float64 {
	t.Helper()
	info, err := s.client.Info(t.Context(), "memory").Result()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "used_memory:"); ok {
			n, err := strconv.ParseFloat(v, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("INFO tells no used_memory")
	return 0
}

// The estimate is held against a real server that has counted some hours of traffic through the meter and the scripts of the
// record path. It is an estimate: a third off is near enough to buy memory by.
func TestFootprint(t *testing.T) {
	t.Parallel()
	server := storetest.StartRedis(t)
	for _, c := range []struct {
		detections, probes, labels, partitions, hours int
	}{
		{600, 600, 600, 1, 6},
		{6000, 300, 0, 3, 4},
		{20_000, 2000, 500, 6, 2},
	} {
		name := fmt.Sprintf("%d detections, %d probes, %d labels an hour in %d partitions", c.detections, c.probes, c.labels, c.partitions)
		cfg := at(server.Addr)
		cfg.Prefix = fmt.Sprint("footprint", c.detections)
		s := open(t, cfg)
		before := memoryOf(t, s)
		window := pipeline.DefaultWindowConfig()
		variants := flood(t, s, window, c.detections, c.probes, c.labels, c.partitions, c.hours)
		used := memoryOf(t, s) - before
		hours := time.Duration(c.hours) * time.Hour
		cfg.FineTTL, cfg.CoarseTTL, cfg.LabelHorizon = hours, hours, hours // nothing of it has gone yet
		f := cfg.Footprint(Load{Detections: float64(c.detections), Probes: float64(c.probes), Labels: float64(c.labels),
			Partitions: c.partitions, Variants: variants, Edges: len(window.Tolerances), Fine: window.Fine, Coarse: window.Coarse, Claims: hours})
		t.Logf("%s: %.0f kB used, %.0f kB expected: probes %.0f, labels %.0f, claims %.0f, buckets %.0f", name, used/1e3, f.Total()/1e3,
			f.Probes/1e3, f.Labels/1e3, f.Claims/1e3, f.Buckets/1e3)
		if ratio := f.Total() / used; ratio < .67 || ratio > 1.5 {
			t.Errorf("%s: %.0f bytes were expected, %.0f are used", name, f.Total(), used)
		}
		if perDay := f.PerDay / 24 * float64(c.hours); perDay < .4*f.Total() || perDay > f.Total() {
			t.Errorf("%s: %.0f bytes in %d hours by the day, %.0f in all", name, perDay, c.hours, f.Total())
		}
	}
}

// flood counts traffic as the record path does, and returns the number of variants.
func flood(t *testing.T, s *Store, w pipeline.WindowConfig, detections, probes, labels, partitions, hours int) int {
	t.Helper()
	random := rand.New(rand.NewPCG(1, uint64(detections)))
	suite, err := perturb.Lookup("production")
	if err != nil {
		t.Fatal(err)
	}
	g := pipeline.NewGeneration(pipeline.Detector{Name: "d", Threshold: .5}, "digest", suite, nil, w.Edges(), "cpu")
	meter, err := pipeline.NewMeter(g)
	if err != nil {
		t.Fatal(err)
	}
	for p := range partitions {
		if _, err := s.Claim(t.Context(), pipeline.Detections, p, "w", &pipeline.NewFence{Offset: -1}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Claim(t.Context(), pipeline.Labels, p, "w", &pipeline.NewFence{Offset: -1}); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now().Add(time.Minute).Truncate(time.Hour) // none of it is old
	offsets, labelled := make([]int64, partitions), make([]int64, partitions)
	media := 0
	for minute := range hours * 60 {
		at := start.Add(time.Duration(minute) * time.Minute)
		for p := range partitions {
			b := &pipeline.Batch{Stream: pipeline.Detections, Partition: p, Owner: "w", Prev: offsets[p] - 1, Record: at, Watermark: at,
				Outcomes: pipeline.Counts{}, Counts: map[pipeline.Cell]pipeline.Counts{}}
			l := &pipeline.Batch{Stream: pipeline.Labels, Partition: p, Owner: "w", Prev: labelled[p] - 1, Record: at, Outcomes: pipeline.Counts{}}
			share := func(perHour int) int { return int(float64(perHour)/60/float64(partitions) + random.Float64()) }
			n := max(share(detections), 1)
			buckets := pipeline.BucketsAt(at, w.Fine, w.Coarse)
			meter.CountDetection(buckets, int64(n), b.Counts)
			for range min(share(probes), n) {
				media++
				key := fmt.Sprintf("%032x", media)
				probs := []float64{random.Float64()}
				for range g.Variants {
					probs = append(probs, math.Min(math.Max(probs[0]+.03*random.NormFloat64(), 0), 1))
				}
				r, err := meter.Measure(probs, probs[0])
				if err != nil {
					t.Fatal(err)
				}
				meter.Count(r, buckets, b.Counts)
				b.Probes = append(b.Probes, pipeline.ProbeRecord{MediaKey: key, Generation: g.ID, Offset: offsets[p] + int64(len(b.Probes)),
					Fine: buckets.Fine, Coarse: buckets.Coarse, Decisions: r.Decisions})
				if _, err := s.Win(t.Context(), pipeline.DigestClaim{Key: key, Holder: "detections/0123456789abcdef012345/0/" + fmt.Sprint(media), TTL: time.Hour}); err != nil {
					t.Fatal(err)
				}
			}
			for range share(labels) {
				labelled[p]++
				l.Labels = append(l.Labels, pipeline.LabelRecord{MediaKey: fmt.Sprintf("%032x", random.Uint64()), Offset: labelled[p], Time: at})
			}
			offsets[p] += int64(n)
			b.Last, b.Outcomes["read"] = offsets[p]-1, int64(n)
			applyOK(t, s, b)
			if len(l.Labels) > 0 {
				l.Last = labelled[p] - 1
				applyOK(t, s, l)
			}
		}
	}
	return len(g.Variants)
}

func applyOK(t *testing.T, s *Store, b *pipeline.Batch) {
	t.Helper()
	if v, _, err := s.Apply(t.Context(), b); v != pipeline.OK || err != nil {
		t.Fatal(v, err)
	}
}
