package pipeline

import "time"

// watermarkOf returns the event time up to which all partitions have been counted: the minimum over them. A partition
// whose owner has lately said that it is read to its end holds nobody back; if all are, the maximum counts. It never
// falls behind prev: what was shown stays shown, also while a rolled-back store is being replayed. Zero: nothing was
// counted yet, or a partition that is behind has counted nothing.
func watermarkOf(fences []Fence, prev, now time.Time, idle time.Duration) time.Time {
	var lowest, highest time.Time
	behind := 0
	for _, f := range fences {
		if f.Watermark.After(highest) {
			highest = f.Watermark
		}
		if !f.AtEnd.IsZero() && now.Sub(f.AtEnd) <= idle {
			continue
		}
		if behind == 0 || f.Watermark.Before(lowest) {
			lowest = f.Watermark
		}
		behind++
	}
	mark := highest
	if behind > 0 {
		mark = lowest
	}
	if mark.Before(prev) {
		return prev
	}
	return mark
}
