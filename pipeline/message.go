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

// firingWords composes the summary and the text of a new episode.
func (r *run) firingWords(e *Episode, lead *judged, t *Transition) (summary, text string) {
	what, why := r.happened(lead, t), r.blame(e, lead)
	t.Cause = why.who
	summary = fmt.Sprintf("%s %s: %s", r.st.Detector, r.active.Version, what)
	if strings.Contains(why.who, "=") && why.who != lead.Slice {
		summary += "; suspect: " + sliceWords(why.who)
	}
	band := failureBand(rateAt(t))
	if lead.Metric == MetricCoverage { // it is told by what is there, not by what is missing
		band = failureBand(Rate{Low: 1 - t.High, High: 1 - t.Low})
	}
	lines := []string{
		fmt.Sprintf("What: %s. 95 %% band: %s of 100, %s %s. Held against: %s.", what, band,
			count(float64(t.N), "picture", "pictures"), windowWords(t.Window), r.heldAgainst(lead)),
		fmt.Sprintf("Since: about %s; noticed at %s.", stamp(e.Onset), clock(e.Started)),
	}
	if lead.Metric == MetricCoverage {
		lines = append(lines, r.coverageLines()...)
	} else {
		lines = append(lines, "Verdicts: "+r.verdictWords(lead), "Exposure: "+r.exposureWords(lead))
	}
	lines = append(lines, "Model or traffic: "+why.words)
	if worst := r.worstWords(lead); worst != "" && lead.robustness() {
		lines = append(lines, "Worst: "+worst)
	}
	if lead.Metric != MetricCoverage {
		lines = append(lines, "Look at: "+r.mediaWords())
	}
	lines = append(lines, "Monitor: "+r.monitorWords(), "First: "+why.action)
	return summary, strings.Join(append(lines, r.links()...), "\n")
}

// blame finds the suspect of an episode once.
func (r *run) blame(e *Episode, lead *judged) cause {
	if e.Why == "" {
		if r.lens.tally == nil {
			r.lookSince(e.Onset)
			defer func() { r.lens = lens{} }()
		}
		why := r.cause(lead, e.Onset)
		e.Cause, e.Why, e.First = why.who, why.words, why.action
	}
	return cause{e.Cause, e.Why, e.First}
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
	switch lead.Metric {
	case MetricSkew:
		return fmt.Sprintf("%s pictures have a deployed score that differs from ours by more than %s; at most %s are allowed",
			now, plain(r.m.cfg.Skew.Tolerance), shortShare(lead.q0, now))
	case MetricCoverage:
		got := share(t.Value)
		event := "labels stopped coming"
		if t.Value >= .01 {
			event = "far fewer labels come"
		}
		return fmt.Sprintf(event+": %s pictures have one %s after they were judged; it was %s", got,
			rounded(r.st.Labels.Delay), shortShare(1-lead.was, got))
	}
	return fmt.Sprintf("%s %s changed by %s now %s; %s", now, picturesOf(lead.Slice), changedBy(lead.Series), failing(lead.Series), was)
}

// picturesOf names the pictures of a slice; "" for all.
func picturesOf(slice string) string {
	if slice == "" {
		return "pictures"
	}
	return "pictures of " + sliceWords(slice)
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
	case lead.Metric == MetricCoverage:
		return fmt.Sprintf("%s (%s); less than about half as many is told", lead.baseline.Reason, count(lead.basis, "picture", "pictures"))
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
	toReal, toFake := t.of(s.Slice).flips(s.pools)
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

func (r *run) exposureWords(lead *judged) string {
	views := r.exposure()
	if views == nil {
		return "unknown."
	}
	text := fmt.Sprintf("about %.0f live uploads an hour go through this detector", views.PerHour)
	if t := r.short(); lead.Slice != "" && t.detections > 0 {
		part := float64(t.of(lead.Slice).detections) / float64(t.detections)
		text += fmt.Sprintf(", %s of %s", strings.Replace(share(part), " of ", " in ", 1), sliceWords(lead.Slice))
	}
	return text + "."
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

// worstFamilies is how many families a message lists.
const worstFamilies = 3

// worstWords lists the families whose failures rose most above the baseline: surely, or as the lead of the episode.
func (r *run) worstWords(lead *judged) string {
	if lead.Slice != "" { // the families are not taken apart by slice
		return ""
	}
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
			list = append(list, fallen{rise, fmt.Sprintf("%s: %s %s (%s), was %s", FamilyWords(j.Family), share(1-now.Value),
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
