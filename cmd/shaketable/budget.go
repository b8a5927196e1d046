package main

import (
	"context"
	"time"

	"shaketable/pipeline"
)

// schedule returns the rate of the sample as the configuration wants it; nothing is read yet.
func (s *service) schedule(sampler *pipeline.Sampler) *pipeline.Schedule {
	return pipeline.NewSchedule(pipeline.ScheduleOptions{Store: s.store, Lead: pipeline.ScheduleLead(s.cfg.Join.Window),
		Policy: pipeline.SchedulePolicy{Rate: s.cfg.Sample.Rate, Key: sampler.KeyID(), Budgeted: s.budgeted()},
		Now:    s.now, Log: s.log.With("part", "sample"), Health: s.health})
}

func (s *service) budgeted() bool { return s.cfg.Sample.Budget.DeviceSecondsPerHour > 0 }

// keepSample puts the configured rate into the schedule and keeps it up until ctx is done: as it changes, and within the
// budget if there is one.
func (s *service) keepSample(ctx context.Context, schedule *pipeline.Schedule) error {
	if err := schedule.Start(ctx); err != nil {
		return err
	}
	go schedule.Run(ctx)
	if s.budgeted() {
		b := pipeline.NewBudgeter(pipeline.BudgetOptions{Config: s.cfg.Sample.Budget, Store: s.store, Schedule: schedule, Worker: s.owner,
			Spent: s.spent, Now: s.now, Log: s.log.With("part", "sample")})
		go b.Run(ctx)
	}
	return nil
}

// spent is what this process has done for the sample since it started: whatever went over its devices counts, attacks too.
func (s *service) spent() pipeline.Spending {
	seconds := 0.
	for _, d := range s.gauges.listDevices() {
		seconds += d.Seconds()
	}
	return pipeline.Spending{Device: time.Duration(seconds * float64(time.Second)),
		Sampled: s.stats.Sampled.Load(), Eligible: s.stats.Eligible.Load()} // in this order: nothing is sampled before it is eligible
}
