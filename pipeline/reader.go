package pipeline

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// fetched is a page or the reason why there can't be one.
type fetched struct {
	Page
	at  time.Time // when the answer came; a page may lie here for as long as the store is away
	err error
}

// logReader fetches one log ahead of its consumer, one page at most: not receiving from pages is how the line stops reading.
type logReader struct {
	pages chan fetched
	done  chan struct{}
	end   atomic.Int64 // log end, as far as it is known
}

// lookEvery is how often the log end is asked for while a page waits for the line: that is when the lag grows.
const lookEvery = 10 * time.Second

// read starts fetching at offset until ctx ends. Transient errors are retried for ever, and told to trouble, which hears nil
// when it is over; ErrTrimmed and ErrBeyond are handed over, and end the reading.
func read(ctx context.Context, l Log, offset int64, now func() time.Time, trouble func(attempt int, err error)) *logReader {
	r := &logReader{pages: make(chan fetched), done: make(chan struct{})}
	go func() {
		defer close(r.done)
		for attempt := 0; ctx.Err() == nil; {
			page, err := l.Fetch(ctx, offset)
			final := errors.Is(err, ErrTrimmed) || errors.Is(err, ErrBeyond)
			if err != nil && !final {
				if ctx.Err() == nil {
					trouble(attempt, err)
				}
				Pause(ctx, backoff(attempt))
				attempt++
				continue
			}
			if attempt > 0 {
				trouble(attempt, nil)
			}
			attempt = 0
			r.end.Store(page.End)
			if !r.hand(ctx, l, fetched{page, now(), err}) || final {
				return
			}
			offset = page.Next
		}
	}()
	return r
}

// hand waits until the line takes the page, and says whether it did.
func (r *logReader) hand(ctx context.Context, l Log, f fetched) bool {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case r.pages <- f:
			return true
		case <-ctx.Done():
			return false
		case <-look.C:
			r.look(ctx, l)
		}
	}
}

func (r *logReader) look(ctx context.Context, l Log) {
	ctx, cancel := context.WithTimeout(ctx, time.Second) // Bounds outlasts a broker that is away, but a page waits here
	defer cancel()
	if b, err := l.Bounds(ctx); err == nil {
		r.end.Store(b.End)
	}
}

// wait returns once the reader has let go of its log. Its context must be done.
func (r *logReader) wait() {
	if r != nil {
		<-r.done
	}
}

// from returns the channel of a reader that may be absent or held back: a nil channel never delivers.
func (r *logReader) from(open bool) <-chan fetched {
	if r == nil || !open {
		return nil
	}
	return r.pages
}
