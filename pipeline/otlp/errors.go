package otlp

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
)

// complaints takes the errors that the SDK tells nobody else: each is counted, and at most one per interval is logged, so
// that a receiver that is away does not fill the log.
type complaints struct {
	log   *slog.Logger
	every time.Duration
	now   func() time.Time
	count atomic.Int64

	mu     sync.Mutex
	last   time.Time
	silent int64 // since the last one that was logged
}

var _ otel.ErrorHandler = (*complaints)(nil)

// Handle implements [otel.ErrorHandler].
func (c *complaints) Handle(err error) {
	if err == nil {
		return
	}
	c.count.Add(1)
	c.mu.Lock()
	now := c.now()
	if !c.last.IsZero() && now.Sub(c.last) < c.every {
		c.silent++
		c.mu.Unlock()
		return
	}
	silent := c.silent
	c.last, c.silent = now, 0
	c.mu.Unlock()
	c.log.Warn("telemetry was not delivered", "error", err, "more_since_the_last_message", silent)
}
