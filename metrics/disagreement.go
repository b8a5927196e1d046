package metrics

import (
	"errors"
	"fmt"
)

// Disagreement returns the share of media on which two detectors decide differently, with its 95 % [Wilson] interval.
//
//	(1/n) Σ 1[a_i != b_i]
//
// a and b are the decisions on the same media in the same order, at least one. No label is needed: where two detectors
// disagree at least one is wrong, so the sum of their error rates is at least this share. Source: Kuncheva and Whitaker
// (2003), Machine Learning 51:181 (the disagreement measure).
func Disagreement(a, b []bool) (share float64, band Interval, err error) {
	if len(a) != len(b) {
		return 0, Interval{}, fmt.Errorf("disagreement: %d decisions against %d: want the same media in the same order", len(a), len(b))
	}
	if len(a) == 0 {
		return 0, Interval{}, errors.New("disagreement: no media")
	}
	differ := 0.
	for i := range a {
		if a[i] != b[i] {
			differ++
		}
	}
	n := float64(len(a))
	band, err = Wilson(differ, n, .05)
	if err != nil {
		return 0, Interval{}, fmt.Errorf("disagreement: %w", err)
	}
	return differ / n, band, nil
}
