package pipeline

import (
	"context"
	"time"
)

// Registry tells the clock path what the record path works on.
type Registry interface {
	// Register stores that a worker probes a generation of partitions partitions, now.
	Register(ctx context.Context, g Generation, partitions int, now time.Time) error
	// Detectors returns the names that ever registered, sorted.
	Detectors(ctx context.Context) ([]string, error)
}
