package http

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"shaketable/pipeline"
)

//go:embed page
var assets embed.FS

// assetNames are the files that are served as they are.
func assetNames() []string { return []string{"style.css", "app.js", "icon.svg"} }

// page is the state for people. It is complete without a script; the script only fetches it again.
type page struct {
	cache    *cache
	template *template.Template
	options  Options
}

func newPage(c *cache, o Options) (*page, error) {
	t, err := template.New("page.html").Funcs(template.FuncMap{"percent": percent, "at": clock, "ago": ago, "per": perHundred,
		"words": stateWords, "told": told, "loud": loud, "before": before, "kind": kindWords, "whole": whole, "parts": parts}).ParseFS(assets, "page/page.html")
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	return &page{cache: c, template: t, options: o}, nil
}

// shown is what the template is given.
type shown struct {
	At        time.Time
	Fault     string // why the state can't be shown
	Faults    []string
	Detectors []detector
	Waiting   []string
	Version   string
	Role      string
}

// detector is a snapshot, and what the page derives from it.
type detector struct {
	pipeline.Snapshot
	Stale   time.Duration // age of a snapshot that nobody renews; 0 if it is renewed
	Worst   pipeline.AlertState
	Firing  []pipeline.TierView
	Windows []row
	Recent  []pipeline.Transition // newest first
}

// Shortest is the window in which the monitor itself is judged; nil before the first probe.
func (d detector) Shortest() *row {
	if len(d.Windows) == 0 {
		return nil
	}
	return &d.Windows[0]
}

// Longest names the longest window; it is asked for only where there is one.
func (d detector) Longest() string { return d.Windows[len(d.Windows)-1].Name }

// Failed is how many probes of the window could not be concluded, of Tried.
func (r row) Failed() int64 {
	failed := int64(0)
	for _, n := range r.Inconclusive {
		failed += n
	}
	return failed
}

// Tried is how many probes the window began.
func (r row) Tried() int64 { return r.Failed() + r.Probes }

// Failures is how many probes of the window are counted without the attacks they were to have.
func (r row) Failures() int64 {
	failures := int64(0)
	for _, n := range r.AttackFailures {
		failures += n
	}
	return failures
}

// row is one window: the detector's figures, then those of its families. Attacks stand apart: nobody meets them by accident,
// so the detector's figures leave them out.
type row struct {
	pipeline.WindowView
	RA, RR            *pipeline.Rate
	Families, Attacks []family
}

// figure is one of the two headline figures of a window.
type figure struct {
	Kind, Name, Says string
	Rate             *pipeline.Rate
}

// Figures are RA and RR(.05) of the detector.
func (r row) Figures() []figure {
	return []figure{{"ra", "RA", "verdicts hold", r.RA}, {"rr", "RR(.05)", "scores hold", r.RR}}
}

type family struct {
	Name   string
	RA, RR *pipeline.Rate
}

func (p *page) serve(w http.ResponseWriter, r *http.Request) {
	s, err := p.cache.read(r.Context())
	v := shown{At: s.At, Waiting: s.Waiting, Faults: p.options.Health.Faults(), Version: p.options.Version, Role: p.options.Role}
	status := http.StatusOK
	if err != nil {
		v.At, v.Fault, status = p.options.Now().UTC(), err.Error(), http.StatusServiceUnavailable
	}
	for _, data := range s.Detectors {
		var snapshot pipeline.Snapshot
		if err := json.Unmarshal(data, &snapshot); err != nil {
			v.Fault, status = fmt.Sprintf("a stored snapshot can't be read: %v", err), http.StatusInternalServerError
			continue
		}
		v.Detectors = append(v.Detectors, show(snapshot, s.At))
	}
	var body bytes.Buffer
	if err := p.template.Execute(&body, v); err != nil {
		p.options.Log.Error("the page can't be rendered", slog.Any("error", err))
		plain(w, http.StatusInternalServerError, "the page can't be rendered; see the log of the process\n")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(body.Bytes())
}

// headline is the tolerance of the RR that is shown.
const headline = .05

func show(s pipeline.Snapshot, now time.Time) detector {
	d := detector{Snapshot: s, Worst: pipeline.StateLearning}
	if age := now.Sub(s.ComputedAt); age.Seconds() > 3*s.Period {
		d.Stale = age
	}
	for i, t := range s.Tiers {
		if i == 0 {
			d.Worst = t.State
		}
		if t.Episode != nil && t.Tier != pipeline.LogOnly {
			d.Firing = append(d.Firing, t)
			d.Worst = pipeline.StateFiring
		}
	}
	if s.Trust.State != "" && len(d.Firing) == 0 {
		d.Worst = s.Trust.State
	}
	for _, w := range s.Windows {
		d.Windows = append(d.Windows, rowOf(w))
	}
	d.Recent = slices.Clone(s.Transitions)
	slices.Reverse(d.Recent)
	d.Recent = d.Recent[:min(len(d.Recent), 5)]
	return d
}

func rowOf(w pipeline.WindowView) row {
	r := row{WindowView: w}
	for _, s := range w.Scopes {
		var rr *pipeline.Rate
		for i := range s.RR {
			if s.RR[i].Tolerance == headline {
				rr = &s.RR[i].RR
			}
		}
		switch {
		case s.Scope == pipeline.ScopeDetector:
			r.RA, r.RR = s.RASelf, rr
		case s.Scope == pipeline.ScopeFamily && !s.Natural:
			r.Attacks = append(r.Attacks, family{s.Family, s.RASelf, rr})
		case s.Scope == pipeline.ScopeFamily:
			r.Families = append(r.Families, family{s.Family, s.RASelf, rr})
		}
	}
	return r
}
