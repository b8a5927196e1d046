package pipeline

import (
	"fmt"
	"sort"
	"sync"
)

// Health collects what is wrong right now, by the part that says so. The zero value is healthy.
type Health struct {
	mu     sync.Mutex
	faults map[string]error
}

// Set records a fault of a part, or with nil that it is gone.
func (h *Health) Set(part string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		delete(h.faults, part)
		return
	}
	if h.faults == nil {
		h.faults = map[string]error{}
	}
	h.faults[part] = err
}

// Faults lists what is wrong, "part: why", sorted; none means ready.
func (h *Health) Faults() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]string, 0, len(h.faults))
	for part, err := range h.faults {
		list = append(list, fmt.Sprintf("%s: %v", part, err))
	}
	sort.Strings(list)
	return list
}
