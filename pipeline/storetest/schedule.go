package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"shaketable/pipeline"
)

// MemorySchedule is the reference for the schedule of the sample and its budget.
type MemorySchedule struct {
	now     func() time.Time
	mu      sync.Mutex
	steps   pipeline.RateSteps
	reports map[time.Time]map[string]pipeline.Spending
	down    error
}

// ScheduleBackend is what a store does for the sample.
type ScheduleBackend interface {
	pipeline.ScheduleStore
	pipeline.BudgetStore
}

var _ ScheduleBackend = (*MemorySchedule)(nil)

// NewMemorySchedule returns an empty one with a clock of its own.
func NewMemorySchedule(now func() time.Time) *MemorySchedule {
	return &MemorySchedule{now: now, reports: map[time.Time]map[string]pipeline.Spending{}}
}

// Break makes every call fail until it is called with nil.
func (m *MemorySchedule) Break(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = err
}

// Lose forgets all steps but the first n.
func (m *MemorySchedule) Lose(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.steps = m.steps[:min(n, len(m.steps))]
}

// Steps implements pipeline.ScheduleStore.
func (m *MemorySchedule) Steps(context.Context) (pipeline.StoredSteps, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.answer(), m.down
}

func (m *MemorySchedule) answer() pipeline.StoredSteps {
	return pipeline.StoredSteps{Steps: slices.Clone(m.steps), At: m.now()}
}

// AppendSteps implements pipeline.ScheduleStore.
func (m *MemorySchedule) AppendSteps(_ context.Context, after int, steps pipeline.RateSteps, lead time.Duration) (pipeline.StoredSteps, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil {
		return pipeline.StoredSteps{}, m.down
	}
	if after < 0 || len(steps) == 0 || lead < 0 {
		return pipeline.StoredSteps{}, errors.New("memory: append: nothing, or after or a lead below 0")
	}
	for _, s := range steps {
		if !(s.Rate >= 0 && s.Rate <= 1) || s.Key == "" {
			return pipeline.StoredSteps{}, errors.New("memory: append: no rate or no key id")
		}
	}
	if len(m.steps) != after {
		return m.answer(), nil
	}
	for _, s := range steps {
		if lead > 0 && len(m.steps) > 0 {
			s.From = later(s.From, m.now().Add(lead))
		}
		s.From = later(s.From, m.steps.Last().From)
		m.steps = append(m.steps, s)
	}
	return m.answer(), nil
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// ReportSpending implements pipeline.BudgetStore.
func (m *MemorySchedule) ReportSpending(_ context.Context, start time.Time, worker string, s pipeline.Spending, keep time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if worker == "" || keep < time.Second || s.Device < 0 || s.Eligible < 0 || s.Sampled < 0 {
		return errors.New("memory: spending: no worker, no life, or a negative figure")
	}
	if m.down != nil {
		return m.down
	}
	if m.reports[start.UTC()] == nil {
		m.reports[start.UTC()] = map[string]pipeline.Spending{}
	}
	m.reports[start.UTC()][worker] = s
	return nil
}

// Spendings implements pipeline.BudgetStore.
func (m *MemorySchedule) Spendings(_ context.Context, starts []time.Time) ([]pipeline.Spending, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sums := make([]pipeline.Spending, len(starts))
	for i, start := range starts {
		for _, s := range m.reports[start.UTC()] {
			sums[i] = sums[i].Plus(s)
		}
	}
	return sums, m.down
}
