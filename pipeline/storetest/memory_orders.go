package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"shaketable/pipeline"
)

// Order implements pipeline.Orders.
func (m *Memory) Order(_ context.Context, detector string, o pipeline.Order) error {
	if detector == "" {
		return errors.New("memory: order: no detector")
	}
	if err := o.Validate(); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.seat(detector)
	switch {
	case slices.ContainsFunc(s.orders, func(x pipeline.Order) bool { return x.ID == o.ID }):
		return nil
	case len(s.orders) >= pipeline.MaxOrders:
		return fmt.Errorf("memory: order %s: %w", o.ID, pipeline.ErrOrdersWait)
	}
	s.orders = append(s.orders, o)
	return nil
}

// PendingOrders implements pipeline.Orders.
func (m *Memory) PendingOrders(_ context.Context, detector string) ([]pipeline.Order, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.seat(detector).orders), nil
}

// carriedOut drops orders; ids that are not there are no fault.
func (s *seat) carriedOut(ids []string) {
	s.orders = slices.DeleteFunc(s.orders, func(o pipeline.Order) bool { return slices.Contains(ids, o.ID) })
}
