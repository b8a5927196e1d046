package pipeline

import (
	"math"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"shaketable/metrics"
)

func TestAlertConfigDefaultsAreValid(t *testing.T) {
	if es := DefaultAlertConfig().Validate(); len(es) != 0 {
		t.Errorf("defaults: %v", es)
	}
}

func TestAlertConfigFaults(t *testing.T) {
	for _, c := range []struct {
		name, want string
		spoil      func(*AlertConfig)
	}{
		{"no baseline", "baseline: is empty", func(c *AlertConfig) { c.Baseline = nil }},
		{"unknown baseline", `baseline[0]: "last_week"`, func(c *AlertConfig) { c.Baseline = []metrics.BaselineKind{"last_week"} }},
		{"twice", "baseline[1]: file is listed twice", func(c *AlertConfig) { c.Baseline = []metrics.BaselineKind{metrics.File, metrics.File} }},
		{"file unlisted", "file: is given, but", func(c *AlertConfig) { c.File, c.Baseline = "b.json", c.Baseline[3:] }},
		{"objective unlisted", "objective: is given, but", func(c *AlertConfig) {
			c.Objective, c.Baseline = map[string]float64{"ra_self": .9}, c.Baseline[1:]
		}},
		{"objective of 95 %", "objective[ra_self]: objective 95", func(c *AlertConfig) { c.Objective = map[string]float64{"ra_self": 95} }},
		{"objective of what", "objective[ra]: ", func(c *AlertConfig) { c.Objective = map[string]float64{"ra": .9} }},
		{"tolerance as nobody writes it", "write rr(0.05)", func(c *AlertConfig) { c.Objective = map[string]float64{"rr(.05)": .9} }},
		{"epsilon", "epsilon: NaN", func(c *AlertConfig) { c.Epsilon = math.NaN() }},
		{"probes", "burn_in.min_probes: 0", func(c *AlertConfig) { c.BurnIn.MinProbes = 0 }},
		{"false alarms", "false_alarms.page: 0 must be above 0", func(c *AlertConfig) { c.FalseAlarms.Page = 0 }},
		{"too many false alarms", "false_alarms.log: alarm threshold", func(c *AlertConfig) { c.FalseAlarms.Log = 1e12 }},
		{"cap", "series_cap.ticket: 0", func(c *AlertConfig) { c.SeriesCap.Ticket = 0 }},
		{"period", "period: 1ms", func(c *AlertConfig) { c.Period = time.Millisecond }},
		{"lease", "lease: 1s", func(c *AlertConfig) { c.Lease = time.Second }},
		{"windows", "windows[1]: 1m0s must be longer", func(c *AlertConfig) { c.Windows = []time.Duration{time.Hour, time.Minute} }},
		{"no windows", "windows: has 0 values", func(c *AlertConfig) { c.Windows = nil }},
		{"notify", `notify: "everybody"`, func(c *AlertConfig) { c.Notify = "everybody" }},
		{"detectors", "detectors: -1", func(c *AlertConfig) { c.Detectors = -1 }},
		{"hold", "resolve.hold: -1s", func(c *AlertConfig) { c.Resolve.Hold = -time.Second }},
		{"label delay", "labels.delay: 721h0m0s must be 0", func(c *AlertConfig) { c.Labels.Delay = 721 * time.Hour }},
		{"max hold", "no_data.max_hold: 0s", func(c *AlertConfig) { c.NoData.MaxHold = 0 }},
	} {
		cfg := DefaultAlertConfig()
		c.spoil(&cfg)
		es := cfg.Validate()
		if len(es) != 1 || !strings.Contains(es[0].Error(), c.want) {
			t.Errorf("%s: %v, want one fault with %q", c.name, es, c.want)
		}
		if _, err := NewMachine(cfg, DefaultWindowConfig(), Route{}, nil); err == nil {
			t.Errorf("%s: a machine was built from it", c.name)
		}
	}
}

func TestAlertConfigFromYAML(t *testing.T) {
	c := DefaultAlertConfig()
	err := yaml.Unmarshal([]byte(`
baseline: [predecessor, burn_in, objective]
objective: {ra_self: 0.95, "rr(0.05)": 0.80}
burn_in: {min_probes: 100, min_duration: 2h}
false_alarms: {page: 0.5}
windows: [10s, 30s, 1m]
period: 1s
`), &c)
	if err != nil {
		t.Fatal(err)
	}
	if c.BurnIn.MinDuration != 2*time.Hour || c.FalseAlarms.Page != .5 || c.FalseAlarms.Ticket != 10 || len(c.Windows) != 3 {
		t.Errorf("%+v", c)
	}
	if es := c.Validate(); len(es) != 0 {
		t.Error(es)
	}
	// A = cap 20 x 30 days of seconds / .5
	if a, err := c.AlarmLevel(Paging); err != nil || a != 20*30*86400/.5 {
		t.Errorf("A = %v, %v", a, err)
	}
}

func TestAllowed(t *testing.T) {
	for _, c := range []struct {
		tier Tier
		most string
		want string
	}{
		{Paging, NotifyPage, NotifyPage}, {Paging, NotifyTicket, NotifyTicket}, {Paging, NotifyNone, NotifyNone}, {Paging, "", NotifyNone},
		{Ticketing, NotifyPage, NotifyTicket}, {Ticketing, NotifyNone, NotifyNone}, {LogOnly, NotifyPage, NotifyNone},
	} {
		if got := allowed(c.tier, c.most); got != c.want {
			t.Errorf("tier %s, owner allows %q: %s, want %s", c.tier, c.most, got, c.want)
		}
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{share(.384), "38 of 100"}, {share(0), "0 of 100"}, {share(.004), "4 of 1000"}, {share(.00001), "1 of 1000"},
		{share(1), "100 of 100"}, {share(.997), "997 of 1000"}, {plain(.05), ".05"}, {plain(.005), ".005"},
		{windowName(15 * time.Minute), "15m"}, {windowName(24 * time.Hour), "24h"}, {windowName(90 * time.Second), "1m30s"},
		{windowName(10 * time.Second), "10s"}, {windowName(100 * time.Minute), "1h40m"}, {FamilyWords("jpeg"), "recompression (JPEG)"},
		{FamilyWords("pgd10_self"), "the PGD attack (pgd10_self)"}, {FamilyWords("odd_thing"), "odd thing"},
		{shortShare(.12, "38 of 100"), "12"}, {shortShare(.004, "38 of 100"), "4 of 1000"}, {rounded(72 * time.Hour), "3 days"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
