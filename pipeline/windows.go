package pipeline

import (
	"time"

	"shaketable/metrics"
)

// Windows show the size of an effect. They never decide: watched at every fold, a 95 % band of a stable stream is crossed
// sooner or later.

// Rate is a share of what did not fail, with its 95 % Wilson band at this one look.
type Rate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	N     float64 `json:"n"` // of a mean over variants: their mean, those that run more often weighed down
}

// WindowView is one window, by event time.
type WindowView struct {
	Name    string    `json:"name"` // "15m"
	Seconds int64     `json:"seconds"`
	From    time.Time `json:"from"` // start of its first bucket
	To      time.Time `json:"to"`   // the watermark
	// Probes were concluded; Inconclusive were not, by reason; Detections were read, sampled or not.
	Probes       int64            `json:"probes"`
	Inconclusive map[string]int64 `json:"inconclusive,omitempty"`
	Detections   int64            `json:"detections"`
	// AttackFailures are concluded probes whose attack was not, by reason; they are in Probes.
	AttackFailures map[string]int64 `json:"attack_failures,omitempty"`
	PerHour        float64          `json:"per_hour"` // detections per hour: exposure
	// JudgedFake is the share of probes whose clean decision is fake; CleanAccuracy that of labelled ones decided rightly.
	JudgedFake    *Rate `json:"judged_fake,omitempty"`
	CleanAccuracy *Rate `json:"clean_accuracy,omitempty"`
	// LabelDelay in seconds is how much earlier the window of the labelled figures (CleanAccuracy, RALabel) ends: when the
	// labels should have come. Labelled probes of it have one, Coverage is their share. Provisional: none of those has, and
	// the labelled figures are of the window itself, for which more are to come.
	LabelDelay  float64 `json:"label_delay"`
	Labelled    int64   `json:"labelled"`
	Coverage    *Rate   `json:"coverage,omitempty"`
	Provisional bool    `json:"provisional,omitempty"`
	// Skew is the share of deployed scores that agree with ours within the tolerance.
	Skew *Rate `json:"skew,omitempty"`
	// Scopes are the detector, its families and its variants, in this order.
	Scopes []ScopeView `json:"scopes"`
}

// ScopeView holds the figures of a detector, a family or a variant in a window. What has no probe is nil.
type ScopeView struct {
	Scope     Scope  `json:"scope"`
	Family    string `json:"family,omitempty"`
	Parameter string `json:"parameter,omitempty"`
	Severity  int    `json:"severity,omitempty"`
	Natural   bool   `json:"natural"`
	RASelf    *Rate  `json:"ra_self,omitempty"`
	// RALow and RAHigh bound RA_self if all inconclusive probes that would have run it had failed, or passed.
	RALow   float64           `json:"ra_low"`
	RAHigh  float64           `json:"ra_high"`
	RALabel *Rate             `json:"ra_label,omitempty"`
	RR      []ToleranceFigure `json:"rr,omitempty"`
	ToReal  int64             `json:"to_real"` // decisions turned, over all its variants
	ToFake  int64             `json:"to_fake"`
}

// ToleranceFigure is RR(b) and its strict form.
type ToleranceFigure struct {
	Tolerance float64 `json:"tolerance"`
	RR        Rate    `json:"rr"`
	Strict    Rate    `json:"strict"`
}

// rateOf returns the share that did not fail; nil without trials.
func rateOf(t metrics.Trials) *Rate {
	if t.N <= 0 {
		return nil
	}
	k := min(t.K, t.N)
	band, err := metrics.Wilson(t.N-k, t.N, .05)
	if err != nil {
		return nil
	}
	return &Rate{Value: 1 - k/t.N, Low: band.Lower, High: band.Upper, N: t.N}
}

func shareOf(part, of int64) *Rate {
	return rateOf(metrics.Trials{N: float64(of), K: float64(of - part)})
}

// views returns the windows of the active generation.
func (r *run) views() []WindowView {
	var views []WindowView
	for i, t := range r.windows {
		w := r.m.cfg.Windows[i]
		v := WindowView{Name: windowName(w), Seconds: int64(w / time.Second), To: r.mark, Probes: t.probes,
			Inconclusive: t.reasons, AttackFailures: t.attackFaults, Detections: t.detections, Scopes: []ScopeView{}}
		if !r.mark.IsZero() {
			v.From = r.opens(w)
			v.PerHour = perHour(t.detections, r.mark.Sub(v.From), r.age())
		}
		clean := t.variants[0]
		v.LabelDelay, v.Labelled, v.Provisional = r.st.Labels.Delay.Seconds(), clean.labelled, t.provisional
		v.Coverage = rateOf(coverage(t.labelProbes, clean.labelled))
		v.JudgedFake = shareOf(t.cleanFake, t.probes)
		v.CleanAccuracy = shareOf(clean.correct, clean.labelled)
		v.Skew = shareOf(t.skewProbes-t.skewBeyond, t.skewProbes)
		for _, s := range scopesOf(r.active.Generation) {
			v.Scopes = append(v.Scopes, t.scope(s))
		}
		views = append(views, v)
	}
	return views
}

// opens is the start of the first bucket of a window.
func (r *run) opens(window time.Duration) time.Time {
	cells := r.m.cellsOf(r.active.ID, window, r.mark, 0)
	if len(cells) == 0 {
		return r.mark
	}
	return time.Unix(cells[0].Start, 0).UTC()
}

// age is how long the active generation has been seen, in event time.
func (r *run) age() time.Duration {
	if r.gen.born().IsZero() {
		return 0
	}
	return r.mark.Sub(r.gen.born()) + r.m.fine
}

// perHour divides by the span that the window covers: no more than the generation has been seen for, if that is known.
func perHour(n int64, span, age time.Duration) float64 {
	if age > 0 && age < span {
		span = age
	}
	if span < time.Second {
		span = time.Second
	}
	return float64(n) / span.Hours()
}

// unknown is how many trials a series lacks: of the probes that could not be concluded the share that would have run it,
// and for an attack those that failed.
func (t *tally) unknown(s Series) float64 {
	lacking := t.generation.least(s.pools) * float64(t.inconclusive)
	if !Natural(s.Family) {
		lacking += float64(t.attackFailed)
	}
	return lacking
}

// scope returns the figures of a detector, family or variant.
func (t *tally) scope(s Series) ScopeView {
	of := func(m Metric) metrics.Trials { s.Metric = m; return t.trials(s) }
	self := of(MetricRASelf)
	v := ScopeView{Scope: s.Scope, Family: s.Family, Parameter: s.Parameter, Severity: s.Severity, Natural: Natural(s.Family),
		RASelf: rateOf(self), RALabel: rateOf(of(MetricRALabel)), RAHigh: 1}
	v.ToReal, v.ToFake = t.flips(s.pools)
	if n := self.N + t.unknown(s); n > 0 {
		v.RALow, v.RAHigh = (self.N-self.K)/n, 1-self.K/n
	}
	for j, e := range t.generation.Edges {
		s.Metric, s.Edge = MetricRR, e
		rr := rateOf(t.trials(s))
		strict := rateOf(t.pooled(s.pools, func(v *variantTally) metrics.Trials { return v.strictTrials(j) }))
		if rr != nil && strict != nil {
			v.RR = append(v.RR, ToleranceFigure{Tolerance: metrics.Tolerance(e), RR: *rr, Strict: *strict})
		}
	}
	return v
}
