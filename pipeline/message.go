package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What an alert says, in this order: what happened, since when, do verdicts still hold and which way they fall, how many
// live uploads are exposed, model or traffic, worst families, media to look at, can the monitor be trusted, first action,
// links. People on call read it at night, so it has no word of statistics or streams.

// measure fills in the figures of the leading series.
func (r *run) measure(t *Transition, lead *judged) {
	now, window := r.figure(lead.Series)
	t.Value, t.Low, t.High, t.N, t.Window = now.Value, now.Low, now.High, int64(now.N), window
	t.Baseline = 1 - lead.was
	if lead.baseline != nil {
		t.BaselineName = lead.baseline.ID
	}
}

// lens is what a message about a change looks at: what was counted since the change began. The shortest window would
// still be full of what was before.
type lens struct {
	tally *tally
	name  string
}

// lookSince points the lens at the fine buckets after an event time, if the windows that were read reach back so far.
func (r *run) lookSince(onset time.Time) {
	r.lens = lens{tally: newTally(r.active.Generation, r.m.cfg.Skew.Tolerance), name: "since " + clock(onset)}
	begin := floorTo(onset, r.m.fine) + 1
	if !onset.After(r.gen.First) { // nothing was before
		begin = 0
	}
	for _, w := range r.m.cfg.Windows {
		if w <= r.m.cfg.FineHorizon && r.mark.Sub(onset) < w {
			for _, c := range r.m.cellsOf(r.active.ID, w, r.mark, 0) {
				if c.Start >= begin {
					r.lens.tally.add(r.in.Cells[c])
				}
			}
			return
		}
	}
	r.lens = lens{}
}

// figure returns the rate of a series through the lens, or in the shortest window that has enough probes, else since the
// generation appeared.
func (r *run) figure(s Series) (Rate, string) {
	if r.lens.tally != nil {
		if trials := r.lens.tally.trials(s); trials.N >= minShare {
			return *rateOf(trials), r.lens.name
		}
	}
	for i, t := range r.windows {
		if trials := t.trials(s); trials.N >= minShare {
			return *rateOf(trials), windowName(r.m.cfg.Windows[i])
		}
	}
	if rate := rateOf(r.total.trials(s)); rate != nil {
		return *rate, "since it appeared"
	}
	return Rate{High: 1}, "no window"
}

// firingWords composes the summary and the text of a new episode.
func (r *run) firingWords(e *Episode, lead *judged, t *Transition) (summary, text string) {
	what := r.happened(lead, t)
	summary = fmt.Sprintf("%s %s: %s", r.st.Detector, r.active.Version, what)
	lines := []string{
		fmt.Sprintf("What: %s. 95 %% band: %s of 100, %s %s. Held against: %s.", what, failureBand(rateAt(t)),
			count(float64(t.N), "picture", "pictures"), windowWords(t.Window), r.heldAgainst(lead)),
		fmt.Sprintf("Since: about %s; noticed at %s.", stamp(e.Onset), clock(e.Started)),
		"Verdicts: " + r.verdictWords(lead),
		"Exposure: " + r.exposureWords(),
		"Model or traffic: " + r.causeWords(lead, e.Onset),
	}
	if worst := r.worstWords(lead); worst != "" && lead.robustness() {
		lines = append(lines, "Worst: "+worst)
	}
	lines = append(lines, "Look at: "+r.mediaWords(), "Monitor: "+r.monitorWords(), "First: "+r.actionWords(lead, e.Onset))
	return summary, strings.Join(append(lines, r.links()...), "\n")
}

func rateAt(t *Transition) Rate {
	return Rate{Value: t.Value, Low: t.Low, High: t.High, N: float64(t.N)}
}

func windowWords(window string) string {
	if window != "" && window[0] >= '0' && window[0] <= '9' {
		return "of the last " + window
	}
	return window
}

// happened is the sentence of the summary.
func (r *run) happened(lead *judged, t *Transition) string {
	now := share(1 - t.Value)
	was := "it was " + shortShare(lead.was, now)
	if lead.Objective > 0 {
		was = "the objective allows " + shortShare(lead.q0, now)
	}
	if lead.Metric == MetricSkew {
		return fmt.Sprintf("%s pictures have a deployed score that differs from ours by more than %s; at most %s are allowed",
			now, plain(r.m.cfg.Skew.Tolerance), shortShare(lead.q0, now))
	}
	return fmt.Sprintf("%s pictures changed by %s now %s; %s", now, changedBy(lead.Series), failing(lead.Series), was)
}

// shortShare leaves out "of 100" where the sentence has said it.
func shortShare(rate float64, said string) string {
	text := share(rate)
	if _, of, ok := strings.Cut(said, " of "); ok {
		return strings.TrimSuffix(text, " of "+of)
	}
	return text
}

func (r *run) heldAgainst(lead *judged) string {
	switch {
	case lead.Metric == MetricSkew:
		return "the configured share"
	case lead.Objective > 0:
		return fmt.Sprintf("your objective of %s", plain(lead.Objective))
	case lead.baseline == nil:
		return "nothing"
	}
	return fmt.Sprintf("%s (%s)", lead.baseline.Reason, count(lead.basis, "picture", "pictures"))
}

// verdictWords says whether verdicts hold under the perturbations of the series, and which way they fall.
func (r *run) verdictWords(lead *judged) string {
	s := lead.Series
	if scopes := scopesOf(r.active.Generation); s.Metric == MetricSkew && len(scopes) > 0 {
		s.pools = scopes[0].pools
	}
	t := r.fullest(s)
	s.Metric = MetricRASelf
	rate := rateOf(t.trials(s))
	if rate == nil {
		return "no picture was probed yet."
	}
	toReal, toFake := t.flips(s.pools)
	text := share(rate.Value) + " still hold"
	if toReal+toFake == 0 {
		return text + "; none turned."
	}
	return fmt.Sprintf("%s. Of %s that turned, %d went from fake to real (a fake slips through) and %d from real to fake (a real one is blocked).",
		text, count(float64(toReal+toFake), "verdict", "verdicts"), toReal, toFake)
}

// fullest is the shortest window with enough probes of a series, else the totals.
func (r *run) fullest(s Series) *tally {
	s.Metric = MetricRASelf
	if t := r.lens.tally; t != nil && t.trials(s).N >= minShare {
		return t
	}
	for _, t := range r.windows {
		if t.trials(s).N >= minShare {
			return t
		}
	}
	return r.total
}

func (r *run) exposureWords() string {
	views := r.exposure()
	if views == nil {
		return "unknown."
	}
	return fmt.Sprintf("about %.0f live uploads an hour go through this detector.", views.PerHour)
}

// exposure is the window that says how much traffic there is: an hour, else the longest below.
func (r *run) exposure() *WindowView {
	views := r.views()
	var best *WindowView
	for i := range views {
		if best == nil || views[i].Seconds <= int64(time.Hour/time.Second) {
			best = &views[i]
		}
	}
	return best
}

// causeWords tells what else changed: the version, the amount of traffic, or what it is made of.
func (r *run) causeWords(lead *judged, onset time.Time) string {
	if !lead.robustness() {
		return "neither is known to have changed: the model that we probe is perhaps not the one that is deployed."
	}
	text := fmt.Sprintf("version %s has not changed in the 24h before; the traffic is the first suspect.", r.active.Version)
	if g := r.st.Generations[r.st.Previous]; g != nil && onset.Sub(r.st.Changed) < 24*time.Hour {
		text = fmt.Sprintf("version %s took over from version %s at %s", r.active.Version, g.Version, stamp(r.st.Changed))
		if r.rollOut(onset) {
			return text + "; the model is the first suspect."
		}
		text += fmt.Sprintf(", %s before; the traffic is the first suspect.", rounded(onset.Sub(r.st.Changed)))
	}
	short, long := r.windows[0], r.windows[len(r.windows)-1]
	if short.probes >= minShare && len(r.windows) > 1 {
		text += fmt.Sprintf(" Judged fake: %s in the last %s, %s in the last %s.",
			outOf(float64(short.cleanFake), float64(short.probes)), windowName(r.m.cfg.Windows[0]),
			outOf(float64(long.cleanFake), float64(long.probes)), windowName(r.m.cfg.Windows[len(r.windows)-1]))
	}
	return text
}

// rollOut says that a change began with the active version, or within an hour of it.
func (r *run) rollOut(onset time.Time) bool {
	return !r.st.Changed.IsZero() && onset.Sub(r.st.Changed) < time.Hour
}

// worstFamilies is how many families a message lists.
const worstFamilies = 3

// worstWords lists the families whose failures rose most above the baseline: surely, or as the lead of the episode.
func (r *run) worstWords(lead *judged) string {
	type fallen struct {
		rise float64
		text string
	}
	var list []fallen
	for _, j := range r.list {
		if j.Scope != ScopeFamily || j.detector == nil || j.Objective > 0 || j.Tier == LogOnly || j.Metric == MetricRALabel {
			continue
		}
		now, _ := r.figure(j.Series)
		rise := 1 - now.Value - j.was
		if now.N > 0 && rise > r.m.cfg.Epsilon && (1-now.High > j.was || j == lead) {
			list = append(list, fallen{rise, fmt.Sprintf("%s: %s %s (%s), was %s", familyWords(j.Family), share(1-now.Value),
				failing(j.Series), failureBand(now), shortShare(j.was, share(1-now.Value)))})
		}
	}
	slices.SortStableFunc(list, func(a, b fallen) int { return cmp.Compare(b.rise, a.rise) })
	var texts []string
	for _, f := range list[:min(len(list), worstFamilies)] {
		texts = append(texts, f.text)
	}
	return strings.Join(texts, "; ")
}

func (r *run) mediaWords() string {
	var texts []string
	for _, x := range r.in.Examples {
		name := "clean"
		if x.Variant >= 1 && x.Variant <= len(r.active.Variants) {
			v := r.active.Variants[x.Variant-1]
			name = v.Family + " " + v.Parameter
		}
		if x.Media != "" {
			texts = append(texts, fmt.Sprintf("%s (%s: %.2f to %.2f)", x.Media, name, x.Clean, x.Perturbed))
		}
	}
	if len(texts) == 0 {
		return "no media id may be shown, or none is kept."
	}
	return strings.Join(texts, ", ")
}

func (r *run) monitorWords() string {
	var texts []string
	if r.mark.IsZero() {
		texts = append(texts, "nothing was counted yet")
	} else {
		texts = append(texts, fmt.Sprintf("counted up to %s, %s behind", clock(r.mark), rounded(r.in.Now.Sub(r.mark))))
	}
	t := r.short()
	if t.skewProbes > 0 {
		texts = append(texts, fmt.Sprintf("%d of %d deployed scores differ from ours by more than %s", t.skewBeyond, t.skewProbes,
			plain(r.m.cfg.Skew.Tolerance)))
	}
	if all := t.probes + t.inconclusive; all > 0 {
		texts = append(texts, fmt.Sprintf("%d of %d probes could not be concluded", t.inconclusive, all))
	}
	if r.st.Trust.Reason != "" {
		texts = append(texts, "NOT TO BE TRUSTED NOW: "+r.st.Trust.Reason)
	}
	return strings.Join(texts, "; ") + "."
}

func (r *run) actionWords(lead *judged, onset time.Time) string {
	if lead.Metric == MetricSkew {
		return "compare the model, threshold and pre-processing that are deployed with the ones in the configuration."
	}
	if g := r.st.Generations[r.st.Previous]; g != nil && r.rollOut(onset) {
		return fmt.Sprintf("stop the roll-out of version %s, or go back to version %s, until its figures under %s are understood.",
			r.active.Version, g.Version, changedBy(lead.Series))
	}
	return "look at the media above; ask what changed upstream (encoder, client app, source) at that time."
}

func (r *run) links() []string {
	var links []string
	for _, l := range []struct{ name, url string }{{"page", r.m.cfg.Page}, {"runbook", r.m.route.Runbook}} {
		if l.url != "" {
			links = append(links, l.name+" "+l.url)
		}
	}
	if len(links) == 0 {
		return nil
	}
	return []string{"Links: " + strings.Join(links, ", ")}
}
