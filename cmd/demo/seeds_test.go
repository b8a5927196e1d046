package main

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"shaketable/cmd/demo/media"
	"shaketable/perturb"
	"shaketable/pipeline"
)

// stream is the ledger of one simulated demo: real readings in random order, counted by the real meters.
type stream struct {
	rng      *rand.Rand
	versions []*deployment
	readings [][]pipeline.Reading // by version
	cells    map[pipeline.Cell]pipeline.Counts
	known    []pipeline.Registration
	now      time.Time // watermark
}

// The demo must fire whatever the pictures, after the roll-out and never before, also on a machine that is so busy that
// it handles only a dozen pictures a second.
func TestFiresForEverySeed(t *testing.T) {
	needRuntime(t)
	versions, err := deploy(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	readings := make([][]pipeline.Reading, len(versions))
	for i, v := range versions {
		defer v.close()
		readings[i] = probeSome(t, v, 200)
	}
	for _, rate := range []int{12, 40} {
		var delays []int
		for seed := range uint64(20) {
			s := &stream{rng: rand.New(rand.NewPCG(seed, uint64(rate))), versions: versions, readings: readings, cells: map[pipeline.Cell]pipeline.Counts{}}
			fired, rolled := s.play(t, rate, 60)
			if fired < 0 || fired < rolled {
				t.Errorf("%d pictures/s, seed %d: rolled out after %d s, fired after %d s", rate, seed, rolled, fired)
			}
			delays = append(delays, fired-rolled)
		}
		slices.Sort(delays)
		t.Logf("%d pictures/s: fired %d to %d s after the roll-out, median %d s", rate, delays[0], delays[19], delays[10])
	}
}

func probeSome(t *testing.T, v *deployment, n int) []pipeline.Reading {
	t.Helper()
	studio := media.NewStudio(77)
	var out []pipeline.Reading
	for i := range uint64(n) {
		img := pipeline.Image{Width: media.Size, Height: media.Size, Pix: media.RGB(studio.Make(i, studio.Fake(i, fakeShare)))}
		p, err := v.subject.Model.Probe(t.Context(), img, perturb.Seed(string(rune(i)), v.subject.Suite.Version))
		if err != nil {
			t.Fatal(err)
		}
		r, err := v.subject.Meter.Measure(p, p[0])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// play runs a demo of so many seconds, a fold per second, and returns the second of the roll-out and of the first page;
// -1 for never.
func (s *stream) play(t *testing.T, rate, seconds int) (fired, rolled int) {
	t.Helper()
	machine, err := pipeline.NewMachine(alertConfig(), windowConfig(), pipeline.Route{Notify: pipeline.NotifyPage}, nil)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	state := pipeline.NewState("traces")
	now, rolled, read := begin, -1, int64(0)
	s.register(0, now)
	for second := range seconds {
		now = begin.Add(time.Duration(second) * time.Second)
		if rolled < 0 && second >= seconds*2/5 && read >= alertConfig().Predecessor.MinProbes*5/4 {
			rolled = second
			s.register(1, now)
		}
		for range rate {
			s.probe(len(s.known)-1, now)
			read++
		}
		s.now = now
		in, err := machine.Read(t.Context(), pipeline.Readers{Ledger: s}, "traces", state, now)
		if err != nil {
			t.Fatal(err)
		}
		result, err := machine.Step(state, in)
		if err != nil {
			t.Fatal(err)
		}
		state = result.State
		for _, tr := range result.Transitions {
			if tr.State == pipeline.StateFiring && tr.Tier == pipeline.Paging {
				return second, rolled
			}
		}
	}
	return -1, rolled
}

func (s *stream) register(version int, at time.Time) {
	s.known = append(s.known, pipeline.Registration{Generation: s.versions[version].subject.Generation, Since: at, Seen: at})
}

func (s *stream) probe(version int, at time.Time) {
	w := windowConfig()
	buckets := pipeline.BucketsAt(at, w.Fine, w.Coarse)
	meter := s.versions[version].subject.Meter
	meter.CountDetection(buckets, 1, s.cells)
	meter.Count(s.readings[version][s.rng.IntN(len(s.readings[version]))], buckets, s.cells)
}

// Sum implements [pipeline.Ledger].
func (s *stream) Sum(_ context.Context, cells []pipeline.Cell) ([]pipeline.Counts, error) {
	out := make([]pipeline.Counts, len(cells))
	for i, c := range cells {
		out[i] = maps.Clone(s.cells[c])
	}
	return out, nil
}

// Fences implements [pipeline.Ledger].
func (s *stream) Fences(context.Context, pipeline.Stream) ([]pipeline.Fence, error) {
	return []pipeline.Fence{{Stream: pipeline.Detections, Watermark: s.now, Record: s.now}}, nil
}

// Generations implements [pipeline.Ledger].
func (s *stream) Generations(context.Context, string) ([]pipeline.Registration, error) {
	return slices.Clone(s.known), nil
}
