package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"shaketable/config"
	"shaketable/pipeline"
)

// replayReport is what a replay found. Two replays of the same history under the same configuration give the same one.
type replayReport struct {
	From time.Time `json:"from"` // record times
	To   time.Time `json:"to"`
	// Records says what became of the detections and labels.
	Records pipeline.Counts `json:"records"`
	Folds   int             `json:"folds"`
	// Transitions are the messages, in order of time.
	Transitions []pipeline.Transition `json:"transitions"`
	Detectors   []replayedDetector    `json:"detectors"`
}

// replayedDetector is where a detector stood in the end.
type replayedDetector struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Probes  int64  `json:"probes"` // of the version that was judged last
	// Alerts is the state of each tier; Judged and Waiting count series with and without a baseline.
	Alerts  map[pipeline.Tier]pipeline.AlertState `json:"alerts"`
	Judged  int                                   `json:"judged"`
	Waiting int                                   `json:"waiting"`
}

func (r *replayReport) has(detector string) bool {
	return slices.ContainsFunc(r.Detectors, func(d replayedDetector) bool { return d.Name == detector })
}

func (d *replayedDetector) take(s pipeline.Snapshot) {
	d.Version, d.Probes, d.Judged, d.Waiting = s.Generation.Version, s.Generation.Probes, 0, 0
	d.Alerts = map[pipeline.Tier]pipeline.AlertState{}
	for _, t := range s.Tiers {
		d.Alerts[t.Tier] = t.State
		d.Judged, d.Waiting = d.Judged+t.Judged, d.Waiting+t.Waiting
	}
}

// learning says that no alert has ever had a baseline to be held against.
func (d replayedDetector) learning() bool {
	for _, state := range d.Alerts {
		if state != pipeline.StateLearning {
			return false
		}
	}
	return true
}

func (r *replayReport) writeJSON(w io.Writer) error {
	if r.Transitions == nil {
		r.Transitions = []pipeline.Transition{}
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(r)
}

func (r *replayReport) writeText(w io.Writer, cfg config.Config) error {
	b := &strings.Builder{}
	fmt.Fprintf(b, "Replayed %s to %s: %d detections, %d probes.\n\n", r.From.Format(time.RFC3339), r.To.Format(time.RFC3339),
		r.Records[pipeline.Read], r.Records[string(pipeline.Probed)])
	r.writeTransitions(b)
	r.writeRecords(b)
	b.WriteString("In the end:\n")
	for _, d := range r.Detectors {
		fmt.Fprintf(b, "  %s\n", d.sentence())
	}
	for _, hint := range r.hints(cfg) {
		fmt.Fprintf(b, "\n%s\n", hint)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *replayReport) writeTransitions(b *strings.Builder) {
	if len(r.Transitions) == 0 {
		b.WriteString("No alert would have been sent.\n\n")
		return
	}
	for _, t := range r.Transitions {
		fmt.Fprintf(b, "%s  %s %s, %s\n", t.At.UTC().Format(time.RFC3339), t.Tier, t.State, reach(t))
		fmt.Fprintf(b, "  %s\n", t.Summary)
		for line := range strings.Lines(t.Text) {
			if t.Tier != pipeline.LogOnly { // nobody is told of it: the line above will do
				fmt.Fprintf(b, "    %s\n", strings.TrimRight(line, "\n"))
			}
		}
		b.WriteString("\n")
	}
}

// reach says whom a transition would have reached.
func reach(t pipeline.Transition) string {
	switch {
	case t.Tier == pipeline.LogOnly:
		return "kept in the log"
	case t.Notify == pipeline.NotifyNone:
		return "held back (notify is none)"
	case t.Owner == "":
		return "sent as a " + t.Notify
	}
	return fmt.Sprintf("sent as a %s to %s", t.Notify, t.Owner)
}

// writeRecords lists what became of every detection, what happened at all first.
func (r *replayReport) writeRecords(b *strings.Builder) {
	b.WriteString("What became of the detections:\n")
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, o := range pipeline.Outcomes() {
		if n := r.Records[string(o)]; n > 0 {
			fmt.Fprintf(table, "  %d\t %s%s\n", n, o, r.reasons(string(o)))
		}
	}
	if n := r.Records[pipeline.Gap]; n > 0 {
		fmt.Fprintf(table, "  %d\t that Kafka removed meanwhile\n", n)
	}
	if n := r.Records["label."+pipeline.Read]; n > 0 {
		fmt.Fprintf(table, "  %d\t labels%s\n", n, r.reasons("label"))
	}
	table.Flush()
	b.WriteString("\n")
}

// reasons lists the counts below an outcome.
func (r *replayReport) reasons(outcome string) string {
	var list []string
	for field, n := range r.Records {
		if reason, ok := strings.CutPrefix(field, outcome+"."); ok && reason != pipeline.Read && n > 0 {
			list = append(list, fmt.Sprintf("%s %d", reason, n))
		}
	}
	if len(list) == 0 {
		return ""
	}
	slices.Sort(list)
	return " (" + strings.Join(list, ", ") + ")"
}

func (d replayedDetector) sentence() string {
	if d.Version == "" {
		return d.Name + ": no detection of it was read"
	}
	var states []string
	for _, t := range []pipeline.Tier{pipeline.Paging, pipeline.Ticketing, pipeline.LogOnly} {
		if s := d.Alerts[t]; s != "" {
			states = append(states, fmt.Sprintf("%s %s", t, s))
		}
	}
	return fmt.Sprintf("%s %s: %d probes, %d series judged, %d without a baseline; %s", d.Name, d.Version, d.Probes, d.Judged, d.Waiting,
		strings.Join(states, ", "))
}

// hints says what to do where a replay can't have found anything.
func (r *replayReport) hints(cfg config.Config) []string {
	var hints []string
	if r.Records[pipeline.Read] == 0 {
		return []string{fmt.Sprintf("Kafka holds no detection of that time in topic %q: look at --from, --to and the retention of the topic.", cfg.Kafka.Topics.Detections)}
	}
	if r.Records[string(pipeline.Probed)] == 0 {
		hints = append(hints, fmt.Sprintf("Nothing was probed: %s", unprobed(r.Records, cfg)))
	}
	for _, d := range r.Detectors {
		if d.Version == "" || !d.learning() {
			continue
		}
		hints = append(hints, fmt.Sprintf("%s was learning all the time, so no alert could fire: a burn-in takes %d probes and %s (alerts.burn_in), "+
			"and this replay had %d probes in %s.\nGive the figures of an evaluation with --baseline out/baseline.json (made by: shaketable evaluate), "+
			"or a longer span, or a shorter burn-in in a copy of the configuration.",
			d.Name, cfg.Alerts.BurnIn.MinProbes, cfg.Alerts.BurnIn.MinDuration, d.Probes, r.To.Sub(r.From).Round(time.Second)))
	}
	return hints
}

// unprobed names the outcome that took most.
func unprobed(records pipeline.Counts, cfg config.Config) string {
	top := pipeline.Unsampled
	for _, o := range pipeline.Outcomes() {
		if records[string(o)] > records[string(top)] {
			top = o
		}
	}
	switch top {
	case pipeline.Unsampled:
		return fmt.Sprintf("at a rate of %v none was chosen; raise sample.rate or take a longer span.", cfg.Sample.Rate)
	case pipeline.UnknownDetector:
		return "the detections name detectors or versions that this configuration does not have."
	}
	return fmt.Sprintf("most detections ended as %s.", top)
}
