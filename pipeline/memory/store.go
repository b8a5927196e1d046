package memory

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"shaketable/pipeline"
)

// Store is the store of the second pass. It keeps the fine buckets, from which all else is made, and the log of probes,
// labels and examples. Nothing in it ever expires.
type Store struct {
	fences
	plan *Plan

	mu          sync.Mutex
	outcomes    pipeline.Counts
	fine        map[pipeline.Cell]pipeline.Counts
	probes      []probe
	labels      []label
	examples    map[string][]pipeline.Example
	claims      map[string]string
	slices      map[string]bool
	fields      map[string]string // one copy of each name: every bucket holds the same few
	generations map[string][]pipeline.Registration
}

// probe and label belong to a partition: media ids of two partitions never meet.
type probe struct {
	partition int
	pipeline.ProbeRecord
	counted *verdict // the label that it was counted with; nil: none yet
}

type label struct {
	partition int
	pipeline.LabelRecord
}

var (
	_ pipeline.Store       = (*Store)(nil)
	_ pipeline.SlicePlaces = (*Store)(nil)
)

// New returns an empty store that follows a plan.
func New(plan *Plan) *Store {
	return &Store{plan: plan, outcomes: pipeline.Counts{}, fine: map[pipeline.Cell]pipeline.Counts{}, examples: map[string][]pipeline.Example{},
		claims: map[string]string{}, slices: map[string]bool{}, fields: map[string]string{}, generations: map[string][]pipeline.Registration{}}
}

// Apply implements pipeline.Store.
func (s *Store) Apply(_ context.Context, b *pipeline.Batch) (pipeline.Verdict, int64, error) {
	return s.move(b, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		add(s.outcomes, b.Outcomes)
		for cell, counts := range b.Counts {
			if cell.Kind != pipeline.Fine { // the others are sums of these
				continue
			}
			if s.fine[cell] == nil {
				s.fine[cell] = pipeline.Counts{}
			}
			for field, n := range counts {
				if n != 0 {
					s.fine[cell][s.field(field)] += n
				}
			}
		}
		for _, p := range b.Probes {
			s.probes = append(s.probes, probe{partition: b.Partition, ProbeRecord: p})
		}
		for _, l := range b.Labels {
			s.labels = append(s.labels, label{partition: b.Partition, LabelRecord: l})
		}
		for _, e := range b.Examples {
			s.examples[e.Generation] = append(s.examples[e.Generation], e)
		}
	})
}

func (s *Store) field(name string) string {
	kept, ok := s.fields[name]
	if !ok {
		kept, s.fields[name] = name, name
	}
	return kept
}

// Win implements pipeline.Store.
func (s *Store) Win(_ context.Context, c pipeline.DigestClaim) (string, error) {
	if winner := s.plan.winners[c.Key]; winner != "" {
		return winner, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.claims[c.Key] == "" {
		s.claims[c.Key] = c.Holder
	}
	return s.claims[c.Key], nil
}

// Place implements pipeline.SlicePlaces.
func (s *Store) Place(_ context.Context, attribute, value string, limit int) (string, error) {
	if attribute == "" || limit < 1 {
		return "", errors.New("memory: place: attribute and limit are needed")
	}
	placed := s.plan.ranked[attribute]
	placed = placed[:min(limit, len(placed))]
	name := pipeline.SliceName(attribute, value)
	if !slices.Contains(placed, name) {
		name = pipeline.SliceName(attribute, pipeline.OtherSlice)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range placed { // whoever hears of the others asks who has a place, and never again
		s.slices[p] = true
	}
	s.slices[name] = true
	return name, nil
}

// Slices implements pipeline.SliceReader.
func (s *Store) Slices(context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.slices)), nil
}

// Register keeps a generation, in the order of the calls.
func (s *Store) Register(r pipeline.Registration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generations[r.Detector] = append(s.generations[r.Detector], r)
}

// Outcomes returns what became of the records, over all partitions.
func (s *Store) Outcomes() pipeline.Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.outcomes)
}

func add(sum, more pipeline.Counts) {
	for field, n := range more {
		sum[field] += n
	}
}
