package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// How often people are told of something that goes on: once, again when a mute has ended, from time to time while it
// lasts, and as one alert when it comes and goes.

// Notice is when people were last told of an episode. Times are wall clock: people wait by it.
type Notice struct {
	Told time.Time `json:"told,omitzero"`
	// Muted is the mute that held something back since; "" if none did.
	Muted  string `json:"muted,omitempty"`
	Repeat int    `json:"repeat,omitempty"` // how often it was said again
}

// RepeatConfig is part of [AlertConfig]: how long after the last message a firing alert is told again; 0 never.
type RepeatConfig struct {
	Page   time.Duration `yaml:"page"`
	Ticket time.Duration `yaml:"ticket"`
}

// Of returns the time of a tier.
func (c RepeatConfig) Of(t Tier) time.Duration {
	return map[Tier]time.Duration{Paging: c.Page, Ticketing: c.Ticket}[t]
}

func (c RepeatConfig) validate() (es []error) {
	for _, t := range []Tier{Paging, Ticketing} {
		if d := c.Of(t); d < 0 || d > 0 && d < time.Minute {
			es = append(es, fmt.Errorf("repeat.%s: %v must be 0 (never) or at least 1m", t, d))
		}
	}
	return es
}

const (
	// flapEpisodes within flapSpan of event time make the next one flap.
	flapEpisodes = 3
	flapSpan     = 24 * time.Hour
)

// begun takes note of an episode that begins, and says whether the alert flaps. One episode that lasts twice as long after
// the last trouble is less noise than one every few hours.
func (a *Alert) begun(e *Episode) {
	a.Begun = slices.DeleteFunc(slices.Clone(a.Begun), func(t time.Time) bool { return e.Started.Sub(t) >= flapSpan })
	e.Flapping = len(a.Begun) >= flapEpisodes
	a.Begun = append(a.Begun, e.Started)
}

// hold is how long the evidence of recovery has to stand.
func (e *Episode) hold(ordinary time.Duration) time.Duration {
	if e.Flapping {
		return 2 * ordinary
	}
	return ordinary
}

// announce completes the first message of an episode.
func (r *run) announce(a *Alert, e *Episode, t *Transition) {
	e.Notice = Notice{Told: r.in.Now.UTC(), Muted: t.Muted}
	if !e.Flapping {
		return
	}
	t.Flapping = true
	note := fmt.Sprintf("it has come and gone %d times in 24h", len(a.Begun)-1)
	t.Summary += "; " + note
	t.Text = fmt.Sprintf("It comes and goes: %s. From now on it ends only after %s without trouble, so that it stays one alert.\n%s",
		strings.TrimPrefix(note, "it has "), rounded(e.hold(r.m.cfg.Resolve.Hold)), t.Text)
}

// remind repeats the message of an episode with the figures of now: when a mute has ended, or when it has been long.
func (r *run) remind(tier Tier, e *Episode) *Transition {
	if tier == LogOnly {
		return nil
	}
	if m := r.muting(tier); m != nil {
		e.Notice.Muted = m.ID
		return nil
	}
	if e.Notice.Told.IsZero() { // an episode of an earlier version of the program
		e.Notice.Told = r.in.Now.UTC()
	}
	lasting := r.in.Now.Sub(e.Notice.Told)
	every := r.m.cfg.Repeat.Of(tier)
	due := every > 0 && lasting >= every && allowed(tier, r.m.route.Notify) != NotifyNone
	if e.Notice.Muted == "" && !due {
		return nil
	}
	lead := r.standing(e)
	if lead == nil || lead.robustness() && r.st.Trust.State != "" { // what is held back is not said again
		return nil
	}
	t := r.again(tier, e, lead)
	e.Notice = Notice{Told: r.in.Now.UTC(), Repeat: e.Notice.Repeat + 1}
	return &t
}

// standing is the leading series of an episode, or another one that broke; nil if none is judged now.
func (r *run) standing(e *Episode) *judged {
	if j := r.find(e.Series); j != nil && j.detector != nil {
		return j
	}
	for _, b := range e.Broken {
		if j := r.find(b.Series); j != nil && j.detector != nil {
			return j
		}
	}
	return nil
}

func (r *run) again(tier Tier, e *Episode, lead *judged) Transition {
	t := r.transition(tier, e.Rule, e.ID)
	t.State, t.Previous, t.Started, t.Repeat, t.Flapping = StateFiring, StateFiring, e.Started, e.Notice.Repeat+1, e.Flapping
	t.ID = fmt.Sprintf("%s:%s:%d", e.ID, StateFiring, t.Repeat)
	r.measure(&t, lead)
	t.Summary, t.Text = r.firingWords(e, lead, &t)
	lasting := rounded(r.mark.Sub(e.Started))
	why := fmt.Sprintf("Reminder %d: the alert is open for %s now. The figures are those of now.", t.Repeat, lasting)
	if e.Notice.Muted != "" {
		why = fmt.Sprintf("A mute has ended: the alert is open for %s now. The figures are those of now.", lasting)
	}
	head := r.st.Detector + " " + r.active.Version + ": "
	t.Summary = head + "still, after " + lasting + ": " + strings.TrimPrefix(t.Summary, head)
	t.Text = why + "\n" + t.Text
	return t
}
