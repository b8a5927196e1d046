package pipeline

import (
	"context"
	"errors"
	"time"
)

// Fence is how far a counted stream of one partition has been applied, and who may go on.
type Fence struct {
	Stream    Stream
	Partition int
	Offset    int64 // last applied offset; start-1 before the first record
	Owner     string
	Epoch     int64     // number of claims
	Watermark time.Time // largest event time applied; zero before the first
	Record    time.Time // largest record timestamp applied; zero before the first
	TopicID   string    // to notice a topic that was deleted and made again
	Config    string    // digest of the configuration of the last writer
	AtEnd     time.Time // when the owner last said that its position is the log end; zero if it is not
}

// Verdict is the store's answer to a batch.
type Verdict string

// The answers. Only OK and DUP mean that the batch is in the counters.
const (
	OK     Verdict = "OK"
	DUP    Verdict = "DUP"    // our own retry of a batch that had arrived
	FENCED Verdict = "FENCED" // somebody else has claimed the partition
	GAP    Verdict = "GAP"    // the store was rolled back: replay from its offset
	LOST   Verdict = "LOST"   // the store has no fence at all: rebuild
)

// ErrNoFence is returned by Store.Claim when there is no fence and none was to be made.
var ErrNoFence = errors.New("no fence")

// Batch is a contiguous run of applied offsets and everything that they add. The store applies it whole or not at all.
type Batch struct {
	Stream    Stream
	Partition int
	Owner     string
	Prev      int64 // offset that the fence must have
	Last      int64 // offset that it will have; equal to Prev for a batch that only says AtEnd
	Watermark time.Time
	Record    time.Time
	AtEnd     time.Time // zero: not at the log end
	Config    string

	Outcomes Counts          // of the partition: read, the outcomes, "<outcome>.<reason>"
	Counts   map[Cell]Counts // of the generations
	Probes   []ProbeRecord   // detections only
	Labels   []LabelRecord   // labels only, in order of offset
	Examples []Example       // detections only
}

// ProbeRecord keeps the decisions of a counted probe until the label horizon, so that a label which comes later can count.
type ProbeRecord struct {
	MediaKey   string // keyed hash of the media id
	Generation string
	Offset     int64 // of the detection: identity within the partition
	Fine       int64 // starts of its buckets, unix seconds
	Coarse     int64
	// Decisions[i] is '1' if variant i was decided fake, '0' if real, [NotRun] if it did not run and no label can count it;
	// index 0 is clean and always ran.
	Decisions string
}

// LabelRecord is one label, to be stored and counted against the probes that are already there.
type LabelRecord struct {
	MediaKey string
	Fake     bool
	Revision int64
	Offset   int64
	// Time is when the label was given: its distance from the probe's event time is the label's delay.
	Time time.Time
}

// Example is one media that moved far, for the people who look at an alert.
type Example struct {
	Generation string    `json:"-"`
	Media      string    `json:"media"` // raw id, keyed hash or "", as configured
	Variant    int       `json:"variant"`
	Clean      float64   `json:"clean"`
	Perturbed  float64   `json:"perturbed"`
	Time       time.Time `json:"time"`
}

// DigestClaim asks for the right to be the one probe of its group or content, generation and day.
type DigestClaim struct {
	Key    string // what must be unique
	Holder string // identity of the record that asks; a replay asks with the same
	TTL    time.Duration
}

// Store is the truth about what has been counted. Every method may be retried with the same arguments.
type Store interface {
	// Claim makes owner the writer of the stream's partition and returns the fence. Without a fence it fails with
	// ErrNoFence if create is nil; else it makes one at *create, with topicID.
	Claim(ctx context.Context, s Stream, partition int, owner string, create *NewFence) (Fence, error)
	// Apply adds a batch. The offset returned is the fence's, whatever the verdict (-1 for LOST).
	Apply(ctx context.Context, b *Batch) (Verdict, int64, error)
	// Win returns the holder that owns the key: the caller's own, if it was first or is the same record again.
	Win(ctx context.Context, c DigestClaim) (holder string, err error)
}

// NewFence says where a fence that does not exist yet begins.
type NewFence struct {
	Offset  int64 // the first record to be applied is after this
	TopicID string
}
