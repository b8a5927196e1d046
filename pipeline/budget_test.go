package pipeline_test

import (
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"shaketable/pipeline"
)

func TestHalving(t *testing.T) {
	for _, c := range []struct {
		full, rate float64
		k          int
		ok         bool
	}{{.1, .1, 0, true}, {.1, .05, 1, true}, {.1, .1 / 4096, 12, true}, {.1, .1 / 8192, 0, false}, {.1, .2, 0, false},
		{.1, .03, 0, false}, {1, 1, 0, true}, {0, 0, 0, false}, {.1 / 3, .1 / 3 / 8, 3, true}} {
		if k, ok := pipeline.Halving(c.full, c.rate); k != c.k || ok != c.ok {
			t.Errorf("%v of %v is halved %d times, %v; want %d, %v", c.rate, c.full, k, ok, c.k, c.ok)
		}
	}
}

func TestBudgetPolicy(t *testing.T) {
	p := pipeline.BudgetPolicy{Full: .8, Budget: 100 * time.Second}
	// spent makes a period of so many detections whose probes cost a second each, at the rate in force
	spent := func(load int64, rate float64) pipeline.Spending {
		n := int64(float64(load) * rate)
		return pipeline.Spending{Device: time.Duration(n) * time.Second, Eligible: load, Sampled: n}
	}
	none := pipeline.Spending{}
	for _, c := range []struct {
		name string
		rate float64
		past []pipeline.Spending
		want float64
	}{
		{"nothing known", .8, nil, .8},
		{"no detections decide nothing", .1, []pipeline.Spending{none, spent(10, .1), none}, .1},
		{"within the budget", .8, []pipeline.Spending{spent(120, .8)}, .8},
		{"just within", .8, []pipeline.Spending{spent(125, .8)}, .8},
		{"over: to the largest rate at 80 s or less", .8, []pipeline.Spending{spent(150, .8)}, .4},
		{"barely over is still over", .8, []pipeline.Spending{spent(130, .8)}, .4},
		{"far over, many steps at once", .8, []pipeline.Spending{spent(10_000, .8)}, .8 / 128},
		{"more than the lowest rate allows", .8, []pipeline.Spending{spent(100_000_000, .8)}, .8 / 4096},
		{"less than half spent: up", .4, []pipeline.Spending{spent(100, .4), spent(90, .4)}, .8},
		{"half spent: stays", .4, []pipeline.Spending{spent(110, .4), spent(90, .4)}, .4},
		{"a lull is no reason", .4, []pipeline.Spending{spent(20, .4), spent(20, .4), spent(150, .4)}, .4},
		{"three quiet periods are", .1, []pipeline.Spending{spent(100, .1), spent(100, .1), spent(100, .1), spent(10_000, .1)}, .8},
		{"many steps up at once", .8 / 1024, []pipeline.Spending{spent(2048, .8/1024)}, .8 / 32},
		{"none sampled, cost unknown: one step up", .05, []pipeline.Spending{{Eligible: 7}}, .1},
		{"none sampled, budget taken by others", .05, []pipeline.Spending{{Eligible: 7, Device: 90 * time.Second}}, .05},
		{"none sampled at the full rate", .8, []pipeline.Spending{{Eligible: 1}}, .8},
		{"never above the configured rate", .8, []pipeline.Spending{spent(1, .8)}, .8},
		{"a rate of another configuration is left alone", .3, []pipeline.Spending{spent(10_000, .3)}, .3},
	} {
		if got := p.Next(c.rate, c.past); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// market simulates days of traffic under a budget with the real schedule, minute by minute.
type market struct {
	*world
	cfg     pipeline.BudgetConfig
	rate    float64
	workers []*trader
	spent   []float64 // device seconds by hour
	inForce []float64 // at the end of each hour
	cost    float64   // device seconds of a probe
	random  *rand.Rand
	starts  int
}

// trader is one worker.
type trader struct {
	schedule *pipeline.Schedule
	budgeter *pipeline.Budgeter
	total    pipeline.Spending
}

func newMarket(t *testing.T, workers int, budget float64) *market {
	m := &market{world: newWorld(), rate: .8, cost: .05, random: rand.New(rand.NewPCG(1, 2)),
		cfg: pipeline.BudgetConfig{DeviceSecondsPerHour: budget, Period: time.Hour}}
	for range workers {
		m.workers = append(m.workers, m.start(t))
	}
	return m
}

func (m *market) start(t *testing.T) *trader {
	t.Helper()
	m.starts++
	w := &trader{schedule: pipeline.NewSchedule(pipeline.ScheduleOptions{Store: m.store, Lead: pipeline.ScheduleLead(joinWindow),
		Policy: pipeline.SchedulePolicy{Rate: m.rate, Key: "k", Budgeted: true}, Now: func() time.Time { return m.now },
		Log: slog.New(slog.NewTextHandler(&m.log, nil)), Health: &pipeline.Health{}})}
	if err := w.schedule.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.budgeter = pipeline.NewBudgeter(pipeline.BudgetOptions{Config: m.cfg, Store: m.store, Schedule: w.schedule,
		Worker: fmt.Sprint("worker-", m.starts), Spent: func() pipeline.Spending { return w.total }, Now: func() time.Time { return m.now },
		Log: slog.New(slog.NewTextHandler(&m.log, nil))})
	return w
}

// run lets hours pass with so many detections an hour, spread over the workers in turn; each is sampled by a fair draw.
func (m *market) run(t *testing.T, hours int, perHour func(minute int) float64) {
	t.Helper()
	for minute := range hours * 60 {
		if minute%60 == 0 {
			m.spent = append(m.spent, 0)
		}
		n := int(perHour(minute)/60 + m.random.Float64())
		for i := range n {
			w := m.workers[i%len(m.workers)]
			if err := w.schedule.Cover(t.Context(), m.now); err != nil {
				t.Fatal(err)
			}
			w.total.Eligible++
			if m.random.Float64() < w.schedule.Rate(m.now) {
				w.total.Sampled++
				w.total.Device += time.Duration(m.cost * float64(time.Second))
				m.spent[len(m.spent)-1] += m.cost
			}
		}
		m.now = m.now.Add(time.Minute)
		for _, w := range m.workers {
			if err := w.budgeter.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if minute%60 == 59 {
			m.inForce = append(m.inForce, m.workers[0].schedule.InForce(m.now).Rate)
		}
	}
}

func steadily(perHour float64) func(int) float64 { return func(int) float64 { return perHour } }

// 100 device seconds an hour at .05 each are 2000 probes.
func TestBudgetFollowsTheLoad(t *testing.T) {
	m := newMarket(t, 1, 100)
	m.run(t, 6, steadily(1900))   // hours 0 to 5: 1520 probes fit
	m.run(t, 6, steadily(3800))   // 6 to 11: twice as many
	m.run(t, 6, steadily(1900))   // 12 to 17: as before
	m.run(t, 6, steadily(600))    // 18 to 23
	m.run(t, 6, steadily(60_000)) // 24 to 29: 24 times what fits
	t.Logf("spent %.0f, rates %v", m.spent, m.inForce)
	surprised := map[int]bool{6: true, 24: true, // the load has just grown
		25: true} // the first minutes of it are still at the old rate, which is many times too high
	for hour, s := range m.spent {
		if !surprised[hour] && s > 100 {
			t.Errorf("hour %d: %.1f s spent of 100", hour, s)
		}
	}
	for hour, rate := range map[int]float64{0: .8, 5: .8, 6: .8, 7: .4, 11: .4, 13: .4, 17: .8, 23: .8, 24: .8, 25: .025, 29: .025} {
		if m.inForce[hour] != rate {
			t.Errorf("rate at the end of hour %d is %v, want %v", hour, m.inForce[hour], rate)
		}
	}
	for _, step := range m.workers[0].schedule.Steps() {
		if _, ok := pipeline.Halving(.8, step.Rate); !ok {
			t.Errorf("step %+v is no halving of .8", step)
		}
	}
}

// A load anywhere between the steps, with noise and a swing of 10 % by the hour, settles on one rate.
func TestBudgetDoesNotToggle(t *testing.T) {
	for load := 1000.; load < 40_000; load *= 1.17 {
		m := newMarket(t, 1, 100)
		m.cost = .025
		m.run(t, 24, func(minute int) float64 { return load * (1 + .1*math.Sin(float64(minute/60)*1.7)) })
		steps := m.workers[0].schedule.Steps()
		if len(steps) > 3 {
			t.Errorf("load %.0f: %d steps in a day: %+v", load, len(steps), steps)
		}
		if last := m.spent[len(m.spent)-1]; last > 100 || steps.Last().Rate < .8 && last < 30 {
			t.Errorf("load %.0f: %.1f of 100 s are spent in the end", load, last)
		}
	}
}

// Two workers with half the load each decide what one decides, and a worker that is started anew in mid-period changes
// nothing.
func TestBudgetOfManyWorkers(t *testing.T) {
	load := func(minute int) float64 { return 3000 + 2900*math.Sin(float64(minute)/400) }
	one, two, killed := newMarket(t, 1, 100), newMarket(t, 2, 100), newMarket(t, 2, 100)
	one.run(t, 30, load)
	two.run(t, 30, load)
	for range 30 / 3 {
		start := int(killed.now.Sub(noon) / time.Minute)
		killed.run(t, 3, func(minute int) float64 {
			if minute == 95 { // in mid-period: its counters are gone, what it reported is not
				killed.workers[1] = killed.start(t)
			}
			return load(start + minute)
		})
	}
	if !reflect.DeepEqual(one.inForce, two.inForce) || !reflect.DeepEqual(one.inForce, killed.inForce) {
		t.Errorf("rates of one worker  %v\nof two workers      %v\nwith restarts       %v", one.inForce, two.inForce, killed.inForce)
	}
	if n := len(one.workers[0].schedule.Steps()); n < 4 || len(two.workers[0].schedule.Steps()) != n {
		t.Errorf("%d and %d steps", n, len(two.workers[0].schedule.Steps()))
	}
	if strings.Contains(two.log.String(), "level=WARN") || strings.Contains(two.log.String(), "level=ERROR") {
		t.Error(two.log.String())
	}
}

// However many workers there are, the rate moves once a period, after all have reported: also where nothing was sampled that
// would tell what a probe costs.
func TestBudgetDecidesOnceAPeriod(t *testing.T) {
	m := newMarket(t, 3, 100)
	m.run(t, 3, steadily(60_000))
	lowest := m.workers[0].schedule.Steps().Last().Rate
	for range 8 * 60 {
		m.now = m.now.Add(time.Minute)
		for _, w := range m.workers {
			w.total.Eligible++
			if err := w.budgeter.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	steps := m.workers[0].schedule.Steps()
	if err := m.workers[0].schedule.Refresh(t.Context()); err != nil || lowest > .1 || steps.Last().Rate < 4*lowest {
		t.Fatalf("%v, rates %+v", err, steps)
	}
	lead := m.workers[0].schedule.Lead
	for i, step := range steps[1:] {
		if written := step.From.Add(-lead); written.Sub(written.Truncate(time.Hour)) < 30*time.Second {
			t.Errorf("step %+v was written at %s, before all could have reported", step, written)
		}
		if i > 0 && step.From.Sub(steps[i].From) < time.Hour-time.Minute {
			t.Errorf("steps %+v and %+v belong to one period", steps[i], step)
		}
	}
}

// A worker whose configuration is not the one in force leaves the decision to those whose it is.
func TestBudgetOfAnotherConfiguration(t *testing.T) {
	m := newMarket(t, 1, 100)
	m.rate = .3
	m.workers = append(m.workers, m.start(t)) // changes the rate to .3
	m.run(t, 4, steadily(24_000))
	for _, step := range m.workers[1].schedule.Steps()[1:] {
		if _, ok := pipeline.Halving(.3, step.Rate); !ok {
			t.Errorf("step %+v is no halving of .3", step)
		}
	}
	// 24000 detections at .05 s: 45 s an hour at a rate of .0375, and 90 s at .075, which is more than is aimed at
	if last := m.inForce[len(m.inForce)-1]; last != .0375 {
		t.Errorf("the rate is %v in the end, spent %v", last, m.spent)
	}
}

// The largest budget, over the longest period, still fits a duration: one that does not would count as negative.
func TestBudgetConfigBounds(t *testing.T) {
	for seconds, fine := range map[float64]bool{0: true, 1e-9: true, 1e8: true, 1.1e8: false, 1e300: false, math.Inf(1): false, math.NaN(): false, -1: false} {
		c := pipeline.DefaultBudgetConfig()
		c.DeviceSecondsPerHour, c.Period = seconds, 24*time.Hour
		if es := c.Validate(); (len(es) == 0) != fine {
			t.Errorf("%v: %v", seconds, es)
		}
		if hours := seconds * 24 / 3600; fine && hours > time.Duration(math.MaxInt64).Hours() {
			t.Errorf("%v seconds an hour are accepted, and %v hours a day no duration", seconds, hours)
		}
	}
}
