package pipeline

import (
	"fmt"
	"sort"
	"strings"
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

// Drop forgets the faults of a part and of everything that names it in brackets: "store (part)".
func (h *Health) Drop(part string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for p := range h.faults {
		if p == part || strings.HasSuffix(p, "("+part+")") {
			delete(h.faults, p)
		}
	}
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
