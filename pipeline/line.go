package pipeline

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// Line is the record path, wired: every stage of it, and what they share. It is read only once a Worker runs it.
type Line struct {
	Store    Store
	Roster   *Roster
	Sampler  *Sampler
	Schedule *Schedule // which share of the media is probed
	Decode   func(r *Record) (Detection, error)
	Labels   func(r *Record) (Label, error)
	Excluded func(d *Detection) bool
	Slicer   *Slicer // nil: detections are not told apart
	Prober   *Prober
	Files    *Files      // nil unless media comes from files
	Letters  DeadLetters // nil: bad records are counted and logged only

	Join   JoinConfig
	Window WindowConfig
	Flow   FlowConfig
	Config string // digest of the configuration, kept in the fence

	Now    func() time.Time
	Nonce  func() string // 128 random bits in hex, a new one for every claim
	Log    *slog.Logger
	Health *Health
	Stats  *Stats

	letterLog, attackLog damper
}

// FlowConfig bounds the work in flight; the defaults suit two cores and pictures of a megabyte.
type FlowConfig struct {
	// InFlight is the largest number of sampled detections of one partition between reading and applying.
	InFlight int `yaml:"in_flight"`
	// Queue is the largest number of detections of one partition that wait behind an unfinished one.
	Queue int `yaml:"queue"`
	// Flush is the longest time that a finished detection waits for its batch.
	Flush time.Duration `yaml:"flush"`
	// Drain is how long running probes may go on after the partition was taken away.
	Drain time.Duration `yaml:"drain"`
	// Start says where a group that never ran begins: earliest or latest.
	Start string `yaml:"start"`
	// Rebuild is how far back detections are read again after Redis lost everything; it should cover the longest window.
	Rebuild time.Duration `yaml:"rebuild"`
}

// DefaultFlow returns the bounds used unless the configuration names others.
func DefaultFlow() FlowConfig {
	return FlowConfig{InFlight: 32, Queue: 20_000, Flush: 200 * time.Millisecond, Drain: 3 * time.Second,
		Start: "earliest", Rebuild: 25 * time.Hour}
}

// Stats counts what this process has done since it started; for telemetry, and never for a decision about a record.
type Stats struct {
	Applied   atomic.Int64 // records of counted streams that are in the store
	Batches   atomic.Int64
	Replays   atomic.Int64 // claims after GAP or LOST
	Fenced    atomic.Int64
	Repeats   atomic.Int64 // DUP answers
	Letters   atomic.Int64
	InFlight  atomic.Int64
	Gaps      atomic.Int64 // records that Kafka no longer had
	Eligible  atomic.Int64 // detections of which it was asked whether they are sampled; the budget of the sample reads these two
	Sampled   atomic.Int64
	Misplaced atomic.Int64 // records whose key is not their media id, where media or labels have topics of their own
	Positions Positions
}
