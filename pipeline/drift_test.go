package pipeline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"shaketable/metrics"
)

// TestOnsetIsDated holds the estimated begin of a change against the true one, after half a day of stable folds: its median
// error is a small part of the time that passed until the alarm, for small rises as for large ones.
func TestOnsetIsDated(t *testing.T) {
	m := machine2(t)
	for _, c := range []struct {
		q0, to float64
		within time.Duration
	}{{.12, .15, 90 * time.Minute}, {.12, .18, 15 * time.Minute}, {.12, .30, 5 * time.Minute}, {.05, .25, 3 * time.Minute}} {
		t.Run(fmt.Sprintf("%g to %g", c.q0, c.to), func(t *testing.T) {
			j := &judged{Series: Series{Tier: Paging}}
			if err := m.against(j, &metrics.Baseline{}, c.q0-.02, c.q0); err != nil {
				t.Fatal(err)
			}
			var errors, delays []float64
			for seed := range uint64(51) {
				rng := rand.New(rand.NewPCG(seed, 17))
				var st SeriesState
				var total metrics.Trials
				mark := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
				step := func(rate float64) bool {
					for range 4 {
						total.N++
						total.K += float64(bit(rng, rate))
					}
					mark = mark.Add(time.Minute)
					_, v, err := j.fold(&st, total, mark)
					if err != nil {
						t.Fatal(err)
					}
					return v.Alarm
				}
				for range 720 {
					step(c.q0 - .02)
				}
				began := mark
				for !step(c.to) {
				}
				errors = append(errors, math.Abs(st.Onset.Sub(began).Minutes()))
				delays = append(delays, mark.Sub(began).Minutes())
			}
			slices.Sort(errors)
			slices.Sort(delays)
			t.Logf("off by %.0f minutes, alarm after %.0f (medians)", errors[25], delays[25])
			if errors[25] > c.within.Minutes() {
				t.Errorf("the onset is off by %.0f minutes (median), want %v", errors[25], c.within)
			}
		})
	}
}
