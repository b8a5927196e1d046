package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"shaketable/metrics"
)

// Alerter is the clock path of one detector: under a lease it folds what was counted, stores state, snapshot and
// transitions in one step, and delivers the transitions.
//
//	Hold ─► Load ─► Machine.Read ─► Machine.Step ─► Save ═► outbox ─► sinks
//
// Invariant: what is not saved has not happened. Two alerters of a detector may both compute a fold; the seat takes one,
// and the other drops its work.
type Alerter struct {
	AlerterOptions
	beat     time.Duration
	seated   atomic.Bool
	current  atomic.Pointer[Snapshot]
	due      time.Time // of the next fold, wall clock
	folds    int64     // of the state that was saved last
	recalled bool      // the archive was asked under this lease
	archived mirror
	names    []string // of the sinks
	couriers []*courier
}

// AlerterOptions are the parts of an [Alerter]. Examples, Slices, Panels, Orders, Archive and Delivered may be nil.
type AlerterOptions struct {
	Detector string
	Owner    string // of the lease; unique to the process
	Machine  *Machine
	Ledger   Ledger
	Seat     Seat
	Outbox   Outbox
	Sinks    []Sink
	Examples ExampleReader
	Slices   SliceReader
	Panels   PanelReader
	Orders   Orders
	Archive  Archive
	// Delivered is told how every attempt to deliver a transition went.
	Delivered func(sink string, err error)
	Log       *slog.Logger
}

// NewAlerter returns the alerter of a detector; Run starts it.
func NewAlerter(o AlerterOptions) *Alerter {
	cfg := o.Machine.cfg
	a := &Alerter{AlerterOptions: o, beat: min(cfg.Period, cfg.Lease/3), archived: mirror{}}
	for _, s := range o.Sinks {
		a.names = append(a.names, s.Name())
	}
	for _, s := range o.Sinks {
		a.couriers = append(a.couriers, &courier{alerter: a, sink: s, names: a.names, wake: make(chan struct{}, 1)})
	}
	return a
}

// Run works until ctx is done, and gives the lease back then.
func (a *Alerter) Run(ctx context.Context) {
	var couriers sync.WaitGroup
	for _, c := range a.couriers {
		couriers.Go(func() { c.run(ctx) })
	}
	ticker := time.NewTicker(a.beat)
	defer ticker.Stop()
	var token int64
	for ctx.Err() == nil {
		token = a.turn(ctx, token)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	couriers.Wait()
	a.leave(ctx, token)
}

// Current returns the snapshot of the last fold that this alerter saved, for gauges: nil while another one holds the
// lease, or when the fold is older than three periods. A gap shows that nobody knows; a frozen line would lie.
func (a *Alerter) Current(now time.Time) *Snapshot {
	s := a.current.Load()
	if s == nil || !a.seated.Load() || now.Sub(s.ComputedAt) > 3*a.Machine.cfg.Period {
		return nil
	}
	return s
}

// turn renews the lease and folds if it is time. It returns the token that it holds, 0 for none.
func (a *Alerter) turn(ctx context.Context, held int64) int64 {
	limited, cancel := context.WithTimeout(ctx, a.Machine.cfg.Lease)
	defer cancel()
	token, err := a.Seat.Hold(limited, a.Detector, a.Owner, a.Machine.cfg.Lease)
	if err != nil {
		a.seated.Store(false)
		a.complain(ctx, "hold the lease", err)
		return held // it may still be ours, and is to be given back then
	}
	a.seated.Store(token > 0)
	if token == 0 {
		return 0
	}
	if token != held {
		a.due, a.recalled = time.Time{}, false // the state says when the last fold was
	}
	if now := time.Now(); !now.Before(a.due) {
		if err := a.fold(limited, token, now); err != nil {
			a.complain(ctx, "fold", err)
			if errors.Is(err, ErrNotSeated) {
				a.seated.Store(false)
				return 0
			}
		}
	}
	for _, c := range a.couriers {
		c.nudge()
	}
	return token
}

func (a *Alerter) complain(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		a.Log.Warn("alerter: a step failed", "step", what, "detector", a.Detector, "error", err)
	}
}

// fold does one step, unless a predecessor has just done it.
func (a *Alerter) fold(ctx context.Context, token int64, now time.Time) error {
	seq, data, err := a.Seat.Load(ctx, a.Detector)
	if err != nil {
		return fmt.Errorf("load state: %w", err)
	}
	st, err := ParseState(a.Detector, data)
	if err != nil {
		return err
	}
	period := a.Machine.cfg.Period
	if since := now.Sub(st.Folded); since >= 0 && since < period-a.beat/2 {
		a.due = st.Folded.Add(period)
		return nil
	}
	if st, err = a.recall(ctx, st); err != nil {
		return err
	}
	in, err := a.Machine.Read(ctx, Readers{Ledger: a.Ledger, Examples: a.Examples, Slices: a.Slices, Panels: a.Panels, Orders: a.Orders}, a.Detector, st, now)
	if err != nil {
		return err
	}
	in.Sinks = a.names
	result, err := a.Machine.Step(st, in)
	if err != nil {
		return err
	}
	if err := a.save(ctx, token, seq, result); err != nil {
		return err
	}
	a.due, a.folds = now.Add(period-a.beat/2), result.State.Folds
	a.current.Store(&result.Snapshot)
	a.keep(ctx, result.State)
	for _, t := range result.Transitions {
		a.Log.Info("alert", "detector", t.Detector, "state", t.State, "tier", t.Tier, "notify", t.Notify, "summary", t.Summary)
	}
	return nil
}

// saveAttempts is how often the same save is tried: the seat knows a repetition.
const saveAttempts = 3

func (a *Alerter) save(ctx context.Context, token, seq int64, result Result) error {
	state, err := json.Marshal(result.State)
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	snapshot, err := json.Marshal(result.Snapshot)
	if err != nil {
		return fmt.Errorf("encode snapshot: %w", err)
	}
	save := Save{Detector: a.Detector, Token: token, Prev: seq, State: state, Snapshot: snapshot, Done: result.Done}
	if len(a.Sinks) > 0 { // without a sink nobody would ever empty the outbox
		save.Transitions = result.Transitions
	}
	for attempt := 1; ; attempt++ {
		err := a.Seat.Save(ctx, save)
		if err == nil {
			return nil
		}
		if errors.Is(err, ErrNotSeated) || attempt == saveAttempts || !Pause(ctx, 100*time.Millisecond) {
			return fmt.Errorf("save fold %d: %w", result.State.Folds, err)
		}
	}
}

// recall asks the archive what the state should know, when there is a reason to doubt it: another alerter had the lease, or
// the store lost the state or went back to an earlier one. Where there is no state at all the archive must answer, else
// what is known would be burned in anew and what is muted would be loud.
func (a *Alerter) recall(ctx context.Context, st *State) (*State, error) {
	if a.Archive == nil || a.recalled && st.Folds > 0 && st.Folds >= a.folds {
		return st, nil
	}
	limited, cancel := context.WithTimeout(ctx, a.Machine.cfg.Lease/3) // the lease must outlive a broker that is away
	defer cancel()
	entries, err := a.Archive.Load(limited, a.Detector)
	switch {
	case err != nil && st.Folds == 0:
		return nil, fmt.Errorf("there is no state, and the archive that may know one cannot be read: %w", err)
	case err != nil:
		a.complain(ctx, "read the archive", err)
		return st, nil
	}
	a.recalled, a.archived = true, mirror{}
	a.archived.note(entries)
	st, older := st.restored(entries)
	if older {
		a.Log.Warn("alerter: the store is older than the archive: baselines, mutes, episodes and transitions are taken from there",
			"detector", a.Detector, "entries", len(entries))
	}
	return st, nil
}

// keep archives what has changed; what fails is tried again at the next fold.
func (a *Alerter) keep(ctx context.Context, st *State) {
	if a.Archive == nil {
		return
	}
	changes := a.archived.changes(st)
	if len(changes) == 0 {
		return
	}
	limited, cancel := context.WithTimeout(ctx, a.Machine.cfg.Lease/3)
	defer cancel()
	if err := a.Archive.Keep(limited, changes); err != nil {
		a.complain(ctx, "keep in the archive", err)
		return
	}
	a.archived.note(changes)
}

// leave gives the lease back, so that a successor need not wait for it to run out.
func (a *Alerter) leave(ctx context.Context, token int64) {
	a.seated.Store(false)
	seat, ok := a.Seat.(Release)
	if !ok || token == 0 {
		return
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := seat.Release(last, a.Detector, token); err != nil && !errors.Is(err, ErrNotSeated) {
		a.Log.Warn("alerter: cannot give the lease back", "detector", a.Detector, "error", err)
	}
}

// RunAlerters starts an alerter for every detector that ever registered, also for those that register later, and returns
// when ctx is done and all have stopped. An error of start is logged and tried again.
func RunAlerters(ctx context.Context, r Registry, every time.Duration, log *slog.Logger, start func(detector string) (*Alerter, error)) {
	var running sync.WaitGroup
	defer running.Wait()
	started := map[string]bool{}
	for {
		names, err := r.Detectors(ctx)
		if err != nil && ctx.Err() == nil {
			log.Warn("alerter: cannot list detectors", "error", err)
		}
		for _, name := range names {
			if started[name] {
				continue
			}
			a, err := start(name)
			if err != nil {
				log.Error("alerter: cannot start", "detector", name, "error", err)
				continue
			}
			started[name] = true
			running.Go(func() { a.Run(ctx) })
		}
		if !Pause(ctx, every) {
			return
		}
	}
}

// LoadBaselines reads the baseline.json of an evaluation.
func LoadBaselines(path string) ([]metrics.Baseline, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("alerts.file: %w", err)
	}
	list, err := ParseBaselines(data)
	if err != nil {
		return nil, fmt.Errorf("alerts.file: %s: %w", path, err)
	}
	return list, nil
}
