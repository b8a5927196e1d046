package pipeline

import (
	"context"
	"errors"
	"log/slog"
)

// fetched is a page or the reason why there can't be one.
type fetched struct {
	Page
	err error
}

// logReader fetches one log ahead of its consumer, one page at most: not receiving from pages is how the line stops reading.
type logReader struct {
	pages chan fetched
	done  chan struct{}
}

// read starts fetching at offset until ctx ends. Transient errors are retried for ever; ErrTrimmed and ErrBeyond are
// handed over, and end the reading.
func read(ctx context.Context, l Log, offset int64, log *slog.Logger) *logReader {
	r := &logReader{pages: make(chan fetched), done: make(chan struct{})}
	go func() {
		defer close(r.done)
		for attempt := 0; ctx.Err() == nil; {
			page, err := l.Fetch(ctx, offset)
			final := errors.Is(err, ErrTrimmed) || errors.Is(err, ErrBeyond)
			if err != nil && !final {
				if ctx.Err() == nil {
					log.Warn("fetch failed, trying again", "offset", offset, "error", err)
				}
				attempt++
				pause(ctx, backoff(attempt))
				continue
			}
			attempt = 0
			select {
			case r.pages <- fetched{page, err}:
			case <-ctx.Done():
				return
			}
			if final {
				return
			}
			offset = page.Next
		}
	}()
	return r
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
