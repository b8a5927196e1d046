package pipeline

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"shaketable/metrics"
)

// stateSchema is the version of the JSON form of [State].
const stateSchema = 1

// State is all that the clock path of one detector remembers between two folds: whoever holds the lease next goes on from
// it as if nothing had happened.
type State struct {
	Schema   int    `json:"schema"`
	Detector string `json:"detector"`
	Folds    int64  `json:"folds"`
	// Folded is the wall clock of the last fold, Moved that of the last fold whose watermark was new, Probed that of the
	// last one whose shortest window held enough probes.
	Folded time.Time `json:"folded,omitzero"`
	Moved  time.Time `json:"moved,omitzero"`
	Probed time.Time `json:"probed,omitzero"`
	// Watermark is event time, never falling.
	Watermark time.Time `json:"watermark,omitzero"`
	Choice    choice    `json:"choice"`
	// Changed is the event time at which Previous gave way to the active generation; zero if none did.
	Changed  time.Time `json:"changed,omitzero"`
	Previous string    `json:"previous,omitempty"`
	// Generations holds what is known of each, by ID; Alerts the one alert of each tier.
	Generations map[string]*GenerationState `json:"generations"`
	Alerts      map[Tier]*Alert             `json:"alerts"`
	Trust       Trust                       `json:"trust"`
	// Labels is what is known of the feed of labels; nil before the first generation.
	Labels *LabelState `json:"labels,omitempty"`
	// Mutes hold notifications back; Answers are those to the last orders, oldest first.
	Mutes   []Mute   `json:"mutes,omitempty"`
	Answers []Answer `json:"answers,omitempty"`
	// History holds the last transitions, oldest first.
	History []Transition `json:"history,omitempty"`
}

// GenerationState is what the clock path knows of one generation.
type GenerationState struct {
	Version string    `json:"version"`
	Since   time.Time `json:"since"`
	// First is the event time of the first fold that saw probes of it, Active that of the last fold in which it was active,
	// Back that of the fold in which it became so again; zero if it never did.
	First  time.Time `json:"first,omitzero"`
	Active time.Time `json:"active,omitzero"`
	Back   time.Time `json:"back,omitzero"`
	// Slices holds the event time of the first fold that saw probes of each slice.
	Slices map[string]time.Time `json:"slices,omitempty"`
	// Met says that live traffic has reached it.
	Met bool `json:"met,omitempty"`
	// Handed is what the previous generation left when traffic first reached this one; nil if there was none.
	Handed *metrics.Baseline `json:"handed,omitempty"`
	// Baselines are frozen and in use: the first one that has a series serves it. Proposed ones wait for an approval,
	// Replaced ones gave way to one. All are numbered from 1 as they come; Versions is the last number given.
	Baselines []metrics.Baseline      `json:"baselines,omitempty"`
	Proposed  []metrics.Baseline      `json:"proposed,omitempty"`
	Replaced  []metrics.Baseline      `json:"replaced,omitempty"`
	Versions  int                     `json:"versions,omitempty"`
	Series    map[string]*SeriesState `json:"series,omitempty"`
	// Panel is when the frozen panel was seen to move.
	Panel PanelMark `json:"panel,omitzero"`
}

// SeriesState is the evidence of one series.
type SeriesState struct {
	Gain metrics.Gain     `json:"gain"`
	ESR  metrics.ESRState `json:"esr"`
	// Progress is the evidence in relation to the alarm level, 0 to 1, as of the last fold.
	Progress float64 `json:"progress,omitempty"`
	// Score is the greatest of Scores, and Onset, event time, when that was last 0: the likeliest begin of a change.
	Score float64   `json:"score,omitempty"`
	Onset time.Time `json:"onset,omitzero"`
	// Scores are cumulative sums of ln likelihood, one for each rise that is looked for; Onsets are when they were last 0,
	// unix seconds, 0 for those that are; Last is the last fold.
	Scores []float64 `json:"scores,omitempty"`
	Onsets []int64   `json:"onsets,omitempty"`
	Last   int64     `json:"last,omitempty"`
}

// NewState returns the state before the first fold.
func NewState(detector string) *State {
	return &State{Schema: stateSchema, Detector: detector, Generations: map[string]*GenerationState{}, Alerts: map[Tier]*Alert{}}
}

// ParseState reads a stored state; nil data is the state before the first fold.
func ParseState(detector string, data []byte) (*State, error) {
	st := NewState(detector)
	if len(data) == 0 {
		return st, nil
	}
	if err := json.Unmarshal(data, st); err != nil {
		return nil, fmt.Errorf("alert state of %s: %w", detector, err)
	}
	if st.Schema != stateSchema {
		return nil, fmt.Errorf("alert state of %s: schema %d, this program reads %d: finish the roll-out of one version", detector, st.Schema, stateSchema)
	}
	return st, nil
}

// clone returns a state that shares only what is never written: baselines and transitions.
func (s *State) clone() *State {
	c := *s
	c.Generations = make(map[string]*GenerationState, len(s.Generations))
	for id, g := range s.Generations {
		copied := *g
		copied.Slices = maps.Clone(g.Slices)
		copied.Baselines, copied.Proposed, copied.Replaced = slices.Clone(g.Baselines), slices.Clone(g.Proposed), slices.Clone(g.Replaced)
		copied.Series = make(map[string]*SeriesState, len(g.Series))
		for name, series := range g.Series {
			one := *series
			one.ESR.Evidence, one.Scores, one.Onsets = slices.Clone(series.ESR.Evidence), slices.Clone(series.Scores), slices.Clone(series.Onsets)
			copied.Series[name] = &one
		}
		c.Generations[id] = &copied
	}
	c.Labels = s.Labels.clone()
	c.Alerts = maps.Clone(s.Alerts)
	for t, a := range s.Alerts {
		copied := *a
		copied.Begun = slices.Clone(a.Begun)
		if a.Episode != nil {
			e := *a.Episode
			e.Broken = slices.Clone(e.Broken)
			copied.Episode = &e
		}
		c.Alerts[t] = &copied
	}
	c.Mutes, c.Answers, c.History = slices.Clone(s.Mutes), slices.Clone(s.Answers), slices.Clone(s.History)
	return &c
}
