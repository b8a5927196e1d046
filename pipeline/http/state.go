package http

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// cache reads the state of all detectors at most once a second, however many ask.
type cache struct {
	states States
	now    func() time.Time

	mu   sync.Mutex
	at   time.Time
	last state
	err  error
}

const (
	fresh     = time.Second
	readLimit = 5 * time.Second
)

// state is what the store holds, detectors in the order of their names.
type state struct {
	At        time.Time         `json:"at"` // wall clock of the reading
	Detectors []json.RawMessage `json:"detectors"`
	// Waiting names detectors that have registered and were not judged yet.
	Waiting []string `json:"waiting"`

	byName map[string]json.RawMessage
}

// read is not cut short by a reader who leaves: others may wait for the same answer.
func (c *cache) read(ctx context.Context) (state, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if age := now.Sub(c.at); !c.at.IsZero() && age >= 0 && age < fresh {
		return c.last, c.err
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), readLimit)
	defer cancel()
	c.last, c.err = c.fetch(limited, now)
	c.at = c.now()
	return c.last, c.err
}

func (c *cache) fetch(ctx context.Context, now time.Time) (state, error) {
	names, err := c.states.Detectors(ctx)
	if err != nil {
		return state{}, err
	}
	s := state{At: now.UTC(), Detectors: []json.RawMessage{}, Waiting: []string{}, byName: map[string]json.RawMessage{}}
	for _, name := range names {
		data, err := c.states.Snapshot(ctx, name)
		if err != nil {
			return state{}, err
		}
		if data == nil {
			s.Waiting = append(s.Waiting, name)
			continue
		}
		s.Detectors = append(s.Detectors, data)
		s.byName[name] = data
	}
	return s, nil
}

// api serves the state as JSON: snapshots are the bytes that the clock path has stored.
type api struct{ cache *cache }

func (a *api) all(w http.ResponseWriter, r *http.Request) {
	s, err := a.cache.read(r.Context())
	if err != nil {
		fault(w, http.StatusServiceUnavailable, fmt.Sprintf("the state can't be read: %v", err))
		return
	}
	body, err := json.Marshal(s)
	if err != nil {
		fault(w, http.StatusInternalServerError, fmt.Sprintf("a stored snapshot is no JSON: %v", err))
		return
	}
	answer(w, http.StatusOK, body)
}

func (a *api) one(w http.ResponseWriter, r *http.Request) {
	s, err := a.cache.read(r.Context())
	if err != nil {
		fault(w, http.StatusServiceUnavailable, fmt.Sprintf("the state can't be read: %v", err))
		return
	}
	name := r.PathValue("detector")
	body, ok := s.byName[name]
	if !ok {
		fault(w, http.StatusNotFound, fmt.Sprintf("there is no snapshot of detector %q; ../state lists all", name))
		return
	}
	answer(w, http.StatusOK, body)
}

func fault(w http.ResponseWriter, status int, text string) {
	body, _ := json.Marshal(map[string]string{"error": text}) // strings always can
	answer(w, status, body)
}

func answer(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(body)
}
