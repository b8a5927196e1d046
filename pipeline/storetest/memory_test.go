package storetest_test

import (
	"testing"
	"time"

	"shaketable/pipeline/storetest"
)

// The reference keeps its own contract.
func TestMemory(t *testing.T) {
	storetest.Contract(t, func(*testing.T) storetest.Subject {
		now := time.Now()
		return storetest.Subject{
			Backend: storetest.NewMemory(func() time.Time { return now }),
			Elapse:  func(d time.Duration) { now = now.Add(d) },
		}
	})
}
