package pipeline

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"shaketable/metrics"
)

// rolledBack is a world whose counters fall back now and then and are replayed, as those of a Redis that failed over.
type rolledBack struct {
	*world
	shown map[Cell]Counts
	log   []map[Cell]Counts // what each minute adds
	at    int               // minutes of the log that are shown
	fell  int
}

// Sum serves what is shown at present.
func (r *rolledBack) Sum(_ context.Context, cells []Cell) ([]Counts, error) {
	out := make([]Counts, len(cells))
	for i, c := range cells {
		out[i] = maps.Clone(r.shown[c])
	}
	return out, nil
}

// minute lets the world count on, and shows up to four minutes more; about every two hours it falls back by up to twenty.
func (r *rolledBack) minute(g Generation, probes int, h habits, rng *rand.Rand) {
	r.cells = map[Cell]Counts{}
	r.pass(time.Minute, g, probes, h)
	r.correct(g, rng)
	r.log = append(r.log, r.cells)
	for range min(4, len(r.log)-r.at) {
		r.add(r.log[r.at], 1)
		r.at++
	}
	if rng.IntN(120) == 0 {
		for range min(rng.IntN(20), r.at) {
			r.at--
			r.add(r.log[r.at], -1)
		}
		r.fell++
	}
}

// correct revises one label now and then: what was decided wrongly was decided rightly after all, or the other way round.
func (r *rolledBack) correct(g Generation, rng *rand.Rand) {
	if rng.IntN(60) > 0 || len(r.log) < 300 {
		return
	}
	by := int64(1 - 2*rng.IntN(2))
	c := cellOf(r.cells, Cell{Generation: g.ID, Kind: Total})
	for v := range 1 + len(g.Variants) {
		c[FieldCorrect(v)] += by
	}
}

func (r *rolledBack) add(minute map[Cell]Counts, sign int64) {
	for c, counts := range minute {
		shown := cellOf(r.shown, c)
		for field, n := range counts {
			if shown[field] += sign * n; shown[field] == 0 {
				delete(shown, field)
			}
		}
	}
}

// atTheEdge is a baseline that allows every series exactly the rate at which the habits make it fail.
func atTheEdge(g Generation, h habits) metrics.Baseline {
	const n = 1e9
	b := metrics.Baseline{ID: "edge", Kind: metrics.File, Series: map[string]metrics.Reference{}}
	for _, s := range variantSeries(g) {
		flip, move := h.flips[s.Family], h.moves[s.Family]
		rate := map[Metric]float64{MetricRASelf: flip, MetricRR: flip + (1-flip)*move, MetricRALabel: flip*(1-h.wrong) + (1-flip)*h.wrong}[s.Metric]
		b.Series[s.Name()] = metrics.Reference{N: n, K: n * max(rate-metrics.DefaultEpsilon, 0)}
	}
	return b
}

// TestFalseAlarmsOfTheMachine folds days of a stable detector, at the edge of what its baseline allows, through Read and Step,
// at an alarm level low enough to see alarms: counters roll back and are replayed, labels come two hours late and are
// corrected. No tier may raise more than its series and folds allow.
func TestFalseAlarmsOfTheMachine(t *testing.T) {
	t.Parallel()
	const folds, level, seeds = 700, 100, 2
	alarms, allowed, fell := map[Tier]float64{}, map[Tier]float64{}, 0
	for seed := range uint64(seeds) {
		r := &rolledBack{world: newWorld(seed), shown: map[Cell]Counts{}}
		rng := rand.New(rand.NewPCG(seed, 4))
		g := r.release("1.0")
		h := habits{moves: families(.1), flips: families(.06), labelled: .5, wrong: .1, delay: 2 * time.Hour}
		cfg := scenarioConfig()
		cfg.FalseAlarms.Page = float64(cfg.SeriesCap.Page) * month / level
		cfg.FalseAlarms.Ticket = float64(cfg.SeriesCap.Ticket) * month / level
		cfg.Epsilon, cfg.Labels.Delay = metrics.DefaultEpsilon, 3*time.Hour
		m := machine(t, cfg, atTheEdge(g, h))
		st := NewState("meso")
		for range folds {
			r.minute(g, 3+rng.IntN(5), h, rng)
			in, err := m.Read(t.Context(), Readers{Ledger: r}, "meso", st, r.now.Add(20*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			result, err := m.Step(st, in)
			if err != nil {
				t.Fatal(err)
			}
			st = result.State
		}
		for _, j := range judgedOf(t, m, g, st) {
			if s := st.Generations[g.ID].Series[j.id()]; s != nil && j.detector != nil {
				alarms[j.Tier] += float64(s.ESR.Alarms)
				allowed[j.Tier] += folds / level
			}
		}
		fell += r.fell
	}
	for _, tier := range []Tier{Paging, Ticketing} {
		t.Logf("%s: %.0f alarms, at most %.0f allowed; %d roll-backs", tier, alarms[tier], allowed[tier], fell)
		if alarms[tier] > allowed[tier] || alarms[tier] == 0 || fell < seeds {
			t.Errorf("%s: %.0f alarms, at most %.0f allowed; %d roll-backs", tier, alarms[tier], allowed[tier], fell)
		}
	}
}

func judgedOf(t *testing.T, m *Machine, g Generation, st *State) []*judged {
	t.Helper()
	list, err := m.judge(g, st.Generations[g.ID].Baselines, nil, st.Labels)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// The figures of metrics/README.md are at the alarm level of a page by default.
func TestDelaysAreStatedAtTheDefaultLevel(t *testing.T) {
	level, err := DefaultAlertConfig().AlarmLevel(Paging)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../metrics/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("A = %.0f", level); !strings.Contains(string(text), want) {
		t.Errorf("metrics/README.md does not state its delays at %q", want)
	}
}
