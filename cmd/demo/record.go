package main

import (
	"sync"
	"time"
)

// Point is what the shortest window held at one moment: shares between 0 and 1, for the detector as a whole.
type Point struct {
	T  float64 `json:"t"`  // seconds since the start
	RA float64 `json:"ra"` // share of verdicts that hold, RA_self
	RR float64 `json:"rr"` // share of scores that move by at most .05, RR(.05)
	// Version of the detector that was judged.
	Version string `json:"-"`
}

// Family is one kind of perturbation in the shortest window. Before is what the previous version left; below 0 if there
// was none.
type Family struct {
	Name   string  `json:"name"`
	RA     float64 `json:"ra"`
	RR     float64 `json:"rr"`
	Before float64 `json:"before"`
}

// Alert is the last message of the alert that was delivered.
type Alert struct {
	State   string  `json:"state"`
	T       float64 `json:"t"`
	Version string  `json:"version"`
	Summary string  `json:"summary"`
	Text    string  `json:"text"`
}

// View is everything that terminal, page and plot show.
type View struct {
	Elapsed  float64  `json:"elapsed"`  // seconds
	Duration float64  `json:"duration"` // seconds; 0 runs until it is stopped
	RollOut  float64  `json:"rollout"`  // second at which version 1.1 was deployed; 0 before
	Version  string   `json:"version"`
	State    string   `json:"state"`
	Probes   int64    `json:"probes"`   // in the shortest window
	Total    int64    `json:"total"`    // probed since the start
	Read     int64    `json:"read"`     // detections since the start
	Accuracy float64  `json:"accuracy"` // of the clean decisions in the longest window, against the truth; below 0 if unknown
	RA       Share    `json:"ra"`
	RR       Share    `json:"rr"`
	Points   []Point  `json:"points"`
	Families []Family `json:"families"`
	Alert    *Alert   `json:"alert"`
	// Fired counts the alerts that were delivered, the first of them at second FiredAt with the text FiredText; Outcomes is
	// how every detection ended, over all partitions.
	Fired     int              `json:"-"`
	FiredAt   float64          `json:"-"`
	FiredText string           `json:"-"`
	Outcomes  map[string]int64 `json:"-"`
}

// Share is a rate with its 95 % band.
type Share struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Record holds the latest view. It is safe for concurrent use.
type Record struct {
	mu    sync.Mutex
	start time.Time
	view  View
}

// NewRecord starts the clock of a record at start.
func NewRecord(start time.Time, duration time.Duration) *Record {
	return &Record{start: start, view: View{Duration: duration.Seconds(), Accuracy: -1, State: "starting"}}
}

// Update changes the view under the lock; now dates it.
func (r *Record) Update(now time.Time, change func(v *View, t float64)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.view.Elapsed = now.Sub(r.start).Seconds()
	change(&r.view, r.view.Elapsed)
}

// View returns a copy that later updates leave alone: updates append to its slices or replace them, and never write into
// them.
func (r *Record) View() View {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.view
}
