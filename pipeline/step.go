package pipeline

import (
	"fmt"
	"time"

	"shaketable/metrics"
)

// Machine is the clock path of one detector without its input and output: it knows the configuration and remembers
// nothing but what it can compute again. It is not safe for concurrent use.
type Machine struct {
	cfg          AlertConfig
	digest       string
	fine, coarse time.Duration
	route        Route
	known        []metrics.Baseline
	level        map[Tier]float64
	objectives   map[string]float64
	memo         map[string][]*judged
	shelf        shelf
}

// Route says whom the alerts of a detector may reach, and how.
type Route struct {
	Notify  string // "none", "ticket" or "page"
	Owner   string
	Runbook string
}

// Result is what one fold brings.
type Result struct {
	State       *State
	Snapshot    Snapshot
	Transitions []Transition
	// Frozen are the baselines that were frozen in this fold, to be kept outside the store as well.
	Frozen []metrics.Baseline
	// Done are the ids of the orders that were answered.
	Done []string
}

// NewMachine takes a valid configuration, the widths of the buckets, the route of the detector, and the baselines that
// exist outside the store: read from files, or restored after a loss.
func NewMachine(cfg AlertConfig, w WindowConfig, route Route, known []metrics.Baseline) (*Machine, error) {
	if es := cfg.Validate(); len(es) > 0 {
		return nil, fmt.Errorf("alerts: %w", es[0])
	}
	if route.Notify == "" {
		route.Notify = cfg.Notify
	}
	m := &Machine{cfg: cfg, digest: cfg.Digest(), fine: w.Fine, coarse: w.Coarse, route: route, known: known,
		level: map[Tier]float64{}, objectives: cfg.Objective, memo: map[string][]*judged{}}
	for _, t := range tiers() {
		a, err := cfg.AlarmLevel(t)
		if err != nil {
			return nil, fmt.Errorf("alerts: %w", err)
		}
		m.level[t] = a
	}
	return m, nil
}

// run is one fold under way.
type run struct {
	m        *Machine
	st       *State // the next state
	in       FoldInput
	mark     time.Time    // event time of this fold
	active   Registration // zero while no generation has been seen
	gen      *GenerationState
	switched bool   // the active generation is another than in the last fold
	total    *tally // running totals of the active generation
	list     []*judged
	gains    map[string]metrics.Trials // by series id
	windows  []*tally                  // one per configured window
	since    time.Duration             // how far back the fine buckets were read
	lens     lens                      // what the message that is being written looks at
	done     []string                  // ids of the orders that are answered
	accepted []metrics.Baseline        // approved in this fold, for the active generation
}

// Step folds what the ledger holds now into the state. It is pure: prev and in stay as they are, and the same arguments
// give the same result.
//
//	watermark ─► generations ─► orders ─► baselines ─► trust ─► drift ─► episodes ─► snapshot
func (m *Machine) Step(prev *State, in FoldInput) (Result, error) {
	r := &run{m: m, st: prev.clone(), in: in, gains: map[string]metrics.Trials{}}
	r.tick()
	r.since = m.since(prev, prev.Choice.next(in.Recent, in.Generations, r.mark, m.recent()).Active, r.mark)
	r.appear()
	if err := r.choose(); err != nil {
		return Result{}, err
	}
	out := Result{Transitions: r.obey()}
	if r.active.ID != "" {
		out.Frozen = r.settle()
		var err error
		r.matured()
		r.watchPanel()
		if r.list, err = m.judge(r.active.Generation, r.gen.Baselines, sortedKeys(in.Slices), r.st.Labels); err != nil {
			return Result{}, err
		}
	}
	if t := r.trust(); t != nil {
		out.Transitions = append(out.Transitions, *t)
	}
	alarms, err := r.drift()
	if err != nil {
		return Result{}, err
	}
	out.Transitions = append(out.Transitions, r.episodes(alarms)...)
	r.remember(out.Transitions)
	out.State, out.Snapshot, out.Done = r.st, r.snapshot(), r.done
	return out, nil
}

// tick moves the watermark and the two clocks by which silence is noticed.
func (r *run) tick() {
	r.st.Folds++
	r.mark = watermarkOf(r.in.Fences, r.st.Watermark, r.in.Now, r.m.cfg.NoData.Idle)
	first := r.st.Moved.IsZero()
	if first || r.mark.After(r.st.Watermark) {
		r.st.Moved = r.in.Now
	}
	if first {
		r.st.Probed = r.in.Now
	}
	r.st.Watermark, r.st.Folded = r.mark, r.in.Now
}

// appear takes note of generations that workers have registered since the last fold. What the predecessor leaves is frozen
// when live traffic first reaches a generation, not when a worker is told of it: a configuration may list the next version
// long before it is rolled out.
func (r *run) appear() {
	for _, g := range candidates(r.in.Generations, r.st.Choice.Active) {
		gs := r.generation(g)
		if !gs.Met && r.in.Totals[g.ID][FieldDetections] > 0 {
			gs.Met = true
			r.hand(gs, g.Generation)
		}
		if gs.First.IsZero() && r.in.Totals[g.ID][FieldProbes] > 0 {
			gs.First = r.mark
		}
	}
	r.forget()
}

// generation returns what is known of a generation, which may be nothing yet.
func (r *run) generation(g Registration) *GenerationState {
	gs := r.st.Generations[g.ID]
	if gs == nil {
		gs = &GenerationState{Series: map[string]*SeriesState{}}
		r.st.Generations[g.ID] = gs
	}
	if gs.Since.IsZero() { // the archive knows its baselines only
		gs.Version, gs.Since = g.Version, g.Since
	}
	return gs
}

// born is the event time since which its figures count: its first probe, or its return.
func (g *GenerationState) born() time.Time {
	if g.Back.After(g.First) {
		return g.Back
	}
	return g.First
}

// forget drops the generations that were active longest ago, with their evidence; their baselines are kept elsewhere.
func (r *run) forget() {
	for len(r.st.Generations) > 2*remembered {
		oldest := ""
		for _, id := range sortedKeys(r.st.Generations) {
			g := r.st.Generations[id]
			if id != r.st.Choice.Active && (oldest == "" || g.Active.Before(r.st.Generations[oldest].Active)) {
				oldest = id
			}
		}
		delete(r.st.Generations, oldest)
	}
}

// choose finds the active generation. When it changes, the evidence of the next one starts at nothing: one that was active
// before is judged on what it gains from now on, one that is new on everything since it appeared.
func (r *run) choose() error {
	before := r.st.Choice.Active
	r.st.Choice = r.st.Choice.next(r.in.Recent, r.in.Generations, r.mark, r.m.recent())
	id := r.st.Choice.Active
	if id == "" {
		return nil
	}
	active, ok := r.registration(id)
	if !ok {
		return fmt.Errorf("fold %s: generation %s is no longer registered: its variants are unknown", r.st.Detector, id)
	}
	r.active, r.gen = active, r.generation(active)
	r.count()
	if before != "" && before != id {
		r.switched, r.st.Previous, r.st.Changed = true, before, r.mark
		r.restart()
	}
	r.gen.Active = r.mark
	return nil
}

// count adds up the counters of the active generation.
func (r *run) count() {
	g := r.active.Generation
	r.total = newTally(g, r.m.cfg.Skew.Tolerance)
	r.total.add(r.in.Totals[g.ID])
	for name, counts := range r.in.Slices {
		r.total.slice(name).add(counts)
	}
	r.st.Labels = r.m.labelDelay(r.st, g.ID, r.in.Totals)
	r.windows = nil
	for _, w := range r.m.cfg.Windows {
		r.windows = append(r.windows, r.window(w))
	}
	if r.short().probes >= r.m.cfg.NoData.MinProbes {
		r.st.Probed = r.in.Now
	}
}

func (r *run) restart() {
	wasActive := !r.gen.Active.IsZero()
	if wasActive {
		r.gen.Back = r.mark
	}
	series, _ := SeriesOf(r.active.Generation, r.m.objectives, sortedKeys(r.in.Slices)...)
	for _, s := range series {
		if s.Metric == MetricCoverage { // it is about the feed of labels, whichever version they are about
			continue
		}
		state := r.series(s.id())
		*state = SeriesState{Gain: state.Gain, Onset: r.gen.born()}
		if wasActive {
			state.skip(r.trials(s))
		}
	}
}

// drift folds the gains of every judged series: first those about the monitor, because what they find decides whether the
// figures about the model count. While the monitor is not to be believed, those are let pass; while nothing is counted,
// all wait.
func (r *run) drift() (map[Tier][]alarm, error) {
	alarms := map[Tier][]alarm{}
	if r.st.Trust.State == StateNoData {
		return alarms, nil
	}
	believed := r.st.Trust.State == ""
	for _, model := range []bool{false, true} {
		for _, j := range r.list {
			if j.detector == nil || j.robustness() != model {
				continue
			}
			state, total := r.series(j.id()), r.trials(j.Series)
			if model && !believed {
				state.skip(total)
				continue
			}
			gained, v, err := j.fold(state, total, r.mark)
			if err != nil {
				return nil, fmt.Errorf("fold %s: series %s: %w", r.st.Detector, j.Rule(), err)
			}
			r.gains[j.id()] = gained
			if v.Alarm {
				alarms[j.Tier] = append(alarms[j.Tier], alarm{j, v.LogM})
				believed = believed && j.Metric != MetricSkew
			}
		}
	}
	return alarms, nil
}

// shownTransitions is how many past transitions the state keeps and the snapshot shows.
const shownTransitions = 20

func (r *run) remember(ts []Transition) {
	r.st.History = append(r.st.History, ts...)
	if extra := len(r.st.History) - shownTransitions; extra > 0 {
		r.st.History = append([]Transition(nil), r.st.History[extra:]...)
	}
}

func (r *run) registration(id string) (Registration, bool) {
	for _, g := range r.in.Generations {
		if id != "" && g.ID == id {
			return g, true
		}
	}
	return Registration{}, false
}

func (r *run) series(id string) *SeriesState {
	if id == string(MetricCoverage) {
		return &r.st.Labels.Series
	}
	s := r.gen.Series[id]
	if s == nil {
		s = &SeriesState{}
		r.gen.Series[id] = s
	}
	return s
}

// find returns a series of the active generation by id; nil if it has none such.
func (r *run) find(id string) *judged {
	for _, j := range r.list {
		if j.id() == id {
			return j
		}
	}
	return nil
}

// short is the shortest window; empty before the first generation.
func (r *run) short() *tally {
	if len(r.windows) == 0 {
		return newTally(Generation{}, 0)
	}
	return r.windows[0]
}
