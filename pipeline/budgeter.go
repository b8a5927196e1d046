package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// BudgetStore adds up what the workers spend.
type BudgetStore interface {
	// ReportSpending replaces what a worker has said about the period that begins at start; all of it is dropped keep later.
	ReportSpending(ctx context.Context, start time.Time, worker string, s Spending, keep time.Duration) error
	// Spendings returns the sum over all workers for each period.
	Spendings(ctx context.Context, starts []time.Time) ([]Spending, error)
}

const (
	// budgetTick is how often a worker reports.
	budgetTick = 15 * time.Second
	// budgetGrace is how long after the end of a period the last reports may come.
	budgetGrace = 30 * time.Second
)

// BudgetOptions are what a [Budgeter] needs.
type BudgetOptions struct {
	Config   BudgetConfig
	Store    BudgetStore
	Schedule *Schedule // with a policy that is Budgeted
	Worker   string    // name of this process, a new one after every start
	// Spent returns what this process has done since it started.
	Spent func() Spending
	Now   func() time.Time
	Log   *slog.Logger
}

// Budgeter keeps the rate of the sample within the budget.
//
// In: what this worker spends. Out: its reports, and steps of the schedule. Invariant: reports are absolute figures under
// the worker's own name, so that a repeated one counts once, and what a worker reported before it was started anew still
// counts. Whoever comes first after the end of a period decides; the others find the step.
type Budgeter struct {
	BudgetOptions
	policy  BudgetPolicy
	period  time.Time // start of the period that is being reported
	base    Spending  // what was spent before it
	decided time.Time // start of the last period at which this worker has decided
}

// NewBudgeter starts with nothing reported.
func NewBudgeter(o BudgetOptions) *Budgeter {
	perPeriod := time.Duration(o.Config.DeviceSecondsPerHour * o.Config.Period.Hours() * float64(time.Second))
	return &Budgeter{BudgetOptions: o, policy: BudgetPolicy{Full: o.Schedule.Policy.Rate, Budget: perPeriod}}
}

// Run reports and decides until ctx is done.
func (b *Budgeter) Run(ctx context.Context) {
	for failures := 0; Pause(ctx, budgetTick); {
		err := b.Tick(ctx)
		switch {
		case err == nil:
			failures = 0
		case ctx.Err() == nil:
			if loud(failures) {
				b.Log.Warn("the budget of the sample is not kept up, trying again: the rate stays as it is", "error", err)
			}
			failures++
		}
	}
}

// Tick reports what was spent, and decides once per period. It may be repeated after an error.
func (b *Budgeter) Tick(ctx context.Context) error {
	now, spent := b.Now(), b.Spent()
	period := now.Truncate(b.Config.Period)
	if b.period.IsZero() {
		b.period = period
	}
	if err := b.report(ctx, spent); err != nil {
		return err
	}
	if !period.Equal(b.period) {
		b.base, b.period = spent, period
		if err := b.report(ctx, spent); err != nil {
			return err
		}
	}
	if now.Sub(period) < budgetGrace || b.decided.Equal(period) {
		return nil
	}
	if err := b.decide(ctx, period); err != nil {
		return err
	}
	b.decided = period
	return nil
}

func (b *Budgeter) report(ctx context.Context, spent Spending) error {
	s := Spending{Device: spent.Device - b.base.Device, Eligible: spent.Eligible - b.base.Eligible, Sampled: spent.Sampled - b.base.Sampled}
	if err := b.Store.ReportSpending(ctx, b.period, b.Worker, s, (budgetMemory+2)*b.Config.Period); err != nil {
		return fmt.Errorf("sample: report to the budget: %w", err)
	}
	return nil
}

// decide appends the step for the time after the period that ended at end, unless it stays as it is, somebody was first, or
// the schedule is not what this worker's configuration wants: then it is for others to decide.
func (b *Budgeter) decide(ctx context.Context, end time.Time) error {
	if err := b.Schedule.Refresh(ctx); err != nil {
		return err
	}
	steps := b.Schedule.Steps()
	last := steps.Last()
	if len(steps) == 0 || !b.Schedule.Policy.accepts(last) || !last.From.Before(end.Add(b.Schedule.Lead)) {
		return nil
	}
	var starts []time.Time
	for i := range budgetMemory {
		starts = append(starts, end.Add(-time.Duration(i+1)*b.Config.Period))
	}
	past, err := b.Store.Spendings(ctx, starts)
	if err != nil {
		return fmt.Errorf("sample: read the budget: %w", err)
	}
	rate := b.policy.Next(last.Rate, past)
	if k, _ := Halving(b.policy.Full, rate); k == maxHalvings && past[0].Device > b.policy.Budget {
		b.Log.Warn("the budget of the sample can't be kept at the lowest rate: raise sample.budget, or choose a smaller suite",
			"spent", past[0].Device, "budget", b.policy.Budget, "period", b.Config.Period, "rate", rate)
	}
	if rate == last.Rate {
		return nil
	}
	b.Log.Info("the budget moves the rate of the sample", "spent", past[0].Device, "budget", b.policy.Budget, "period", b.Config.Period,
		"detections", past[0].Eligible, "rate", rate, "was", last.Rate)
	_, err = b.Schedule.change(ctx, len(steps), RateStep{Rate: rate, Key: last.Key})
	return err
}
