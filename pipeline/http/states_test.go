package http

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"shaketable/metrics"
	"shaketable/pipeline"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// held is a store in memory that counts how often it is asked.
type held struct {
	names []string
	data  map[string][]byte
	err   error
	reads int
}

func (h *held) Detectors(context.Context) ([]string, error) {
	h.reads++
	return h.names, h.err
}

func (h *held) Snapshot(_ context.Context, detector string) ([]byte, error) {
	return h.data[detector], nil
}

func rate(value, half float64) *pipeline.Rate {
	return &pipeline.Rate{Value: value, Low: value - half, High: min(value+half, 1), N: 420}
}

// firing is a detector whose page alert fires, as the clock path would store it.
func firing() pipeline.Snapshot {
	window := func(name string, seconds int64, rr float64) pipeline.WindowView {
		scope := func(s pipeline.Scope, family string, ra, rr float64) pipeline.ScopeView {
			return pipeline.ScopeView{Scope: s, Family: family, Natural: true, RASelf: rate(ra, .012),
				RR: []pipeline.ToleranceFigure{{Tolerance: .01, RR: *rate(rr/2, .02)}, {Tolerance: .05, RR: *rate(rr, .03)}}}
		}
		attack := scope(pipeline.ScopeFamily, "pgd10_delta_uint8", .231, .047)
		attack.Natural, attack.RASelf.N = false, 39
		return pipeline.WindowView{Name: name, Seconds: seconds, From: noon.Add(-time.Duration(seconds) * time.Second), To: noon, Probes: 420,
			Detections: 42_000, PerHour: 168_000, CleanAccuracy: rate(.94, .01), Skew: rate(.998, .001), Inconclusive: map[string]int64{"timeout": 3},
			Scopes: []pipeline.ScopeView{scope(pipeline.ScopeDetector, "", .973, rr), scope(pipeline.ScopeFamily, "jpeg", .971, rr-.1),
				scope(pipeline.ScopeFamily, "gaussian_noise", .99, .96), attack}, AttackFailures: map[string]int64{"timeout": 2, "model": 1}}
	}
	started := noon.Add(-20 * time.Minute)
	transition := func(state pipeline.AlertState, at time.Time, summary string) pipeline.Transition {
		return pipeline.Transition{ID: "e:" + string(state), Tier: pipeline.Paging, State: state, At: at, Summary: summary}
	}
	const summary = "meso4-f2f 2018.2: 38 of 100 pictures changed by recompression (JPEG) now move by more than .05; it was 12"
	return pipeline.Snapshot{Schema: 1, Detector: "meso4-f2f", Notify: "page", ComputedAt: noon, Period: 60, Watermark: noon.Add(-30 * time.Second),
		WatermarkAge: 30, Generation: pipeline.GenerationView{ID: "g", Version: "2018.2", Previous: "2018.1"},
		Tiers: []pipeline.TierView{{Tier: pipeline.Paging, State: pipeline.StateFiring, Judged: 8, Episode: &pipeline.EpisodeView{ID: "e", Rule: "RR(0.05) jpeg",
			Started: started, Muted: true, Flapping: true, Summary: summary, Text: "What: 38 of 100 <pictures> …\nSince: 11:40"}}, {Tier: pipeline.Ticketing, State: pipeline.StateOK}},
		Baselines: []pipeline.BaselineView{{Kind: metrics.Predecessor, ID: "b", Version: 1}, {Kind: metrics.Accepted, ID: "c", Version: 3,
			Approved: &metrics.Approval{By: "ana", Reason: "new encoder"}}},
		Proposed: []pipeline.BaselineView{{Kind: metrics.BurnIn, ID: "burn_in-4", Author: "shaketable", Reason: "first probes of version 2018.2"}},
		Mutes:    []pipeline.Mute{{ID: "m", Tier: pipeline.Ticketing, Until: noon.Add(4 * time.Hour), Author: "ben", Reason: "load test"}},
		Windows:  []pipeline.WindowView{window("15m", 900, .62), window("1h", 3600, .71), window("24h", 86400, .85)},
		Slices:   []pipeline.SliceView{slice("partner-feed", .24, .91, .42, true), slice("web", .76, .975, .71, true), slice("~other", 0, 0, 0, false)},
		Labels:   &pipeline.LabelView{Delay: 5400, Measured: true, Labels: 3100, Coverage: rate(.87, .02), Judged: true},
		Panel: &pipeline.PanelView{Pictures: 200, Last: noon.Add(-17 * time.Minute), Words: "The panel of 200 frozen pictures has not moved (last probed 11:43:00 UTC).",
			Across: &pipeline.PanelAcross{Version: "2018.1", Worse: 61, Better: 7, Same: 132, Words: "Of 200 frozen pictures 61 are less robust under version 2018.2 and 7 more."}},
		Series: []pipeline.SeriesView{}, Transitions: []pipeline.Transition{transition(pipeline.StateResolved, noon.Add(-20*time.Hour), "an older one"),
			transition(pipeline.StateFiring, started, summary)}}
}

// slice is one source of uploads, whose share was the same for long.
func slice(name string, share, ra, rr float64, judged bool) pipeline.SliceView {
	short := pipeline.SliceWindow{Name: "15m", Detections: int64(10_500 * share), Probes: int64(105 * share), Share: share}
	if judged {
		short.RASelf, short.RR = rate(ra, .03), rate(rr, .06)
	}
	v := pipeline.SliceView{Slice: "source=" + name, Shown: "source " + name, Judged: judged,
		Windows: []pipeline.SliceWindow{short, {Name: "24h", Share: share}}}
	if !judged {
		v.Why = "no baseline yet"
	}
	return v
}

func quiet() pipeline.Snapshot {
	s := firing()
	s.Detector, s.Transitions, s.Notify = "xception", nil, "none"
	s.Slices, s.Labels, s.Panel, s.Proposed, s.Mutes, s.Baselines = nil, nil, nil, nil, nil, nil
	s.Tiers = []pipeline.TierView{{Tier: pipeline.Paging, State: pipeline.StateOK}}
	s.Trust = pipeline.Trust{State: pipeline.StateUntrusted, Reason: "38 of 100 deployed scores differ"}
	return s
}

func store(t *testing.T, list ...pipeline.Snapshot) *held {
	t.Helper()
	h := &held{data: map[string][]byte{}}
	for _, s := range list {
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		h.names = append(h.names, s.Detector)
		h.data[s.Detector] = data
	}
	return h
}

func options(s States) Options {
	return Options{States: s, Health: &pipeline.Health{}, Role: "all", Version: "v1.2.3", Now: func() time.Time { return noon },
		Log: slog.New(slog.DiscardHandler), Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("# metrics\n")) })}
}

func handler(t *testing.T, o Options) http.Handler {
	t.Helper()
	h, err := Handler(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

var errAway = errors.New("redis: detectors: connection refused")
