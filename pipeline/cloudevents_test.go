package pipeline

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

const eventData = `{"detector":{"name":"a"},"score":0.5}`

func headers(pairs ...string) []Header {
	var hs []Header
	for i := 0; i+1 < len(pairs); i += 2 {
		hs = append(hs, Header{pairs[i], []byte(pairs[i+1])})
	}
	return hs
}

func eventHeaders(pairs ...string) []Header {
	return append(headers("ce_specversion", "1.0", "ce_id", "e1", "ce_source", "/api", "ce_type", "detection"), headers(pairs...)...)
}

const envelope = `"specversion":"1.0","id":"e1","source":"/api","type":"detection"`

func TestDecodeEvents(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte(eventData))
	for _, c := range []struct {
		name    string
		format  string
		headers []Header
		value   string
	}{
		{"binary", "auto", eventHeaders("content-type", "application/json; charset=utf-8"), eventData},
		{"binary, no content type", "cloudevents", eventHeaders(), eventData},
		{"structured by content type", "auto", headers("content-type", "application/cloudevents+json; charset=UTF-8"), "{" + envelope + `,"data":` + eventData + "}"},
		{"structured by specversion", "auto", nil, `{"data":` + eventData + "," + envelope + "}"},
		{"structured by specversion, other headers", "auto", headers("x", "y"), `{"data":` + eventData + "," + envelope + "}"},
		{"structured because said so", "cloudevents", nil, "{" + envelope + `,"data":` + eventData + "}"},
		{"base64", "auto", nil, "{" + envelope + `,"datacontenttype":"application/json","data_base64":"` + encoded + `"}`},
		{"data of a json type", "auto", nil, "{" + envelope + `,"datacontenttype":"application/vnd.det+json","data":` + eventData + "}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := record(c.value)
			r.Headers = c.headers
			got, err := decoder(t, func(dc *DecodeConfig) { dc.Format = c.format }).Decode(r)
			if err != nil || got.ID != "/api#e1" || got.Source != "/api" || got.Score != .5 || got.MediaID != "key-1" || !got.Time.Equal(recordTime) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestDecodeEventTimeAndPrecedence(t *testing.T) {
	want := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	r := record(eventData)
	r.Headers = eventHeaders("ce_time", "2026-11-22T10:00:00+01:00")
	if got, err := decoder(t, nil).Decode(r); err != nil || !got.Time.Equal(want) {
		t.Errorf("binary: got %v, %v", got.Time, err)
	}
	if got, err := decoder(t, nil).Decode(record("{" + envelope + `,"time":"2026-11-22T09:00:00Z","data":` + eventData + "}")); err != nil || !got.Time.Equal(want) {
		t.Errorf("structured: got %v, %v", got.Time, err)
	}
	// What the data says goes before what the event says.
	r = record(contract)
	r.Headers = eventHeaders("ce_time", "2026-11-22T10:00:00+01:00")
	if got, err := decoder(t, nil).Decode(r); err != nil || got.ID != "01JD" || got.Source != "upload-api" || got.Time.Hour() != 10 {
		t.Errorf("precedence: got %+v, %v", got, err)
	}
}

func TestDecodeJSONFormatIgnoresEvents(t *testing.T) {
	d := decoder(t, func(c *DecodeConfig) { c.Format = "json" })
	r := record(`{"specversion":"0.3","detector":{"name":"a"},"score":0.5}`)
	r.Headers = headers("ce_specversion", "7", "content-type", "application/cloudevents+json")
	if got, err := d.Decode(r); err != nil || got.ID != "detections/3/918" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestDecodeEventFaults(t *testing.T) {
	drop := func(key string) []Header {
		var hs []Header
		for _, h := range eventHeaders() {
			if h.Key != key {
				hs = append(hs, h)
			}
		}
		return hs
	}
	for _, c := range []struct {
		name    string
		format  string
		headers []Header
		value   string
		reason  string
		want    string
	}{
		{"version", "auto", headers("ce_specversion", "0.3"), eventData, ReasonInvalidEvent, `specversion: is "0.3"; only 1.0`},
		{"no id", "auto", drop("ce_id"), eventData, ReasonInvalidEvent, "id: is missing"},
		{"no source", "auto", drop("ce_source"), eventData, ReasonInvalidEvent, "source: is missing"},
		{"no type", "auto", drop("ce_type"), eventData, ReasonInvalidEvent, "type: is missing"},
		{"time", "auto", eventHeaders("ce_time", "noon"), eventData, ReasonInvalidEvent, "time: is not RFC 3339"},
		{"control", "auto", headers("ce_specversion", "1.0", "ce_id", "a\nb", "ce_source", "s", "ce_type", "t"), eventData, ReasonInvalidEvent, "id: has a control character"},
		{"protobuf data", "auto", eventHeaders("content-type", "application/protobuf"), eventData, ReasonInvalidEvent, `datacontenttype: "application/protobuf" is not supported`},
		{"batch", "auto", headers("content-type", "application/cloudevents-batch+json"), "[]", ReasonInvalidEvent, "is not supported"},
		{"avro", "auto", headers("content-type", "application/cloudevents+avro"), "[]", ReasonInvalidEvent, "is not supported"},
		{"bad data", "auto", eventHeaders(), "{", ReasonInvalidJSON, "text ends early"},
		{"not an event", "cloudevents", nil, eventData, ReasonInvalidEvent, `specversion: is ""`},
		{"number id", "auto", nil, `{"specversion":"1.0","id":1,"source":"s","type":"t","data":{}}`, ReasonInvalidEvent, "id: is a number, not a text"},
		{"no data", "auto", nil, "{" + envelope + "}", ReasonInvalidEvent, "data: is missing"},
		{"two data", "auto", nil, "{" + envelope + `,"data":{},"data_base64":"e30="}`, ReasonInvalidEvent, "data_base64: stands beside data"},
		{"bad base64", "auto", nil, "{" + envelope + `,"data_base64":"!"}`, ReasonInvalidEvent, "data_base64: is not base64"},
		{"bad json in base64", "auto", nil, "{" + envelope + `,"data_base64":"eyI="}`, ReasonInvalidJSON, "data_base64: "},
		{"bad envelope", "cloudevents", nil, "{", ReasonInvalidJSON, "text ends early"},
		{"field in data", "auto", nil, "{" + envelope + `,"data":{"detector":{"name":"a"},"score":"x"}}`, ReasonInvalidField, "score: is a text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := record(c.value)
			r.Headers = c.headers
			_, err := decoder(t, func(dc *DecodeConfig) { dc.Format = c.format }).Decode(r)
			var de *DecodeError
			if !errors.As(err, &de) || de.Reason != c.reason || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v; want %s: …%s", err, c.reason, c.want)
			}
		})
	}
}
