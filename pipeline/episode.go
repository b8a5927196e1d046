package pipeline

import (
	"slices"
	"strconv"
	"time"

	"shaketable/metrics"
)

// Alert is the one alert of a detector and tier.
type Alert struct {
	State   AlertState `json:"state"`
	Since   time.Time  `json:"since,omitzero"` // event time of the fold that brought the state
	Episode *Episode   `json:"episode,omitempty"`
	// Begun are the event times at which the latest episodes began, this one included.
	Begun []time.Time `json:"begun,omitempty"`
}

// Episode is one alert from firing to its end.
type Episode struct {
	ID         string `json:"id"`
	Rule       string `json:"rule"` // of the leading series
	Series     string `json:"series"`
	Generation string `json:"generation"`
	Version    string `json:"version"`
	// Started is the event time of the fold that fired; Onset that of the likeliest begin of the change.
	Started time.Time `json:"started"`
	Onset   time.Time `json:"onset"`
	// Broken are the series that alarmed during the episode; the episode ends when all of them are well.
	Broken []Broken `json:"broken"`
	// GoodSince is the event time since which the evidence of recovery stands; zero if it does not.
	GoodSince time.Time `json:"good_since,omitzero"`
	// Cause is the suspect that the alert named, as in [Transition]; Why and First are what it said of it and what to do.
	// A reminder says the same: later on, what was before the change can no longer be told from what came after.
	Cause string `json:"cause,omitempty"`
	Why   string `json:"why,omitempty"`
	First string `json:"first,omitempty"`
	// Moved is the version that traffic has moved to since, Back whether that is one that was there before.
	Moved string `json:"moved,omitempty"`
	Back  bool   `json:"back,omitempty"`
	// Flapping says that several episodes came and went shortly before this one.
	Flapping bool   `json:"flapping,omitempty"`
	Notice   Notice `json:"notice,omitzero"`
}

// Broken is a series of an episode with what it gained since its shortest window last looked bad.
type Broken struct {
	Series string         `json:"series"`
	Fresh  metrics.Trials `json:"fresh"`
}

// alarm is a series whose evidence reached the alarm level in this fold.
type alarm struct {
	series *judged
	logM   float64
}

// episodes moves the alert of every tier by one fold.
//
// In: alarms and gains of this fold. Out: transitions. Invariant: firing needs an alarm, an end needs evidence or another
// generation; silence and distrust do neither.
func (r *run) episodes(alarms map[Tier][]alarm) []Transition {
	var list []Transition
	for _, tier := range tiers() {
		a := r.st.Alerts[tier]
		if a == nil {
			a = &Alert{State: StateLearning, Since: r.mark}
			r.st.Alerts[tier] = a
		}
		if t := r.excused(tier, a); t != nil {
			list = append(list, *t)
		}
		var t *Transition
		switch {
		case a.Episode != nil && r.switched && !r.carry(a.Episode):
			t = r.end(tier, a, StateSuperseded)
		case a.Episode != nil:
			a.Episode.add(alarms[tier])
			if r.recovered(a.Episode) {
				t = r.end(tier, a, StateResolved)
			} else {
				t = r.remind(tier, a.Episode)
			}
		case len(alarms[tier]) > 0:
			t = r.fire(tier, a, alarms[tier])
		}
		if t != nil {
			list = append(list, *t)
		}
		if t != nil && t.State == StateSuperseded && len(alarms[tier]) > 0 { // the new generation has evidence of its own
			list = append(list, *r.fire(tier, a, alarms[tier]))
		}
		r.rest(tier, a)
	}
	return list
}

// fire opens an episode, led by the series with the strongest evidence.
func (r *run) fire(tier Tier, a *Alert, alarms []alarm) *Transition {
	lead := slices.MaxFunc(alarms, func(x, y alarm) int {
		switch {
		case x.logM < y.logM:
			return -1
		case x.logM > y.logM:
			return 1
		}
		return 0
	}).series
	e := &Episode{ID: r.episodeID(string(tier)+" "+lead.Rule(), 0), Rule: lead.Rule(), Series: lead.id(), Generation: r.active.ID,
		Version: r.active.Version, Started: r.mark, Onset: r.series(lead.id()).Onset}
	e.add(alarms)
	a.begun(e)
	t := r.transition(tier, e.Rule, e.ID)
	t.State, t.Previous, t.Started = StateFiring, a.State, e.Started
	t.ID = e.ID + ":" + string(StateFiring)
	a.State, a.Since, a.Episode = StateFiring, r.mark, e
	r.lookSince(e.Onset)
	r.measure(&t, lead)
	t.Summary, t.Text = r.firingWords(e, lead, &t)
	r.lens = lens{}
	r.announce(a, e, &t)
	return &t
}

func (e *Episode) add(alarms []alarm) {
	for _, a := range alarms {
		if !slices.ContainsFunc(e.Broken, func(b Broken) bool { return b.Series == a.series.id() }) {
			e.Broken = append(e.Broken, Broken{Series: a.series.id()})
		}
	}
}

// carry takes an episode along to the generation that traffic has moved to. It reports false if that generation has no
// baseline for any of the broken series: then nothing is left to be held against.
func (r *run) carry(e *Episode) bool {
	var kept []Broken
	for _, b := range e.Broken {
		if j := r.find(b.Series); j != nil && j.detector != nil {
			kept = append(kept, Broken{Series: b.Series})
		}
	}
	e.Broken, e.GoodSince = kept, time.Time{}
	if e.Moved, e.Back = r.active.Version, r.gen.Back.Equal(r.mark); r.active.ID == e.Generation { // where it began
		e.Moved, e.Back = "", false
	}
	return len(kept) > 0
}

// recovered gathers the fresh evidence of the broken series and says whether it has stood for long enough.
//
// A fresh band begins when the shortest window stops looking bad. Because that moment is chosen by looking, the band
// is a little too optimistic; a wrong end costs a second episode, while a band that began with the episode would have
// to outweigh every bad hour before the end.
func (r *run) recovered(e *Episode) bool {
	good := true
	for i := range e.Broken {
		good = r.wellAgain(&e.Broken[i]) && good
	}
	switch {
	case !good:
		e.GoodSince = time.Time{}
	case e.GoodSince.IsZero():
		e.GoodSince = r.mark
	}
	return good && r.mark.Sub(e.GoodSince) >= e.hold(r.m.cfg.Resolve.Hold)
}

func (r *run) wellAgain(b *Broken) bool {
	j := r.find(b.Series)
	if j == nil || j.detector == nil || j.robustness() && r.st.Trust.State != "" || r.st.Trust.State == StateNoData {
		return false
	}
	if r.gone(j.Slice) {
		return true
	}
	cfg := r.m.cfg.Resolve
	limit := j.limit(cfg.Margin)
	rate, seen := r.lately(j.Series).Rate()
	if seen && rate >= limit {
		b.Fresh = metrics.Trials{}
		return false
	}
	b.Fresh = b.Fresh.Plus(r.gains[b.Series])
	if !seen || b.Fresh.N < r.enough(j.Series) {
		return false
	}
	band, err := metrics.ConfidenceSequence(b.Fresh.K, b.Fresh.N-b.Fresh.K, .05, 2*r.enough(j.Series))
	return err == nil && band.Upper < limit
}

// gone says that a slice has sent nothing in the longest window while others did. No evidence about it will come any more,
// and an alert that waited for some would keep silent about all else.
func (r *run) gone(slice string) bool {
	last := len(r.windows) - 1
	return slice != "" && r.age() > r.m.cfg.Windows[last] && r.windows[last].detections > 0 && r.windows[last].of(slice).detections == 0
}

// end closes an episode.
func (r *run) end(tier Tier, a *Alert, state AlertState) *Transition {
	e := a.Episode
	t := r.transition(tier, e.Rule, e.ID)
	t.State, t.Previous, t.Started, t.Cause = state, StateFiring, e.Started, e.Cause
	t.ID = e.ID + ":" + string(state)
	a.State, a.Since, a.Episode = StateOK, r.mark, nil
	lead := r.find(e.Series)
	if lead != nil {
		r.measure(&t, lead)
	}
	t.Summary, t.Text = r.endWords(e, state, lead, &t)
	return &t
}

// rest names the state of an alert that has no episode.
func (r *run) rest(tier Tier, a *Alert) {
	state := StateOK
	switch {
	case a.Episode != nil:
		state = StateFiring
	case r.st.Trust.State != "":
		state = r.st.Trust.State
	case !slices.ContainsFunc(r.list, func(j *judged) bool { return j.Tier == tier && j.detector != nil && j.robustness() }):
		state = StateLearning
	}
	if state != a.State {
		a.State, a.Since = state, r.mark
	}
}

// episodeID is a hash of the rule, the configuration and the first fold that broke it. The fold is named by its event
// time in fine buckets, so that a fold which is repeated after a roll-back of the store gives the same id.
func (r *run) episodeID(rule string, fold int64) string {
	bucket := floorTo(r.mark, r.m.fine)
	return digest(r.st.Detector, rule, r.active.ID, r.m.digest, strconv.FormatInt(bucket, 10), strconv.FormatInt(fold, 10))
}

// transition fills in what all transitions share.
func (r *run) transition(tier Tier, rule, episode string) Transition {
	t := Transition{Episode: episode, Fingerprint: digest(r.st.Detector, string(tier)), Detector: r.st.Detector,
		Version: r.active.Version, Generation: r.active.ID, Tier: tier, Notify: allowed(tier, r.m.route.Notify),
		Owner: r.m.route.Owner, Rule: rule, At: r.moment(), Runbook: r.m.route.Runbook}
	if m := r.muting(tier); m != nil {
		t.Notify, t.Muted = NotifyNone, m.ID
	}
	return t
}

// moment is the event time of the fold; before the first record there is only the wall clock.
func (r *run) moment() time.Time {
	if r.mark.IsZero() {
		return r.in.Now.UTC()
	}
	return r.mark
}

// allowed is how loud a tier may be, given the most that the owner lets out.
func allowed(tier Tier, most string) string {
	switch {
	case tier == LogOnly || most == NotifyNone || most == "":
		return NotifyNone
	case tier == Ticketing || most == NotifyTicket:
		return NotifyTicket
	}
	return NotifyPage
}
