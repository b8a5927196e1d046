package metrics_test

import (
	"testing"

	"shaketable/metrics"
)

// ninetyThenForty fails one time in ten for 200 trials, then two times in five.
func ninetyThenForty(i int) bool {
	if i < 200 {
		return i%10 == 9
	}
	return (i-200)%5 == 2 || (i-200)%5 == 4
}

// Expected run lengths: the linear system solved by numpy.
func TestCUSUMRunLength(t *testing.T) {
	for _, c := range []struct {
		limit int
		q     float64
		want  float64
		d     int
	}{
		{14, .1, 98.71301303, 8}, {14, .2, 23.34137999, 8}, {21, .1, 283.11832165, 8}, {21, .2, 38.86766635, 8},
		{31, .1, 1043.606, 3}, {51, .1, 10638.689, 3}, {72, .1, 110732.937, 3}, {14, 1, 3, 10},
	} {
		got, err := metrics.CUSUM{Up: 6, Limit: c.limit}.RunLength(c.q)
		near(t, "run length", must(t, got, err), c.want, c.d)
	}
	for _, c := range []struct {
		runLength float64
		limit     int
	}{{1000, 31}, {1e4, 51}, {1e5, 72}} {
		got, err := metrics.NewCUSUM(.1, .2, c.runLength)
		if must(t, got, err) != (metrics.CUSUM{Up: 6, Limit: c.limit}) {
			t.Errorf("for a run length of %v: %+v, want up 6, limit %d", c.runLength, got, c.limit)
		}
	}
}

func TestCUSUMFirstAlarm(t *testing.T) {
	for limit, want := range map[int]int{31: 214, 51: 224} {
		c, state, first := metrics.CUSUM{Up: 6, Limit: limit}, 0, -1
		for i := 0; i < 400 && first < 0; i++ {
			var alarm bool
			if state, alarm = c.Step(state, ninetyThenForty(i)); alarm {
				first = i
			}
		}
		if first != want || state != 0 {
			t.Errorf("limit %d: first alarm at %d in state %d, want %d in 0", limit, first, state, want)
		}
	}
}

func TestCUSUMRefuses(t *testing.T) {
	for _, c := range []struct{ q0, q1, run float64 }{{0, .2, 100}, {.2, .1, 100}, {.5, 1, 100}, {.6, .9, 100}, {.1, .2, 1e40}} {
		_, err := metrics.NewCUSUM(c.q0, c.q1, c.run)
		fails(t, "new cusum", err, "new cusum")
	}
	_, err := metrics.CUSUM{Up: 6, Limit: 14}.RunLength(0)
	fails(t, "run length", err, "rate in (0,1]")
	_, err = metrics.CUSUM{Up: 6, Limit: 5000}.RunLength(.1)
	fails(t, "run length", err, "above 500 states")
}
