package pipeline

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// SliceReader lists the slices that have a place, over all partitions, sorted. The slice of the others is among them once
// a value has had to go there.
type SliceReader interface {
	Slices(ctx context.Context) ([]string, error)
}

// SlicePlaces gives out the places.
type SlicePlaces interface {
	// Place returns the slice of a value: its own if it has a place or fewer than limit values of the attribute have one,
	// else that of the others. A place is kept for ever, so everybody who asks gets the same answer, and so does a replay.
	Place(ctx context.Context, attribute, value string, limit int) (string, error)
	SliceReader
}

// Slicer says which slices a detection belongs to: one of each configured attribute.
//
// In: a detection. Out: the names of its slices, in the order of the configuration. Invariant: every detection is in
// exactly one slice of each attribute, so the slices of an attribute add up to the whole without what is excluded, which
// is in none; and which one depends on the value and on what the store has given out, never on who asks.
//
// It is safe for concurrent use and keeps no more than the places that exist: what the producers send cannot make it grow.
type Slicer struct {
	config SliceConfig
	places SlicePlaces
	mu     sync.Mutex // held while somebody asks the store
	known  atomic.Pointer[sliceTable]
}

// NewSlicer returns a slicer for a configuration that Validate accepts.
func NewSlicer(c SliceConfig, places SlicePlaces) *Slicer {
	s := &Slicer{config: SliceConfig{Attributes: slices.Clone(c.Attributes), Cap: c.Cap}, places: places}
	s.Forget()
	return s
}

// NeedsAttributes says whether it looks at anything but the source.
func (s *Slicer) NeedsAttributes() bool {
	return s != nil && slices.ContainsFunc(s.config.Attributes, func(a string) bool { return a != sourceAttribute })
}

// Of returns the slices of a detection, which the caller must not change. It asks the store about a value that it has not
// met before, unless all places of the attribute are known to be taken; the error is the store's.
func (s *Slicer) Of(ctx context.Context, d *Detection) ([]string, error) {
	if s == nil || len(s.config.Attributes) == 0 {
		return nil, nil
	}
	if set := s.known.Load().find(s.config.Attributes, d); set != nil {
		return set, nil
	}
	return s.learn(ctx, d)
}

// Forget drops what is known: the store may have been rolled back or emptied.
func (s *Slicer) Forget() {
	if s != nil {
		s.known.Store(newSliceTable(s.config.Attributes))
	}
}

// Renew asks for every known place again, so that a store which has lost some of them has them back, and says what holds now.
func (s *Slicer) Renew(ctx context.Context) error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known, fresh := s.known.Load(), newSliceTable(s.config.Attributes)
	for i, old := range known.attributes {
		for _, name := range old.names[1:] {
			_, value := SplitSlice(name)
			if err := s.ask(ctx, &fresh.attributes[i], s.config.Attributes[i], value); err != nil {
				return err
			}
		}
		if old.full && !fresh.attributes[i].full {
			if err := s.ask(ctx, &fresh.attributes[i], s.config.Attributes[i], OtherSlice); err != nil {
				return err
			}
		}
	}
	s.known.CompareAndSwap(known, fresh) // unless it was forgotten meanwhile
	return nil
}

// learn asks about the values of a detection that are not known yet. What it builds on may be forgotten meanwhile: then it
// begins again.
func (s *Slicer) learn(ctx context.Context, d *Detection) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		known := s.known.Load()
		next, err := s.extend(ctx, known, d)
		if err != nil {
			return nil, err
		}
		if s.known.CompareAndSwap(known, next) {
			return next.find(s.config.Attributes, d), nil
		}
	}
}

// extend returns a table that also knows the slices of a detection.
func (s *Slicer) extend(ctx context.Context, known *sliceTable, d *Detection) (*sliceTable, error) {
	next := known.clone()
	for i, attribute := range s.config.Attributes {
		value := sliceValue(d, attribute)
		if _, ok := next.attributes[i].number(value); ok {
			continue
		}
		if err := s.ask(ctx, &next.attributes[i], attribute, value); err != nil {
			return nil, err
		}
	}
	if id, _ := next.id(s.config.Attributes, d); len(next.sets) < maxSliceSets {
		next.sets[id] = next.set(id)
	}
	return next, nil
}

// ask gets one value its place. Where none is left, it is enough from then on to know who has one.
func (s *Slicer) ask(ctx context.Context, a *attributeSlices, attribute, value string) error {
	name, err := s.places.Place(ctx, attribute, value, s.config.Cap)
	if err != nil {
		return fmt.Errorf("slice %s: %w", SliceName(attribute, value), err)
	}
	if name != SliceName(attribute, OtherSlice) {
		a.add(name)
		return nil
	}
	if value == OtherSlice { // meant literally: it says nothing about the places
		a.numbers[OtherSlice] = 0
		return nil
	}
	all, err := s.places.Slices(ctx)
	if err != nil {
		return fmt.Errorf("slices of %s: %w", attribute, err)
	}
	for _, other := range all {
		if of, _ := SplitSlice(other); of == attribute {
			a.add(other)
		}
	}
	a.full = true
	return nil
}
