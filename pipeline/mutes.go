package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Mute holds notifications back until a time. What happens meanwhile is recorded as ever, with Notify "none".
type Mute struct {
	ID     string    `json:"id"`             // of the order that asked for it
	Tier   Tier      `json:"tier,omitempty"` // "" for all
	Until  time.Time `json:"until"`          // wall clock
	Author string    `json:"author"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"` // wall clock of the command
}

// LongestMute bounds a mute: what nobody wants to hear for a month is not worth an alert.
const LongestMute = 30 * 24 * time.Hour

// expire drops the mutes that have ended.
func (r *run) expire() {
	r.st.Mutes = slices.DeleteFunc(r.st.Mutes, func(m Mute) bool { return !r.in.Now.Before(m.Until) })
}

// muting returns the mute that holds a tier back, of several the one that ends last; nil if none does.
func (r *run) muting(tier Tier) *Mute {
	var found *Mute
	for i := range r.st.Mutes {
		m := &r.st.Mutes[i]
		if (m.Tier == "" || m.Tier == tier) && r.in.Now.Before(m.Until) && (found == nil || m.Until.After(found.Until)) {
			found = m
		}
	}
	return found
}

func (r *run) mute(o Order) (made, text string, err error) {
	switch {
	case !o.Until.After(r.in.Now):
		return "", "", fmt.Errorf("the mute would have ended at %s already", stamp(o.Until))
	case o.Until.Sub(r.in.Now) > LongestMute:
		return "", "", fmt.Errorf("the mute would last until %s: at most 30 days are possible", stamp(o.Until))
	}
	if !slices.ContainsFunc(r.st.Mutes, func(m Mute) bool { return m.ID == o.ID }) { // else the archive has brought it back
		r.st.Mutes = append(r.st.Mutes, Mute{ID: o.ID, Tier: o.Tier, Until: o.Until.UTC(), Author: o.Author, Reason: o.Reason, At: o.At.UTC()})
	}
	return o.ID, fmt.Sprintf("%s of %s are held back until %s", tierWords(o.Tier), r.st.Detector, stamp(o.Until)), nil
}

func (r *run) unmute(o Order) (made, text string, err error) {
	for i, m := range r.st.Mutes {
		if m.ID == o.Target {
			r.st.Mutes = slices.Delete(r.st.Mutes, i, i+1)
			return m.ID, fmt.Sprintf("the mute of %s by %s is ended", tierWords(m.Tier), m.Author), nil
		}
	}
	var ids []string
	for _, m := range r.st.Mutes {
		ids = append(ids, m.ID)
	}
	if len(ids) == 0 {
		return "", "", fmt.Errorf("%q is no mute of %s: it has none", o.Target, r.st.Detector)
	}
	return "", "", fmt.Errorf("%q is no mute of %s: it has %s", o.Target, r.st.Detector, strings.Join(ids, ", "))
}

func tierWords(t Tier) string {
	switch t {
	case "":
		return "all notifications"
	case Paging:
		return "pages"
	case Ticketing:
		return "tickets"
	}
	return "log entries"
}
