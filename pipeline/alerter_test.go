package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// clockPath is a world, a seat and sinks for alerters that run in a bubble of synctest: the world's event time follows the
// clock of the bubble.
type clockPath struct {
	t    *testing.T
	w    *world
	seat *memorySeat
	a    Generation
}

func newClockPath(t *testing.T) *clockPath {
	p := &clockPath{t: t, w: newWorld(2), seat: newMemorySeat()}
	p.w.now = time.Now()
	p.a = p.w.release("1.0")
	return p
}

func (p *clockPath) start(ctx context.Context, owner string, sinks ...Sink) (*Alerter, func()) {
	ctx, cancel := context.WithCancel(ctx)
	a := NewAlerter(AlerterOptions{Detector: "meso", Owner: owner, Machine: machine(p.t, scenarioConfig()), Ledger: p.w, Seat: p.seat,
		Outbox: p.seat, Sinks: sinks, Examples: p.w, Orders: &p.seat.orders, Log: quiet()})
	var done sync.WaitGroup
	done.Go(func() { a.Run(ctx) })
	return a, func() { cancel(); done.Wait() }
}

// traffic lets minutes go by, with probes.
func (p *clockPath) traffic(minutes int, g Generation, n int, h habits) {
	for range minutes {
		time.Sleep(time.Minute)
		p.w.pass(0, g, 0, h)
		p.w.mu.Lock()
		p.w.now = time.Now()
		p.w.mu.Unlock()
		p.w.pass(0, g, n, h)
	}
}

func (p *clockPath) state() *State {
	_, data, err := p.seat.Load(p.t.Context(), "meso")
	if err != nil {
		p.t.Fatal(err)
	}
	st, err := ParseState("meso", data)
	if err != nil {
		p.t.Fatal(err)
	}
	return st
}

func TestAlerterFoldsOncePerPeriodAndDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newClockPath(t)
		sink := &memorySink{name: "log"}
		a, stop := p.start(t.Context(), "one", sink)
		p.traffic(60, p.a, 60, healthy())
		p.traffic(10, p.a, 60, fragile())
		synctest.Wait()
		if n := p.seat.folds(); n < 69 || n > 72 {
			t.Errorf("%d folds in 70 minutes", n)
		}
		if got := states(of(Paging, sink.received())); got != "firing" {
			t.Errorf("delivered %q", got)
		}
		if s := a.Current(time.Now()); s == nil || s.Detector != "meso" || s.Generation.Version != "1.0" {
			t.Errorf("current snapshot %+v", s)
		}
		if s := a.Current(time.Now().Add(10 * time.Minute)); s != nil {
			t.Error("an old snapshot is still current")
		}
		stop()
		if p.seat.owner != "" {
			t.Error("the lease was not given back")
		}
		if a.Current(time.Now()) != nil {
			t.Error("a stopped alerter still has a current snapshot")
		}
	})
}

func TestTwoAlertersFoldLikeOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newClockPath(t)
		sinks := []*memorySink{{name: "log"}, {name: "log"}}
		_, stopOne := p.start(t.Context(), "one", sinks[0])
		synctest.Wait()
		two, stopTwo := p.start(t.Context(), "two", sinks[1])
		p.traffic(60, p.a, 60, healthy())
		if two.Current(time.Now()) != nil {
			t.Error("two alerters are current")
		}
		stopOne() // the successor goes on at once
		p.traffic(20, p.a, 60, fragile())
		synctest.Wait()
		if n, folds := p.seat.folds(), p.state().Folds; n < 78 || n > 83 || int64(n) != folds {
			t.Errorf("%d saves of %d folds in 80 minutes", n, folds)
		}
		if got := states(of(Paging, append(sinks[0].received(), sinks[1].received()...))); got != "firing" {
			t.Errorf("delivered %q", got)
		}
		stopTwo()
	})
}

func TestDeadAlerterIsReplacedAfterItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newClockPath(t)
		if _, err := p.seat.Hold(t.Context(), "meso", "the dead", 15*time.Second); err != nil {
			t.Fatal(err)
		}
		_, stop := p.start(t.Context(), "two")
		defer stop()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if p.seat.folds() != 0 {
			t.Error("folded under the lease of another")
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if p.seat.folds() != 1 {
			t.Errorf("%d folds after the lease had run out", p.seat.folds())
		}
	})
}

// A save may arrive while its answer is lost, or be overtaken: nothing is folded twice, nothing is lost.
func TestTakeoverInTheMiddleOfASave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newClockPath(t)
		calls := 0
		p.seat.saveErr = func(s Save, apply func()) error {
			calls++
			switch calls {
			case 5: // arrived, answer lost: the retry is recognised
				apply()
				return errors.New("connection reset")
			case 8: // the lease ran out and a successor took it while we were computing
				p.seat.token++
				p.seat.owner, p.seat.until = "successor", time.Now().Add(15*time.Second)
			}
			return nil
		}
		_, stop := p.start(t.Context(), "one", &memorySink{name: "log"})
		p.traffic(30, p.a, 60, healthy())
		synctest.Wait()
		stop()
		st := p.state()
		total := p.w.cells[Cell{Generation: p.a.ID, Kind: Total}]
		skew := st.Generations[p.a.ID].Series["skew"]
		if behind := float64(total[FieldProbes]) - skew.Gain.Folded.N; behind < 0 || behind > 60 {
			t.Errorf("%v probes folded of %d", skew.Gain.Folded.N, total[FieldProbes])
		}
		if got := skew.ESR.Trials.N; got != skew.Gain.Folded.N {
			t.Errorf("evidence of %v probes, %v folded", got, skew.Gain.Folded.N)
		}
		if int64(p.seat.folds()) != st.Folds || st.Folds < 28 {
			t.Errorf("%d saves, %d folds", p.seat.folds(), st.Folds)
		}
	})
}

func TestDeliveryIsInOrderAtLeastOnceAndPerSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newClockPath(t)
		down := time.Now().Add(10 * time.Minute)
		good, flaky := &memorySink{name: "good"}, &memorySink{name: "flaky"}
		flaky.fail = func(int) error {
			if time.Now().Before(down) {
				return errors.New("503")
			}
			return nil
		}
		for _, id := range []string{"a", "b", "c"} {
			p.seat.outbox = append(p.seat.outbox, Transition{ID: id, Detector: "meso"})
		}
		_, stop := p.start(t.Context(), "one", good, flaky)
		defer stop()
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(good.received()) != 3 || len(flaky.received()) != 0 {
			t.Errorf("after a minute: %d and %d delivered", len(good.received()), len(flaky.received()))
		}
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		if len(flaky.received()) < 3 || flaky.received()[0].ID != "a" || flaky.received()[1].ID != "b" || flaky.received()[2].ID != "c" {
			t.Fatalf("after it came back: %+v", flaky.received())
		}
		flaky.mu.Lock()
		if flaky.tries > 25 {
			t.Errorf("%d tries in ten minutes: no backoff", flaky.tries)
		}
		flaky.mu.Unlock()
		if left, _ := p.seat.Pending(t.Context(), "meso", "flaky", 10); len(left) != 0 {
			t.Errorf("not acknowledged: %+v", left)
		}
	})
}

func TestStoreFaultsChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newClockPath(t)
		a, stop := p.start(t.Context(), "one")
		defer stop()
		p.traffic(5, p.a, 60, healthy())
		time.Sleep(30 * time.Second) // between two folds
		synctest.Wait()
		before := p.seat.folds()
		p.w.mu.Lock()
		p.w.sumErr = errors.New("connection refused")
		p.w.mu.Unlock()
		p.traffic(5, p.a, 60, healthy())
		synctest.Wait()
		if p.seat.folds() != before {
			t.Errorf("%d folds without a ledger", p.seat.folds()-before)
		}
		if a.Current(time.Now()) != nil {
			t.Error("a snapshot from before the fault is still shown")
		}
		p.w.mu.Lock()
		p.w.sumErr = nil
		p.w.mu.Unlock()
		p.traffic(2, p.a, 60, healthy())
		synctest.Wait()
		if a.Current(time.Now()) == nil {
			t.Error("does not go on after the fault")
		}
	})
}

func TestAlertersStartForDetectorsThatRegister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newClockPath(t)
		ctx, cancel := context.WithCancel(t.Context())
		started := 0
		var done sync.WaitGroup
		done.Go(func() {
			RunAlerters(ctx, p.w, 10*time.Second, quiet(), func(name string) (*Alerter, error) {
				if started++; started == 1 {
					return nil, errors.New("not yet")
				}
				return NewAlerter(AlerterOptions{Detector: name, Owner: "one", Machine: machine(t, scenarioConfig()), Ledger: p.w,
					Seat: p.seat, Outbox: p.seat, Log: quiet()}), nil
			})
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		cancel()
		done.Wait()
		if started != 2 || p.seat.folds() == 0 {
			t.Errorf("started %d times, %d folds", started, p.seat.folds())
		}
	})
}
