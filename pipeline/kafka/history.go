package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"shaketable/pipeline"
)

// History hands out all partitions at once, of what Kafka still holds between two record times. It joins no group and
// commits nothing.
//
// In: the log as it is. Out: assignments whose counted streams begin with the first record at or after from and end before
// the first at or after to. Media is a look-up and has no such bounds. Invariant: it only ever reads.
type History struct {
	cfg      Config
	cluster  *cluster
	from, to time.Time
	log      *slog.Logger

	mu    sync.Mutex
	spans []*span
}

var _ pipeline.Source = (*History)(nil)

// NewHistory reads secrets and certificates; it does not connect. It fails if from is not before to.
func NewHistory(cfg Config, from, to time.Time, log *slog.Logger) (*History, error) {
	if !from.Before(to) {
		return nil, fmt.Errorf("kafka: history from %s to %s holds nothing: from must be before to", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	c, err := newCluster(cfg, cfg.Topics.names())
	if err != nil {
		return nil, err
	}
	return &History{cfg: cfg, cluster: c, from: from, to: to, log: log}, nil
}

// Close lets go of the connections. Run must have returned.
func (h *History) Close() error {
	h.cluster.close()
	return nil
}

// Partitions returns how many partitions the co-partitioned topics have. They must exist and agree.
func (h *History) Partitions(ctx context.Context) (int, error) {
	return h.cluster.partitionCount(ctx, h.cfg.Topics.names())
}

// Run serves every partition until all that was counted between the two times is applied, or ctx is done, which is no error.
func (h *History) Run(ctx context.Context, serve func(ctx context.Context, a pipeline.Assignment)) error {
	n, err := h.Partitions(ctx)
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	assignments := make([]*chapter, n)
	h.reset()
	for p := range n {
		if assignments[p], err = h.open(ctx, p); err != nil {
			return err
		}
	}
	left := h.left() // spans that are not at their end
	finished := make(chan struct{}, len(h.spans))
	for _, s := range h.spans {
		s.tell(finished)
	}
	var serving sync.WaitGroup
	for _, a := range assignments {
		serving.Go(func() { serve(working, a) })
	}
	for ; left > 0 && ctx.Err() == nil; left-- {
		select {
		case <-finished:
		case <-ctx.Done():
		}
	}
	stop()
	serving.Wait()
	return nil
}

// Progress returns how many offsets of the detections are applied, of how many.
func (h *History) Progress() (done, total int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.spans {
		if s.stream != pipeline.Detections {
			continue
		}
		d, t := s.progress()
		done, total = done+d, total+t
	}
	return done, total
}

// Applied takes note that everything before next is applied, as a commit does: for whoever knows it earlier. What comes while
// nothing is being served is forgotten.
func (h *History) Applied(stream pipeline.Stream, partition int, next int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.spans {
		if s.stream == stream && s.partition == partition {
			s.committed(next)
		}
	}
}

func (h *History) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spans = nil
}

func (h *History) left() (n int) {
	for _, s := range h.spans {
		if !s.ended {
			n++
		}
	}
	return n
}

// open finds the bounds of one partition.
func (h *History) open(ctx context.Context, partition int) (*chapter, error) {
	c := &chapter{history: h, number: partition, spans: map[pipeline.Stream]*span{}}
	for _, stream := range h.cfg.Topics.inputs() {
		if stream == pipeline.Media {
			continue
		}
		s, err := h.span(ctx, stream, partition)
		if err != nil {
			return nil, err
		}
		c.spans[stream] = s
		h.mu.Lock()
		h.spans = append(h.spans, s)
		h.mu.Unlock()
	}
	return c, nil
}

func (h *History) span(ctx context.Context, stream pipeline.Stream, partition int) (*span, error) {
	log := h.raw(stream, partition)
	s := &span{stream: stream, partition: partition}
	var err error
	if s.start, err = log.At(ctx, h.from); err != nil {
		return nil, err
	}
	if s.end, err = log.At(ctx, h.to); err != nil {
		return nil, err
	}
	bounds, err := h.bounds(ctx, log)
	if err != nil {
		return nil, err
	}
	s.end = max(s.start, s.end) // times of records need not ascend
	s.next, s.ended, s.topicID = s.start, s.start == s.end, bounds.TopicID
	if s.start > 0 && s.start == bounds.Start && !s.ended {
		h.log.Warn("Kafka has removed older records of this partition: the history may begin later than asked for",
			"stream", stream, "partition", partition, "from", h.from)
	}
	return s, nil
}

func (h *History) raw(stream pipeline.Stream, partition int) *Log {
	topic := h.cfg.Topics.Topic(stream)
	return &Log{cluster: h.cluster, retry: retrier{h.log}, topic: topic, partition: partition, progress: newProgress(stream, topic, partition),
		unpacker: newUnpacker(topic, partition, h.cfg.Fetch.MaxBatchBytes)}
}

// bounds are those of the log, without what any group has committed.
func (h *History) bounds(ctx context.Context, l *Log) (b pipeline.Bounds, err error) {
	b.Committed = -1
	err = l.retry.do(ctx, l.at("bounds of", 0), func() (err error) {
		if b.Start, err = h.cluster.offsetAt(ctx, l.topic, l.partition, logStart, uncommitted); err != nil {
			return err
		}
		if b.End, err = h.cluster.offsetAt(ctx, l.topic, l.partition, logEnd, committed); err != nil {
			return err
		}
		b.TopicID, err = h.cluster.topicID(ctx, l.topic)
		return err
	})
	if err != nil {
		return b, fmt.Errorf("kafka: bounds of %s/%d: %w", l.topic, l.partition, err)
	}
	return b, nil
}
