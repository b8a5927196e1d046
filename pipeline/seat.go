package pipeline

import (
	"context"
	"errors"
	"time"
)

// ErrNotSeated is returned by Seat.Save when the lease token or the previous sequence is no longer the caller's.
var ErrNotSeated = errors.New("another alerter holds this detector")

// Seat is the clock path's place in the store, one per detector, everything in one slot: the lease, the state, the
// snapshot and the outbox.
type Seat interface {
	// Hold takes or renews the lease for ttl. A positive token means that owner holds it; tokens only grow, and a renewal
	// keeps the token. 0: somebody else does.
	Hold(ctx context.Context, detector, owner string, ttl time.Duration) (token int64, err error)
	// Load returns the sequence and the state that Save stored last; 0 and nil before the first.
	Load(ctx context.Context, detector string) (seq int64, state []byte, err error)
	// Save replaces state and snapshot and appends the transitions to the outbox, all or nothing, if token is the
	// lease's and prev the stored sequence; the sequence becomes prev+1. DUP-safe: a retry of a save that had arrived
	// returns nil.
	Save(ctx context.Context, s Save) error
}

// Save is one step of the clock path.
type Save struct {
	Detector    string
	Token       int64
	Prev        int64
	State       []byte
	Snapshot    []byte
	Transitions []Transition
	// Done are the ids of the orders that this fold carried out: dropped with the save.
	Done []string
}

// Release gives a lease back early, so that a successor need not wait for it to run out.
type Release interface {
	Release(ctx context.Context, detector string, token int64) error
}

// Outbox holds transitions until every sink has acknowledged them.
type Outbox interface {
	// Pending returns what a sink has not acknowledged yet, oldest first, at most limit.
	Pending(ctx context.Context, detector, sink string, limit int) ([]Transition, error)
	// Ack marks transitions as delivered to a sink. An entry that all sinks have is dropped.
	Ack(ctx context.Context, detector, sink string, ids []string, sinks []string) error
}

// Snapshots serves what the pages and gauges show, whoever computed it.
type Snapshots interface {
	// Snapshot returns the JSON of the last Save of a detector and the token that wrote it; nil if there is none.
	Snapshot(ctx context.Context, detector string) ([]byte, error)
}
