package main

import (
	"context"
	"fmt"
	"time"

	"shaketable/pipeline"
)

// rollOut announces the first version and, once it has been deployed for long enough and is known well enough to be held
// against, puts the second one in its place as a deployment would: first the worker learns of it, then the traffic moves.
func rollOut(ctx context.Context, registry pipeline.Registry, versions []*deployment, traffic *Traffic, record *Record, after time.Duration) error {
	enough := alertConfig().Predecessor.MinProbes * 5 / 4
	for i, v := range versions {
		if i > 0 && !waitFor(ctx, func() bool { now := record.View(); return now.Elapsed >= after.Seconds() && now.Total >= enough }) {
			return nil
		}
		if err := registry.Register(ctx, v.subject.Generation, partitions, time.Now()); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("registering version %s: %w", v.detector.Version, err)
		}
		traffic.Deploy(v)
		if i > 0 {
			record.Update(time.Now(), func(view *View, at float64) { view.RollOut = at })
		}
	}
	return nil
}

// waitFor says whether ready became true before ctx was done.
func waitFor(ctx context.Context, ready func() bool) bool {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for !ready() {
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
	}
	return true
}
