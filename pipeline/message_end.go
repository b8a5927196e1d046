package pipeline

import (
	"fmt"
	"strings"
)

// What is said when an episode ends, and about the monitor itself.

// endWords composes the summary and the text of an episode that is over.
func (r *run) endWords(e *Episode, state AlertState, lead *judged, t *Transition) (summary, text string) {
	head := r.st.Detector + " " + r.active.Version + ": "
	lasted := fmt.Sprintf("Since: %s, for %s.", stamp(e.Started), rounded(r.mark.Sub(e.Started)))
	if state == StateSuperseded {
		moved := fmt.Sprintf("traffic moved from version %s to version %s, which has", e.Version, r.active.Version)
		if e.Version == r.active.Version {
			moved = fmt.Sprintf("version %s is probed with other settings, which have", e.Version)
		}
		summary = fmt.Sprintf("%s%s no baseline yet: the alert on %s is closed without a verdict", head, moved, e.Rule)
		lines := []string{"What: " + strings.TrimPrefix(summary, head) + ".", lasted,
			fmt.Sprintf("First: watch version %s by hand until it has a baseline.", r.active.Version)}
		return summary, strings.Join(append(lines, r.links()...), "\n")
	}
	why := "recovered"
	switch {
	case e.Moved == e.Version:
		why = fmt.Sprintf("recovered: version %s is probed with other settings", e.Version)
	case e.Back:
		why = fmt.Sprintf("recovered: the version went back from %s to %s", e.Version, e.Moved)
	case e.Moved != "":
		why = fmt.Sprintf("recovered: version %s replaced %s", e.Moved, e.Version)
	}
	figure := ""
	if lead != nil {
		figure = fmt.Sprintf("; %s %s changed by %s %s now", share(1-t.Value), picturesOf(lead.Slice), changedBy(lead.Series), failing(lead.Series))
		switch lead.Metric {
		case MetricSkew:
			figure = fmt.Sprintf("; %s deployed scores differ from ours now", share(1-t.Value))
		case MetricCoverage:
			figure = fmt.Sprintf("; %s pictures have a label again %s after they were judged", share(t.Value), rounded(r.st.Labels.Delay))
		}
	}
	if lead != nil && r.gone(lead.Slice) {
		last := windowName(r.m.cfg.Windows[len(r.windows)-1])
		why, figure = fmt.Sprintf("closed without a verdict: nothing came from %s in the last %s", sliceWords(lead.Slice), last), ""
	}
	summary = head + why + figure
	lines := []string{"What: " + why + figure + ".", lasted}
	if lead == nil || lead.robustness() {
		lines = append(lines, "Monitor: "+r.monitorWords())
	}
	return summary, strings.Join(append(lines, r.links()...), "\n")
}

// trustWords composes what is said about the monitor itself.
func (r *run) trustWords(next, before Trust) (summary, text string) {
	head := strings.TrimSpace(r.st.Detector+" "+r.active.Version) + ": "
	lines := []string{}
	switch next.State {
	case StateNoData:
		summary = head + "the robustness monitor has no data: " + next.Reason
		lines = append(lines, "What: "+next.Reason+". Alerts on robustness neither begin nor end meanwhile.", "Monitor: "+r.monitorWords(),
			"First: check that detections arrive and that workers run: their /readyz says what is wrong.")
	case StateUntrusted:
		summary = head + "the robustness figures are not to be trusted: " + next.Reason
		lines = append(lines, "What: "+next.Reason+". Alerts on robustness are held back meanwhile.", "Monitor: "+r.monitorWords(),
			"First: compare the deployed model with the configured one, and look at the reasons of failed probes.")
	default:
		summary = head + "the robustness monitor works again"
		lines = append(lines, fmt.Sprintf("What: the monitor works again after %s. Before: %s.", rounded(r.mark.Sub(before.Since)), before.Reason),
			"Monitor: "+r.monitorWords())
	}
	return summary, strings.Join(append(lines, r.links()...), "\n")
}
