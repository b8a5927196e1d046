package pipeline

import "time"

// Detection is one output of the deployed detector, as decoded from a record.
type Detection struct {
	ID       string // identity of the detection; topic/partition/offset where the producer gives none
	MediaID  string // also the Kafka key
	Group    string // clip or campaign the media belongs to; "" if none: one probe per group, generation and day
	Detector string
	Version  string // "" if the record names none
	// Score as deployed, mapped to P(fake) in [0,1].
	Score      float64
	Time       time.Time // event time; the record's where the producer gives none
	Region     Region
	Media      MediaRef
	Source     string
	Attributes map[string]string
}

// Region is the part of the media that was judged, in pixels of the decoded, upright picture. The zero value is all of it.
type Region struct {
	ID         string
	X, Y, W, H float64
}

// Whole says whether the region is the whole picture.
func (r Region) Whole() bool { return r.W == 0 && r.H == 0 }

// MediaRef says where the bytes of the media are.
type MediaRef struct {
	Inline      []byte // the bytes themselves
	URI         string
	SHA256      string // lower-case hex; "" if unknown
	Size        int64  // bytes; 0 if unknown
	ContentType string
}

// Label is the truth about one media, second counted input.
type Label struct {
	MediaID string
	Fake    bool
	Time    time.Time
	// Revision orders corrections; 0 if the producer gives none. Labels are ordered by (Revision, Offset).
	Revision int64
}

// Outcome is the one end that every detection comes to.
type Outcome string

// All outcomes. Their sum is the number of records read; Gap counts records that Kafka no longer had and is outside.
const (
	Probed          Outcome = "probed"
	Unsampled       Outcome = "unsampled"
	Excluded        Outcome = "excluded"
	Duplicate       Outcome = "duplicate"
	Unmatched       Outcome = "unmatched"
	MediaGone       Outcome = "media_gone"
	Late            Outcome = "late"
	Future          Outcome = "future"
	UnknownDetector Outcome = "unknown_detector"
	Inconclusive    Outcome = "inconclusive"
	DeadLettered    Outcome = "dead_lettered"
	Crash           Outcome = "crash"
)

// Read and Gap stand beside the outcomes in the partition's outcome counters.
const (
	Read = "read"
	Gap  = "gap"
)

// Outcomes lists every outcome, in the order of the identity.
func Outcomes() []Outcome {
	return []Outcome{Probed, Unsampled, Excluded, Duplicate, Unmatched, MediaGone, Late, Future, UnknownDetector,
		Inconclusive, DeadLettered, Crash}
}

// Reasons of Inconclusive and DeadLettered that the line itself gives; bounded, because they become field and label values.
const (
	ReasonUndecodable  = "undecodable"   // the bytes are no picture that the formats allow
	ReasonTooLarge     = "too_large"     // over a size cap, before decoding
	ReasonDigest       = "digest"        // the bytes are not the ones the detection names
	ReasonRegion       = "region"        // the region lies outside the picture
	ReasonTimeout      = "timeout"       // the probe missed its deadline
	ReasonMemory       = "out_of_memory" // the device had no memory for it
	ReasonModel        = "model"         // the model returned an error or no number
	ReasonUnreadable   = "unreadable"    // the media could not be read where it lies
	ReasonInvalidJSON  = "invalid_json"
	ReasonInvalidField = "invalid_field" // a required field is missing or malformed
	ReasonInvalidEvent = "invalid_event" // a malformed CloudEvent
	ReasonPanic        = "panic"         // a bug of ours, of outcome crash
)
