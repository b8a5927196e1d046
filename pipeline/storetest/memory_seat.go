package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"shaketable/pipeline"
)

// seat is the clock path of one detector.
type seat struct {
	owner    string
	until    time.Time
	token    int64 // largest given out
	seq      int64
	last     []byte // the step that was saved last, whole
	state    []byte
	snapshot []byte
	outbox   []pipeline.Transition
	acked    map[[2]string]bool // sink, id
	orders   []pipeline.Order
}

func (m *Memory) seat(detector string) *seat {
	if m.seats[detector] == nil {
		m.seats[detector] = &seat{acked: map[[2]string]bool{}}
	}
	return m.seats[detector]
}

// held says whether the lease has not run out.
func (s *seat) held(now time.Time) bool { return s.owner != "" && now.Before(s.until) }

// Hold implements pipeline.Seat.
func (m *Memory) Hold(_ context.Context, detector, owner string, ttl time.Duration) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if detector == "" || owner == "" || ttl <= 0 {
		return 0, errors.New("memory: hold: detector, owner and life are needed")
	}
	s := m.seat(detector)
	if s.held(m.now()) && s.owner != owner {
		return 0, nil
	}
	if !s.held(m.now()) {
		s.owner = owner
		s.token++
	}
	s.until = m.now().Add(ttl)
	return s.token, nil
}

// Release implements pipeline.Release.
func (m *Memory) Release(_ context.Context, detector string, token int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.seat(detector); s.token == token {
		s.owner = ""
	}
	return nil
}

// Load implements pipeline.Seat.
func (m *Memory) Load(_ context.Context, detector string) (int64, []byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.seat(detector)
	return s.seq, slices.Clone(s.state), nil
}

// Save implements pipeline.Seat.
func (m *Memory) Save(_ context.Context, step pipeline.Save) error {
	whole, err := json.Marshal(step)
	if err != nil {
		return fmt.Errorf("memory: save: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.seat(step.Detector)
	if s.seq == step.Prev+1 && string(s.last) == string(whole) {
		return nil
	}
	if !s.held(m.now()) || s.token != step.Token || s.seq != step.Prev {
		return fmt.Errorf("memory: save %s: %w", step.Detector, pipeline.ErrNotSeated)
	}
	s.seq, s.last, s.state, s.snapshot = s.seq+1, whole, slices.Clone(step.State), slices.Clone(step.Snapshot)
	s.carriedOut(step.Done)
	for _, t := range step.Transitions {
		if !slices.ContainsFunc(s.outbox, func(o pipeline.Transition) bool { return o.ID == t.ID }) {
			s.outbox = append(s.outbox, t)
		}
	}
	return nil
}

// Snapshot implements pipeline.Snapshots.
func (m *Memory) Snapshot(_ context.Context, detector string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.seat(detector).snapshot), nil
}

// Pending implements pipeline.Outbox.
func (m *Memory) Pending(_ context.Context, detector, sink string, limit int) ([]pipeline.Transition, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []pipeline.Transition
	for _, t := range m.seat(detector).outbox {
		if len(found) < limit && !m.seat(detector).acked[[2]string{sink, t.ID}] {
			found = append(found, t)
		}
	}
	return found, nil
}

// Ack implements pipeline.Outbox.
func (m *Memory) Ack(_ context.Context, detector, sink string, ids, sinks []string) error {
	if !slices.Contains(sinks, sink) {
		return fmt.Errorf("memory: ack: sink %q is not among %q", sink, sinks)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.seat(detector)
	for _, id := range ids {
		s.acked[[2]string{sink, id}] = true
	}
	s.outbox = slices.DeleteFunc(s.outbox, func(t pipeline.Transition) bool {
		return !slices.ContainsFunc(sinks, func(sink string) bool { return !s.acked[[2]string{sink, t.ID}] })
	})
	maps.DeleteFunc(s.acked, func(k [2]string, _ bool) bool {
		return !slices.ContainsFunc(s.outbox, func(t pipeline.Transition) bool { return t.ID == k[1] })
	})
	return nil
}

// Register implements pipeline.Registry.
func (m *Memory) Register(_ context.Context, g pipeline.Generation, partitions int, now time.Time) error {
	if g.ID == "" || g.Detector == "" || partitions < 1 || now.IsZero() {
		return errors.New("memory: register: generation, detector, partitions and time are needed")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.partitions = max(m.partitions, partitions)
	list := m.detectors[g.Detector]
	for i := range list {
		if list[i].ID == g.ID {
			if now.After(list[i].Seen) {
				list[i].Seen = now
			}
			list[i].Generation = g
			return nil
		}
	}
	m.detectors[g.Detector] = append(list, pipeline.Registration{Generation: g, Since: now, Seen: now})
	return nil
}

// Detectors implements pipeline.Registry.
func (m *Memory) Detectors(context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.detectors)), nil
}

// Generations implements pipeline.Ledger.
func (m *Memory) Generations(_ context.Context, detector string) ([]pipeline.Registration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.detectors[detector]), nil
}
