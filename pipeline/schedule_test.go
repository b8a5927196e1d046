package pipeline_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"shaketable/pipeline"
	"shaketable/pipeline/storetest"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestStepsAt(t *testing.T) {
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	steps := pipeline.RateSteps{{Rate: .1}, {From: at(0), Rate: .4}, {From: at(10), Rate: .2}, {From: at(10), Rate: .3}, {From: at(20), Rate: 0}}
	for _, c := range []struct {
		minute int
		rate   float64
	}{{-100000, .1}, {-1, .1}, {0, .4}, {9, .4}, {10, .3}, {19, .3}, {20, 0}, {100000, 0}} {
		if got := steps.At(at(c.minute)).Rate; got != c.rate {
			t.Errorf("at minute %d the rate is %v, want %v", c.minute, got, c.rate)
		}
	}
	if got := steps.At(at(10).Add(-time.Nanosecond)).Rate; got != .4 {
		t.Errorf("just before a step the rate is %v, want .4", got)
	}
	if got := (pipeline.RateSteps{{From: at(0), Rate: 1}}).At(at(-1)); got != (pipeline.RateStep{}) {
		t.Errorf("before the first step: %+v", got)
	}
	for _, c := range []struct {
		from, to int
		rate     float64
	}{{-5, -1, .1}, {-5, 0, .4}, {-5, 30, .4}, {5, 15, .4}, {10, 15, .3}, {12, 40, .3}, {20, 40, 0}, {9, 10, .4}} {
		if got := steps.Largest(at(c.from), at(c.to)); got != c.rate {
			t.Errorf("largest of minutes %d to %d is %v, want %v", c.from, c.to, got, c.rate)
		}
	}
	// A media may come before or after the detection that asks for it.
	s := pipeline.FixedSchedule(steps...)
	for minute, rate := range map[int]float64{-6: .1, -5: .4, 14: .4, 15: .3, 24: .3, 25: 0} {
		if got := s.Largest(at(minute), 5*time.Minute); got != rate {
			t.Errorf("a media of minute %d is kept at %v, want %v", minute, got, rate)
		}
	}
	if got := (pipeline.RateSteps)(nil).At(noon); got.Rate != 0 {
		t.Errorf("without steps the rate is %v", got.Rate)
	}
}

// world is a store with a clock, and workers with clocks of their own.
type world struct {
	now   time.Time
	store *storetest.MemorySchedule
	log   strings.Builder
}

func newWorld() *world {
	w := &world{now: noon}
	w.store = storetest.NewMemorySchedule(func() time.Time { return w.now })
	return w
}

const joinWindow = 5 * time.Minute

// worker returns the schedule of a worker whose clock is wrong by skew; it has not started.
func (w *world) worker(rate float64, key string, skew time.Duration) *pipeline.Schedule {
	return pipeline.NewSchedule(pipeline.ScheduleOptions{Store: w.store, Policy: pipeline.SchedulePolicy{Rate: rate, Key: key},
		Lead: pipeline.ScheduleLead(joinWindow), Now: func() time.Time { return w.now.Add(skew) },
		Log: slog.New(slog.NewTextHandler(&w.log, nil)), Health: &pipeline.Health{}})
}

func (w *world) started(t *testing.T, rate float64, key string) *pipeline.Schedule {
	t.Helper()
	s := w.worker(rate, key, 0)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// overtaken is a store in which somebody else is first with a step, once.
type overtaken struct {
	pipeline.ScheduleStore
	by *pipeline.RateStep
}

func (o *overtaken) AppendSteps(ctx context.Context, after int, steps pipeline.RateSteps, lead time.Duration) (pipeline.StoredSteps, error) {
	if by := o.by; by != nil {
		o.by = nil
		if got, err := o.ScheduleStore.AppendSteps(ctx, after, pipeline.RateSteps{*by}, lead); err != nil {
			return got, err
		}
	}
	return o.ScheduleStore.AppendSteps(ctx, after, steps, lead)
}

// A worker whose step came second goes on until the last one is what it wants.
func TestScheduleStartOvertaken(t *testing.T) {
	w := newWorld()
	s := w.worker(.2, "k", 0)
	s.Store = &overtaken{w.store, &pipeline.RateStep{Rate: .1, Key: "k"}}
	if err := s.Start(t.Context()); err != nil || len(s.Steps()) != 2 || s.Steps().Last().Rate != .2 {
		t.Errorf("%+v, %v", s.Steps(), err)
	}
}

func TestScheduleStart(t *testing.T) {
	w := newWorld()
	first := w.started(t, .1, "k")
	if want := (pipeline.RateSteps{{Rate: .1, Key: "k"}}); !reflect.DeepEqual(first.Steps(), want) {
		t.Fatalf("the first step is %+v, want %+v", first.Steps(), want)
	}
	w.now = w.now.Add(time.Hour)
	if same := w.started(t, .1, "k"); len(same.Steps()) != 1 {
		t.Errorf("a start that changes nothing appended %+v", same.Steps())
	}
	changed := w.started(t, .2, "k")
	from := w.now.Add(pipeline.ScheduleLead(joinWindow))
	if want := (pipeline.RateStep{From: from, Rate: .2, Key: "k"}); changed.Steps().Last() != want {
		t.Errorf("a changed rate appended %+v, want %+v", changed.Steps().Last(), want)
	}
	for at, rate := range map[time.Time]float64{noon: .1, w.now: .1, from.Add(-1): .1, from: .2} {
		if got := changed.Rate(at); got != rate {
			t.Errorf("rate at %s is %v, want %v", at, got, rate)
		}
	}
	if got := changed.InForce(w.now).Rate; got != .1 {
		t.Errorf("in force is %v, want .1 until the step begins", got)
	}
	if err := first.Refresh(t.Context()); err != nil || !reflect.DeepEqual(first.Steps(), changed.Steps()) {
		t.Errorf("the other worker has %+v, %v", first.Steps(), err)
	}
	if text := w.log.String(); !strings.Contains(text, "the rate of the sample changes") || strings.Contains(text, "secret key") {
		t.Errorf("log: %s", text)
	}
}

func TestScheduleKeys(t *testing.T) {
	w := newWorld()
	old := w.started(t, .1, "old")
	renewed := w.started(t, .1, "new")
	if got := renewed.Steps(); len(got) != 2 || got[1].Key != "new" || got[0].Key != "old" {
		t.Fatalf("steps %+v", got)
	}
	if !strings.Contains(w.log.String(), "belong to another secret key") {
		t.Errorf("a key that is no longer known is not told: %s", w.log.String())
	}
	w.log.Reset()
	if err := old.Refresh(t.Context()); err != nil || !strings.Contains(w.log.String(), "another worker samples with another secret key") {
		t.Errorf("two keys at a time are not told: %v, %s", err, w.log.String())
	}
}

// A record is never judged by a copy that may be too old; while the store is away it waits.
func TestScheduleCover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := w.started(t, .1, "k")
		if err := s.Cover(t.Context(), w.now.Add(10*time.Minute-1)); err != nil || w.log.Len() > 0 {
			t.Fatal(err, w.log.String())
		}
		if err := s.Cover(t.Context(), w.now.Add(10*time.Minute)); err != nil || w.log.Len() == 0 {
			t.Fatalf("%v: a step of somebody whose clock is slow by the slack may begin then, and nobody is told", err)
		}
		// another worker changes the rate while this one does not look
		w.now = w.now.Add(30 * time.Minute)
		w.started(t, 1, "k")
		w.now = w.now.Add(20 * time.Minute)
		w.store.Break(errors.New("away"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Cover(ctx, w.now); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("covered by an old copy: %v", err)
		}
		if faults := s.Health.Faults(); len(faults) != 1 || !strings.Contains(faults[0], "records can't be judged") {
			t.Errorf("health: %v", faults)
		}
		go func() {
			time.Sleep(time.Minute) // the bubble's time
			w.store.Break(nil)
		}()
		if err := s.Cover(t.Context(), w.now); err != nil || s.Rate(w.now) != 1 || s.Rate(noon) != .1 {
			t.Errorf("after the store is back: %v, %+v", err, s.Steps())
		}
		if faults := s.Health.Faults(); len(faults) != 0 {
			t.Errorf("health: %v", faults)
		}
		w.log.Reset()
		if err := s.Cover(t.Context(), w.now.Add(time.Hour)); err != nil || !strings.Contains(w.log.String(), "ahead of the store's clock") {
			t.Errorf("a record of the future: %v, %s", err, w.log.String())
		}
	})
}

// What the store has lost it gets back; what was put in its place stays.
func TestScheduleRestores(t *testing.T) {
	w := newWorld()
	s := w.started(t, .1, "k")
	w.now = w.now.Add(time.Hour)
	w.started(t, .2, "k")
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := s.Steps()
	for keep := range 2 {
		w.store.Lose(keep)
		if err := s.Refresh(t.Context()); err != nil || !reflect.DeepEqual(s.Steps(), want) {
			t.Errorf("%d steps kept: %+v, %v", keep, s.Steps(), err)
		}
		if got, err := w.store.Steps(t.Context()); err != nil || !reflect.DeepEqual(got.Steps, want) {
			t.Errorf("%d steps kept: the store has %+v, %v", keep, got.Steps, err)
		}
	}
	w.store.Lose(0)
	w.started(t, .3, "k")
	if err := s.Refresh(t.Context()); err != nil || len(s.Steps()) != 1 || s.Rate(noon) != .3 || !strings.Contains(w.log.String(), "is another than before") {
		t.Errorf("%+v, %v", s.Steps(), err)
	}
}

// The invariant: whenever and by whomever a record was judged, it was by the step that a replay finds, and a media was kept
// for every detection that might have asked for it.
func TestScheduleJudgesAsAReplayDoes(t *testing.T) {
	judged, changed := 0, 0
	for seed := range uint64(400) {
		w, random := newWorld(), rand.New(rand.NewPCG(seed, 1))
		rates := []float64{.1, .2, .9}
		var workers []*pipeline.Schedule
		type judgement struct {
			record   time.Time
			rate     float64
			media    bool
			whose    int
			when     time.Time
			lastSeen int
		}
		var all []judgement
		start := func(i int) {
			skew := time.Duration(random.IntN(600)-300) * time.Second
			workers[i] = w.worker(rates[random.IntN(len(rates))], "k", skew)
			if err := workers[i].Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		workers = make([]*pipeline.Schedule, 3)
		for i := range workers {
			start(i)
		}
		for range 120 {
			w.now = w.now.Add(time.Duration(random.IntN(180)) * time.Second)
			i := random.IntN(len(workers))
			s := workers[i]
			switch random.IntN(10) {
			case 0:
				start(i)
			case 1:
				if err := s.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
			default: // a record of the last hours, or one whose clock is a little fast
				record := w.now.Add(time.Duration(random.IntN(120)-random.IntN(7200)) * time.Second)
				media := random.IntN(2) == 0
				until := record
				if media {
					until = record.Add(joinWindow)
				}
				if err := s.Cover(t.Context(), until); err != nil {
					t.Fatal(err)
				}
				j := judgement{record: record, rate: s.Rate(record), media: media, whose: i, when: w.now, lastSeen: len(s.Steps())}
				if media {
					j.rate = s.Largest(record, joinWindow)
				}
				all = append(all, j)
			}
		}
		stored, err := w.store.Steps(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range workers {
			if err := s.Refresh(t.Context()); err != nil || !reflect.DeepEqual(s.Steps(), stored.Steps) {
				t.Fatalf("seed %d: worker %d ends with %+v, the store with %+v, %v", seed, i, s.Steps(), stored.Steps, err)
			}
		}
		replay := pipeline.FixedSchedule(stored.Steps...)
		for _, j := range all {
			want := replay.Rate(j.record)
			if j.media {
				want = replay.Largest(j.record, joinWindow)
			}
			if j.rate != want {
				t.Fatalf("seed %d: %+v: a replay says %v by %+v", seed, j, want, stored.Steps)
			}
		}
		judged, changed = judged+len(all), changed+len(stored.Steps)-1
		if strings.Contains(w.log.String(), "ahead of the store's clock") {
			t.Fatalf("seed %d: %s", seed, w.log.String())
		}
	}
	t.Logf("%d judgements, %d changes of the rate", judged, changed)
	if judged < 20_000 || changed < 1000 {
		t.Errorf("%d judgements under %d changes are not enough to see anything", judged, changed)
	}
}
