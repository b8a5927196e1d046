package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"shaketable/pipeline"
)

// Scout is the store of the first pass: everybody wins, every slice has a place, nothing is counted.
type Scout struct {
	fences
	mu      sync.Mutex
	claims  map[string][]string // holders by key
	buckets map[string]int64    // fine bucket of a probe, by partition and offset
	slices  map[string]int64    // fine bucket in which a slice was first counted, by name; notCounted until then
	probes  int64
}

var _ pipeline.Store = (*Scout)(nil)

// scoutSlices bounds the values of an attribute that are looked at: with more, hardly any has a place anyway.
const scoutSlices = 10_000

// notCounted is later than any bucket.
const notCounted = math.MaxInt64

// NewScout returns an empty store.
func NewScout() *Scout {
	return &Scout{claims: map[string][]string{}, buckets: map[string]int64{}, slices: map[string]int64{}}
}

// Apply implements pipeline.Store.
func (s *Scout) Apply(_ context.Context, b *pipeline.Batch) (pipeline.Verdict, int64, error) {
	return s.move(b, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.probes += int64(len(b.Probes))
		for _, p := range b.Probes {
			s.buckets[place(b.Partition, p.Offset)] = p.Fine
		}
		for cell := range b.Counts {
			if cell.Slice == "" || cell.Kind != pipeline.Fine {
				continue
			}
			if first, ok := s.slices[cell.Slice]; !ok || cell.Start < first {
				s.slices[cell.Slice] = cell.Start
			}
		}
	})
}

// Win implements pipeline.Store.
func (s *Scout) Win(_ context.Context, c pipeline.DigestClaim) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.claims[c.Key], c.Holder) {
		s.claims[c.Key] = append(s.claims[c.Key], c.Holder)
	}
	return c.Holder, nil
}

// Place implements pipeline.SlicePlaces: without a limit that anybody would set.
func (s *Scout) Place(_ context.Context, attribute, value string, _ int) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := pipeline.SliceName(attribute, value)
	if _, known := s.slices[name]; !known {
		if len(s.slices) >= scoutSlices {
			return pipeline.SliceName(attribute, pipeline.OtherSlice), nil
		}
		s.slices[name] = notCounted
	}
	return name, nil
}

// Slices implements pipeline.SliceReader.
func (s *Scout) Slices(context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.slices)), nil
}

// Plan is what a first pass has found.
type Plan struct {
	// Probes is how many media were sampled, copies among them: what the second pass has to do at most.
	Probes  int64
	winners map[string]string   // holder by claim, where several asked
	ranked  map[string][]string // slices by attribute, in order of their first detection
}

// Plan decides: of those who ask for the same, the one whose event was first wins, then the lower partition and offset; and
// slices get their places in the order of their first event, then of their names.
func (s *Scout) Plan() *Plan {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &Plan{Probes: s.probes, winners: map[string]string{}, ranked: map[string][]string{}}
	for key, holders := range s.claims {
		if len(holders) > 1 {
			p.winners[key] = slices.MinFunc(holders, func(a, b string) int {
				return cmp.Or(cmp.Compare(s.buckets[tail(a)], s.buckets[tail(b)]), cmp.Compare(len(tail(a)), len(tail(b))), strings.Compare(tail(a), tail(b)))
			})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.slices)) {
		attribute, value := pipeline.SplitSlice(name)
		if value != pipeline.OtherSlice && s.slices[name] != notCounted {
			p.ranked[attribute] = append(p.ranked[attribute], name)
		}
	}
	for _, names := range p.ranked {
		slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(s.slices[a], s.slices[b]) })
	}
	return p
}

// place names a record within a topic.
func place(partition int, offset int64) string { return fmt.Sprintf("%d/%d", partition, offset) }

// tail is the place within a holder, whose last two parts are partition and offset.
func tail(holder string) string {
	last := strings.LastIndexByte(holder, '/')
	return holder[strings.LastIndexByte(holder[:max(last, 0)], '/')+1:]
}
