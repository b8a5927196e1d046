package pipeline

import (
	"fmt"
	"math"
	"time"
)

// What the frozen panel says to a change: it holds the pictures still, so whatever it shows is not the traffic.

// panelFinding is what a comparison of two runs shows.
type panelFinding int

const (
	panelSilent panelFinding = iota // there is nothing to compare, or it shows too little
	panelAlike
	panelWorse
)

// panelWord is a finding and the sentence for it.
type panelWord struct {
	finding panelFinding
	words   string
}

const (
	// panelFloor is a move of a clean probability that nobody would see: .001, in ticks.
	panelFloor = 1000
	// panelSure is the chance below which a difference is taken for real; panelUnsure that above which it is not.
	panelSure, panelUnsure = .01, .05
	// panelEnough pictures must be alike to say that two versions are.
	panelEnough = 50
	// panelSlack is how long before the onset the panel may have moved and still be about the same change.
	panelSlack = time.Hour
	// panelShare of the pictures whose clean probability moved by the headline tolerance is a change by itself.
	panelShare = .05
)

// panelEdge is the tolerance at which the panel looks at the matter of a series; verdicts alone for RA.
func panelEdge(s Series) int64 {
	switch s.Metric {
	case MetricRR:
		return s.Edge
	case MetricRASelf:
		return FullTick
	}
	return headlineEdge
}

// panelAcross compares the version before with the active one on the same pictures.
func (r *run) panelAcross(lead *judged) panelWord {
	before, after := r.in.Panels[r.st.Previous], r.in.Panels[r.active.ID]
	version := r.active.Version
	switch {
	case len(r.in.Panels) == 0:
		return panelWord{words: "There is no panel of frozen pictures to compare the two versions on."}
	case len(before.Last.Media) == 0 || len(after.Last.Media) == 0:
		return panelWord{words: "The panel of frozen pictures has not been through both versions yet."}
	}
	c, err := ComparePanels(before.Last, after.Last, r.active.Threshold, panelEdge(lead.Series), panelFloor)
	if err != nil {
		return panelWord{words: "The two versions were probed with different panels, so they cannot be compared picture by picture."}
	}
	counts := fmt.Sprintf("of %s %d are less robust under version %s, %d are more robust", frozen(c.N), c.Worse, version, c.Better)
	switch {
	case c.Worse > c.Better && c.P < panelSure:
		return panelWord{panelWorse, fmt.Sprintf("The panel agrees: %s; chance alone does that %s.", counts, odds(c.P))}
	case c.N >= panelEnough && c.P > panelUnsure && c.RateAfter-c.RateBefore <= r.m.cfg.Epsilon:
		return panelWord{panelAlike, fmt.Sprintf("The panel speaks against the model: %s, no more than chance.", counts)}
	}
	return panelWord{words: fmt.Sprintf("The panel does not decide it: %s.", counts)}
}

// PanelMark is what is remembered of the panel under one generation: only its first and its last run are kept, and a move of
// long ago explains nothing of today. Times are wall clock.
type PanelMark struct {
	First time.Time `json:"first,omitzero"` // run that the others are compared with
	Moved time.Time `json:"moved,omitzero"` // earliest run that was found to have moved; zero while it stands still
}

// watchPanel takes note of the run in which the panel of the active generation began to differ from its first run.
func (r *run) watchPanel() {
	runs, ok := r.in.Panels[r.active.ID]
	if !ok {
		return
	}
	if !runs.First.At.Equal(r.gen.Panel.First) {
		r.gen.Panel = PanelMark{First: runs.First.At}
	}
	c, far, err := r.movedPanel(runs, headlineEdge)
	switch {
	case err != nil || !panelChanged(c, far):
		r.gen.Panel.Moved = time.Time{}
	case r.gen.Panel.Moved.IsZero():
		r.gen.Panel.Moved = runs.Last.At
	}
}

// panelChanged says that a panel moved more than it may: pictures became less robust, or their clean probabilities moved far.
func panelChanged(c PanelComparison, far float64) bool {
	return c.Worse > c.Better && c.P < panelSure || far > panelShare*float64(c.N)
}

// panelWithin compares the first and the last run under the active version: what moves there is neither the model nor the
// traffic.
func (r *run) panelWithin(lead *judged, onset time.Time) panelWord {
	runs := r.in.Panels[r.active.ID]
	n := len(runs.Last.Media)
	switch {
	case len(r.in.Panels) == 0:
		return panelWord{words: "Without a panel of frozen pictures a change of driver or library cannot be ruled out."}
	case n == 0:
		return panelWord{words: "The panel of frozen pictures has not been through this version yet."}
	case !runs.Last.At.After(runs.First.At):
		return panelWord{words: fmt.Sprintf("The panel of %s was probed only once so far, at %s.", frozen(n), clock(runs.Last.At))}
	case runs.Last.At.Before(onset):
		return panelWord{words: fmt.Sprintf("The panel of %s was last probed at %s, before the change.", frozen(n), clock(runs.Last.At))}
	}
	c, far, err := r.movedPanel(runs, panelEdge(lead.Series))
	if err != nil {
		return panelWord{words: "The panel of frozen pictures was changed meanwhile, so its runs cannot be compared."}
	}
	if moved := r.gen.Panel.Moved; panelChanged(c, far) {
		if !moved.IsZero() && onset.Sub(moved) > panelSlack {
			return panelWord{words: fmt.Sprintf("The panel of %s moved as well, but already at %s.", frozen(n), stamp(moved))}
		}
		text := fmt.Sprintf("The panel moved although the model file is the same: %d of %s by more than .001, at most %s", c.Moved, frozen(c.N), plainMove(c.MaxMove))
		if c.Worse > c.Better {
			text += fmt.Sprintf("; %d are less robust than at first, %d are more robust", c.Worse, c.Better)
		}
		return panelWord{panelWorse, text + fmt.Sprintf(" (last probed %s).", clock(runs.Last.At))}
	}
	if c.Moved > 0 {
		return panelWord{words: fmt.Sprintf("Of %s %d moved, by at most %s: too little to explain it (last probed %s).", frozen(c.N), c.Moved,
			plainMove(c.MaxMove), clock(runs.Last.At))}
	}
	return panelWord{panelAlike, fmt.Sprintf("The panel of %s has not moved (last probed %s).", frozen(c.N), clock(runs.Last.At))}
}

// movedPanel compares the first with the last run; far is how many clean probabilities moved by the headline tolerance.
func (r *run) movedPanel(runs PanelRuns, edge int64) (c PanelComparison, far float64, err error) {
	wide, err := ComparePanels(runs.First, runs.Last, r.active.Threshold, edge, headlineEdge)
	if err != nil {
		return c, 0, err
	}
	c, err = ComparePanels(runs.First, runs.Last, r.active.Threshold, edge, panelFloor)
	return c, float64(wide.Moved), err
}

func frozen(n int) string { return count(float64(n), "frozen picture", "frozen pictures") }

func plainMove(move float64) string { return plain(math.Round(move*1000) / 1000) }

// odds says how seldom chance does something.
func odds(p float64) string {
	if p < 1e-6 {
		return "less than once in a million"
	}
	n := 1 / p
	unit := math.Pow(10, math.Floor(math.Log10(n)))
	return fmt.Sprintf("once in %.0f", math.Floor(n/unit)*unit)
}

// PanelView is what the frozen panel shows of the active generation.
type PanelView struct {
	Panel    string    `json:"panel"`
	Pictures int       `json:"pictures"`
	First    time.Time `json:"first"` // wall clock of the first run under this generation
	Last     time.Time `json:"last"`
	// Moved pictures have a clean probability that differs by more than .001 from that of the first run, by MaxMove at most.
	Moved   int     `json:"moved"`
	MaxMove float64 `json:"max_move"`
	// Failing is the mean share of variants that turn the verdict or move by more than .05, in the first and the last run.
	FailingFirst float64 `json:"failing_first"`
	FailingLast  float64 `json:"failing_last"`
	// Changed says that the panel moved more than the runtime may; Words what an alert would say of it.
	Changed bool   `json:"changed"`
	Words   string `json:"words"`
	// Across compares with the version before; nil if that was not probed with the same panel.
	Across *PanelAcross `json:"across,omitempty"`
}

// PanelAcross compares two versions on the same pictures.
type PanelAcross struct {
	Version string  `json:"version"` // the one before
	Worse   int     `json:"worse"`   // pictures that are less robust under the active version
	Better  int     `json:"better"`
	Same    int     `json:"same"`
	P       float64 `json:"p"` // of such a difference by chance
	Words   string  `json:"words"`
}

func (r *run) panelView() *PanelView {
	runs, ok := r.in.Panels[r.active.ID]
	if !ok || len(runs.Last.Media) == 0 {
		return nil
	}
	lead := &judged{Series: Series{Metric: MetricRR, Edge: headlineEdge}}
	v := &PanelView{Panel: runs.Last.Panel, Pictures: len(runs.Last.Media), First: runs.First.At, Last: runs.Last.At}
	if c, _, err := r.movedPanel(runs, headlineEdge); err == nil {
		v.Moved, v.MaxMove, v.FailingFirst, v.FailingLast = c.Moved, c.MaxMove, c.RateBefore, c.RateAfter
	}
	within := r.panelWithin(lead, runs.First.At)
	v.Changed, v.Words = within.finding == panelWorse, within.words
	before, known := r.in.Panels[r.st.Previous]
	g := r.st.Generations[r.st.Previous]
	if !known || g == nil {
		return v
	}
	if c, err := ComparePanels(before.Last, runs.Last, r.active.Threshold, headlineEdge, panelFloor); err == nil {
		v.Across = &PanelAcross{Version: g.Version, Worse: c.Worse, Better: c.Better, Same: c.Same, P: c.P, Words: r.panelAcross(lead).words}
	}
	return v
}
