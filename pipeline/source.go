package pipeline

import (
	"context"
	"errors"
	"time"
)

// Stream names one of the three co-partitioned inputs.
type Stream string

// The inputs. Detections and Labels are counted and have a fence each; Media is a look-up.
const (
	Detections Stream = "detections"
	Media      Stream = "media"
	Labels     Stream = "labels"
)

// Header is one record header.
type Header struct {
	Key   string
	Value []byte
}

// Record is one Kafka record. Key, Value and Headers are copies that the receiver owns.
type Record struct {
	Topic     string
	Partition int
	Offset    int64
	Time      time.Time // the record's own timestamp
	Key       []byte
	Value     []byte
	Headers   []Header
}

// Header returns the value of the first header with that key, or nil.
func (r *Record) Header(key string) []byte {
	for _, h := range r.Headers {
		if h.Key == key {
			return h.Value
		}
	}
	return nil
}

// Source hands out partitions.
type Source interface {
	// Run joins the group and calls serve, in a goroutine of its own, for every partition number of every generation. The
	// context of serve ends when the generation ends; Run waits for all serves to return before the member rejoins, so
	// what serve does after that is the drain. A serve that returns early does not end the generation. Run returns when
	// ctx is done (nil) or when the group can't be used at all.
	Run(ctx context.Context, serve func(ctx context.Context, a Assignment)) error
}

// Assignment is one co-partitioned partition number, held for one group generation.
type Assignment interface {
	Partition() int
	// Log opens the partition's part of a stream for reading; nil if the stream is not configured.
	Log(s Stream) Log
	// Commit stores next (the first offset that is not done) for lag displays. It is also the proof of membership: it
	// fails if the generation is over.
	Commit(ctx context.Context, s Stream, next int64) error
}

// Log reads one partition of one topic. Methods are called from one goroutine at a time.
type Log interface {
	// Fetch returns the committed data records at or after offset, waiting up to the adapter's max wait for the first.
	// Records of aborted transactions and control records are left out, and Page.Next is beyond them.
	// ErrTrimmed: offset is below the log start. ErrBeyond: offset is above the log end.
	Fetch(ctx context.Context, offset int64) (Page, error)
	// At returns the first offset whose record time is at or after t; the log end if there is none.
	At(ctx context.Context, t time.Time) (int64, error)
	// Bounds returns the log start, the log end, the offset committed by the group (-1 if none) and the topic id
	// ("" where the broker tells none).
	Bounds(ctx context.Context) (Bounds, error)
}

// Page is what one fetch brought.
type Page struct {
	Records []Record
	Next    int64 // where to go on
	Start   int64 // log start offset
	End     int64 // log end as a consumer of committed data sees it (last stable offset)
}

// Bounds of a partition's log.
type Bounds struct {
	Start, End int64
	Committed  int64
	TopicID    string
}

// Errors of Log.Fetch on which the caller branches.
var (
	ErrTrimmed = errors.New("offset is below the log start: Kafka no longer has these records")
	ErrBeyond  = errors.New("offset is above the log end: the topic was recreated or lost records")
)
