package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"shaketable/perturb"
	"shaketable/pipeline"
	"shaketable/pipeline/kafka"
)

// tell prints the explanation.
func (e *explanation) tell(ctx context.Context) error {
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "media\t%s\n", e.id)
	fmt.Fprintf(w, "partition\t%s\n", e.partition())
	fmt.Fprintf(w, "hidden id\t%s, in Redis and in logs\n", e.hidden())
	e.tellSample(w)
	fmt.Fprintf(w, "attacks\t%s\n", e.attacked())
	fmt.Fprintf(w, "excluded\t%s\n", e.excluded())
	duplicate, err := e.duplicate(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "duplicate\t%s\n", duplicate)
	e.tellLabels(w)
	e.tellProbes(w)
	return w.Flush()
}

func (e *explanation) partition() string {
	if e.partitions == 0 {
		return "unknown: no worker has said yet how many there are"
	}
	return fmt.Sprintf("%d of 0 to %d, by the hash of the Java client (murmur2); a producer that hashes otherwise puts it elsewhere",
		kafka.PartitionOf(e.id, e.partitions), e.partitions-1)
}

// toldSteps is how many steps of the schedule are listed: a budget may add one an hour, for ever.
const toldSteps = 24

// tellSample says for every step of the schedule, the newest ones if there are many, whether the media is in.
func (e *explanation) tellSample(w io.Writer) {
	place, now := e.sampler.Place(e.id), e.now()
	inForce := e.steps.At(now).Rate
	switch {
	case len(e.steps) == 0:
		fmt.Fprintf(w, "sampled\t%s: no worker has run yet, and sample.rate is %s\n", yes(place < e.cfg.Sample.Rate), rateText(e.cfg.Sample.Rate))
	default:
		fmt.Fprintf(w, "sampled\t%s, if its detection is recorded now: the rate in force is %s\n", yes(place < inForce), rateText(inForce))
	}
	fmt.Fprintf(w, "\tit is in at every rate above %s, by the secret key and its id alone\n", rateText(place))
	steps := e.steps[max(0, len(e.steps)-toldSteps):]
	if older := len(e.steps) - len(steps); older > 0 {
		fmt.Fprintf(w, "\t%s of the schedule left out here\n", counted(older, "older step", "older steps"))
	}
	for _, step := range steps {
		from := "from the beginning"
		if !step.From.IsZero() {
			from = "from " + moment(step.From)
		}
		note := ""
		if step.Key != e.sampler.KeyID() {
			note = fmt.Sprintf(" (with the key %s, which is not the present one: what was chosen then can't be said)", step.Key)
		}
		if step.From.After(now) {
			note += " (still to come)"
		}
		fmt.Fprintf(w, "\t%s\trate %s\t%s%s\n", from, rateText(step.Rate), yes(place < step.Rate), note)
	}
}

func (e *explanation) attacked() string {
	rate := e.cfg.Attacks.Rate
	if rate == 0 {
		return "none: attacks.rate is 0"
	}
	place := e.sampler.AttackPlace(e.id)
	return fmt.Sprintf("%s, if it is probed: attacks.rate is %s, and it is in at every rate above %s", yes(place < rate), rateText(rate), rateText(place))
}

// excluded says what can be known without the record.
func (e *explanation) excluded() string {
	switch n := len(e.cfg.Exclude); n {
	case 0:
		return "no: the configuration excludes nothing"
	default:
		return fmt.Sprintf("unknown: of an excluded media nothing is kept; whether one of %s applies, check-config --sample tells of its record", counted(n, "rule", "rules"))
	}
}

// duplicate asks who holds the right to be the one probe of the media's group or content, of the days for which that is
// kept.
func (e *explanation) duplicate(ctx context.Context) (string, error) {
	what := "content"
	if e.group != "" {
		what = "group"
	} else if e.picture == nil {
		return "unknown: give --file, or --group if its detection named one", nil
	}
	digest := digestOf(e.picture)
	for _, g := range e.registered {
		for back := range 3 { // a claim lives for a day and the lateness that is allowed
			day := pipeline.Detection{Time: e.now().AddDate(0, 0, -back), Group: e.group}
			holder, err := e.store.Holder(ctx, pipeline.ClaimKey(g.ID, &day, digest))
			if err != nil {
				return "", err
			}
			if holder != "" {
				return e.held(what, day.Time, g, holder), nil
			}
		}
	}
	return fmt.Sprintf("no probe of this %s in the last 3 days (of the whole picture; a crop is a content of its own)", what), nil
}

func (e *explanation) held(what string, day time.Time, g pipeline.Registration, holder string) string {
	for _, p := range e.kept.Probes {
		if p.Generation == g.ID && strings.HasSuffix(holder, fmt.Sprintf("/%d/%d", p.Partition, p.Offset)) {
			return fmt.Sprintf("no: it is the one probe of this %s on %s (%s)", what, day.UTC().Format(time.DateOnly), g.Detector)
		}
	}
	return fmt.Sprintf("yes, unless it is the record %s itself: that one is the probe of this %s on %s (%s)", holder, what, day.UTC().Format(time.DateOnly), g.Detector)
}

func (e *explanation) tellLabels(w io.Writer) {
	if len(e.kept.Labels) == 0 {
		fmt.Fprintf(w, "label\tnone is kept\n")
	}
	for _, l := range e.kept.Labels {
		said := verdict(l.Fake)
		if l.Corrected {
			said += " (" + verdict(!l.Fake) + " at first)"
		}
		text := fmt.Sprintf("%s, revision %d, record %d of partition %d", said, l.Revision, l.Offset, l.Partition)
		if !l.First.IsZero() {
			text += ", first given " + moment(l.First)
		}
		fmt.Fprintf(w, "label\t%s; kept for %s\n", text, lifeText(l.Left))
	}
}

func (e *explanation) tellProbes(w io.Writer) {
	if len(e.kept.Probes) == 0 {
		fmt.Fprintf(w, "probes\tnone is kept: it was not sampled, excluded, a duplicate, could not be probed, or it is longer ago than %s\n",
			lifeText(e.cfg.Window.LabelHorizon))
	}
	for _, p := range e.kept.Probes {
		g, known := e.generation(p.Generation)
		name := "a detector that is not configured here"
		if known {
			name = g.Detector + " " + g.Version
		}
		fmt.Fprintf(w, "probe\t%s, generation %s, counted in the bucket of %s (record %d of partition %d; kept for %s)\n",
			name, p.Generation, moment(p.Fine), p.Offset, p.Partition, lifeText(p.Left))
		fmt.Fprintf(w, "\t%s\n", turnedWords(p.Decisions, g.Variants))
		if p.Counted != '-' {
			fmt.Fprintf(w, "\tcounted against the label %s\n", verdict(p.Counted == 'f'))
		}
	}
}

func (e *explanation) generation(id string) (pipeline.Generation, bool) {
	for _, g := range e.registered {
		if g.ID == id {
			return g.Generation, true
		}
	}
	return pipeline.Generation{}, false
}

// turnedWords says in words what the decisions of a probe show.
func turnedWords(decisions string, variants []perturb.Variant) string {
	clean := decisions[0]
	ran := 0
	var turned []string
	for i := 1; i < len(decisions); i++ {
		if decisions[i] == pipeline.NotRun {
			continue
		}
		ran++
		if decisions[i] != clean {
			name := fmt.Sprint("variant ", i)
			if i <= len(variants) {
				name = variants[i-1].Family + " " + variants[i-1].Parameter
			}
			turned = append(turned, name)
		}
	}
	text := fmt.Sprintf("judged %s; ", verdict(clean == '1'))
	if len(turned) == 0 {
		return text + fmt.Sprintf("the verdict held in all %s", counted(ran, "variant", "variants"))
	}
	return text + fmt.Sprintf("%d of %s turned the verdict: %s", len(turned), counted(ran, "variant", "variants"), strings.Join(turned, ", "))
}

func verdict(fake bool) string {
	if fake {
		return "fake"
	}
	return "real"
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

func counted(n int, one, many string) string {
	return fmt.Sprintf("%d %s", n, map[bool]string{true: one, false: many}[n == 1])
}

// rateText writes a share with as many digits as tell anything.
func rateText(v float64) string { return strings.TrimSuffix(fmt.Sprintf("%.4g", v), ".0") }

// lifeText writes how long something is kept; Redis answers below 0 for what never goes away.
func lifeText(d time.Duration) string {
	if d < 0 {
		return "ever"
	}
	if days := d.Round(24*time.Hour) / (24 * time.Hour); days > 2 {
		return fmt.Sprintf("%d days", days)
	}
	d = d.Round(time.Minute)
	switch {
	case d == 0:
		return "less than a minute"
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
}
