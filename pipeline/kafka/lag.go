package kafka

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"shaketable/pipeline"
)

// Lag is how far this member is behind on one partition that it holds. Offsets are -1 while they are not known.
type Lag struct {
	Stream    pipeline.Stream
	Partition int
	Position  int64 // the offset that is fetched next
	Committed int64 // the first offset that is not done
	End       int64 // the end of committed data
}

// Fetch is how many offsets have not been fetched; -1 if that is not known.
func (l Lag) Fetch() int64 { return l.behind(l.Position) }

// Commit is how many offsets are not done; -1 if that is not known.
func (l Lag) Commit() int64 { return l.behind(l.Committed) }

func (l Lag) behind(at int64) int64 {
	if at < 0 || l.End < 0 {
		return -1
	}
	return max(l.End-at, 0)
}

// progress is what is known about one partition of one topic while it is held.
type progress struct {
	stream    pipeline.Stream
	topicName string
	partition int

	mu                       sync.Mutex
	position, committed, end int64
	topicID                  string
	fresh                    bool // end was learned since the last refresh
}

func newProgress(s pipeline.Stream, topic string, partition int) *progress {
	return &progress{stream: s, topicName: topic, partition: partition, position: -1, committed: -1, end: -1}
}

func (p *progress) fetched(next, end int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.position, p.end, p.fresh = next, end, true
}

func (p *progress) bounded(b pipeline.Bounds) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.committed, p.end, p.topicID, p.fresh = b.Committed, b.End, b.TopicID, true
}

func (p *progress) done(next int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.committed = next
}

func (p *progress) topic() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.topicID
}

func (p *progress) lag() Lag {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Lag{Stream: p.stream, Partition: p.partition, Position: p.position, Committed: p.committed, End: p.end}
}

// stale says whether nothing was learned about the end since the last call.
func (p *progress) stale() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	fresh := p.fresh
	p.fresh = false
	return !fresh
}

func (p *progress) ended(end int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end = end
}

// Lag returns the lag of everything that this member holds now, by stream and partition.
func (s *Source) Lag() []Lag {
	var lags []Lag
	for _, p := range s.held() {
		lags = append(lags, p.lag())
	}
	slices.SortFunc(lags, func(a, b Lag) int {
		return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Partition, b.Partition))
	})
	return lags
}

// refreshEnds asks for the end of partitions that are not being fetched, so that lag grows visibly while the line is held
// up. It returns when ctx is done.
func (s *Source) refreshEnds(ctx context.Context, every time.Duration) {
	for pipeline.Pause(ctx, every) {
		for _, p := range s.held() {
			if ctx.Err() != nil || !p.stale() {
				continue
			}
			// A failure leaves the last known end; the fetches say what is wrong.
			if end, err := s.cluster.offsetAt(ctx, p.topicName, p.partition, logEnd, committed); err == nil {
				p.ended(end)
			}
		}
	}
}
