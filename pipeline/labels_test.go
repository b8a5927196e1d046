package pipeline

import (
	"strings"
	"testing"
	"time"
)

func labelDecoder(t *testing.T, change func(*DecodeConfig)) *LabelDecoder {
	t.Helper()
	c := DefaultDecodeConfig()
	if change != nil {
		change(&c)
	}
	d, err := NewLabelDecoder(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDecodeLabel(t *testing.T) {
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	mapped := func(c *DecodeConfig) {
		c.Labels = LabelConfig{Fields: LabelPaths{MediaID: "$.asset", Label: "$.truth[0]"}, Fake: []string{"1", "true", "synthetic"}, Real: []string{"0", "false"}}
	}
	for _, c := range []struct {
		change func(*DecodeConfig)
		value  string
		want   Label
	}{
		{nil, `{"media_id":"m","label":"fake","time":"2026-11-22T09:00:00Z","revision":3}`, Label{"m", true, at, 3}},
		{nil, `{"label":"real"}`, Label{"key-1", false, recordTime, 0}},
		{nil, `{"specversion":"1.0","id":"1","source":"s","type":"t","time":"2026-11-22T09:00:00Z","data":{"label":"fake"}}`, Label{"key-1", true, at, 0}},
		{mapped, `{"asset":"m","truth":[1]}`, Label{"m", true, recordTime, 0}},
		{mapped, `{"asset":"m","truth":[false]}`, Label{"m", false, recordTime, 0}},
		{mapped, `{"asset":"m","truth":["synthetic"]}`, Label{"m", true, recordTime, 0}},
	} {
		got, err := labelDecoder(t, c.change).Decode(record(c.value))
		if err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v; want %+v", c.value, got, err, c.want)
		}
	}
}

func TestDecodeLabelFaults(t *testing.T) {
	for value, want := range map[string]string{
		`{}`:                               "invalid_field: label: is missing",
		`{"label":null}`:                   "invalid_field: label: is missing",
		`{"label":"FAKE"}`:                 `invalid_field: label: "FAKE" is neither`,
		`{"label":1}`:                      `invalid_field: label: "1" is neither`,
		`{"label":{}}`:                     "invalid_field: label: is an object",
		`{"label":"fake","revision":-1}`:   "invalid_field: revision: is negative",
		`{"label":"fake","revision":1.0}`:  "invalid_field: revision: is a number, not a whole number",
		`{"label":"fake","revision":1e3}`:  "invalid_field: revision: is a number, not a whole number",
		`{"label":"fake","revision":"1"}`:  "invalid_field: revision: is a text",
		`{"label":"fake","time":"2026"}`:   "invalid_field: time: is not RFC 3339",
		`{"label":"fake","label":"real"}`:  "invalid_json: byte 17: duplicate key",
		`{"label":"fake","media_id":true}`: "invalid_field: media_id: is true or false",
	} {
		if _, err := labelDecoder(t, nil).Decode(record(value)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", value, err, want)
		}
	}
}

func TestLabelConfigFaults(t *testing.T) {
	c := DefaultDecodeConfig()
	c.Labels.Real = []string{"fake"}
	c.Labels.Fields.Label = ""
	_, err := NewLabelDecoder(c)
	for _, want := range []string{`decode.labels.real[0]: "fake" is in labels.fake too`, "decode.labels.fields.label: is required"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
}
