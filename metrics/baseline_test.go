package metrics_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"shaketable/metrics"
)

func burnIn() metrics.Baseline {
	return metrics.Baseline{
		Schema: metrics.BaselineSchema, Kind: metrics.BurnIn, ID: "meso4-f2f/burn-in/1", Generation: "9f2c",
		FrozenAt: time.Date(2026, 11, 22, 10, 0, 0, 123_000_000, time.UTC), Author: "ada", Reason: "first week of 2018.1",
		Provenance: map[string]string{"suite": "production/1", "period": "7d"},
		Series: map[string]metrics.Reference{
			"jpeg/rr_0.05": {N: 104, K: 10}, "jpeg": {N: 104, K: 7.4}, "blur/ra_self": {N: 104},
		},
	}
}

func objective() metrics.Baseline {
	b := burnIn()
	b.Kind, b.Generation = metrics.Objective, ""
	b.Series = map[string]metrics.Reference{"detector/ra_self": {Objective: .95}, "detector/rr_0.05": {Objective: .80}}
	return b
}

func accepted() metrics.Baseline {
	b := burnIn()
	b.Kind, b.Version = metrics.Accepted, 3
	b.Approved = &metrics.Approval{By: "grace", Reason: "the new encoder is here to stay", At: b.FrozenAt.Add(time.Hour)}
	return b
}

// What was written before baselines had versions and approvals is read as ever.
func TestBaselineOfBefore(t *testing.T) {
	old := `{"schema":1,"kind":"file","id":"meso4-f2f","generation":"9f2c","frozen_at":"2026-11-22T10:00:00Z","author":"ada",
		"reason":"evaluated","series":{"ra_self/jpeg/q=75":{"n":104,"k":3}}}`
	b, err := metrics.ParseBaseline([]byte(old))
	if must(t, b, err); b.Version != 0 || b.Approved != nil {
		t.Errorf("version %d, approved %+v", b.Version, b.Approved)
	}
	text, err := json.Marshal(b)
	if must(t, text, err); strings.Contains(string(text), "version") || strings.Contains(string(text), "approved") {
		t.Errorf("written as %s", text)
	}
}

func TestBaselineRoundTrip(t *testing.T) {
	for _, b := range []metrics.Baseline{burnIn(), objective(), accepted()} {
		data, err := json.Marshal(b)
		must(t, data, err)
		back, err := metrics.ParseBaseline(data)
		if must(t, back, err); !reflect.DeepEqual(b, back) {
			t.Errorf("came back as %+v, was %+v", back, b)
		}
		again, err := json.Marshal(back)
		if must(t, again, err); string(again) != string(data) {
			t.Errorf("written again as %s, was %s", again, data)
		}
	}
}

func TestBaselineNull(t *testing.T) {
	for _, c := range []struct {
		b      metrics.Baseline
		series string
		ok     bool
		want   float64
	}{
		{burnIn(), "jpeg/rr_0.05", true, .1576392725}, {burnIn(), "jpeg", true, .1274505784},
		{burnIn(), "blur/ra_self", true, .0283942055}, {burnIn(), "noise", false, 0},
		{objective(), "detector/ra_self", true, .05}, {objective(), "detector/rr_0.05", true, .2},
	} {
		got, ok, err := c.b.Null(c.series, metrics.DefaultEpsilon)
		near(t, c.series, must(t, got, err), c.want, 10)
		if ok != c.ok {
			t.Errorf("%s: found %v, want %v", c.series, ok, c.ok)
		}
	}
	_, _, err := burnIn().Null("jpeg", 2)
	fails(t, "epsilon", err, "meso4-f2f/burn-in/1", `"jpeg"`, "epsilon 2")
}

func TestBaselineValidate(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*metrics.Baseline)
		parts  []string
	}{
		"schema":     {func(b *metrics.Baseline) { b.Schema = 2 }, []string{"schema is 2", "reads 1"}},
		"kind":       {func(b *metrics.Baseline) { b.Kind = "golden" }, []string{`kind "golden"`, "burn_in"}},
		"moment":     {func(b *metrics.Baseline) { b.FrozenAt = time.Time{} }, []string{"frozen_at is missing"}},
		"author":     {func(b *metrics.Baseline) { b.Author = "" }, []string{"author is missing"}},
		"version":    {func(b *metrics.Baseline) { b.Version = -1 }, []string{"version is -1"}},
		"approval":   {func(b *metrics.Baseline) { b.Approved = &metrics.Approval{By: "x"} }, []string{"approved: by, reason and at"}},
		"generation": {func(b *metrics.Baseline) { b.Generation = "" }, []string{"generation is missing"}},
		"empty":      {func(b *metrics.Baseline) { b.Series = nil }, []string{"series is empty"}},
		"no trials":  {func(b *metrics.Baseline) { b.Series["x"] = metrics.Reference{} }, []string{`series "x"`, "n is missing"}},
		"impossible": {func(b *metrics.Baseline) { b.Series["x"] = metrics.Reference{N: 3, K: 4} }, []string{`series "x"`, "4 failures of 3"}},
		"mixed":      {func(b *metrics.Baseline) { b.Series["x"] = metrics.Reference{N: 3, Objective: .5} }, []string{"objectives"}},
		"all at once": {func(b *metrics.Baseline) { b.ID, b.Reason, b.Schema = "", "", 0 },
			[]string{"schema is 0", "id is missing", "reason is missing"}},
	} {
		b := burnIn()
		c.change(&b)
		fails(t, name, b.Validate(), c.parts...)
	}
	promise := objective()
	promise.Series["x"] = metrics.Reference{Objective: 1}
	promise.Series["y"] = metrics.Reference{Objective: .5, N: 3}
	fails(t, "objectives", promise.Validate(), `series "x": objective 1`, `series "y": an objective has no n and k`)
}

func TestParseBaselineRefuses(t *testing.T) {
	good, err := json.Marshal(burnIn())
	must(t, good, err)
	for input, part := range map[string]string{
		"":                           "EOF",
		"{":                          "unexpected EOF",
		`{"epsilon":1}`:              `unknown field "epsilon"`,
		string(good) + " {}":         "more input",
		`{"schema":1}`:               "kind",
		`{"series":{"x":{"n":"3"}}}`: "cannot unmarshal",
	} {
		_, err := metrics.ParseBaseline([]byte(input))
		fails(t, input, err, part)
	}
}
