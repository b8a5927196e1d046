package pipeline

import (
	"context"
	"slices"
	"time"
)

// RateStep is one entry of the schedule of the sample.
type RateStep struct {
	From time.Time `json:"from,omitzero"` // record time from which it counts; zero: from the beginning
	Rate float64   `json:"rate"`          // share of media that is probed, [0,1]
	Key  string    `json:"key"`           // id of the secret key, see [Sampler.KeyID]; never the key
}

// RateSteps are a schedule in order of From. Of two with the same From the later one counts.
type RateSteps []RateStep

// At returns the step that counts for a record: the last one that begins at or before its time. A record older than all
// steps, or no step at all, gives the zero step, which samples nothing.
func (s RateSteps) At(record time.Time) RateStep {
	for _, step := range slices.Backward(s) {
		if !step.From.After(record) {
			return step
		}
	}
	return RateStep{}
}

// Largest returns the largest rate of the steps that count anywhere between two record times, both included. A media is
// kept at this rate, because what a higher rate chooses holds all that a lower one chooses.
func (s RateSteps) Largest(from, to time.Time) float64 {
	largest := s.At(from).Rate
	for _, step := range s {
		if step.From.After(from) && !step.From.After(to) {
			largest = max(largest, step.Rate)
		}
	}
	return largest
}

// Last returns the newest step; the zero step if there is none.
func (s RateSteps) Last() RateStep {
	if len(s) == 0 {
		return RateStep{}
	}
	return s[len(s)-1]
}

// StoredSteps is what a store answers: all steps, and its own clock when it answered.
type StoredSteps struct {
	Steps RateSteps
	At    time.Time
}

// ScheduleStore keeps the schedule. Steps are only ever appended.
type ScheduleStore interface {
	// Steps returns the schedule.
	Steps(ctx context.Context) (StoredSteps, error)
	// AppendSteps appends steps if the schedule has exactly after of them, and returns the schedule as it is then, whether
	// they were appended or somebody else was first. Each begins no earlier than its From, than the step before it and,
	// unless lead is 0 or it is the first step of all, than lead after the store's clock.
	AppendSteps(ctx context.Context, after int, steps RateSteps, lead time.Duration) (StoredSteps, error)
}

// equal compares times as instants.
func (s RateSteps) equal(other RateSteps) bool {
	return slices.EqualFunc(s, other, func(a, b RateStep) bool { return a.From.Equal(b.From) && a.Rate == b.Rate && a.Key == b.Key })
}
