package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"shaketable/pipeline"
)

// span is the part of one counted log that lies between the two times.
type span struct {
	stream     pipeline.Stream
	partition  int
	start, end int64
	topicID    string

	mu       sync.Mutex
	next     int64 // first offset that is not applied
	last     int64 // behind the last data record that was fetched; 0 for none
	read     bool  // everything has been fetched: nothing comes behind last
	ended    bool
	finished chan<- struct{}
}

func (s *span) tell(finished chan<- struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finished = finished
}

func (s *span) progress() (done, total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	total = s.end - s.start
	if s.ended {
		return total, total
	}
	return min(max(s.next-s.start, 0), total), total
}

// fetched takes note of a page; committed of what was applied. The end of a log may hold no data, but markers of
// transactions, or what compaction has left: that is never applied, so the last data record counts.
func (s *span) fetched(p pipeline.Page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(p.Records); n > 0 {
		s.last = max(s.last, p.Records[n-1].Offset+1)
	}
	s.read = s.read || p.Next >= s.end
	s.settle()
}

func (s *span) committed(next int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = max(s.next, next)
	s.settle()
}

func (s *span) settle() {
	if s.ended || !s.read || s.next < s.last {
		return
	}
	s.ended = true
	if s.finished != nil {
		s.finished <- struct{}{}
	}
}

// chapter is one partition number of a history.
type chapter struct {
	history *History
	number  int
	spans   map[pipeline.Stream]*span
}

var _ pipeline.Assignment = (*chapter)(nil)

// Partition returns the partition number.
func (c *chapter) Partition() int { return c.number }

// Log opens the partition's part of a stream; nil if the stream is not configured.
func (c *chapter) Log(stream pipeline.Stream) pipeline.Log {
	if c.history.cfg.Topics.Topic(stream) == "" {
		return nil
	}
	return &chapterLog{Log: c.history.raw(stream, c.number), history: c.history, span: c.spans[stream]}
}

// Commit takes note of how far the work is, and tells nobody else.
func (c *chapter) Commit(ctx context.Context, stream pipeline.Stream, next int64) error {
	if s := c.spans[stream]; s != nil {
		s.committed(next)
	}
	return ctx.Err()
}

// chapterLog is a log that ends where its span does; media has no span.
type chapterLog struct {
	*Log
	history *History
	span    *span
}

// Fetch returns what the log holds before the end of the span. At the end it waits as a broker would.
func (l *chapterLog) Fetch(ctx context.Context, offset int64) (pipeline.Page, error) {
	if l.span == nil {
		return l.Log.Fetch(ctx, offset)
	}
	var page pipeline.Page
	if offset >= l.span.end {
		pipeline.Pause(ctx, l.cluster.cfg.Fetch.MaxWait)
		page = pipeline.Page{Next: offset, Start: l.span.start}
	} else {
		var err error
		if page, err = l.Log.Fetch(ctx, offset); err != nil {
			return page, err
		}
		for n := len(page.Records); n > 0 && page.Records[n-1].Offset >= l.span.end; n-- {
			page.Records = page.Records[:n-1]
		}
		page.Next = min(page.Next, l.span.end)
	}
	page.End = l.span.end
	l.span.fetched(page)
	return page, ctx.Err()
}

// At returns the first offset at or after t that lies within the span.
func (l *chapterLog) At(ctx context.Context, t time.Time) (int64, error) {
	at, err := l.Log.At(ctx, t)
	if l.span != nil {
		at = min(max(at, l.span.start), l.span.end)
	}
	return at, err
}

// Bounds returns the span, as far as Kafka still has it.
func (l *chapterLog) Bounds(ctx context.Context) (pipeline.Bounds, error) {
	b, err := l.history.bounds(ctx, l.Log)
	if err != nil || l.span == nil {
		return b, err
	}
	if b.TopicID != l.span.topicID {
		return b, errors.Join(pipeline.ErrBeyond, fmt.Errorf("kafka: topic %s was made again while its history was read", l.topic))
	}
	b.Start, b.End = min(max(b.Start, l.span.start), l.span.end), l.span.end
	return b, nil
}
