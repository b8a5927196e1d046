package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"shaketable/pipeline"
)

// Validate returns every fault of a configuration that was made in code; Load has checked what it returns.
func (c Config) Validate() error {
	var faults Faults
	for _, p := range c.validate() {
		faults = append(faults, Fault{Path: p.path, Text: p.text})
	}
	for i, d := range c.Detectors {
		for _, p := range checkDetector(d) {
			faults = append(faults, Fault{Path: fmt.Sprintf("detectors[%d].%s", i, p.path), Text: p.text})
		}
	}
	if len(c.Detectors) == 0 {
		faults = append(faults, Fault{Path: "detectors", Text: "are missing"})
	}
	return faults.err()
}

// validate asks every section, then checks what concerns two of them.
func (c *Config) validate() []problem {
	var ps []problem
	add := func(section string, es ...error) {
		for _, e := range es {
			ps = append(ps, problemsOf(section, e)...)
		}
	}
	add("kafka", c.Kafka.Validate())
	add("redis", c.Redis.Validate())
	add("decode", c.Decode.Validate()...)
	for i, rule := range c.Exclude {
		add(fmt.Sprintf("exclude[%d]", i), rule.Validate()...)
	}
	add("slices", c.Slices.Validate()...)
	add("panel", c.Panel.Validate()...)
	add("sample", c.Sample.Validate()...)
	add("join", c.Join.Validate()...)
	add("prepare", c.Prepare.Validate()...)
	add("probe", c.Probe.Validate()...)
	ps = append(ps, c.checkSuites()...)
	add("attacks", c.Attacks.Validate()...)
	add("window", c.Window.Validate()...)
	add("flow", validateFlow(c.Flow)...)
	add("alerts", c.Alerts.Validate()...)
	add("telemetry", c.Telemetry.Validate()...)
	add("http", c.HTTP.Validate()...)
	return append(ps, c.across()...)
}

// across checks what one section asks of another.
func (c *Config) across() []problem {
	var ps []problem
	check := func(ok bool, path, format string, args ...any) {
		if !ok {
			ps = append(ps, problem{path, fmt.Sprintf(format, args...)})
		}
	}
	check(c.Join.Media != pipeline.MediaTopic || c.Kafka.Topics.Media != "", "kafka.topics.media",
		"is empty, but join.media is topic; name the topic that holds the pictures")
	check(c.Join.Media == pipeline.MediaTopic || c.Kafka.Topics.Media == "", "kafka.topics.media",
		"is %q, but join.media is %s; set join.media to topic or leave this out", c.Kafka.Topics.Media, c.Join.Media)
	check(c.Attacks.Rate == 0 || c.HTTP.Stuck <= 0 || c.Attacks.Timeout+c.Probe.Timeout < c.HTTP.Stuck, "attacks.timeout",
		"%v and probe.timeout (%v) together must be shorter than http.stuck (%v), after which a process counts as stuck",
		c.Attacks.Timeout, c.Probe.Timeout, c.HTTP.Stuck)
	check(slices.Contains(c.Window.Tolerances, c.Alerts.Skew.Tolerance), "alerts.skew.tolerance",
		"%v must be one of window.tolerances %v, at which it is counted", c.Alerts.Skew.Tolerance, c.Window.Tolerances)
	check(c.Alerts.FineHorizon <= c.Redis.FineTTL, "alerts.fine_horizon",
		"%v is longer than redis.fine_ttl (%v), for which fine buckets are kept", c.Alerts.FineHorizon, c.Redis.FineTTL)
	for i, w := range c.Alerts.Windows {
		check(w <= c.Redis.CoarseTTL, fmt.Sprintf("alerts.windows[%d]", i),
			"%v is longer than redis.coarse_ttl (%v), for which buckets are kept", w, c.Redis.CoarseTTL)
	}
	check(c.Redis.LabelHorizon == c.Window.LabelHorizon, "redis.label_horizon",
		"%v differs from window.label_horizon (%v); leave it out here", c.Redis.LabelHorizon, c.Window.LabelHorizon)
	return ps
}

func validateFlow(f pipeline.FlowConfig) []error {
	var es []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			es = append(es, fmt.Errorf(format, args...))
		}
	}
	check(f.InFlight >= 1, "in_flight: %d must be at least 1", f.InFlight)
	check(f.Queue >= f.InFlight, "queue: %d must be at least flow.in_flight (%d)", f.Queue, f.InFlight)
	check(f.Flush > 0, "flush: %v must be above 0", f.Flush)
	check(f.Drain >= 0, "drain: %v must not be negative", f.Drain)
	check(f.Start == "earliest" || f.Start == "latest", "start: %q is not one of earliest, latest", f.Start)
	check(f.Rebuild > 0, "rebuild: %v must be above 0", f.Rebuild)
	return es
}

var keyForm = regexp.MustCompile(`^([a-z0-9_]+(?:[.\[][^ :]*)?): (?s:(.*))$`)

// problemsOf takes an error of a section apart: joined errors one by one, and the key that each begins with.
func problemsOf(section string, err error) []problem {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var ps []problem
		for _, e := range joined.Unwrap() {
			ps = append(ps, problemsOf(section, e)...)
		}
		return ps
	}
	text := strings.TrimPrefix(err.Error(), section+".")
	if m := keyForm.FindStringSubmatch(text); m != nil {
		return []problem{{join(section, m[1]), m[2]}}
	}
	return []problem{{section, text}}
}
