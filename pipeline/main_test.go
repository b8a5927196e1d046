package pipeline

import (
	"testing"

	"go.uber.org/goleak"
)

// Whatever a test starts has to be gone when it is over: a holding that leaves a reader or a probe behind would go on with
// a partition that is somebody else's.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
