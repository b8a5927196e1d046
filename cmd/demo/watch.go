package main

import (
	"context"
	"time"

	"shaketable/pipeline"
	"shaketable/pipeline/redis"
)

// fewest probes in the shortest window for a point on the line: below, it would only show chance.
const fewest = 40

// pager is the sink: it puts what would wake people into the record.
type pager struct{ record *Record }

var _ pipeline.Sink = pager{}

// Name implements [pipeline.Sink].
func (pager) Name() string { return "pager" }

// Send implements [pipeline.Sink]: a message that is in the record is delivered.
func (p pager) Send(_ context.Context, t pipeline.Transition) error {
	if t.Tier != pipeline.Paging || t.Notify != pipeline.NotifyPage {
		return nil
	}
	p.record.Update(time.Now(), func(v *View, at float64) {
		if t.State == pipeline.StateFiring {
			if v.Fired++; v.Fired == 1 {
				v.FiredAt, v.FiredText = at, t.Text
			}
		}
		if t.State == pipeline.StateFiring || v.Alert != nil {
			v.Alert = &Alert{State: string(t.State), T: at, Version: t.Version, Summary: t.Summary, Text: t.Text}
		}
	})
	return nil
}

// watch copies every new snapshot of the clock path into the record, until ctx is done.
func watch(ctx context.Context, a *pipeline.Alerter, store *redis.Store, record *Record) {
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	fold := int64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			s := a.Current(now)
			if s == nil || s.Fold == fold {
				continue
			}
			fold = s.Fold
			outcomes, err := store.Outcomes(ctx)
			if err != nil {
				outcomes = nil // shown with the next fold
			}
			record.Update(now, func(v *View, at float64) { v.take(s, outcomes, at) })
		}
	}
}

// take shows a snapshot.
func (v *View) take(s *pipeline.Snapshot, outcomes []pipeline.Counts, at float64) {
	v.Version = s.Generation.Version
	for _, t := range s.Tiers {
		if t.Tier == pipeline.Paging {
			v.State = string(t.State)
		}
	}
	if outcomes != nil {
		v.Outcomes = sum(outcomes)
		v.Read, v.Total = v.Outcomes[pipeline.Read], v.Outcomes[string(pipeline.Probed)]
	}
	if len(s.Windows) == 0 {
		return
	}
	short, long := s.Windows[0], s.Windows[len(s.Windows)-1]
	v.Probes = short.Probes
	if long.CleanAccuracy != nil {
		v.Accuracy = long.CleanAccuracy.Value
	}
	before := baselines(s)
	v.Families = nil
	for _, scope := range short.Scopes {
		ra, rr, ok := shares(scope)
		switch {
		case !ok:
		case scope.Scope == pipeline.ScopeDetector:
			v.RA, v.RR = ra, rr
			if short.Probes >= fewest {
				v.Points = append(v.Points, Point{T: at, RA: ra.Value, RR: rr.Value, Version: v.Version})
			}
		case scope.Scope == pipeline.ScopeFamily:
			was, known := before[scope.Family]
			if !known {
				was = -1
			}
			v.Families = append(v.Families, Family{Name: scope.Family, RA: ra.Value, RR: rr.Value, Before: was})
		}
	}
}

// headline is the tolerance that the demo shows.
const headline = .05

func shares(s pipeline.ScopeView) (ra, rr Share, ok bool) {
	if s.RASelf == nil {
		return ra, rr, false
	}
	for _, f := range s.RR {
		if f.Tolerance == headline {
			return Share{s.RASelf.Value, s.RASelf.Low, s.RASelf.High}, Share{f.RR.Value, f.RR.Low, f.RR.High}, true
		}
	}
	return ra, rr, false
}

// baselines returns RR(.05) of the previous version by family.
func baselines(s *pipeline.Snapshot) map[string]float64 {
	out := map[string]float64{}
	for _, v := range s.Series {
		if v.Metric == pipeline.MetricRR && v.Tolerance == headline && v.Scope == pipeline.ScopeFamily && v.BaselineKind == "predecessor" {
			out[v.Family] = v.Baseline
		}
	}
	return out
}

func sum(counts []pipeline.Counts) map[string]int64 {
	out := map[string]int64{}
	for _, c := range counts {
		for k, n := range c {
			out[k] += n
		}
	}
	return out
}
