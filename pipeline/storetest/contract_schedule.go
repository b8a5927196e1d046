package storetest

import (
	"reflect"
	"sync"
	"testing"
	"time"

	"shaketable/pipeline"
)

// ContractSchedule runs everything that a store must keep for the sample. open is called once per subtest and returns an
// empty store, which is reached through the present clock.
func ContractSchedule(t *testing.T, open func(t *testing.T) ScheduleBackend) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, s ScheduleBackend)
	}{
		{"steps", contractSteps},
		{"restored steps", contractRestored},
		{"concurrent appends", contractConcurrent},
		{"spending", contractSpending},
		{"refusals", contractScheduleRefusals},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

const lead = 6 * time.Minute

func rateStep(from time.Time, rate float64) pipeline.RateStep {
	return pipeline.RateStep{From: from, Rate: rate, Key: "0a1b2c3d"}
}

func contractSteps(t *testing.T, s ScheduleBackend) {
	ctx := t.Context()
	got := steady[pipeline.StoredSteps](t)(s.Steps(ctx))
	if len(got.Steps) != 0 || time.Since(got.At).Abs() > time.Minute {
		t.Fatalf("an empty schedule is %+v", got)
	}
	third := .1 / 3 // has no short decimal form
	got = steady[pipeline.StoredSteps](t)(s.AppendSteps(ctx, 0, pipeline.RateSteps{rateStep(time.Time{}, third)}, lead))
	if want := (pipeline.RateSteps{rateStep(time.Time{}, third)}); !reflect.DeepEqual(got.Steps, want) {
		t.Fatalf("the first step is %+v, want %+v: from the beginning", got.Steps, want)
	}
	second := steady[pipeline.StoredSteps](t)(s.AppendSteps(ctx, 1, pipeline.RateSteps{rateStep(time.Time{}, .5)}, lead))
	if at := second.Steps.Last().From; len(second.Steps) != 2 || at.Before(got.At.Add(lead)) || at.After(second.At.Add(lead+time.Millisecond)) {
		t.Fatalf("the second step begins %s, want %s after %s", at, lead, second.At)
	}
	// a compare that fails changes nothing and tells what there is
	for _, after := range []int{0, 1, 3} {
		again := steady[pipeline.StoredSteps](t)(s.AppendSteps(ctx, after, pipeline.RateSteps{rateStep(time.Time{}, .9)}, lead))
		if !reflect.DeepEqual(again.Steps, second.Steps) {
			t.Errorf("append after %d of 2 steps: %+v, want %+v", after, again.Steps, second.Steps)
		}
	}
	// a step may begin later than it must, and none begins before the one ahead of it
	far := time.Now().Add(24 * time.Hour).Truncate(time.Millisecond).UTC()
	steady[pipeline.StoredSteps](t)(s.AppendSteps(ctx, 2, pipeline.RateSteps{rateStep(far, .7)}, lead))
	got = steady[pipeline.StoredSteps](t)(s.AppendSteps(ctx, 3, pipeline.RateSteps{rateStep(time.Time{}, .8)}, lead))
	if len(got.Steps) != 4 || !got.Steps[2].From.Equal(far) || !got.Steps[3].From.Equal(far) || got.Steps[3].Rate != .8 {
		t.Errorf("steps behind one that begins %s: %+v", far, got.Steps)
	}
	if read := steady[pipeline.StoredSteps](t)(s.Steps(ctx)); !reflect.DeepEqual(read.Steps, got.Steps) {
		t.Errorf("read %+v, want %+v", read.Steps, got.Steps)
	}
}

func contractRestored(t *testing.T, s ScheduleBackend) {
	old := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	want := pipeline.RateSteps{rateStep(time.Time{}, .1), rateStep(old, 0), rateStep(old.Add(time.Hour), 1)}
	got := steady[pipeline.StoredSteps](t)(s.AppendSteps(t.Context(), 0, want, 0))
	if !reflect.DeepEqual(got.Steps, want) {
		t.Errorf("restored %+v, want %+v", got.Steps, want)
	}
}

// Of many who append at once, each either has appended or sees who did.
func contractConcurrent(t *testing.T, s ScheduleBackend) {
	const workers = 8
	steady[pipeline.StoredSteps](t)(s.AppendSteps(t.Context(), 0, pipeline.RateSteps{rateStep(time.Time{}, 1)}, lead))
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() {
			rate := 1 / float64(i+2)
			for after := 0; ; {
				got, err := s.AppendSteps(t.Context(), after, pipeline.RateSteps{rateStep(time.Time{}, rate)}, lead)
				if err != nil {
					t.Error(err)
					return
				}
				if len(got.Steps) > after && got.Steps[after].Rate == rate {
					return
				}
				after = len(got.Steps)
			}
		})
	}
	all.Wait()
	got := steady[pipeline.StoredSteps](t)(s.Steps(t.Context()))
	rates := map[float64]bool{}
	for i, one := range got.Steps {
		rates[one.Rate] = true
		if i > 0 && one.From.Before(got.Steps[i-1].From) {
			t.Errorf("step %d begins %s, before the one ahead of it, %s", i, one.From, got.Steps[i-1].From)
		}
	}
	if len(got.Steps) != workers+1 || len(rates) != workers+1 {
		t.Errorf("%d steps with %d rates, want each worker's once: %+v", len(got.Steps), len(rates), got.Steps)
	}
}

func contractSpending(t *testing.T, s ScheduleBackend) {
	ctx, start := t.Context(), time.Now().Truncate(time.Hour)
	report := func(worker string, sp pipeline.Spending) {
		t.Helper()
		if err := s.ReportSpending(ctx, start, worker, sp, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	report("a", pipeline.Spending{Device: time.Second, Eligible: 10, Sampled: 1})
	report("b", pipeline.Spending{Device: 2 * time.Second, Eligible: 1000, Sampled: 20})
	for range 2 { // a figure that is reported again replaces the one before
		report("a", pipeline.Spending{Device: 3500 * time.Millisecond, Eligible: 30, Sampled: 3})
	}
	got := steady[[]pipeline.Spending](t)(s.Spendings(ctx, []time.Time{start, start.Add(-time.Hour)}))
	want := []pipeline.Spending{{Device: 5500 * time.Millisecond, Eligible: 1030, Sampled: 23}, {}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("spent %+v, want %+v", got, want)
	}
}

func contractScheduleRefusals(t *testing.T, s ScheduleBackend) {
	ctx, one := t.Context(), pipeline.RateSteps{rateStep(time.Time{}, 1)}
	for name, call := range map[string]func() error{
		"after -1":      func() error { _, err := s.AppendSteps(ctx, -1, one, lead); return err },
		"no steps":      func() error { _, err := s.AppendSteps(ctx, 0, nil, lead); return err },
		"negative lead": func() error { _, err := s.AppendSteps(ctx, 0, one, -time.Second); return err },
		"rate above 1": func() error {
			_, err := s.AppendSteps(ctx, 0, pipeline.RateSteps{rateStep(time.Time{}, 1.5)}, lead)
			return err
		},
		"no key":    func() error { _, err := s.AppendSteps(ctx, 0, pipeline.RateSteps{{Rate: 1}}, lead); return err },
		"no worker": func() error { return s.ReportSpending(ctx, time.Now(), "", pipeline.Spending{}, time.Hour) },
		"negative": func() error {
			return s.ReportSpending(ctx, time.Now(), "w", pipeline.Spending{Eligible: -1}, time.Hour)
		},
	} {
		if call() == nil {
			t.Errorf("%s: was taken", name)
		}
	}
	if got := steady[pipeline.StoredSteps](t)(s.Steps(ctx)); len(got.Steps) != 0 {
		t.Errorf("what was refused is there: %+v", got.Steps)
	}
}
