package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"shaketable/metrics"
)

// OrderKind is what a person asks of the clock path of a detector.
type OrderKind string

// The orders. What they do is said where they are carried out.
const (
	OrderImport  OrderKind = "import"  // propose a baseline that was made elsewhere
	OrderFreeze  OrderKind = "freeze"  // propose a baseline made of the latest figures
	OrderApprove OrderKind = "approve" // hold the active generation against a proposed baseline from now on
	OrderMute    OrderKind = "mute"    // hold back notifications until a time
	OrderUnmute  OrderKind = "unmute"
	OrderTest    OrderKind = "test" // send a transition that is none, to see that it arrives
)

// Order is written down by a command and carried out by the next fold of whoever holds the lease, so that the state has
// one writer. It is carried out once, however often it is read.
type Order struct {
	ID     string    `json:"id"` // random; a repetition has the same
	Kind   OrderKind `json:"kind"`
	Author string    `json:"author"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"` // wall clock of the command
	// Baseline is what is imported.
	Baseline *metrics.Baseline `json:"baseline,omitempty"`
	// Target is the id of the baseline to approve, or of the mute to end.
	Target string `json:"target,omitempty"`
	// Span is the part of the past that a freeze takes, back from the watermark; 0: all since the generation appeared.
	Span time.Duration `json:"span,omitempty"`
	// Until is the end of a mute, wall clock; Tier what it holds back, "" for all, or the tier of a test.
	Until time.Time `json:"until,omitzero"`
	Tier  Tier      `json:"tier,omitempty"`
}

// Validate says what an order lacks, whatever state it meets.
func (o Order) Validate() error {
	switch {
	case o.ID == "" || o.At.IsZero():
		return fmt.Errorf("order %q: has no id or no time", o.ID)
	case o.Author == "" || o.Reason == "":
		return fmt.Errorf("order %s: author %q, reason %q: both are needed", o.ID, o.Author, o.Reason)
	case o.Tier != "" && !slices.Contains(tiers(), o.Tier):
		return fmt.Errorf("order %s: tier %q is not one of page, ticket, log", o.ID, o.Tier)
	case o.Span < 0:
		return fmt.Errorf("order %s: span %s is negative", o.ID, o.Span)
	}
	switch o.Kind {
	case OrderFreeze, OrderTest:
		return nil
	case OrderImport:
		if o.Baseline == nil {
			return fmt.Errorf("order %s: there is no baseline to import", o.ID)
		}
		if err := o.Baseline.Validate(); err != nil {
			return fmt.Errorf("order %s: %w", o.ID, err)
		}
		return nil
	case OrderApprove, OrderUnmute:
		if o.Target == "" {
			return fmt.Errorf("order %s: %s needs the id of what is meant", o.ID, o.Kind)
		}
		return nil
	case OrderMute:
		if o.Until.IsZero() {
			return fmt.Errorf("order %s: a mute needs an end", o.ID)
		}
		return nil
	}
	return fmt.Errorf("order %s: kind %q is not one of import, freeze, approve, mute, unmute, test", o.ID, o.Kind)
}

// Answer is what became of an order. The state keeps the last ones, so that the command can tell, and so that nothing is
// carried out twice.
type Answer struct {
	ID   string    `json:"id"` // of the order
	Kind OrderKind `json:"kind"`
	Fold int64     `json:"fold"`
	At   time.Time `json:"at"`   // wall clock of the fold
	Done bool      `json:"done"` // false: refused
	Text string    `json:"text"` // what was done, or why it was refused
	// Made is the id of the baseline, mute or transition that came of it.
	Made string `json:"made,omitempty"`
	// Sinks are where a test went.
	Sinks []string `json:"sinks,omitempty"`
}

// keptAnswers is how many answers the state keeps.
const keptAnswers = 50

// MaxOrders is how many orders of a detector may wait.
const MaxOrders = 100

// ErrOrdersWait is returned by Orders.Order when too many orders wait already: nobody seems to carry them out.
var ErrOrdersWait = errors.New("too many orders wait already; is an alerter running (shaketable run)?")

// Orders is where commands leave orders and folds find them. What Save carried out is dropped by Save itself: see
// [Save.Done].
type Orders interface {
	// Order adds an order behind those that wait; one with an id that waits already changes nothing.
	Order(ctx context.Context, detector string, o Order) error
	// PendingOrders returns what no Save has carried out yet, oldest first.
	PendingOrders(ctx context.Context, detector string) ([]Order, error)
}
