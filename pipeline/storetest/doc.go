// Package storetest holds what tests of the store share: the contract that every store must keep, an in-memory reference
// that states it in the plainest way, a random comparison of a store with that reference, and a real Redis server started
// for one test. Nothing in it belongs into a binary.
package storetest

import (
	"context"
	"time"

	"shaketable/pipeline"
)

// Backend is everything that a store does for both paths.
type Backend interface {
	pipeline.Store
	pipeline.Ledger
	pipeline.Seat
	pipeline.Release
	pipeline.Outbox
	pipeline.Snapshots
	pipeline.Registry
	pipeline.SlicePlaces
	pipeline.Orders

	// Outcomes returns the outcome counters of every registered partition.
	Outcomes(ctx context.Context) ([]pipeline.Counts, error)
	// Examples returns at most n examples of a generation, newest first.
	Examples(ctx context.Context, generation string, n int) ([]pipeline.Example, error)
}

// Subject is a fresh, empty store under test.
type Subject struct {
	Backend
	// Elapse lets time pass for leases and claims.
	Elapse func(d time.Duration)
}
