package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"shaketable/metrics"
)

// governed starts an alerter with an archive on the seat of a clock path.
func (p *clockPath) governed(ctx context.Context, archive Archive, sinks ...Sink) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	a := NewAlerter(AlerterOptions{Detector: "meso", Owner: "one", Machine: machine(p.t, scenarioConfig()), Ledger: p.w, Seat: p.seat,
		Outbox: p.seat, Sinks: sinks, Slices: p.w, Orders: &p.seat.orders, Archive: archive, Log: quiet()})
	var done sync.WaitGroup
	done.Go(func() { a.Run(ctx) })
	return func() { cancel(); done.Wait() }
}

func (p *clockPath) order(o Order) {
	p.t.Helper()
	o.Author, o.Reason, o.At = "ada", "because", time.Now()
	if err := p.seat.orders.Order(p.t.Context(), "meso", o); err != nil {
		p.t.Fatal(err)
	}
}

// flush is the loss of the store: seat, orders and counters.
func (p *clockPath) flush() {
	p.seat.mu.Lock()
	p.seat.seq, p.seat.last, p.seat.outbox, p.seat.acked = 0, Save{}, nil, map[string][]string{}
	p.seat.mu.Unlock()
	p.w.mu.Lock()
	clear(p.w.cells)
	p.w.mu.Unlock()
}

// The store is lost while an alert is open and muted. What people decided and were told is there again: the baselines,
// numbered, the mute, the episode, the history; nothing is burned in anew, and nobody is called twice.
func TestLossOfTheStoreForgetsNoDecision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newClockPath(t)
		archive, sink := newShelfArchive(), &memorySink{name: "log"}
		archive.fails = 3
		stop := p.governed(t.Context(), archive, sink)
		p.traffic(45, p.a, 60, healthy())
		p.order(Order{ID: "frozen", Kind: OrderFreeze, Span: 15 * time.Minute})
		p.traffic(2, p.a, 60, healthy())
		p.order(Order{ID: "approved", Kind: OrderApprove, Target: "accepted-" + p.a.ID + "-frozen"})
		p.order(Order{ID: "proposed", Kind: OrderFreeze, Span: 15 * time.Minute})
		p.order(Order{ID: "quiet", Kind: OrderMute, Until: time.Now().Add(10 * time.Hour), Tier: Ticketing})
		p.order(Order{ID: "short", Kind: OrderMute, Until: time.Now().Add(10 * time.Hour), Tier: LogOnly})
		p.traffic(10, p.a, 60, fragile())
		p.order(Order{ID: "not so short", Kind: OrderUnmute, Target: "short"})
		p.traffic(2, p.a, 60, fragile())
		before := p.state()
		if got := states(of(Paging, sink.received())); got != "firing" {
			t.Fatalf("before the loss: %q", got)
		}
		p.flush()
		p.traffic(60, p.a, 60, fragile())
		after := p.state()
		was, is := before.Generations[p.a.ID], after.Generations[p.a.ID]
		if !reflect.DeepEqual(is.all(), was.all()) || is.Versions != 3 || len(is.Baselines) != 1 || len(is.Proposed) != 1 || len(is.Replaced) != 1 {
			t.Errorf("baselines\n got %+v\nwant %+v", is.all(), was.all())
		}
		if !reflect.DeepEqual(after.Mutes, before.Mutes) || len(after.Mutes) != 1 || after.Mutes[0].ID != "quiet" {
			t.Errorf("mutes %+v, want %+v", after.Mutes, before.Mutes)
		}
		for i, x := range before.History {
			if !reflect.DeepEqual(after.History[i], x) {
				t.Errorf("history %d: %+v, want %+v", i, after.History[i], x)
			}
		}
		if after.Folds <= before.Folds {
			t.Errorf("fold %d after fold %d", after.Folds, before.Folds)
		}
		if got := states(of(Paging, sink.received())); got != "firing" || after.Alerts[Paging].Episode == nil {
			t.Errorf("after the loss: pages %q, want the first one alone, and its episode open", got)
		}
		p.traffic(120, p.a, 60, healthy())
		pages := of(Paging, sink.received())
		if states(pages) != "firing resolved" || pages[1].Episode != pages[0].Episode {
			t.Errorf("after all: %q %+v", states(pages), pages)
		}
		stop()
		if archive.wrote > 60 {
			t.Errorf("%d entries were written: what does not change is written again", archive.wrote)
		}
	})
}

// A store that comes back as it was an hour ago is brought up to date; one that lost nothing the archive knows is left alone.
func TestStoreThatWentBackIsBroughtUpToDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newClockPath(t)
		archive := newShelfArchive()
		stop := p.governed(t.Context(), archive)
		p.traffic(45, p.a, 60, healthy())
		p.seat.mu.Lock()
		seq, last := p.seat.seq, p.seat.last
		p.seat.mu.Unlock()
		p.order(Order{ID: "quiet", Kind: OrderMute, Until: time.Now().Add(10 * time.Hour)})
		p.traffic(10, p.a, 60, healthy())
		if len(p.state().Mutes) != 1 {
			t.Fatalf("mutes %+v", p.state().Mutes)
		}
		p.seat.mu.Lock()
		p.seat.seq, p.seat.last = seq, last
		p.seat.mu.Unlock()
		p.traffic(2, p.a, 60, healthy())
		if st := p.state(); len(st.Mutes) != 1 || len(st.Generations[p.a.ID].Baselines) != 1 {
			t.Errorf("after the store went back: mutes %+v, baselines %d", st.Mutes, len(st.Generations[p.a.ID].Baselines))
		}
		calls := archive.calls
		p.traffic(20, p.a, 60, healthy())
		if archive.calls != calls {
			t.Errorf("%d calls of the archive while nothing changed", archive.calls-calls)
		}
		stop()
	})
}

// While the archive cannot be read, a detector without a state is not judged: it might be a known one.
func TestEmptyStoreWaitsForTheArchive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newClockPath(t)
		archive := newShelfArchive()
		archive.fails = 1 << 30
		stop := p.governed(t.Context(), archive)
		defer stop()
		p.traffic(10, p.a, 60, healthy())
		if n := p.seat.folds(); n != 0 {
			t.Errorf("%d folds without knowing what is known", n)
		}
		archive.mu.Lock()
		archive.fails = 0
		archive.mu.Unlock()
		p.traffic(3, p.a, 60, healthy())
		if n := p.seat.folds(); n < 2 {
			t.Errorf("%d folds after the archive came back", n)
		}
		archive.mu.Lock()
		archive.fails = 1 << 30
		archive.mu.Unlock()
		before := p.seat.folds()
		p.traffic(5, p.a, 60, healthy())
		if n := p.seat.folds() - before; n < 4 {
			t.Errorf("%d folds in 5 minutes without the archive: a detector with a state goes on", n)
		}
	})
}

func TestEntries(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	st := NewState("meso")
	st.Folds = 7
	ref := map[string]metrics.Reference{"ra_self/jpeg/q=75": {N: 300, K: 3}}
	st.Generations["g"] = &GenerationState{Version: "1.0", Baselines: []metrics.Baseline{{ID: "b2", Version: 2, Series: ref}, {ID: "b1", Version: 1, Series: ref}},
		Proposed: []metrics.Baseline{{ID: "b3", Version: 3, Series: ref}}}
	st.Mutes = []Mute{{ID: "m", Until: at, Author: "ada", Reason: "x"}}
	st.History = []Transition{{ID: "e:firing", Detector: "meso", State: StateFiring, At: at}}
	st.Alerts[Paging] = &Alert{State: StateFiring, Episode: &Episode{ID: "e", Started: at, GoodSince: at,
		Broken: []Broken{{Series: "ra_self", Fresh: metrics.Trials{N: 3}}}}}
	var keys []string
	entries := st.entries()
	for _, e := range entries {
		keys = append(keys, e.Key())
	}
	want := "baseline/meso/g/b2 baseline/meso/g/b1 baseline/meso/g/b3 mute/meso/m transition/meso/e:firing episode/meso/page"
	if got := strings.Join(keys, " "); got != want {
		t.Fatalf("keys\n got %s\nwant %s", got, want)
	}
	m := mirror{}
	m.note(entries)
	st.Folds, st.Alerts[Paging].Episode.GoodSince = 8, time.Time{}
	if got := m.changes(st); len(got) != 0 {
		t.Errorf("a fold that changes nothing writes %+v", got)
	}
	st.Mutes, st.Alerts[Paging].Episode = nil, nil
	st.Generations["g"].Baselines[0], st.Generations["g"].Baselines[1] = st.Generations["g"].Baselines[1], st.Generations["g"].Baselines[0]
	got := m.changes(st)
	m.note(got)
	var gone, written []string
	for _, e := range got {
		if e.Gone {
			gone = append(gone, e.Key())
		} else {
			written = append(written, e.Key())
		}
	}
	if strings.Join(gone, " ") != "episode/meso/page mute/meso/m" || strings.Join(written, " ") != "baseline/meso/g/b1 baseline/meso/g/b2" {
		t.Errorf("gone %v, written %v", gone, written)
	}
	delete(st.Generations, "g")
	if got := m.changes(st); len(got) != 0 {
		t.Errorf("baselines of a forgotten generation are touched: %+v", got)
	}
	blank, older := NewState("meso").restored(entries)
	if !older || blank.Folds != 7 || blank.Generations["g"].Versions != 3 || blank.Generations["g"].Baselines[0].ID != "b2" ||
		blank.Alerts[Paging].Episode.ID != "e" || len(blank.Mutes) != 1 || len(blank.History) != 1 {
		text, _ := json.Marshal(blank)
		t.Errorf("restored %s", text)
	}
	if same, older := blank.restored(entries); older || same != blank {
		t.Error("restored twice")
	}
}

// Two alerters, one of which dies in the middle of a save whose answer is lost, carry out every order once.
func TestTwoAlertersCarryOutOrdersOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newClockPath(t)
		saves := 0
		p.seat.saveErr = func(s Save, apply func()) error {
			switch saves++; {
			case saves%7 == 0: // arrived, answer lost
				apply()
				return errNoBroker
			case saves%11 == 0: // never arrived, and another one takes the lease
				p.seat.token++
				p.seat.owner, p.seat.until = "somebody else", time.Now().Add(5*time.Second)
			}
			return nil
		}
		sinks := []*memorySink{{name: "log"}, {name: "log"}}
		_, stopOne := p.start(t.Context(), "one", sinks[0])
		_, stopTwo := p.start(t.Context(), "two", sinks[1])
		p.traffic(45, p.a, 60, healthy())
		for i := range 20 {
			p.order(Order{ID: fmt.Sprint("mute ", i), Kind: OrderMute, Until: time.Now().Add(10 * time.Hour)})
			p.order(Order{ID: fmt.Sprint("test ", i), Kind: OrderTest})
			p.traffic(1, p.a, 60, healthy())
			if i == 10 {
				stopOne()
			}
		}
		p.traffic(2, p.a, 60, healthy())
		stopTwo()
		st := p.state()
		if len(st.Mutes) != 20 || len(st.Answers) != 40 || len(p.seat.orders.list) != 0 {
			t.Errorf("%d mutes, %d answers, %d orders left: want 20, 40, 0", len(st.Mutes), len(st.Answers), len(p.seat.orders.list))
		}
		once := map[string]int{}
		for _, x := range p.seat.outbox {
			once[x.ID]++
		}
		for i := range 20 {
			if id := fmt.Sprintf("test %d:test", i); once[id] != 1 {
				t.Errorf("%s is in the outbox %d times", id, once[id])
			}
		}
	})
}
