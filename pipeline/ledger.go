package pipeline

import (
	"context"
	"strconv"
	"time"
)

// CellKind says which of the three lives a counter has.
type CellKind string

// Total runs as long as the generation, Fine cells are narrow buckets with the tolerance edges only, Coarse cells are wide
// buckets with the full histogram, one per variant.
const (
	Total  CellKind = "t"
	Fine   CellKind = "m"
	Coarse CellKind = "h"
)

// Cell is one hash of counters within a partition.
type Cell struct {
	Generation string
	Kind       CellKind
	Start      int64 // start of the bucket, unix seconds of event time; 0 for Total
	Variant    int   // Coarse only: index of the variant, 0 holding what is not per variant; else 0
	// Slice is "" for all detections, or names those of one slice, "source=upload-api": see [Slicer]. A slice has Total and
	// Fine cells with all fields but labels, and of the Coarse cells only that of index 0.
	Slice string
}

// Fields of a cell. Index 0 is the clean picture, i >= 1 the i-th variant of the generation. Not every probe runs every
// variant, so n is no variant's denominator: that of <i>k, <i>r and <i>f is their sum, that of <i>C is <i>L.
//
//	n          probes counted
//	d          detections read, sampled or not (exposure)
//	0f         probes whose clean decision is fake
//	<i>k<e>    |p'-p| in the bin that ends at e ticks (right-closed), decision kept
//	<i>r<e>    the same, decision turned to real
//	<i>f<e>    the same, decision turned to fake
//	<i>L       probes with a label in which it ran
//	<i>C       of those, decision equal to the label
//	s<e>       |deployed score - p| in the bin that ends at e ticks
//	x<reason>  probes that could not be concluded
//	a<reason>  probes that are counted, but whose attack could not be concluded
//	<i>R       what corrected labels have added to <i>C, or taken from it; Total cells only
//	y<s>       first labels that came at most so many seconds after the event, see [LabelDelays]; Total cells only
const (
	FieldProbes     = "n"
	FieldDetections = "d"
	FieldCleanFake  = "0f"
)

// Half is the third of the change histogram that a probe falls into.
type Half byte

// Decision kept, turned to real, turned to fake.
const (
	Kept   Half = 'k'
	ToReal Half = 'r'
	ToFake Half = 'f'
)

// FieldChange names the histogram field of variant i for a bin that ends at edge ticks.
func FieldChange(i int, h Half, edge int64) string {
	return strconv.Itoa(i) + string(h) + strconv.FormatInt(edge, 10)
}

// FieldLabelled and FieldCorrect name the label counters of variant i (0 = clean).
func FieldLabelled(i int) string { return strconv.Itoa(i) + "L" }

// FieldCorrect names the count of correct decisions among the labelled of variant i.
func FieldCorrect(i int) string { return strconv.Itoa(i) + "C" }

// FieldRevised names the part of [FieldCorrect] that corrections made: without it, every probe counts by the first label
// that its media had, whenever the probe came.
func FieldRevised(i int) string { return strconv.Itoa(i) + "R" }

// FieldSkew names the serving-skew bin that ends at edge ticks.
func FieldSkew(edge int64) string { return "s" + strconv.FormatInt(edge, 10) }

// FieldInconclusive names the count of probes that failed for a reason.
func FieldInconclusive(reason string) string { return "x" + reason }

// FieldAttackFailure names the count of probes whose attack failed for a reason. It is no probe that failed: what counts
// those must not see it.
func FieldAttackFailure(reason string) string { return "a" + reason }

// LabelDelays returns the bounds of the histogram of label delays in seconds, ascending: a minute to 30 days. A delay is the
// time of the first label of a media less the start of the fine bucket of its probe; one that is negative, because a
// label's time is whatever its producer wrote, falls into the first bin.
func LabelDelays() []int64 {
	const minute, hour, day = 60, 3600, 86400
	return []int64{minute, 5 * minute, 15 * minute, hour, 3 * hour, 6 * hour, 12 * hour, day, 2 * day, 3 * day, 5 * day,
		7 * day, 10 * day, 14 * day, 21 * day, 30 * day}
}

// FieldLabelDelay names the bin of label delays that ends at bound seconds (right-closed); [FieldLabelDelayOver] is the
// one beyond the last bound.
func FieldLabelDelay(bound int64) string { return "y" + strconv.FormatInt(bound, 10) }

// FieldLabelDelayOver counts first labels that came later than the last of [LabelDelays].
const FieldLabelDelayOver = "yinf"

// FieldLabelDelayOf names the bin that holds a delay in seconds.
func FieldLabelDelayOf(delay int64) string {
	for _, bound := range LabelDelays() {
		if delay <= bound {
			return FieldLabelDelay(bound)
		}
	}
	return FieldLabelDelayOver
}

// FullTick is a change of probability of 1 in ticks: the closing edge of every histogram.
const FullTick int64 = 1_000_000

// BinEdge returns the upper edge of the right-closed bin that holds d: the first edge >= d, else the closing edge 1e6.
func BinEdge(edges []int64, d int64) int64 {
	for _, e := range edges {
		if d <= e {
			return e
		}
	}
	return FullTick
}

// Counts are the counters of one cell.
type Counts map[string]int64

// Ledger reads what the record path has counted.
type Ledger interface {
	// Sum returns the counters of each cell, summed over all partitions.
	Sum(ctx context.Context, cells []Cell) ([]Counts, error)
	// Fences returns the fence of every partition that has one, for one counted stream, in order of partition.
	Fences(ctx context.Context, s Stream) ([]Fence, error)
	// Generations returns what workers registered for a detector, in order of first appearance.
	Generations(ctx context.Context, detector string) ([]Registration, error)
}

// Registration is a generation and when a worker first registered it.
type Registration struct {
	Generation
	Since time.Time `json:"since"`
	// Seen is the last time that a worker said it probes this generation.
	Seen time.Time `json:"seen"`
}
