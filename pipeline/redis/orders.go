package redis

import (
	"context"
	"encoding/json"
	"fmt"

	"shaketable/pipeline"
)

var _ pipeline.Orders = (*Store)(nil)

// Order implements pipeline.Orders.
func (s *Store) Order(ctx context.Context, detector string, o pipeline.Order) error {
	if detector == "" {
		return fmt.Errorf("redis: order %s: no detector", o.ID)
	}
	if err := o.Validate(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	body, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("redis: order %s: %w", o.ID, err)
	}
	verdict, err := s.lua.order.Run(ctx, s.client, s.orders(detector), o.ID, body, pipeline.MaxOrders).Text()
	if err != nil {
		return fmt.Errorf("redis: order %s for %s: %w", o.ID, detector, err)
	}
	if verdict == "FULL" {
		return fmt.Errorf("redis: order %s for %s: %w", o.ID, detector, pipeline.ErrOrdersWait)
	}
	return nil
}

// PendingOrders implements pipeline.Orders.
func (s *Store) PendingOrders(ctx context.Context, detector string) ([]pipeline.Order, error) {
	bodies, err := s.lua.orders.Run(ctx, s.client, s.orders(detector)).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("redis: orders of %s: %w", detector, err)
	}
	var found []pipeline.Order
	for _, body := range bodies {
		var o pipeline.Order
		if err := json.Unmarshal([]byte(body), &o); err != nil {
			return nil, fmt.Errorf("redis: orders of %s: %w", detector, err)
		}
		found = append(found, o)
	}
	return found, nil
}

func (s *Store) orders(detector string) []string {
	return []string{s.keys.detector(detector, "orders"), s.keys.detector(detector, "orders:body")}
}
