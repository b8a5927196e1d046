package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"
)

// orderDesk is where tests leave orders.
type orderDesk struct {
	mu   sync.Mutex
	list []Order
}

func (d *orderDesk) Order(_ context.Context, _ string, o Order) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, o)
	return o.Validate()
}

func (d *orderDesk) PendingOrders(context.Context, string) ([]Order, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.list), nil
}

func (d *orderDesk) drop(ids []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = slices.DeleteFunc(d.list, func(o Order) bool { return slices.Contains(ids, o.ID) })
}

// shelfArchive is an Archive in memory that keeps what a topic would: bytes by key.
type shelfArchive struct {
	mu    sync.Mutex
	kept  map[string][]byte
	fails int // so many calls, from now on
	calls int
	wrote int // entries
}

func newShelfArchive() *shelfArchive { return &shelfArchive{kept: map[string][]byte{}} }

var errNoBroker = errors.New("no broker")

func (a *shelfArchive) Keep(_ context.Context, entries []Entry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.calls++; a.fails > 0 {
		a.fails--
		return errNoBroker
	}
	for _, e := range entries {
		a.wrote++
		if e.Gone {
			delete(a.kept, e.Key())
			continue
		}
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		a.kept[e.Key()] = text
	}
	return nil
}

func (a *shelfArchive) Load(_ context.Context, detector string) ([]Entry, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.calls++; a.fails > 0 {
		a.fails--
		return nil, errNoBroker
	}
	var list []Entry
	for _, key := range sortedKeys(a.kept) {
		var e Entry
		if err := json.Unmarshal(a.kept[key], &e); err != nil {
			return nil, err
		}
		if e.Detector == detector {
			list = append(list, e)
		}
	}
	return list, nil
}

// ask leaves an order at a scenario's desk and folds once.
func (s *scenario) ask(o Order) (Answer, []Transition) {
	s.t.Helper()
	o = s.signed(o)
	if err := s.desk.Order(s.t.Context(), "meso", o); err != nil {
		s.t.Fatal(err)
	}
	ts := s.fold()
	return s.answer(o.ID), ts
}

// signed fills in what every order has.
func (s *scenario) signed(o Order) Order {
	if o.ID == "" {
		o.ID = "order-" + s.w.now.Format("150405.000") + "-" + string(o.Kind)
	}
	o.Author, o.Reason, o.At = "ada", "because", s.w.now
	return o
}

func (s *scenario) answer(id string) Answer {
	s.t.Helper()
	for _, a := range s.now().Answers {
		if a.ID == id {
			return a
		}
	}
	s.t.Fatalf("order %s has no answer", id)
	return Answer{}
}

// now is the state as it was stored last.
func (s *scenario) now() *State {
	s.t.Helper()
	st, err := ParseState("meso", s.state)
	if err != nil {
		s.t.Fatal(err)
	}
	return st
}

// obeyed is ask for an order that must be carried out.
func (s *scenario) obeyed(o Order) (Answer, []Transition) {
	s.t.Helper()
	a, ts := s.ask(o)
	if !a.Done {
		s.t.Fatalf("%s was refused: %s", o.Kind, a.Text)
	}
	return a, ts
}

// minute lets one pass with traffic and an order.
func (s *scenario) minute(g Generation, perMinute int, h habits, o Order) (Answer, []Transition) {
	s.t.Helper()
	s.w.pass(time.Minute, g, perMinute, h)
	return s.ask(o)
}

// steps is minutes with another time between two folds.
func (s *scenario) steps(count int, step time.Duration, g Generation, each int, h habits) (transitions []Transition) {
	s.t.Helper()
	for range count {
		s.w.pass(step, g, each, h)
		transitions = append(transitions, s.fold()...)
	}
	return transitions
}
