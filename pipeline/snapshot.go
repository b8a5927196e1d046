package pipeline

import (
	"slices"
	"time"

	"shaketable/metrics"
)

// Snapshot is what everybody else sees of the clock path of one detector: the state API, the page and the gauges show
// it as it is, whoever computed it. All rates are shares of what did NOT fail, so that higher is better. Times are event
// time (of the records) unless they say otherwise.
type Snapshot struct {
	Schema   int    `json:"schema"`
	Detector string `json:"detector"`
	Owner    string `json:"owner,omitempty"`
	Notify   string `json:"notify"` // the most that leaves the house: none, ticket, page
	Runbook  string `json:"runbook,omitempty"`
	// ComputedAt is the wall clock of the fold, Period the time to the next one in seconds: a reader that finds the
	// snapshot older than three periods should show nothing.
	ComputedAt time.Time `json:"computed_at"`
	Period     float64   `json:"period"`
	Fold       int64     `json:"fold"`
	// Watermark is the event time up to which everything was counted, WatermarkAge its distance from ComputedAt in seconds;
	// zero time and 0 before the first record.
	Watermark    time.Time      `json:"watermark,omitzero"`
	WatermarkAge float64        `json:"watermark_age"`
	Generation   GenerationView `json:"generation"`
	Trust        Trust          `json:"trust"`
	// Tiers holds the one alert of each tier, loud to silent.
	Tiers     []TierView     `json:"tiers"`
	Baselines []BaselineView `json:"baselines"`
	// Proposed baselines wait for an approval; Mutes hold notifications back now.
	Proposed []BaselineView `json:"proposed,omitempty"`
	Mutes    []Mute         `json:"mutes,omitempty"`
	Windows  []WindowView   `json:"windows"`
	// Slices are what the detections are taken apart by; empty where nothing is. Labels says how labels come, Panel what the
	// frozen panel shows; nil where there is none.
	Slices []SliceView `json:"slices,omitempty"`
	Labels *LabelView  `json:"labels,omitempty"`
	Panel  *PanelView  `json:"panel,omitempty"`
	// Series are the judged ones and those that are only shown, objectives first.
	Series []SeriesView `json:"series"`
	// Lead is the judged series of the loudest tier that is nearest to its alarm; nil if none is judged.
	Lead *SeriesView `json:"lead,omitempty"`
	// Missing names objectives of series that this generation does not have.
	Missing     []string     `json:"missing,omitempty"`
	Examples    []Example    `json:"examples,omitempty"`
	Transitions []Transition `json:"transitions"` // the last 20, oldest first
}

// GenerationView names the generation that is judged. ID is "" before the first one.
type GenerationView struct {
	ID      string    `json:"id"`
	Version string    `json:"version"`
	Suite   string    `json:"suite"`
	Since   time.Time `json:"since,omitzero"` // wall clock of its first registration
	// Changed is when it took over from the version Previous; zero if it did not.
	Changed  time.Time `json:"changed,omitzero"`
	Previous string    `json:"previous,omitempty"`
	// Probes were counted since it appeared.
	Probes int64 `json:"probes"`
}

// TierView is the alert of a tier.
type TierView struct {
	Tier    Tier         `json:"tier"`
	State   AlertState   `json:"state"`
	Since   time.Time    `json:"since,omitzero"`
	Episode *EpisodeView `json:"episode,omitempty"`
	// Judged, Waiting and Other count the series of the tier: judged, without a baseline yet (or one that leaves no room to
	// get worse), and beyond the cap.
	Judged  int `json:"judged"`
	Waiting int `json:"waiting"`
	Other   int `json:"other"`
}

// EpisodeView is an episode that has not ended.
type EpisodeView struct {
	ID      string    `json:"id"`
	Rule    string    `json:"rule"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	Onset   time.Time `json:"onset"`
	Broken  []string  `json:"broken"` // names of series
	// Flapping says that the alert came and went several times within a day, Muted that people were not told of it.
	Flapping bool   `json:"flapping,omitempty"`
	Muted    bool   `json:"muted,omitempty"`
	Summary  string `json:"summary,omitempty"`
	Text     string `json:"text,omitempty"`
}

// BaselineView is a baseline in use or proposed.
type BaselineView struct {
	Kind     metrics.BaselineKind `json:"kind"`
	ID       string               `json:"id"`
	Version  int                  `json:"version,omitempty"` // its number, from 1, among those of its generation
	FrozenAt time.Time            `json:"frozen_at"`
	Author   string               `json:"author"`
	Reason   string               `json:"reason"`
	Approved *metrics.Approval    `json:"approved,omitempty"` // nil if the configuration put it in use
	Series   int                  `json:"series"`
}

func baselineViews(list []metrics.Baseline) []BaselineView {
	var views []BaselineView
	for _, b := range list {
		views = append(views, BaselineView{Kind: b.Kind, ID: b.ID, Version: b.Version, FrozenAt: b.FrozenAt, Author: b.Author,
			Reason: b.Reason, Approved: b.Approved, Series: len(b.Series)})
	}
	return views
}

// SeriesView is one series against its baseline.
type SeriesView struct {
	Name      string  `json:"name"` // as baselines and objectives know it
	Rule      string  `json:"rule"` // as people read it
	Tier      Tier    `json:"tier"`
	Metric    Metric  `json:"metric"`
	Tolerance float64 `json:"tolerance,omitempty"`
	Scope     Scope   `json:"scope"`
	Family    string  `json:"family,omitempty"`
	Parameter string  `json:"parameter,omitempty"`
	Slice     string  `json:"slice,omitempty"`
	Judged    bool    `json:"judged"`
	Why       string  `json:"why,omitempty"` // why it is not judged
	// Baseline is the rate it is held against, Allowed the lowest rate that is no reason to tell anybody; 0 if there is none.
	BaselineKind metrics.BaselineKind `json:"baseline_kind,omitempty"`
	BaselineID   string               `json:"baseline_id,omitempty"`
	Baseline     float64              `json:"baseline"`
	Allowed      float64              `json:"allowed"`
	// Evidence of a drift in relation to the alarm level, 0 to 1, on a logarithmic scale.
	Evidence float64 `json:"evidence"`
	// Gained counts what was judged since the evidence began or last alarmed.
	Gained float64 `json:"gained"`
	// Total is the rate since the generation appeared, with a band that holds at every look.
	Total *Rate `json:"total,omitempty"`
}

// snapshotSchema is the version of the JSON form of [Snapshot].
const snapshotSchema = 1

func (r *run) snapshot() Snapshot {
	s := Snapshot{Schema: snapshotSchema, Detector: r.st.Detector, Owner: r.m.route.Owner, Notify: r.m.route.Notify,
		Runbook: r.m.route.Runbook, ComputedAt: r.in.Now.UTC(), Period: r.m.cfg.Period.Seconds(), Fold: r.st.Folds,
		Watermark: r.mark, Trust: r.st.Trust, Baselines: []BaselineView{}, Windows: []WindowView{}, Series: []SeriesView{},
		Examples: r.in.Examples, Transitions: slices.Clone(r.st.History), Mutes: slices.Clone(r.st.Mutes)}
	if !r.mark.IsZero() {
		s.WatermarkAge = r.in.Now.Sub(r.mark).Seconds()
	}
	if r.active.ID != "" {
		s.Generation = r.generationView()
		s.Windows = r.views()
		s.Slices, s.Labels, s.Panel = r.sliceViews(), r.labelView(), r.panelView()
		_, s.Missing = SeriesOf(r.active.Generation, r.m.objectives)
		s.Baselines, s.Proposed = append(s.Baselines, baselineViews(r.gen.Baselines)...), baselineViews(r.gen.Proposed)
	}
	for _, j := range r.list {
		s.Series = append(s.Series, r.seriesView(j))
	}
	s.Lead = leadOf(s.Series)
	for _, t := range tiers() {
		s.Tiers = append(s.Tiers, r.tierView(t))
	}
	return s
}

func (r *run) generationView() GenerationView {
	v := GenerationView{ID: r.active.ID, Version: r.active.Version, Suite: r.active.Suite, Since: r.active.Since, Probes: r.total.probes}
	if previous := r.st.Generations[r.st.Previous]; previous != nil {
		v.Changed, v.Previous = r.st.Changed, previous.Version
	}
	return v
}

func (r *run) tierView(t Tier) TierView {
	v := TierView{Tier: t, State: StateLearning}
	if a := r.st.Alerts[t]; a != nil {
		v.State, v.Since = a.State, a.Since
		v.Episode = r.episodeView(a.Episode)
	}
	place := 0
	for _, j := range r.list {
		if j.Tier != t {
			continue
		}
		place++
		switch {
		case j.detector != nil:
			v.Judged++
		case place > r.m.cfg.SeriesCap.Of(t):
			v.Other++
		default:
			v.Waiting++
		}
	}
	return v
}

func (r *run) episodeView(e *Episode) *EpisodeView {
	if e == nil {
		return nil
	}
	v := &EpisodeView{ID: e.ID, Rule: e.Rule, Version: e.Version, Started: e.Started, Onset: e.Onset, Flapping: e.Flapping, Muted: e.Notice.Muted != ""}
	for _, b := range e.Broken {
		v.Broken = append(v.Broken, b.Series)
	}
	for _, t := range r.st.History {
		if t.Episode == e.ID && t.State == StateFiring {
			v.Summary, v.Text = t.Summary, t.Text
		}
	}
	return v
}

func (r *run) seriesView(j *judged) SeriesView {
	v := SeriesView{Name: j.Name(), Rule: j.Rule(), Tier: j.Tier, Metric: j.Metric, Scope: j.Scope, Family: j.Family,
		Parameter: j.Parameter, Slice: j.Slice, Judged: j.detector != nil, Why: j.why, Total: everRate(r.shown(j.Series))}
	if j.Metric == MetricRR {
		v.Tolerance = metrics.Tolerance(j.Edge)
	}
	if j.baseline != nil {
		v.BaselineKind, v.BaselineID, v.Baseline, v.Allowed = j.baseline.Kind, j.baseline.ID, 1-j.was, 1-j.q0
	}
	if j.Metric == MetricCoverage && j.detector != nil {
		v.Allowed = (1 - j.was) / 2
		v.Evidence, v.Gained = r.st.Labels.Series.Progress, r.st.Labels.Series.ESR.Trials.N
	} else if st := r.gen.Series[j.id()]; st != nil && j.detector != nil {
		v.Evidence, v.Gained = st.Progress, st.ESR.Trials.N
	}
	return v
}

// shown returns the trials of a series since the generation appeared as people see them: with the labels of today.
func (r *run) shown(s Series) metrics.Trials {
	if s.Metric == MetricCoverage {
		return r.st.Labels.Counted
	}
	return r.total.trials(s)
}

// everRate is like rateOf with a band that may be looked at all the time.
func everRate(t metrics.Trials) *Rate {
	if t.N <= 0 {
		return nil
	}
	k := min(t.K, t.N)
	band, err := metrics.ConfidenceSequence(t.N-k, k, .05, 1000)
	if err != nil {
		return nil
	}
	return &Rate{Value: 1 - k/t.N, Low: band.Lower, High: band.Upper, N: t.N}
}

func leadOf(list []SeriesView) *SeriesView {
	for _, t := range tiers() {
		var lead *SeriesView
		for i := range list {
			if v := &list[i]; v.Tier == t && v.Judged && (lead == nil || v.Evidence > lead.Evidence) {
				lead = v
			}
		}
		if lead != nil {
			return lead
		}
	}
	return nil
}
