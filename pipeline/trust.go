package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"shaketable/metrics"
)

// Trust says whether the monitor itself can be believed. It is an alert of its own: while State is not "", no robustness
// alert fires or resolves.
type Trust struct {
	State   AlertState `json:"state,omitempty"` // "", no_data or untrusted
	Since   time.Time  `json:"since,omitzero"`  // event time of the fold that found it
	Reason  string     `json:"reason,omitempty"`
	Episode string     `json:"episode,omitempty"`
}

// monitorRule is the rule of transitions that are about the monitor, not the model.
const monitorRule = "monitor"

// minShare is how many probes a share needs before it can cost trust: below, show the interval, never a verdict.
const minShare = 30

// trust looks at the watermark, the shortest window and its shares, and returns a transition if the state changed.
func (r *run) trust() *Transition {
	now := r.st.Trust
	next := Trust{}
	next.State, next.Reason = r.distrust(now.State == StateUntrusted)
	if next.State == now.State {
		if next.Reason != "" {
			r.st.Trust.Reason = next.Reason
		}
		return nil
	}
	previous, episode := now.State, now.Episode
	if next.State != "" {
		next.Since = r.moment()
	}
	if next.State != "" && !(next.State == StateUntrusted && r.skewed()) { // the alert on skew has said so already
		next.Episode = r.episodeID(monitorRule+" "+string(next.State), r.st.Folds)
		episode = next.Episode
	}
	if previous == "" {
		previous = StateOK
	}
	if next.State != "" && next.Episode == "" { // what was told of before is still open, and to be ended later
		r.st.Trust, r.st.Trust.Episode = next, now.Episode
		return nil
	}
	r.st.Trust = next
	if episode == "" {
		return nil
	}
	t := r.transition(Ticketing, monitorRule, episode)
	t.Fingerprint = digest(r.st.Detector, monitorRule)
	t.State, t.Previous, t.Started = next.State, previous, next.Since
	if next.State == "" {
		t.State, t.Started = StateResolved, now.Since
	}
	t.ID = t.Episode + ":" + string(t.State)
	t.Cause = r.distrustCause(next.State)
	t.Summary, t.Text = r.trustWords(next, now)
	return &t
}

// distrustCause is the suspect where the figures are not believed: what is served, if it is not what we probe.
func (r *run) distrustCause(s AlertState) string {
	t := r.short()
	switch {
	case s != StateUntrusted:
		return ""
	case r.skewed() || over(metrics.Trials{N: float64(t.skewProbes), K: float64(t.skewBeyond)}, r.m.cfg.Skew.Share, true):
		return CauseServing
	}
	return CauseUnknown
}

func (r *run) distrust(already bool) (AlertState, string) {
	hold := r.m.cfg.NoData.MaxHold
	if d := r.in.Now.Sub(r.st.Moved); d >= hold {
		return StateNoData, fmt.Sprintf("nothing new was counted for %s: no traffic, or a partition that is not read", rounded(d))
	}
	if d := r.in.Now.Sub(r.st.Probed); d >= hold {
		return StateNoData, fmt.Sprintf("fewer than %d probes within %s, for %s", r.m.cfg.NoData.MinProbes,
			windowName(r.m.cfg.Windows[0]), rounded(d))
	}
	if r.skewed() {
		return StateUntrusted, "the alert on deployed scores that differ from ours is open: we are perhaps not probing the deployed model"
	}
	t := r.short()
	skew := metrics.Trials{N: float64(t.skewProbes), K: float64(t.skewBeyond)}
	if over(skew, r.m.cfg.Skew.Share, already) {
		return StateUntrusted, fmt.Sprintf("%s pictures have a deployed score that differs by more than %s from ours: we are "+
			"perhaps not probing the deployed model", outOf(skew.K, skew.N), plain(r.m.cfg.Skew.Tolerance))
	}
	failed := metrics.Trials{N: float64(t.probes + t.inconclusive), K: float64(t.inconclusive)}
	if over(failed, r.m.cfg.Inconclusive, already) {
		return StateUntrusted, fmt.Sprintf("%s probes could not be concluded%s", outOf(failed.K, failed.N), topReason(t.reasons))
	}
	return "", ""
}

// skewed says that an alert on serving skew is open.
func (r *run) skewed() bool {
	for _, a := range r.st.Alerts {
		if a.Episode != nil && slices.ContainsFunc(a.Episode.Broken, func(b Broken) bool { return b.Series == string(MetricSkew) }) {
			return true
		}
	}
	return false
}

// over says that a share is above its limit: surely, to begin with; then until it is at the limit or below.
func over(t metrics.Trials, limit float64, already bool) bool {
	rate, ok := t.Rate()
	if !ok || t.N < minShare {
		return false
	}
	if already {
		return rate > limit
	}
	band, err := metrics.Wilson(t.K, t.N, .05)
	return err == nil && band.Lower > limit
}

func topReason(reasons map[string]int64) string {
	top := ""
	for _, reason := range sortedKeys(reasons) {
		if top == "" || reasons[reason] > reasons[top] {
			top = reason
		}
	}
	if top == "" {
		return ""
	}
	return ", most of them: " + top
}

// digest joins names into an identity of 16 hex digits.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
