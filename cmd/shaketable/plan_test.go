//go:build cgo

package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"shaketable/pipeline"
)

func TestPlan(t *testing.T) {
	s := newSite(t, "sample: {rate: .5}\nslices: {attributes: []}\n")
	// nothing has been counted
	if code, _, stderr := s.ask(t, "plan"); code != exitUsage || !strings.Contains(stderr, "--per-hour is missing") {
		t.Errorf("without traffic: exit %d, %s", code, stderr)
	}
	hour := time.Now().Add(-3 * time.Hour).Truncate(time.Hour)
	s.count(t, &pipeline.Batch{Stream: pipeline.Detections, Last: 0, Outcomes: pipeline.Counts{"read": 1}, Counts: map[pipeline.Cell]pipeline.Counts{
		{Generation: s.gen.ID, Kind: pipeline.Coarse, Start: hour.Unix()}:                      {"d": 2400},
		{Generation: s.gen.ID, Kind: pipeline.Coarse, Start: hour.Add(-72 * time.Hour).Unix()}: {"d": 1e6}, // too long ago
	}})
	steps := pipeline.RateSteps{{Rate: .125, Key: s.key.KeyID()}}
	if _, err := s.store.AppendSteps(t.Context(), 0, steps, 0); err != nil {
		t.Fatal(err)
	}
	code, out, stderr := s.ask(t, "plan")
	if code != exitFine {
		t.Fatal(code, stderr)
	}
	// 2400 in 24 hours are 100 an hour, of which an eighth is 12.5
	has(t, out, "rate of the sample: 0.125 (in force)", "sample.rate is 0.5, but the rate in force is 0.125", "counted in the last day",
		"toy 1  production@2  100  12.5  ", "in 4 partitions", "no budget", "no baseline is known: 10 of 100 are taken to fail",
		"each of 16 series  .900  ", "the first baseline takes 10 days (3000 probes) and not less than 7 days", "pages 1, tickets 10, in the log 100")
	if strings.Contains(out, "labels a day") {
		t.Errorf("there is no topic of labels:\n%s", out)
	}
	// 20 series of page tier in 43200 folds for one false alarm: from a null of .12 to .20, ln(5 A) / KL(.20 || .12) = 589.6
	has(t, out, "47h10m (590 probes)")
}

// With a baseline every series falls from its own rate; a budget that is too small is named with what it will do.
func TestPlanWithBaselineAndBudget(t *testing.T) {
	s := newSite(t, "sample: {rate: .5, budget: {device_seconds_per_hour: .5}}\nkafka: {topics: {labels: l}}\n")
	if code, _, stderr := evaluated(t, s.args("out")); code != exitFine {
		t.Fatal(code, stderr)
	}
	s.server.Kill() // a plan is made before there is a Redis
	code, out, stderr := s.ask(t, "plan", "--per-hour", "1e6", "--baseline", s.path("out/baseline.json"))
	if code != exitFine {
		t.Fatal(code, stderr)
	}
	has(t, out, "note: Redis can't be asked", "rate of the sample: 0.5 (sample.rate)", "1000000  5e+05", "from the rates of baseline ",
		"RA_self brightness  ", "for every 1000 labels a day, of any media, sampled or not: 5.7 MB")
	if strings.Contains(out, "no baseline is known") {
		t.Errorf("the baseline was not used:\n%s", out)
	}
	m := regexp.MustCompile(`all together ([0-9.e+]+) device seconds an hour`).FindStringSubmatch(out)
	lower := regexp.MustCompile(`it will lower the rate to ([0-9.e-]+)`).FindStringSubmatch(out)
	if m == nil || lower == nil {
		t.Fatal(out)
	}
	total, err1 := strconv.ParseFloat(m[1], 64)
	rate, err2 := strconv.ParseFloat(lower[1], 64)
	if err1 != nil || err2 != nil || total*rate/.5 > .8*.5*1.01 || total*rate/.5 < .8*.5/2*.99 && rate > .5/4096*1.01 {
		t.Errorf("%s device seconds at .5, rate %s for a budget of .5 (%v, %v)", m[1], lower[1], err1, err2)
	}
	if strings.Contains(out, "does not lower a rate further") {
		t.Errorf("the budget is told not to hold:\n%s", out)
	}
	code, out, stderr = s.ask(t, "plan", "--per-hour", "1e9")
	if code != exitFine {
		t.Fatal(code, stderr)
	}
	has(t, out, "it will lower the rate to 0.0001221", "a budget does not lower a rate further, and that takes ")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"plan"}, exitFailed, "--per-hour is not given, and Redis can't say"},
		{[]string{"plan", "--per-hour", "0"}, exitUsage, "must be above 0"},
		{[]string{"plan", "--per-hour", "NaN"}, exitUsage, "must be above 0"},
		{[]string{"plan", "--per-hour", "1", "--baseline", s.path("none.json")}, exitUsage, "--baseline: open"},
		{[]string{"plan", "--per-hour", "1", "--baseline", s.path("detectors.yaml")}, exitUsage, "detectors.yaml: parsing baseline"},
		{[]string{"plan", "x"}, exitUsage, "takes no arguments"},
	} {
		if code, _, stderr := s.ask(t, c.args...); code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: exit %d, want %d, %q\n%s", c.args, code, c.code, c.want, stderr)
		}
	}
}

func TestPlanWords(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "less than a minute", 40 * time.Second: "1m", 29 * time.Second: "less than a minute",
		90 * time.Minute: "1h30m", 47 * time.Hour: "47h", 60 * time.Hour: "3 days", 30 * 24 * time.Hour: "30 days", -time.Second: "ever"} {
		if got := lifeText(d); got != want {
			t.Errorf("%s is %q, want %q", fmt.Sprint(d), got, want)
		}
	}
	for b, want := range map[float64]string{0: "0 bytes", 999: "999 bytes", 999.6: "1 kB", 53.61e6: "53.6 MB", 999.7e6: "1 GB", 4.2e12: "4.2e+03 GB"} {
		if got := size(b); got != want {
			t.Errorf("%v is %q, want %q", b, got, want)
		}
	}
	for d, want := range map[time.Duration]string{12345 * time.Microsecond: "12.3 ms", 2 * time.Second: "2 s", 15 * time.Microsecond: "15 µs"} {
		if got := brief(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}
