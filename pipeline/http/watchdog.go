package http

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"shaketable/pipeline"
)

// Watchdog notices that probes are under way and none is counted any more. What is slow for a known reason, such as a
// store that is away, is not its business: while another part has a fault, its clock stands. The nil watchdog is content.
type Watchdog struct {
	stats  *pipeline.Stats
	health *pipeline.Health
	limit  time.Duration
	dead   pipeline.Health // one part at most: what makes the process not alive

	applied int64
	moved   time.Time
}

// part is the watchdog's name in the health of the process.
const part = "watchdog"

// NewWatchdog watches the stats of a worker; limit is how long nothing may move.
func NewWatchdog(stats *pipeline.Stats, health *pipeline.Health, limit time.Duration) *Watchdog {
	return &Watchdog{stats: stats, health: health, limit: limit}
}

// Check is to be called now and then, by one goroutine. It makes the process unready after the limit, and returns an error
// after twice the limit: then the process should end.
func (w *Watchdog) Check(now time.Time) error {
	applied := w.stats.Applied.Load()
	known := slices.ContainsFunc(w.health.Faults(), func(f string) bool { return !strings.HasPrefix(f, part+":") })
	if w.moved.IsZero() || applied != w.applied || w.stats.InFlight.Load() == 0 || known {
		w.applied, w.moved = applied, now
		w.health.Set(part, nil)
		w.dead.Set(part, nil)
		return nil
	}
	stood := now.Sub(w.moved)
	if stood < w.limit {
		return nil
	}
	err := fmt.Errorf("%d probes are under way, but nothing was counted for %s", w.stats.InFlight.Load(), stood.Round(time.Second))
	w.health.Set(part, err)
	if stood < 2*w.limit {
		return nil
	}
	w.dead.Set(part, err)
	return fmt.Errorf("%s: %w", part, err)
}

// Dead returns why the process is not alive any more; nil if it is.
func (w *Watchdog) Dead() error {
	if w == nil {
		return nil
	}
	if faults := w.dead.Faults(); len(faults) > 0 {
		return errors.New(faults[0])
	}
	return nil
}
