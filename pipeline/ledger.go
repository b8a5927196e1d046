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

// FieldSkew names the serving-skew bin that ends at edge ticks.
func FieldSkew(edge int64) string { return "s" + strconv.FormatInt(edge, 10) }

// FieldInconclusive names the count of probes that failed for a reason.
func FieldInconclusive(reason string) string { return "x" + reason }

// FieldAttackFailure names the count of probes whose attack failed for a reason. It is no probe that failed: what counts
// those must not see it.
func FieldAttackFailure(reason string) string { return "a" + reason }

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
