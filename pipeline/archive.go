package pipeline

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"shaketable/metrics"
)

// Archive keeps outside the store what must not be lost with it: baselines, mutes, open episodes and the last transitions
// of every detector, each under a key of its own. After a loss of the store, or when it comes back as it was earlier, the
// state is put together again from there, so that nothing known is burned in anew and nobody is called twice.
type Archive interface {
	// Keep writes entries; one with the same key replaces the one before, one that is Gone removes it. Writing the same
	// again does no harm.
	Keep(ctx context.Context, entries []Entry) error
	// Load returns the entries of a detector, each key once.
	Load(ctx context.Context, detector string) ([]Entry, error)
}

// EntryKind says what an [Entry] holds.
type EntryKind string

// The kinds of entries.
const (
	EntryBaseline   EntryKind = "baseline"
	EntryTransition EntryKind = "transition"
	EntryMute       EntryKind = "mute"
	EntryEpisode    EntryKind = "episode" // one that is open
)

// BaselineUse is what a baseline was good for when it was archived.
type BaselineUse string

// The uses of a baseline.
const (
	BaselineInUse    BaselineUse = "in_use"
	BaselineProposed BaselineUse = "proposed"
	BaselineReplaced BaselineUse = "replaced"
)

// Entry is one thing in the archive. Of Baseline, Transition, Mute and Episode it has the one that Kind names.
type Entry struct {
	Kind     EntryKind `json:"kind"`
	Detector string    `json:"detector"`
	ID       string    `json:"id"`
	Fold     int64     `json:"fold"` // that wrote it: a state with fewer folds is an older one
	// Place tells the order of those that one fold wrote: of baselines of the same use, or of transitions.
	Place int `json:"place,omitempty"`
	// Generation, its version and the use of a baseline.
	Generation string            `json:"generation,omitempty"`
	Version    string            `json:"version,omitempty"`
	Use        BaselineUse       `json:"use,omitempty"`
	Baseline   *metrics.Baseline `json:"baseline,omitempty"`
	Transition *Transition       `json:"transition,omitempty"`
	Mute       *Mute             `json:"mute,omitempty"`
	Tier       Tier              `json:"tier,omitempty"` // of an episode
	Episode    *Episode          `json:"episode,omitempty"`
	Gone       bool              `json:"-"`
}

// Key is unique to the entry: "<kind>/<detector>/<id>".
func (e Entry) Key() string { return string(e.Kind) + "/" + e.Detector + "/" + e.ID }

// entries lists what of a state belongs into the archive.
func (s *State) entries() (list []Entry) {
	add := func(e Entry) {
		e.Detector, e.Fold = s.Detector, s.Folds
		list = append(list, e)
	}
	for _, id := range sortedKeys(s.Generations) {
		g := s.Generations[id]
		for _, of := range []struct {
			use  BaselineUse
			list []metrics.Baseline
		}{{BaselineInUse, g.Baselines}, {BaselineProposed, g.Proposed}, {BaselineReplaced, g.Replaced}} {
			for i, b := range of.list {
				// A file serves several generations: each has its own entry for it.
				add(Entry{Kind: EntryBaseline, ID: id + "/" + of.list[i].ID, Generation: id, Version: g.Version, Use: of.use, Place: i, Baseline: &b})
			}
		}
	}
	for _, m := range s.Mutes {
		add(Entry{Kind: EntryMute, ID: m.ID, Mute: &m})
	}
	for i, t := range s.History {
		add(Entry{Kind: EntryTransition, ID: t.ID, Place: i, Transition: &t})
	}
	for _, tier := range tiers() {
		if a := s.Alerts[tier]; a != nil && a.Episode != nil {
			add(Entry{Kind: EntryEpisode, ID: string(tier), Tier: tier, Episode: a.Episode.essence()})
		}
	}
	return list
}

// essence leaves out what changes with every fold.
func (e *Episode) essence() *Episode {
	c := *e
	c.GoodSince, c.Broken = time.Time{}, nil
	for _, b := range e.Broken {
		c.Broken = append(c.Broken, Broken{Series: b.Series})
	}
	return &c
}

// restored puts into a state what the archive knows and the state, being older, does not. It returns the state itself, and
// false, if the archive knows nothing newer.
func (s *State) restored(entries []Entry) (*State, bool) {
	newest := s.Folds
	for _, e := range entries {
		newest = max(newest, e.Fold)
	}
	if newest == s.Folds {
		return s, false
	}
	c := s.clone()
	c.Folds = newest
	c.restoreBaselines(entries)
	c.Mutes, c.History = nil, nil
	entries = slices.SortedStableFunc(slices.Values(entries), func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Fold, b.Fold), cmp.Compare(a.Place, b.Place), cmp.Compare(a.Key(), b.Key()))
	})
	for _, a := range c.Alerts {
		a.Episode = nil
	}
	for _, e := range entries {
		switch {
		case e.Kind == EntryMute && e.Mute != nil:
			c.Mutes = append(c.Mutes, *e.Mute)
		case e.Kind == EntryTransition && e.Transition != nil:
			c.History = append(c.History, *e.Transition)
		case e.Kind == EntryEpisode && e.Episode != nil:
			c.reopen(e)
		}
	}
	c.History = c.History[max(0, len(c.History)-shownTransitions):]
	return c, true
}

func (s *State) restoreBaselines(entries []Entry) {
	sorted := slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return e.Kind != EntryBaseline || e.Baseline == nil })
	slices.SortStableFunc(sorted, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Place, b.Place), cmp.Compare(a.Baseline.Version, b.Baseline.Version))
	})
	met := map[string]bool{}
	for _, e := range sorted {
		g := s.Generations[e.Generation]
		if g == nil {
			g = &GenerationState{Version: e.Version, Series: map[string]*SeriesState{}}
			s.Generations[e.Generation] = g
		}
		if !met[e.Generation] {
			met[e.Generation] = true
			g.Baselines, g.Proposed, g.Replaced = nil, nil, nil
		}
		switch e.Use {
		case BaselineInUse:
			g.Baselines = append(g.Baselines, *e.Baseline)
		case BaselineProposed:
			g.Proposed = append(g.Proposed, *e.Baseline)
		default:
			g.Replaced = append(g.Replaced, *e.Baseline)
		}
		g.Versions = max(g.Versions, e.Baseline.Version)
	}
}

// reopen lets an episode go on that was open when the store was lost.
func (s *State) reopen(e Entry) {
	a := s.Alerts[e.Tier]
	if a == nil {
		a = &Alert{}
		s.Alerts[e.Tier] = a
	}
	a.State, a.Since, a.Episode = StateFiring, e.Episode.Started, e.Episode
	if !slices.Contains(a.Begun, e.Episode.Started) {
		a.Begun = append(a.Begun, e.Episode.Started)
	}
}

// mirror remembers what the archive holds of a detector, to write only what changes.
type mirror map[string]mirrored

type mirrored struct {
	entry Entry // without what it holds
	sum   [sha256.Size]byte
}

// note remembers entries that the archive has.
func (m mirror) note(entries []Entry) {
	for _, e := range entries {
		if e.Gone {
			delete(m, e.Key())
			continue
		}
		m[e.Key()] = mirrored{Entry{Kind: e.Kind, Detector: e.Detector, ID: e.ID, Generation: e.Generation}, e.sum()}
	}
}

// sum identifies what an entry holds, whichever fold wrote it.
func (e Entry) sum() [sha256.Size]byte {
	if e.Fold = 0; e.Kind == EntryTransition { // its place moves as others go
		e.Place = 0
	}
	text, err := json.Marshal(e)
	if err != nil { // only a figure that is no number can do this: it is written every time then
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(text)
}

// changes are the entries by which a state differs from the archive. Baselines of generations that the state has forgotten
// stay where they are.
func (m mirror) changes(s *State) (list []Entry) {
	wanted := map[string]bool{}
	for _, e := range s.entries() {
		wanted[e.Key()] = true
		if has, ok := m[e.Key()]; !ok || has.sum != e.sum() {
			list = append(list, e)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		e := m[key].entry
		forgotten := e.Kind == EntryBaseline && s.Generations[e.Generation] == nil
		if !wanted[key] && !forgotten {
			e.Fold, e.Gone = s.Folds, true
			list = append(list, e)
		}
	}
	return list
}
