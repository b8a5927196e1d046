package pipeline

import (
	"cmp"
	"slices"
	"time"
)

// Of several generations of a detector the active one is judged: the one that live traffic goes through.

const (
	// takeover is the share of recent detections that another generation needs to become active. Above a half, so that a
	// rolling deploy changes sides once: between .4 and .6 the side stays.
	takeover = .6
	// takeoverSure is how many recent detections make a share a fact at once; fewer must lead for one shortest window.
	takeoverSure = 30
	// remembered bounds the generations whose baseline is kept: a roll-back may return to any of them.
	remembered = 16
)

// choice is which generation is active, and which one is about to be.
type choice struct {
	Active string `json:"active,omitempty"`
	// Leader has led since LeaderSince, event time, but not for long enough.
	Leader      string    `json:"leader,omitempty"`
	LeaderSince time.Time `json:"leader_since,omitzero"`
}

// next looks at the detections of the shortest window by generation. A silent detector keeps its generation.
func (c choice) next(recent map[string]int64, generations []Registration, mark time.Time, hold time.Duration) choice {
	leader, share, total := leading(recent, generations)
	switch {
	case leader == "" || leader == c.Active:
		return choice{Active: c.Active}
	case c.Active == "":
		return choice{Active: leader}
	case share < takeover:
		return choice{Active: c.Active}
	case total >= takeoverSure:
		return choice{Active: leader}
	case c.Leader != leader:
		return choice{Active: c.Active, Leader: leader, LeaderSince: mark}
	case mark.Sub(c.LeaderSince) >= hold:
		return choice{Active: leader}
	}
	return c
}

// leading returns the generation with the most detections, of equals the one that appeared last.
func leading(recent map[string]int64, generations []Registration) (id string, share float64, total int64) {
	var most int64
	for _, g := range byAppearance(generations) {
		n := recent[g.ID]
		total += n
		if n > 0 && n >= most {
			id, most = g.ID, n
		}
	}
	if total > 0 {
		share = float64(most) / float64(total)
	}
	return id, share, total
}

func byAppearance(generations []Registration) []Registration {
	return slices.SortedStableFunc(slices.Values(generations), func(a, b Registration) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
}

// candidates are the generations that can be active: those that a worker probed within a day of the last word of any
// worker, and the active one.
func candidates(generations []Registration, active string) []Registration {
	var last time.Time
	for _, g := range generations {
		if g.Seen.After(last) {
			last = g.Seen
		}
	}
	var list []Registration
	for _, g := range byAppearance(generations) {
		if g.ID == active || last.Sub(g.Seen) <= 24*time.Hour {
			list = append(list, g)
		}
	}
	if extra := len(list) - remembered; extra > 0 { // keeps the latest, and the active one
		kept := slices.DeleteFunc(slices.Clone(list[:extra]), func(g Registration) bool { return g.ID != active })
		list = append(kept, list[extra:]...)
	}
	return list
}
