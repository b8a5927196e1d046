package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// scheduleLead is how far ahead of the clock a copy of the schedule can be relied on, at least.
	scheduleLead = 5 * time.Minute
	// scheduleSlack is by how much the store's clock may go back in a fail-over without a copy being wrong.
	scheduleSlack = time.Minute
	// scheduleRefresh is how often a worker reads the schedule again.
	scheduleRefresh = time.Minute
	// scheduleAgain is how long a copy counts as news: a record ahead of it comes from a wrong clock.
	scheduleAgain = time.Second
)

// ScheduleLead is how long before it counts a step is written: so that whoever judges a record, or keeps a media for a
// detection that comes up to window later, has read it.
func ScheduleLead(window time.Duration) time.Duration { return window + scheduleLead + scheduleSlack }

// SchedulePolicy is what the configuration of this worker wants of the schedule.
type SchedulePolicy struct {
	Rate float64
	Key  string // of the sampler
	// Budgeted says that a budget may lower the rate, see [Halving].
	Budgeted bool
}

// accepts says whether a step is what the configuration wants, or what a budget has made of that.
func (p SchedulePolicy) accepts(s RateStep) bool {
	if s.Key != p.Key {
		return false
	}
	_, halved := Halving(p.Rate, s.Rate)
	return s.Rate == p.Rate || p.Budgeted && halved
}

// ScheduleOptions are what a [Schedule] needs.
type ScheduleOptions struct {
	Store  ScheduleStore
	Policy SchedulePolicy
	Lead   time.Duration // of [ScheduleLead]; all workers need the same
	Now    func() time.Time
	Log    *slog.Logger
	Health *Health // told when a record can't be judged because the store does not answer
}

// Schedule is the rate of the sample over record time, as this worker knows it. It is safe for concurrent use.
//
// In: the steps in the store. Out: one rate for every record time. Invariant: a step is stored at least Lead before the
// first record time that it counts for, and a record is judged only by a copy that was read less than Lead before its
// time. So all workers, and every replay, judge a record by the same step, whenever they read it. The one exception are
// records whose time is ahead of the store's clock by more than the lead: the last step that is known counts for them.
type Schedule struct {
	ScheduleOptions
	reading sync.Mutex
	view    atomic.Pointer[scheduleView]
	ahead   damper
}

// scheduleView is one copy of the schedule.
type scheduleView struct {
	steps RateSteps
	until time.Time // record times before this are covered; zero: all
	read  time.Time // by the worker's clock
}

// NewSchedule returns a schedule that is read when it is needed for the first time, or by [Schedule.Start].
func NewSchedule(o ScheduleOptions) *Schedule {
	s := &Schedule{ScheduleOptions: o}
	s.view.Store(&scheduleView{})
	return s
}

// FixedSchedule returns one that never changes and needs no store: for a replay of steps that were read, or for one rate,
// RateStep{Rate: .01}.
func FixedSchedule(steps ...RateStep) *Schedule {
	s := &Schedule{}
	s.view.Store(&scheduleView{steps: steps})
	return s
}

// Steps returns the copy.
func (s *Schedule) Steps() RateSteps { return s.view.Load().steps }

// Rate returns the share of media that is probed at a record time, which [Schedule.Cover] has covered.
func (s *Schedule) Rate(record time.Time) float64 { return s.Steps().At(record).Rate }

// Largest returns the largest rate at which a detection up to window before or after a media's record may be sampled.
func (s *Schedule) Largest(media time.Time, window time.Duration) float64 {
	return s.Steps().Largest(media.Add(-window), media.Add(window))
}

// InForce returns the step that counts for records of the present, for gauges and for people.
func (s *Schedule) InForce(now time.Time) RateStep { return s.Steps().At(now) }

// Cover makes sure that the copy holds every step that can count for records up to a time. While the store does not answer
// it waits: judging by an old copy could not be undone. The error is that of ctx.
func (s *Schedule) Cover(ctx context.Context, until time.Time) error {
	for attempt := 0; ; attempt++ {
		v := s.view.Load()
		if s.Store == nil || until.Before(v.until) {
			return nil
		}
		if s.Now().Sub(v.read).Abs() < scheduleAgain {
			if ok, held := s.ahead.pass(s.Now()); ok {
				s.Log.Warn("records are ahead of the store's clock: they are sampled by the last step that is known, and a replay may choose others",
					"record_time", until, "known_until", v.until, "held_back", held)
			}
			return nil
		}
		look := s.Refresh
		if v.read.IsZero() {
			look = s.Start
		}
		if err := look(ctx); err != nil {
			if !Pause(ctx, backoff(attempt)) {
				return ctx.Err()
			}
			s.Health.Set("sample", fmt.Errorf("records can't be judged: %w", err))
			if loud(attempt) {
				s.Log.Warn("the schedule of the sample can't be read: nothing is lost, but records wait", "attempts", attempt+1, "error", err)
			}
		}
	}
}

// Refresh reads the schedule. If the store has lost steps that this worker knows, it gets them back.
func (s *Schedule) Refresh(ctx context.Context) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	got, err := s.Store.Steps(ctx)
	if err != nil {
		return fmt.Errorf("sample: read the schedule: %w", err)
	}
	mine := s.Steps()
	if n := len(got.Steps); n < len(mine) && got.Steps.equal(mine[:n]) {
		s.Log.Warn("the store has lost steps of the schedule of the sample, they are written again", "has", n, "known", len(mine))
		if got, err = s.Store.AppendSteps(ctx, n, mine[n:], 0); err != nil {
			return fmt.Errorf("sample: restore the schedule: %w", err)
		}
	}
	s.adopt(got)
	return nil
}

// Restore gives a store that was rolled back or emptied its steps back; if it does not answer, Run does it later.
func (s *Schedule) Restore(ctx context.Context) {
	if s.Store == nil || len(s.Steps()) == 0 {
		return
	}
	if err := s.Refresh(ctx); err != nil && ctx.Err() == nil {
		s.Log.Warn("the schedule of the sample can't be read, trying again", "error", err)
	}
}

// Run reads the schedule again and again until ctx is done.
func (s *Schedule) Run(ctx context.Context) {
	wait, failures := scheduleRefresh, 0
	for Pause(ctx, wait) {
		err := s.Refresh(ctx)
		if err == nil {
			wait, failures = scheduleRefresh, 0
			continue
		}
		if loud(failures) && ctx.Err() == nil {
			s.Log.Warn("the schedule of the sample can't be read, trying again", "error", err)
		}
		wait = backoff(failures)
		failures++
	}
}

// Start reads the schedule, and appends a step if the last one is not what the configuration of this worker wants: from the
// beginning, if it is the first of all, else from the lead on.
func (s *Schedule) Start(ctx context.Context) error {
	if err := s.Refresh(ctx); err != nil {
		return err
	}
	for {
		steps := s.Steps()
		if len(steps) > 0 && s.Policy.accepts(steps.Last()) {
			break
		}
		done, err := s.change(ctx, len(steps), RateStep{Rate: s.Policy.Rate, Key: s.Policy.Key})
		if err != nil {
			return err
		}
		if done {
			break
		}
	}
	s.warnOfKeys()
	return nil
}

// change appends one step unless somebody else was first, and says whether it did.
func (s *Schedule) change(ctx context.Context, after int, step RateStep) (done bool, err error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	got, err := s.Store.AppendSteps(ctx, after, RateSteps{step}, s.Lead)
	if err != nil {
		return false, fmt.Errorf("sample: change the schedule: %w", err)
	}
	s.adopt(got)
	// A call whose answer was lost is repeated by the adapter and finds its own step: that is done as well.
	return len(got.Steps) > after && got.Steps[after].Rate == step.Rate && got.Steps[after].Key == step.Key, nil
}

// adopt takes an answer of the store for the copy and tells what is new in it.
func (s *Schedule) adopt(got StoredSteps) {
	mine := s.Steps()
	switch n := len(mine); {
	case len(got.Steps) < n || !got.Steps[:n].equal(mine):
		s.Log.Error("the schedule of the sample in the store is another than before: it is taken as it is, and a replay of older records may choose other media",
			"known", n, "has", len(got.Steps))
	case n > 0:
		for _, step := range got.Steps[n:] {
			s.Log.Info("the rate of the sample changes", "from", step.From, "rate", step.Rate, "was", mine.Last().Rate, "key", step.Key)
		}
	}
	if last := got.Steps.Last(); len(mine) > 0 && last.Key != mine.Last().Key && last.Key != s.Policy.Key {
		s.Log.Error("another worker samples with another secret key: the two do not choose the same media; give all workers the same key",
			"key", s.Policy.Key, "other", last.Key)
	}
	s.view.Store(&scheduleView{steps: got.Steps, until: got.At.Add(s.Lead - scheduleSlack), read: s.Now()})
	if s.Health != nil {
		s.Health.Set("sample", nil)
	}
}

// warnOfKeys says what an older key in the schedule means.
func (s *Schedule) warnOfKeys() {
	others := map[string]bool{}
	for _, step := range s.Steps() {
		if step.Key != s.Policy.Key {
			others[step.Key] = true
		}
	}
	if len(others) > 0 {
		s.Log.Warn("parts of the schedule of the sample belong to another secret key: records of that time, if they are read again, are sampled with the "+
			"present key, so that a replay probes other media than were probed then; and what was kept under the old key can't be found by media id",
			"key", s.Policy.Key, "others", sortedKeys(others))
	}
}
