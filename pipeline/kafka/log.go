package kafka

import (
	"context"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"shaketable/pipeline"
)

// Log reads one partition of one topic from its leader: in is an offset, out are the committed records from there.
//
// Invariant: between offset and Page.Next there is no committed data record that is not in Page.Records. What the brokers
// can't give at the moment is asked for again until the context ends; what they can't give any more is an error.
type Log struct {
	cluster   *cluster
	retry     retrier
	topic     string
	partition int
	unpacker  *unpacker
	progress  *progress
	buf       []byte // of the last response, to be used again
	vanished  bool   // the topic was unknown for a while: it may have been made again
}

var _ pipeline.Log = (*Log)(nil)

// pageFactor is how many times Fetch.MaxBytes a page may hold when it is decompressed; further batches wait for the next
// fetch.
const pageFactor = 4

// Fetch returns the committed data records at or after offset, waiting up to Fetch.MaxWait for the first. pipeline.ErrTrimmed
// and pipeline.ErrBeyond say that the offset is not in the log; a damaged batch and missing permission are other errors.
func (l *Log) Fetch(ctx context.Context, offset int64) (page pipeline.Page, err error) {
	err = l.retry.do(ctx, l.at("fetch", offset), func() error {
		page, err = l.fetch(ctx, offset)
		return err
	})
	if err != nil {
		return pipeline.Page{}, fmt.Errorf("kafka: %s: %w", l.at("fetch", offset), err)
	}
	l.progress.fetched(page.Next, page.End)
	return page, nil
}

func (l *Log) at(what string, offset int64) string {
	return fmt.Sprintf("%s %s/%d@%d", what, l.topic, l.partition, offset)
}

// fetch asks once.
func (l *Log) fetch(ctx context.Context, offset int64) (pipeline.Page, error) {
	limits := l.cluster.cfg.Fetch
	req := newFetchRequest(l.topic, l.partition, offset, limits)
	req.client, req.buf = l.cluster.cfg.ClientID, l.buf
	// The connection goes on reading into the buffer if we stop waiting: only an answer gives it back.
	l.buf = nil
	answer, err := l.cluster.do(ctx, limits.MaxWait, req)
	if err != nil {
		return pipeline.Page{}, err
	}
	response := answer.(*fetchResponse)
	if cap(req.buf) <= pageFactor*limits.MaxBytes {
		l.buf = req.buf
	}
	switch code := kafkago.Error(response.code); code {
	case 0:
	case kafkago.OffsetOutOfRange:
		return pipeline.Page{}, l.outOfRange(ctx, offset)
	case kafkago.UnknownTopicOrPartition:
		l.vanished = true
		return pipeline.Page{}, code
	default:
		return pipeline.Page{}, code
	}
	if l.vanished {
		if err := l.sameTopic(ctx); err != nil {
			return pipeline.Page{}, err
		}
	}
	return l.unpacker.page(response, offset, pageFactor*limits.MaxBytes)
}

// outOfRange finds out on which side of the log an offset lies. The end is the high watermark: an offset above the last
// stable one may well be ours.
func (l *Log) outOfRange(ctx context.Context, offset int64) error {
	start, err := l.cluster.offsetAt(ctx, l.topic, l.partition, logStart, uncommitted)
	if err != nil {
		return err
	}
	if offset < start {
		return fmt.Errorf("%w (it starts at %d)", pipeline.ErrTrimmed, start)
	}
	end, err := l.cluster.offsetAt(ctx, l.topic, l.partition, logEnd, uncommitted)
	if err != nil {
		return err
	}
	if offset > end {
		return fmt.Errorf("%w (it ends at %d)", pipeline.ErrBeyond, end)
	}
	return kafkago.OffsetNotAvailable // the log has moved in between, or a new leader still catches up
}

// sameTopic fails if the topic is another one than it was.
func (l *Log) sameTopic(ctx context.Context) error {
	id, err := l.cluster.topicID(ctx, l.topic)
	if err != nil {
		return err
	}
	if before := l.progress.topic(); before != "" && id != before {
		return fmt.Errorf("%w (its id was %s and is %s)", pipeline.ErrBeyond, before, id)
	}
	l.vanished = false
	return nil
}

// At returns the first offset whose record time is at or after t; the log end if there is none.
func (l *Log) At(ctx context.Context, t time.Time) (int64, error) {
	ms := int64(logStart)
	if t.Unix() > 0 { // negative timestamps have meanings of their own
		ms = t.Add(time.Millisecond - 1).UnixMilli()
	}
	var at int64
	err := l.retry.do(ctx, l.at("offset for time", ms), func() error {
		// The end is asked for first: a record that comes between the two questions must not be jumped over.
		end, err := l.cluster.offsetAt(ctx, l.topic, l.partition, logEnd, committed)
		if err != nil {
			return err
		}
		if at, err = l.cluster.offsetAt(ctx, l.topic, l.partition, ms, committed); at < 0 && err == nil {
			at = end
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("kafka: offset of %s/%d for %s: %w", l.topic, l.partition, t.Format(time.RFC3339), err)
	}
	return at, nil
}

// Bounds returns the log's start and end, what the group has committed and the topic's id.
func (l *Log) Bounds(ctx context.Context) (b pipeline.Bounds, err error) {
	err = l.retry.do(ctx, l.at("bounds of", 0), func() (err error) {
		if b.Start, err = l.cluster.offsetAt(ctx, l.topic, l.partition, logStart, uncommitted); err != nil {
			return err
		}
		if b.End, err = l.cluster.offsetAt(ctx, l.topic, l.partition, logEnd, committed); err != nil {
			return err
		}
		if b.Committed, err = l.cluster.groupOffset(ctx, l.topic, l.partition); err != nil {
			return err
		}
		b.TopicID, err = l.cluster.topicID(ctx, l.topic)
		return err
	})
	if err != nil {
		return pipeline.Bounds{}, fmt.Errorf("kafka: bounds of %s/%d: %w", l.topic, l.partition, err)
	}
	l.progress.bounded(b)
	return b, nil
}
