package pipeline

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"shaketable/metrics"
)

// What an owner lets out of the house: the highest tier that a transition may carry to the sinks.
const (
	NotifyNone   = "none"
	NotifyTicket = "ticket"
	NotifyPage   = "page"
)

// AlertConfig says what a detector is held against and when anybody is told. See [Machine] and [Alerter].
type AlertConfig struct {
	// Baseline lists the kinds of baseline in the order in which they are tried: "objective", "file", "predecessor",
	// "burn_in". Default: all four, in this order. Objectives are judged beside whatever serves the rest.
	Baseline []metrics.BaselineKind `yaml:"baseline"`
	// Objective maps the name of a series ("ra_self", "rr(0.05)", "rr(0.05)/jpeg") to the share that must hold. Default: none.
	Objective map[string]float64 `yaml:"objective"`
	// File is the baseline.json of an evaluation, relative to the configuration file; "" for none.
	File string `yaml:"file"`
	// Epsilon is the smallest rise of a failure rate that is worth telling anybody. Default .02.
	Epsilon float64 `yaml:"epsilon"`
	// BurnIn says when the first probes of a generation are enough to be its baseline. Default 3000 probes and 168h. The
	// chance in a baseline is not part of the allowance of false alarms: 16 series held against 1000 probes raised 1.1
	// false pages a month in simulation, against 3000 probes .02.
	BurnIn BurnInConfig `yaml:"burn_in"`
	// Predecessor says how many probes the previous generation needs to be a baseline. Default 3000, for the same reason.
	Predecessor PredecessorConfig `yaml:"predecessor"`
	// FalseAlarms allowed per 30 days, for all detectors together. Default page 1, ticket 10, log 100.
	FalseAlarms TierAllowance `yaml:"false_alarms"`
	// SeriesCap bounds the judged series per detector. Series beyond it are shown and counted as `other`; with it fixed, the
	// alarm level never moves. Default page 20, ticket 100, log 400.
	SeriesCap TierCap `yaml:"series_cap"`
	// Detectors is how many detectors share the allowance. 0: as many as the configuration lists. Default 0.
	Detectors int `yaml:"detectors"`
	// Period is the time between two folds. Default 1m.
	Period time.Duration `yaml:"period"`
	// Windows are what is shown, ascending. The shortest also has a say in resolving. Default 15m 1h 24h.
	Windows []time.Duration `yaml:"windows"`
	// FineHorizon is the longest window that is summed from fine buckets; longer ones use coarse ones. It must be below the
	// time that the store keeps fine buckets. Default 6h.
	FineHorizon time.Duration `yaml:"fine_horizon"`
	// Skew says when the deployed scores are no longer those of the probed model.
	Skew SkewConfig `yaml:"skew"`
	// Labels says when labels should have come.
	Labels LabelsConfig `yaml:"labels"`
	// Inconclusive is the share of failed probes above which figures are not trusted. Default .1.
	Inconclusive float64 `yaml:"inconclusive"`
	// Resolve says which evidence ends an episode.
	Resolve ResolveConfig `yaml:"resolve"`
	// Repeat says after how long a firing alert is told again. Default page 4h, ticket 24h.
	Repeat RepeatConfig `yaml:"repeat"`
	// NoData says when silence is a state of its own.
	NoData NoDataConfig `yaml:"no_data"`
	// Notify is used for detectors that name none: "none", "ticket" or "page". Default "none".
	Notify string `yaml:"notify"`
	// Lease is how long a dead alerter keeps its place. Default 15s.
	Lease time.Duration `yaml:"lease"`
	// Page is the link to the state page that alerts carry; "" for none.
	Page string `yaml:"page"`
}

// BurnInConfig is part of [AlertConfig]; both conditions must hold.
type BurnInConfig struct {
	MinProbes   int64         `yaml:"min_probes"`
	MinDuration time.Duration `yaml:"min_duration"` // of event time
	// Approval makes it a proposal, which judges nothing before somebody approves it. Default false.
	Approval bool `yaml:"approval"`
}

// PredecessorConfig is part of [AlertConfig].
type PredecessorConfig struct {
	MinProbes int64 `yaml:"min_probes"`
}

// TierAllowance is a number of false alarms per 30 days for each tier.
type TierAllowance struct {
	Page   float64 `yaml:"page"`
	Ticket float64 `yaml:"ticket"`
	Log    float64 `yaml:"log"`
}

// TierCap is a number of series per detector for each tier.
type TierCap struct {
	Page   int `yaml:"page"`
	Ticket int `yaml:"ticket"`
	Log    int `yaml:"log"`
}

// SkewConfig is part of [AlertConfig].
type SkewConfig struct {
	// Tolerance is the difference between the deployed score and ours that numerics may make. It must be one of
	// window.tolerances, at which it is counted. Default .05.
	Tolerance float64 `yaml:"tolerance"`
	// Share of probes that may lie beyond the tolerance. Default .05.
	Share float64 `yaml:"share"`
}

// LabelsConfig is part of [AlertConfig].
type LabelsConfig struct {
	// Delay is the age at which a picture should have its label: figures that need labels leave out what is younger. 0: the
	// time within which 95 % of the labels have come so far; 24h until 30 have. Default 0.
	Delay time.Duration `yaml:"delay"`
}

// ResolveConfig is part of [AlertConfig].
type ResolveConfig struct {
	// Margin above the failure rate that the baseline allows, below which the fresh band must lie. Default .02.
	Margin float64 `yaml:"margin"`
	// MinProbes since the episode began that the fresh band must rest on. Default 200.
	MinProbes int64 `yaml:"min_probes"`
	// Hold is how long, in event time, the evidence must stand. Default 30m.
	Hold time.Duration `yaml:"hold"`
}

// NoDataConfig is part of [AlertConfig].
type NoDataConfig struct {
	// MaxHold is how long, in real time, the watermark may stand still or the shortest window lack probes. Default 10m.
	MaxHold time.Duration `yaml:"max_hold"`
	// MinProbes in the shortest window. Default 1.
	MinProbes int64 `yaml:"min_probes"`
	// Idle is how fresh the word of a worker must be that its partition is read to the end. Default 1m.
	Idle time.Duration `yaml:"idle"`
}

// DefaultAlertConfig returns the defaults of [AlertConfig].
func DefaultAlertConfig() AlertConfig {
	return AlertConfig{
		Baseline:    []metrics.BaselineKind{metrics.Objective, metrics.File, metrics.Predecessor, metrics.BurnIn},
		Epsilon:     metrics.DefaultEpsilon,
		BurnIn:      BurnInConfig{MinProbes: 3000, MinDuration: 7 * 24 * time.Hour},
		Predecessor: PredecessorConfig{MinProbes: 3000},
		FalseAlarms: TierAllowance{Page: 1, Ticket: 10, Log: 100},
		SeriesCap:   TierCap{Page: 20, Ticket: 100, Log: 400},
		Period:      time.Minute,
		Windows:     []time.Duration{15 * time.Minute, time.Hour, 24 * time.Hour},
		FineHorizon: 6 * time.Hour,
		Skew:        SkewConfig{Tolerance: .05, Share: .05}, Inconclusive: .1,
		Resolve: ResolveConfig{Margin: .02, MinProbes: 200, Hold: 30 * time.Minute},
		Repeat:  RepeatConfig{Page: 4 * time.Hour, Ticket: 24 * time.Hour},
		NoData:  NoDataConfig{MaxHold: 10 * time.Minute, MinProbes: 1, Idle: time.Minute},
		Notify:  NotifyNone, Lease: 15 * time.Second,
	}
}

// Of returns the allowance of a tier.
func (a TierAllowance) Of(t Tier) float64 {
	return map[Tier]float64{Paging: a.Page, Ticketing: a.Ticket, LogOnly: a.Log}[t]
}

// Of returns the cap of a tier.
func (c TierCap) Of(t Tier) int {
	return map[Tier]int{Paging: c.Page, Ticketing: c.Ticket, LogOnly: c.Log}[t]
}

// tiers lists the tiers from loud to silent.
func tiers() []Tier { return []Tier{Paging, Ticketing, LogOnly} }

// AlarmLevel returns A of a tier: series of all detectors times folds in 30 days, over the false alarms allowed.
func (c AlertConfig) AlarmLevel(t Tier) (float64, error) {
	const month = 30 * 24 * time.Hour
	return metrics.Threshold(c.SeriesCap.Of(t)*max(c.Detectors, 1), int64(month/c.Period), c.FalseAlarms.Of(t))
}

// Digest names the settings that decide what an alert means; it is part of the identity of episodes.
func (c AlertConfig) Digest() string {
	text, err := json.Marshal(c)
	if err != nil { // only a figure that is no number can do this, and Validate refuses those
		text = []byte(fmt.Sprintf("%+v", c))
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// Validate returns one error per fault; each begins with the key that is at fault.
func (c AlertConfig) Validate() []error {
	var es []error
	fault := func(format string, args ...any) { es = append(es, fmt.Errorf(format, args...)) }
	es = append(es, c.validateBaseline()...)
	for _, s := range []struct {
		key   string
		share float64
	}{{"epsilon", c.Epsilon}, {"skew.tolerance", c.Skew.Tolerance}, {"skew.share", c.Skew.Share},
		{"inconclusive", c.Inconclusive}, {"resolve.margin", c.Resolve.Margin}} {
		if !(s.share > 0 && s.share < 1) {
			fault("%s: %v must lie between 0 and 1", s.key, s.share)
		}
	}
	for _, n := range []struct {
		key   string
		count int64
	}{{"burn_in.min_probes", c.BurnIn.MinProbes}, {"predecessor.min_probes", c.Predecessor.MinProbes},
		{"resolve.min_probes", c.Resolve.MinProbes}, {"no_data.min_probes", c.NoData.MinProbes}} {
		if n.count < 1 {
			fault("%s: %d must be at least 1", n.key, n.count)
		}
	}
	if c.BurnIn.MinDuration < 0 || c.Resolve.Hold < 0 {
		fault("burn_in.min_duration: %v and resolve.hold: %v must not be negative", c.BurnIn.MinDuration, c.Resolve.Hold)
	}
	if !slices.Contains([]string{NotifyNone, NotifyTicket, NotifyPage}, c.Notify) {
		fault("notify: %q is not one of none, ticket, page", c.Notify)
	}
	if c.Detectors < 0 {
		fault("detectors: %d must not be negative", c.Detectors)
	}
	return append(append(es, c.validateAlarms()...), c.validateTimes()...)
}

func (c AlertConfig) validateBaseline() []error {
	var es []error
	known := DefaultAlertConfig().Baseline
	if len(c.Baseline) == 0 {
		es = append(es, fmt.Errorf("baseline: is empty; give some of objective, file, predecessor, burn_in"))
	}
	for i, k := range c.Baseline {
		if !slices.Contains(known, k) {
			es = append(es, fmt.Errorf("baseline[%d]: %q is not one of objective, file, predecessor, burn_in", i, k))
		} else if slices.Contains(c.Baseline[:i], k) {
			es = append(es, fmt.Errorf("baseline[%d]: %s is listed twice", i, k))
		}
	}
	if c.File != "" && !slices.Contains(c.Baseline, metrics.File) {
		es = append(es, fmt.Errorf("file: is given, but baseline does not list file"))
	}
	if len(c.Objective) > 0 && !slices.Contains(c.Baseline, metrics.Objective) {
		es = append(es, fmt.Errorf("objective: is given, but baseline does not list objective"))
	}
	for _, name := range sortedKeys(c.Objective) {
		if _, err := metrics.NullObjective(c.Objective[name]); err != nil {
			es = append(es, fmt.Errorf("objective[%s]: %w", name, err))
		}
		if _, err := parseSeriesName(name); err != nil {
			es = append(es, fmt.Errorf("objective[%s]: %w", name, err))
		}
	}
	return es
}

func (c AlertConfig) validateAlarms() []error {
	var es []error
	for _, t := range tiers() {
		if !(c.FalseAlarms.Of(t) > 0) || math.IsInf(c.FalseAlarms.Of(t), 0) {
			es = append(es, fmt.Errorf("false_alarms.%s: %v must be above 0", t, c.FalseAlarms.Of(t)))
		} else if c.SeriesCap.Of(t) < 1 {
			es = append(es, fmt.Errorf("series_cap.%s: %d must be at least 1", t, c.SeriesCap.Of(t)))
		} else if c.Period >= time.Second {
			if _, err := c.AlarmLevel(t); err != nil {
				es = append(es, fmt.Errorf("false_alarms.%s: %w", t, err))
			}
		}
	}
	return es
}

func (c AlertConfig) validateTimes() []error {
	var es []error
	if c.Period < time.Second || c.Period > time.Hour {
		es = append(es, fmt.Errorf("period: %v must be 1s to 1h", c.Period))
	}
	if c.Lease < 2*time.Second {
		es = append(es, fmt.Errorf("lease: %v must be at least 2s", c.Lease))
	}
	if len(c.Windows) == 0 || len(c.Windows) > 6 {
		es = append(es, fmt.Errorf("windows: has %d values; give 1 to 6", len(c.Windows)))
	}
	for i, w := range c.Windows {
		if w < time.Second || w%time.Second != 0 {
			es = append(es, fmt.Errorf("windows[%d]: %v must be a whole number of seconds above 0", i, w))
		} else if i > 0 && w <= c.Windows[i-1] {
			es = append(es, fmt.Errorf("windows[%d]: %v must be longer than the one before it", i, w))
		}
	}
	es = append(es, c.Repeat.validate()...)
	if d := c.Labels.Delay; d < 0 || d > 30*24*time.Hour {
		es = append(es, fmt.Errorf("labels.delay: %v must be 0 (measured) to 720h, the longest that is counted", d))
	}
	es = append(es, positive("fine_horizon", c.FineHorizon)...)
	es = append(es, positive("no_data.max_hold", c.NoData.MaxHold)...)
	return append(es, positive("no_data.idle", c.NoData.Idle)...)
}

// windowName writes a duration as people do: 15m, 1h, 24h, 90s.
func windowName(d time.Duration) string {
	name := d.String()
	for _, zero := range []string{"0s", "0m"} {
		if strings.HasSuffix(name, "m"+zero) || strings.HasSuffix(name, "h"+zero) {
			name = strings.TrimSuffix(name, zero)
		}
	}
	return name
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
