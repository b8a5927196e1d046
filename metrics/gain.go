package metrics

import "fmt"

// Gain turns the running total of a series into what it gained since the last fold. A total can fall behind what was
// already folded, when Redis was rolled back and the log is replayed, or when a label is revised. A negative gain waits
// then: nothing is given out until the total has caught up, so that no trial counts twice and no failure is taken back.
// Failures beyond the trials that they belong to wait as well, for the trials. Over time what is given out sums up to
// the total.
//
// The zero value gives out everything; to begin at a later moment, such as the end of a burn-in, set Folded to the total
// of that moment.
type Gain struct {
	// Folded is what was given out so far.
	Folded Trials `json:"folded"`
}

// Take returns the trials that the total gained beyond what was given out, and the accumulator to store with the state
// that they were folded into. An impossible total is an error.
func (g Gain) Take(total Trials) (Trials, Gain, error) {
	if err := total.Validate(); err != nil {
		return Trials{}, g, fmt.Errorf("gain of a series: total %w", err)
	}
	n := max(total.N-g.Folded.N, 0)
	gained := Trials{N: n, K: min(max(total.K-g.Folded.K, 0), n)}
	return gained, Gain{Folded: g.Folded.Plus(gained)}, nil
}

// Behind returns how many trials and failures the total lacks until it has caught up with what was given out; 0 when all
// is well. While it stays high the series is blind: a replay should bring it to 0, and where the log no longer has the
// records, a new Gain must begin at the present total.
func (g Gain) Behind(total Trials) Trials {
	return Trials{N: max(g.Folded.N-total.N, 0), K: max(g.Folded.K-total.K, 0)}
}
