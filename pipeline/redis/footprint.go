package redis

import (
	"math"
	"time"
)

// Load is what goes through a deployment, for [Config.Footprint].
type Load struct {
	Detections float64 // per hour, of one detector
	Probes     float64 // of those, per hour
	Labels     float64 // per hour
	Partitions int
	Variants   int // of the suite, and attacks
	Edges      int // tolerances at which changes are counted
	Slices     int // counted beside the whole
	Fine       time.Duration
	Coarse     time.Duration
	Claims     time.Duration // for which the right to be the one probe of a content is kept
}

// Footprint is the memory that Redis needs, in bytes, once everything is as old as it gets.
type Footprint struct {
	Probes  float64 // that wait for a label
	Labels  float64 // kept for as long
	Claims  float64
	Buckets float64 // fine and coarse ones
	// PerDay is what a day adds, of which as much goes as it gets older.
	PerDay float64
}

// Total is the sum.
func (f Footprint) Total() float64 { return f.Probes + f.Labels + f.Claims + f.Buckets }

// What things weigh, measured on Redis 7 with its default encodings (a test compares them with a real server). An older
// server or another allocator is off by some tens of percent.
const (
	probeBytes   = 290. // key, hash and expiry of one media's probe, without its decisions
	labelBytes   = 190.
	claimBytes   = 240.
	bucketBytes  = 170. // key, hash and expiry of a bucket without fields
	packedField  = 12.  // of a hash with at most packedFields
	tableField   = 66.  // of a larger one
	packedFields = 128
)

// Footprint estimates the memory for one generation of one detector.
//
// A bucket exists where a detection fell into it. Its fields are taken to be the occupied bins: of so many probes and at most
// so many bins of which a third is ever used, because most changes are small.
func (c Config) Footprint(l Load) Footprint {
	var f Footprint
	hours := func(d time.Duration) float64 { return d.Hours() }
	f.Probes = l.Probes * hours(c.LabelHorizon) * (probeBytes + float64(l.Variants))
	f.Labels = l.Labels * hours(c.LabelHorizon) * labelBytes
	f.Claims = l.Probes * hours(l.Claims) * claimBytes
	partitions := float64(max(l.Partitions, 1))
	fine := c.buckets(l, l.Fine, partitions, 1+l.Slices, float64(l.Variants)*float64(l.Edges+1), float64(l.Variants+1))
	shared := c.buckets(l, l.Coarse, partitions, 1+l.Slices, fullBins, 1)
	variants := c.buckets(l, l.Coarse, partitions, l.Variants, fullBins, 1)
	f.Buckets = fine*hours(c.FineTTL) + (shared+variants)*hours(c.CoarseTTL)
	f.PerDay = 24 * (l.Probes*(probeBytes+float64(l.Variants)) + l.Labels*labelBytes + l.Probes*claimBytes + shared + variants)
	return f
}

// fullBins of a coarse bucket's histogram are ever used, about.
const fullBins = 60.

// buckets is the memory of the buckets of one width that an hour opens, kinds of them side by side. A probe adds each
// fields, of at most bins.
func (c Config) buckets(l Load, width time.Duration, partitions float64, kinds int, bins, each float64) float64 {
	perHour := float64(time.Hour) / float64(width)
	cells := perHour * partitions * (1 - math.Exp(-l.Detections/(perHour*partitions))) // that hold a detection
	if cells == 0 {
		return 0
	}
	probes := l.Probes / cells // in each
	fields := 1 + bins*(1-math.Exp(-probes*each/bins))
	weight := fields * packedField
	if fields > packedFields {
		weight = fields * tableField
	}
	return cells * float64(kinds) * (bucketBytes + weight)
}
