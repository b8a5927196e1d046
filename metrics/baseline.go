package metrics

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// BaselineSchema is the version of the JSON form of a [Baseline] that this program reads and writes.
const BaselineSchema = 1

// BaselineKind says where a baseline comes from.
type BaselineKind string

// The kinds of baseline.
const (
	Objective   BaselineKind = "objective"   // the user's own promise: a share that must hold
	File        BaselineKind = "file"        // counted by an evaluation beforehand
	Predecessor BaselineKind = "predecessor" // the frozen rates of the previous generation
	BurnIn      BaselineKind = "burn_in"     // the first matured probes of this generation
	Accepted    BaselineKind = "accepted"    // the rates after a change that somebody has accepted
)

// Reference is what one series is held against: either the counted trials of a baseline, or an objective.
type Reference struct {
	// N trials, K of them failures; 0 for an objective.
	N float64 `json:"n,omitempty"`
	K float64 `json:"k,omitempty"`
	// Objective is the share that must hold, in (0,1); 0 for counted trials.
	Objective float64 `json:"objective,omitempty"`
}

// Baseline is a frozen set of references. It is a value: to change one, freeze another with a new id.
type Baseline struct {
	Schema int          `json:"schema"`
	Kind   BaselineKind `json:"kind"`
	// ID names this baseline in alerts; unique among those of a detector.
	ID string `json:"id"`
	// Generation is the one whose probes were counted; empty for an objective.
	Generation string `json:"generation,omitempty"`
	// FrozenAt is the moment it was frozen, by the caller's clock.
	FrozenAt time.Time `json:"frozen_at"`
	// Author and Reason say who froze it and why.
	Author string `json:"author"`
	Reason string `json:"reason"`
	// Provenance holds what the counts were made from: suite, media set, program version, period.
	Provenance map[string]string `json:"provenance,omitempty"`
	// Version numbers the baselines of the generation that this one was made for; 0 before it was given a place there.
	Version int `json:"version,omitempty"`
	// Approved says who put it in use; nil if the configuration did.
	Approved *Approval `json:"approved,omitempty"`
	// Series maps the name of a series to its reference.
	Series map[string]Reference `json:"series"`
}

// Approval is the word of a person.
type Approval struct {
	By     string `json:"by"`
	Reason string `json:"reason"`
	// At is the moment by the clock of the approver.
	At time.Time `json:"at"`
}

// ParseBaseline reads one baseline from JSON and validates it. Unknown fields and anything after the baseline are errors.
func ParseBaseline(data []byte) (Baseline, error) {
	var b Baseline
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil {
		return Baseline{}, fmt.Errorf("parsing baseline: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Baseline{}, fmt.Errorf("parsing baseline: more input after byte %d: give one baseline", dec.InputOffset())
	}
	return b, b.Validate()
}

// Validate reports all faults at once, the series in the order of their names.
func (b Baseline) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if b.Schema != BaselineSchema {
		fault("schema is %d: this program reads %d", b.Schema, BaselineSchema)
	}
	if !slices.Contains([]BaselineKind{Objective, File, Predecessor, BurnIn, Accepted}, b.Kind) {
		fault("kind %q is unknown: want objective, file, predecessor, burn_in or accepted", b.Kind)
	}
	if b.Version < 0 {
		fault("version is %d: it counts from 1", b.Version)
	}
	if a := b.Approved; a != nil && (a.By == "" || a.Reason == "" || a.At.IsZero()) {
		fault("approved: by, reason and at are all needed")
	}
	if b.FrozenAt.IsZero() {
		fault("frozen_at is missing")
	}
	named := []struct{ field, value string }{{"id", b.ID}, {"author", b.Author}, {"reason", b.Reason}}
	if b.Kind != Objective {
		named = append(named, struct{ field, value string }{"generation", b.Generation})
	}
	for _, f := range named {
		if f.value == "" {
			fault("%s is missing", f.field)
		}
	}
	if len(b.Series) == 0 {
		fault("series is empty: a baseline needs at least one")
	}
	for _, name := range slices.Sorted(maps.Keys(b.Series)) {
		if err := b.Series[name].validate(b.Kind); err != nil {
			fault("series %q: %w", name, err)
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("baseline %q: %w", b.ID, errors.Join(faults...))
	}
	return nil
}

func (r Reference) validate(kind BaselineKind) error {
	if kind == Objective {
		if r.N != 0 || r.K != 0 {
			return errors.New("an objective has no n and k")
		}
		_, err := NullObjective(r.Objective)
		return err
	}
	if r.Objective != 0 {
		return fmt.Errorf("only a baseline of kind %s has objectives", Objective)
	}
	if r.N == 0 {
		return errors.New("n is missing or 0: leave out a series that was not probed")
	}
	return Trials{N: r.N, K: r.K}.Validate()
}

// Null returns q0 of a series: [NullObjective] of its objective, or [Null] of its trials and epsilon. A series that the
// baseline does not have is reported by false, without an error.
func (b Baseline) Null(series string, epsilon float64) (q0 float64, ok bool, err error) {
	r, ok := b.Series[series]
	if !ok {
		return 0, false, nil
	}
	if b.Kind == Objective {
		q0, err = NullObjective(r.Objective)
	} else {
		q0, err = Null(r.K, r.N, epsilon)
	}
	if err != nil {
		return 0, false, fmt.Errorf("baseline %q, series %q: %w", b.ID, series, err)
	}
	return q0, true, nil
}
