package pipeline

import (
	"context"
	"time"
)

// AlertState is where the one alert of a detector and tier stands.
type AlertState string

// The states. Learning: no baseline yet. Untrusted: held back because the probed model is not the deployed one, or too
// many probes fail.
const (
	StateLearning   AlertState = "learning"
	StateOK         AlertState = "ok"
	StateFiring     AlertState = "firing"
	StateResolved   AlertState = "resolved"
	StateNoData     AlertState = "no_data"
	StateUntrusted  AlertState = "untrusted"
	StateSuperseded AlertState = "superseded"
	StateTest       AlertState = "test" // of a transition that only tests the way to the receivers
)

// Tier decides how loud an alert is and whose allowance of false alarms it uses.
type Tier string

// Paging wakes people, Ticketing waits for the morning, LogOnly is kept.
const (
	Paging    Tier = "page"
	Ticketing Tier = "ticket"
	LogOnly   Tier = "log"
)

// Transition is one message: a change of state of one alert. ID is the same however often it is sent.
type Transition struct {
	ID          string `json:"id"`          // of this transition: episode id + state
	Episode     string `json:"episode"`     // hash(rule, config digest, first fold that broke it)
	Fingerprint string `json:"fingerprint"` // hash(detector, tier)
	Detector    string `json:"detector"`
	Version     string `json:"version"`
	Generation  string `json:"generation"`
	Tier        Tier   `json:"tier"`
	Notify      string `json:"notify"` // none | ticket | page: what the owner allowed when it happened
	Owner       string `json:"owner,omitempty"`
	// Muted is the mute that holds this message back: Notify is "none" then.
	Muted string `json:"muted,omitempty"`
	// Repeat counts how often the same was said before; ID differs each time.
	Repeat int `json:"repeat,omitempty"`
	// Flapping says that the alert has come and gone several times within a day.
	Flapping bool       `json:"flapping,omitempty"`
	Rule     string     `json:"rule"` // the leading series, "RR(0.05) jpeg"
	State    AlertState `json:"state"`
	Previous AlertState `json:"previous"`
	// At is event time (the watermark) of the fold that decided; Started the event time of the episode's first fold.
	At      time.Time `json:"at"`
	Started time.Time `json:"started"`
	// Value, Low and High are the current failure-free rate of the leading series with its 95 % band and N; Baseline is
	// what it was held against.
	Value        float64 `json:"value"`
	Low          float64 `json:"low"`
	High         float64 `json:"high"`
	N            int64   `json:"n"`
	Baseline     float64 `json:"baseline"`
	BaselineName string  `json:"baseline_name"`
	Window       string  `json:"window"`
	// Cause is the suspect that the text names: "model", "serving", "traffic", a slice such as "source=upload-api", "runtime",
	// "labels" or "unknown"; "" where nothing is wrong with the figures.
	Cause   string `json:"cause,omitempty"`
	Summary string `json:"summary"` // one line
	Text    string `json:"text"`    // the whole message, in the order DESIGN asks for
	Runbook string `json:"runbook,omitempty"`
}

// Sink delivers transitions. Send returns nil only when the receiver has acknowledged; it is called again otherwise.
type Sink interface {
	Name() string
	Send(ctx context.Context, t Transition) error
}
