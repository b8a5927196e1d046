package main

import (
	"math"
	"strings"
	"testing"

	"shaketable/metrics"
	"shaketable/perturb"
	"shaketable/pipeline"
)

func TestParseLimit(t *testing.T) {
	for text, want := range map[string]limit{
		"RR(.05) -0.05":             {metric: pipeline.MetricRR, edge: 50_000, fall: .05},
		"rr(0.10)/jpeg -.03":        {metric: pipeline.MetricRR, edge: 100_000, family: "jpeg", fall: .03},
		"RA_self .95":               {metric: pipeline.MetricRASelf, least: .95},
		"RA_self 1":                 {metric: pipeline.MetricRASelf, least: 1},
		"RA_self -0":                {metric: pipeline.MetricRASelf},
		"  RA_label/jpeg/75   −0.1": {metric: pipeline.MetricRALabel, family: "jpeg", parameter: "75", fall: .1},
		"RA_self/motion_blur/radius=10, sigma=3 .5": {metric: pipeline.MetricRASelf, family: "motion_blur", parameter: "radius=10, sigma=3", least: .5},
		"RR(.05)/fgsm_self/eps=2/255 .1":            {metric: pipeline.MetricRR, edge: 50_000, family: "fgsm_self", parameter: "eps=2/255", least: .1},
	} {
		want.text = text
		if got, err := parseLimit(text); err != nil || got != want {
			t.Errorf("%q is %+v (%v), want %+v", text, got, err, want)
		}
	}
	for text, says := range map[string]string{
		"": "is no limit", "RA_self": "is no limit", "RR .9": "is no limit", "RA .9": "is no limit", "RA_self .9 x": "is no limit",
		"RA_self 95": "is no share", "RA_self 0": "is no share", "RA_self -5": "is no share", "RR(.03) .9": "tolerances are .01 .02 .05 .1 .2",
	} {
		if _, err := parseLimit(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want it to say %q", text, err, says)
		}
	}
}

func TestMeasures(t *testing.T) {
	suite, err := perturb.Lookup("production")
	if err != nil {
		t.Fatal(err)
	}
	fake := true
	with, without := task{suite: suite}, task{}
	with.media.pictures = []mediaFile{{fake: &fake}}
	with.against = []metrics.Baseline{{Series: map[string]metrics.Reference{"ra_self": {N: 10, K: 1}, "rr(0.05)/resize": {N: 10}},
		Provenance: map[string]string{provenanceDetector: "meso"}}}
	plain := with
	plain.against, plain.media = nil, folder{pictures: []mediaFile{{}}}
	for _, c := range []struct {
		of   task
		text string
		says string
	}{
		{with, "RA_self -0.1", ""}, {with, "RA_label/jpeg .9", ""}, {with, "RR(.05)/resize/2 -0.1", ""}, {with, "RA_self/jpeg/40 .9", ""},
		{with, "RA_self/jpeg/41 .9", "nothing of this evaluation is called jpeg/41"}, {with, "RA_self/fog .9", "families are jpeg, resize"},
		{with, "RR(.05) -0.1", "the baseline of meso has no such figure"}, {plain, "RA_self -0.1", "give --against"},
		{plain, "RA_label .9", "give --labels"}, {without, "RA_self .9", "without a suite"},
	} {
		_, err := c.of.parseLimits([]string{c.text})
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%q: %v, want %q", c.text, err, c.says)
		}
	}
}

// TestJudge: 90 of 100 against 80 of 100 differ by .0001490251 to .1994738701 (statsmodels, newcomb); Wilson of 90 of 100 is
// .8256343385 to .9447708629.
func TestJudge(t *testing.T) {
	trials := func(held float64) metrics.Trials { return metrics.Trials{N: 100, K: 100 - held} }
	for _, c := range []struct {
		limit      string
		is, was    float64
		seen, sure bool // whether the gate fails
		says       string
	}{
		{"RR(.05) -0.05", 80, 90, true, false, "RR(.05) fell from .900 to .800, by .100, and may fall by .05; it fell beyond chance, but on other pictures perhaps by less than that (95 % band of the change -.199 to -.000, n 100 now and 100 then)"},
		{"RR(.05) -0.1", 80, 90, false, false, "and may fall by .1; the fall is beyond chance"},
		{"RR(.05) -0.09", 80, 90, true, false, ""},
		{"RR(.05) -0.05", 60, 90, true, true, "that much is beyond chance"},
		{"RR(.05) -0.05", 84, 90, true, false, "on other pictures the fall could be none"},
		{"RR(.05) -0.05", 88, 90, false, false, "the fall is within chance"},
		{"RR(.05) -0.05", 95, 90, false, false, "RR(.05) is .950, was .900 (95 %"},
		{"RR(.05) -0", 90, 90, false, false, "RR(.05) is .900, was .900"},
		{"RA_self .9", 90, 0, false, false, "RA_self is .900, and .9 must hold (95 % band .826 to .945, n 100)"},
		{"RA_self .91", 90, 0, true, false, "on other pictures it could be above"},
		{"RA_self .95", 90, 0, true, true, "it is below that beyond chance"},
	} {
		l, err := parseLimit(c.limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, when := range []string{failSeen, failSure} {
			judge, want := l.judgeLeast, c.seen
			check, err := judge(trials(c.is), when)
			if l.least == 0 {
				check, err = l.judgeFall(trials(c.is), trials(c.was), when)
			}
			if when == failSure {
				want = c.sure
			}
			if err != nil || check.Failed != want || !strings.Contains(check.Text, c.says) {
				t.Errorf("%s, %v after %v, %s: failed %v, %q (%v)", c.limit, c.is, c.was, when, check.Failed, check.Text, err)
			}
		}
	}
}

// TestSlack: a fall of exactly the limit is no fall beyond it, however the sums round.
func TestSlack(t *testing.T) {
	l, err := parseLimit("RA_self -0.1")
	if err != nil {
		t.Fatal(err)
	}
	for n := 10.; n < 1000; n += 10 {
		was := math.Round(n * .9)
		if c, err := l.judgeFall(metrics.Trials{N: n, K: n - (was - n/10)}, metrics.Trials{N: n, K: n - was}, failSeen); err != nil || c.Failed {
			t.Errorf("%v of %v after %v: %q (%v)", was-n/10, n, was, c.Text, err)
		}
	}
}
