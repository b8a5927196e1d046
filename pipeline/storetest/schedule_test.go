package storetest_test

import (
	"testing"
	"time"

	"shaketable/pipeline/storetest"
)

// The reference keeps the contract of the sample.
func TestScheduleContractInMemory(t *testing.T) {
	storetest.ContractSchedule(t, func(*testing.T) storetest.ScheduleBackend { return storetest.NewMemorySchedule(time.Now) })
}
