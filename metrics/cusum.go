package metrics

import (
	"errors"
	"fmt"
	"math"
	"sort"

	"gonum.org/v1/gonum/mat"
)

// maxCUSUMLimit bounds the states of a [CUSUM]: its run length is a linear system of that size.
const maxCUSUMLimit = 500

// CUSUM is the likelihood-ratio CUSUM of a failure rate, q0 against q1, on a lattice of whole numbers, so that its
// average run length is exact. After each trial
//
//	S = max(0, S + (Up if failure, else -1)), alarm at S >= Limit, then S = 0
//
// It assumes independent trials at exactly q0, so it is calibrated where [ESR] is guaranteed: it is the quicker of the
// two near q1, the slower elsewhere, and is meant to confirm or to be compared with, not to page. Source: Reynolds and
// Stoumbos (1999), Journal of Quality Technology 31:87.
type CUSUM struct {
	Up    int // added by a failure: m-1, with m = round(r2/r1)
	Limit int // the S at which it alarms
}

// NewCUSUM returns the CUSUM from q0 to q1 with the lowest limit whose average run length at q0, in trials, is at
// least runLength. It needs 0 < q0 < q1 < 1, and m = round(r2/r1) >= 2, with r1 = -ln((1-q1)/(1-q0)) and
// r2 = ln(q1(1-q0)/(q0(1-q1))). A run length that takes more than 500 states is an error.
func NewCUSUM(q0, q1, runLength float64) (CUSUM, error) {
	if !(q0 > 0 && q0 < q1 && q1 < 1) {
		return CUSUM{}, fmt.Errorf("new cusum: rates %v and %v: want 0 < q0 < q1 < 1", q0, q1)
	}
	r1 := math.Log1p(-q0) - math.Log1p(-q1)
	m := int(math.Round((math.Log(q1/q0) + r1) / r1))
	if m < 2 {
		return CUSUM{}, fmt.Errorf("new cusum: from %v to %v a failure weighs no more than a success: use rates below .5", q0, q1)
	}
	var fault error
	limit := 1 + sort.Search(maxCUSUMLimit, func(i int) bool {
		arl, err := CUSUM{Up: m - 1, Limit: i + 1}.RunLength(q0)
		fault = errors.Join(fault, err)
		return arl >= runLength
	})
	if fault != nil {
		return CUSUM{}, fmt.Errorf("new cusum: %w", fault)
	}
	if limit > maxCUSUMLimit {
		return CUSUM{}, fmt.Errorf("new cusum: an average run length of %v trials takes over %d states: ask for less, or for a q1 further from %v",
			runLength, maxCUSUMLimit, q0)
	}
	return CUSUM{Up: m - 1, Limit: limit}, nil
}

// Step returns the state after one trial, starting from state 0, and whether it alarms, in which case the state is 0.
func (c CUSUM) Step(state int, failure bool) (next int, alarm bool) {
	if !failure {
		return max(0, state-1), false
	}
	if state+c.Up >= c.Limit {
		return 0, true
	}
	return state + c.Up, false
}

// RunLength returns the exact mean number of trials from state 0 to the alarm where the failure rate is q, in (0,1]:
// the first element of (I-P)^-1 1, with P(s, max(s-1,0)) = 1-q and P(s, s+Up) = q below the limit.
func (c CUSUM) RunLength(q float64) (float64, error) {
	if !(q > 0 && q <= 1) || c.Up < 1 || c.Limit < 1 {
		return 0, fmt.Errorf("cusum run length: rate %v, up %d, limit %d: want a rate in (0,1] and steps above 0", q, c.Up, c.Limit)
	}
	if c.Limit > maxCUSUMLimit {
		return 0, fmt.Errorf("cusum run length: limit %d is above %d states", c.Limit, maxCUSUMLimit)
	}
	system := mat.NewDense(c.Limit, c.Limit, nil)
	ones := mat.NewVecDense(c.Limit, nil)
	for s := range c.Limit {
		ones.SetVec(s, 1)
		system.Set(s, s, system.At(s, s)+1)
		down := max(s-1, 0)
		system.Set(s, down, system.At(s, down)-(1-q))
		if up := s + c.Up; up < c.Limit {
			system.Set(s, up, system.At(s, up)-q)
		}
	}
	var length mat.VecDense
	// A large condition number is expected of a long run length, and the answer is still good: only a singular system fails.
	err := length.SolveVec(system, ones)
	var cond mat.Condition
	if err != nil && (!errors.As(err, &cond) || math.IsInf(float64(cond), 1)) {
		return 0, fmt.Errorf("cusum run length: rate %v, limit %d: %w", q, c.Limit, err)
	}
	return length.AtVec(0), nil
}
