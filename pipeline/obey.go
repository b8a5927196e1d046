package pipeline

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What people order is carried out by the fold, because the state has one writer.
//
// In: the pending orders. Out: an answer to each, and what they change. Invariant: an order is carried out once. Those
// that were answered are only dropped again; those that a rolled-back store brings back find what they made already there,
// because everything that an order makes has an id which follows from the order.

// obey carries out the pending orders, oldest first, before anything is judged.
func (r *run) obey() (transitions []Transition) {
	r.expire()
	for _, o := range r.in.Orders {
		r.done = append(r.done, o.ID)
		if slices.ContainsFunc(r.st.Answers, func(a Answer) bool { return a.ID == o.ID }) {
			continue
		}
		a, t := r.carryOut(o)
		r.st.Answers = append(r.st.Answers, a)
		transitions = append(transitions, t...)
	}
	if extra := len(r.st.Answers) - keptAnswers; extra > 0 {
		r.st.Answers = slices.Clone(r.st.Answers[extra:])
	}
	return transitions
}

func (r *run) carryOut(o Order) (Answer, []Transition) {
	a := Answer{ID: o.ID, Kind: o.Kind, Fold: r.st.Folds, At: r.in.Now.UTC(), Done: true}
	var sent []Transition
	err := o.Validate()
	if err == nil {
		switch o.Kind {
		case OrderImport:
			a.Made, a.Text, err = r.takeIn(o)
		case OrderFreeze:
			a.Made, a.Text, err = r.freeze(o)
		case OrderApprove:
			a.Made, a.Text, err = r.approve(o)
		case OrderMute:
			a.Made, a.Text, err = r.mute(o)
		case OrderUnmute:
			a.Made, a.Text, err = r.unmute(o)
		case OrderTest:
			var t Transition
			if t, a.Text, err = r.test(o); err == nil {
				a.Made, a.Sinks, sent = t.ID, r.in.Sinks, []Transition{t}
			}
		}
	}
	if err != nil {
		a.Done, a.Made, a.Text = false, "", err.Error()
	}
	return a, sent
}

// test makes a transition that says of itself that it is none.
func (r *run) test(o Order) (Transition, string, error) {
	if len(r.in.Sinks) == 0 {
		return Transition{}, "", errors.New("there is nowhere to send it: the alerter has no receiver (telemetry.otlp.endpoint)")
	}
	t := r.transition(cmp.Or(o.Tier, Ticketing), testRule, o.ID)
	t.ID, t.State, t.Previous, t.Started = o.ID+":"+string(StateTest), StateTest, StateTest, t.At
	t.Fingerprint = digest(r.st.Detector, testRule)
	t.Summary = fmt.Sprintf("TEST of the alerts of %s by %s: nothing is wrong", r.st.Detector, o.Author)
	t.Text = strings.Join(append([]string{"What: this is a TEST. Nothing is wrong.",
		fmt.Sprintf("Who: %s, because: %s", o.Author, o.Reason), "First: nothing is to be done."}, r.links()...), "\n")
	text := fmt.Sprintf("sent as tier %s, notify %s, to %s", t.Tier, t.Notify, strings.Join(r.in.Sinks, ", "))
	switch {
	case t.Muted != "":
		text += fmt.Sprintf("; mute %s holds notifications back", t.Muted)
	case t.Notify == NotifyNone:
		text += "; the owner of the detector lets nothing out (notify: none), so a receiver that goes by it tells nobody"
	}
	return t, text, nil
}

// testRule is the rule of transitions that only test the way to the receivers.
const testRule = "test"
