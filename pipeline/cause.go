package pipeline

import (
	"fmt"
	"strings"
	"time"

	"shaketable/metrics"
)

// What the first suspect of an alert is, and what speaks for it.
//
// In: the leading series and the onset of the change. Out: one suspect and the words for it. The order is that of how sure
// the evidence is: deployed scores that are not ours; a version that changed when the figures did, and what the frozen
// panel says to that; a panel that moved under one version; one slice that accounts for it; else the traffic as a whole.
// Invariant: nothing is said that was not looked at, and what could not be looked at is named.

// The suspects that [Transition.Cause] can name; the other one is the name of a slice.
const (
	CauseModel   = "model"
	CauseServing = "serving"
	CauseTraffic = "traffic"
	CauseRuntime = "runtime"
	CauseLabels  = "labels"
	CauseUnknown = "unknown"
)

// cause is the suspect as in [Transition.Cause], what is said of it, and what to do first.
type cause struct{ who, words, action string }

// cause finds the suspect. The lens has to look at the change.
func (r *run) cause(lead *judged, onset time.Time) cause {
	switch {
	case lead.Metric == MetricCoverage:
		return cause{CauseLabels, "neither: it is the feed of labels.",
			"ask who labels, and look at the topic of labels: is anything written to it, and can it be read (rejected labels are counted)?"}
	case lead.Metric == MetricSkew, r.skewedSince():
		return r.servingCause(onset)
	}
	version, ours, across := r.versionWords(onset), r.panelWithin(lead, onset), panelWord{}
	say := func(suspect string, evidence ...string) string {
		return strings.Join(fill(append([]string{version + "; " + suspect + "."}, evidence...)...), " ")
	}
	if r.rollOut(onset) {
		if across = r.panelAcross(lead); across.finding != panelAlike {
			suspect := "the model is the first suspect"
			if r.resettled() != "" {
				suspect = "the change of settings is the first suspect"
			}
			return cause{CauseModel, say(suspect, across.words), r.actionWords(lead)}
		}
	}
	if ours.finding == panelWorse {
		return cause{CauseRuntime, say("what runs the model is the first suspect", ours.words, across.words),
			"ask what changed on the machines: driver, runtime library, hardware, node."}
	}
	found, none := r.suspect(lead)
	switch {
	case found != nil:
		if ours.finding != panelAlike { // the others are as before: nothing that all share has changed
			ours.words = ""
		}
		return cause{found.slice, say(sliceWords(found.slice)+" is the first suspect", found.words, across.words, ours.words), found.action()}
	case across.finding == panelAlike:
		return cause{CauseUnknown, say("yet nothing stands out as the cause", across.words, none, r.mixWords()), r.actionWords(lead)}
	}
	return cause{CauseTraffic, say("the traffic is the first suspect", none, ours.words, r.mixWords(), r.labelWords(lead)),
		"look at the media above; ask what changed upstream (encoder, client app, source) at that time."}
}

// fill leaves out what there is nothing to say of.
func fill(sentences ...string) (kept []string) {
	for _, s := range sentences {
		if s != "" {
			kept = append(kept, s)
		}
	}
	return kept
}

// skewedSince says that too many deployed scores since the change surely differ from ours, although no alert has said so yet.
func (r *run) skewedSince() bool {
	t := r.lens.tally
	return t != nil && over(metrics.Trials{N: float64(t.skewProbes), K: float64(t.skewBeyond)}, r.m.cfg.Skew.Share, false)
}

func (r *run) servingCause(onset time.Time) cause {
	words := []string{"neither: on the same pictures the deployed scores are not those of the configured model. Perhaps another model, " +
		"or other pre-processing (colour order, scale, crop), is served."}
	skew := &judged{Series: Series{Metric: MetricSkew, Scope: ScopeDetector}}
	if found, _ := r.suspect(skew); found != nil {
		words = append(words, found.words)
	}
	switch ours := r.panelWithin(skew, onset); ours.finding {
	case panelAlike:
		words = append(words, ours.words)
	case panelWorse:
		words = append(words, "Or it is our side that has changed:", ours.words)
	}
	return cause{CauseServing, strings.Join(words, " "),
		"compare the model, threshold and pre-processing that are deployed with the ones in the configuration."}
}

// versionWords says whether the version changed in the day before the onset.
func (r *run) versionWords(onset time.Time) string {
	const day = 24 * time.Hour
	if g := r.st.Generations[r.st.Previous]; g != nil && onset.Sub(r.st.Changed) < day {
		text := fmt.Sprintf("version %s took over from version %s at %s", r.active.Version, g.Version, stamp(r.st.Changed))
		if what := r.resettled(); what != "" {
			text = fmt.Sprintf("version %s is probed with other settings (%s) since %s", r.active.Version, what, stamp(r.st.Changed))
		}
		if !r.rollOut(onset) {
			text += fmt.Sprintf(", %s before", rounded(onset.Sub(r.st.Changed)))
		}
		return text
	}
	if onset.Sub(r.gen.First) < day {
		return fmt.Sprintf("version %s has not changed since its first picture at %s", r.active.Version, stamp(r.gen.First))
	}
	return fmt.Sprintf("version %s has not changed in the 24h before", r.active.Version)
}

// resettled says what is another under the active generation than under the one before, if both are of one version and one
// model file; "" if it is the model that has changed. A threshold or a suite makes a generation as well.
func (r *run) resettled() string {
	before, ok := r.registration(r.st.Previous)
	if !ok || before.Version != r.active.Version || before.Digest != r.active.Digest {
		return ""
	}
	var what []string
	if before.Threshold != r.active.Threshold {
		what = append(what, fmt.Sprintf("threshold %s, it was %s", plain(r.active.Threshold), plain(before.Threshold)))
	}
	if before.Suite != r.active.Suite {
		what = append(what, fmt.Sprintf("suite %s, it was %s", r.active.Suite, before.Suite))
	}
	if len(what) == 0 {
		return "of the pictures' or the scores' processing, or of the probes"
	}
	return strings.Join(what, "; ")
}

// rollOut says that a change began with the active version, or within an hour of it.
func (r *run) rollOut(onset time.Time) bool {
	return r.st.Generations[r.st.Previous] != nil && !r.st.Changed.IsZero() && onset.Sub(r.st.Changed) < time.Hour
}

// mixWords compares what the pictures were judged before and since; the band is Newcombe's.
func (r *run) mixWords() string {
	since, before := r.lens.tally, r.earlier()
	if since == nil || since.probes < minShare || before.probes < minShare {
		return ""
	}
	was := outOf(float64(before.cleanFake), float64(before.probes))
	band, err := metrics.Newcombe(float64(since.cleanFake), float64(since.probes), float64(before.cleanFake), float64(before.probes), .05)
	if err != nil || band.Lower <= 0 && band.Upper >= 0 {
		return fmt.Sprintf("About as many are judged fake as before (%s).", was)
	}
	return fmt.Sprintf("Judged fake: %s %s, %s before.", outOf(float64(since.cleanFake), float64(since.probes)), r.lens.name, was)
}

// labelWords says what the labels of the pictures since the change tell: harder pictures bring the clean verdicts down as
// well, a less robust model only those on changed pictures. The bands are Newcombe's, of two independent rates.
func (r *run) labelWords(lead *judged) string {
	since := r.lens.labels
	if since == nil || r.total.variants[0].labelled == 0 {
		return ""
	}
	before := r.total.minus(since)
	s := lead.Series
	s.Metric, s.Slice = MetricRALabel, ""
	clean := Series{Metric: MetricRALabel, pools: [][]int{{0}}}
	if since.trials(clean).N < minShare || before.trials(clean).N < minShare {
		return "Too few labels of these pictures have come to say whether they are harder."
	}
	fell := func(s Series) (bool, string) {
		now, was := since.trials(s), before.trials(s)
		text := fmt.Sprintf("%s, before %s", share(1-now.K/now.N), shortShare(1-was.K/was.N, share(1-now.K/now.N)))
		band, err := metrics.Newcombe(now.K, now.N, was.K, was.N, .05)
		return err == nil && band.Lower > 0, text
	}
	harder, cleanText := fell(clean)
	if since.trials(s).N < minShare || before.trials(s).N < minShare {
		return ""
	}
	weaker, changedText := fell(s)
	switch {
	case harder:
		return fmt.Sprintf("By their labels the pictures are harder: clean ones are judged rightly in %s.", cleanText)
	case weaker:
		return fmt.Sprintf("By their labels the verdicts are less robust: clean pictures are judged rightly as before (%s), changed ones in %s.", cleanText, changedText)
	}
	return fmt.Sprintf("By their labels neither clean nor changed pictures are judged worse (clean: right in %s).", cleanText)
}

// actionWords is what to do first when a version is the suspect.
func (r *run) actionWords(lead *judged) string {
	if r.resettled() != "" {
		return fmt.Sprintf("take the change of settings of version %s back, until its figures under %s are understood.",
			r.active.Version, changedBy(lead.Series))
	}
	if g := r.st.Generations[r.st.Previous]; g != nil {
		return fmt.Sprintf("stop the roll-out of version %s, or go back to version %s, until its figures under %s are understood.",
			r.active.Version, g.Version, changedBy(lead.Series))
	}
	return "look at the media above; ask what changed upstream (encoder, client app, source) at that time."
}
