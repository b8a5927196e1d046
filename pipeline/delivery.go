package pipeline

import (
	"context"
	"fmt"
	"time"
)

// courier brings the transitions of one detector to one sink: at least once, in order, each acknowledged before the next.
// A sink that is down holds up nobody else. What is not delivered waits in the outbox, also for the next alerter.
type courier struct {
	alerter *Alerter
	sink    Sink
	names   []string // of all sinks
	wake    chan struct{}
}

const (
	firstRetry  = time.Second
	lastRetry   = time.Minute
	idleLook    = 15 * time.Second // the outbox may have entries of a predecessor
	sendTimeout = 30 * time.Second
	outboxPage  = 50
)

// nudge says that there may be something new.
func (c *courier) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *courier) run(ctx context.Context) {
	var retry time.Duration
	for ctx.Err() == nil {
		if retry > 0 {
			Pause(ctx, retry)
		} else {
			c.await(ctx)
		}
		if !c.alerter.seated.Load() {
			retry = 0
			continue
		}
		if err := c.drain(ctx); err != nil {
			c.alerter.complain(ctx, "deliver to "+c.sink.Name(), err)
			retry = min(max(2*retry, firstRetry), lastRetry)
		} else {
			retry = 0
		}
	}
}

func (c *courier) await(ctx context.Context) {
	timer := time.NewTimer(idleLook)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-c.wake:
	case <-timer.C:
	}
}

// drain delivers what is pending, oldest first, and stops at the first failure.
func (c *courier) drain(ctx context.Context) error {
	a := c.alerter
	for ctx.Err() == nil {
		pending, err := a.Outbox.Pending(ctx, a.Detector, c.sink.Name(), outboxPage)
		if err != nil {
			return fmt.Errorf("read outbox: %w", err)
		}
		if len(pending) == 0 {
			return nil
		}
		for _, t := range pending {
			if !a.seated.Load() {
				return nil
			}
			if err := c.deliver(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *courier) deliver(ctx context.Context, t Transition) error {
	limited, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	err := c.sink.Send(limited, t)
	if c.alerter.Delivered != nil {
		c.alerter.Delivered(c.sink.Name(), err)
	}
	if err != nil {
		return fmt.Errorf("transition %s: %w", t.ID, err)
	}
	if err := c.alerter.Outbox.Ack(ctx, c.alerter.Detector, c.sink.Name(), []string{t.ID}, c.names); err != nil {
		return fmt.Errorf("acknowledge %s: %w", t.ID, err)
	}
	return nil
}
