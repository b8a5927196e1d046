package pipeline

import (
	"context"
	"math/bits"
	"sync"
	"time"
)

// backoff grows from 50 ms to 5 s.
func backoff(attempt int) time.Duration {
	return min(50*time.Millisecond<<min(attempt, 10), 5*time.Second)
}

// Pause waits for d and says whether ctx is still good.
func Pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// loud says whether a failure is worth a line in the log: of many in a row the 1st, 2nd, 4th, 8th and so on.
func loud(attempt int) bool { return bits.OnesCount(uint(attempt+1)) == 1 }

// damper lets so many lines a minute through and counts the rest: a flood of bad records must not become a flood of log.
type damper struct {
	mu     sync.Mutex
	minute time.Time
	passed int
	held   int64
}

// linesPerMinute is enough to see what is going on.
const linesPerMinute = 20

// pass says whether a line may be written now, and how many were held back since the last one.
func (q *damper) pass(now time.Time) (ok bool, held int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if now.Sub(q.minute).Abs() >= time.Minute {
		q.minute, q.passed = now, 0
	}
	if q.passed >= linesPerMinute {
		q.held++
		return false, 0
	}
	q.passed++
	held, q.held = q.held, 0
	return true, held
}
