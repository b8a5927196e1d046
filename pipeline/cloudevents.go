package pipeline

import (
	"errors"
	"fmt"
	"mime"
	"strings"
	"time"
)

// event is what a CloudEvent says about its data. The zero value is a record that is none.
type event struct {
	id     string // source and id together: only the pair is unique
	source string
	time   time.Time
}

// document is the JSON text that the captured places of a record refer to.
type document struct {
	data  []byte
	event event
}

// reader finds the JSON of a record, plain or inside a CloudEvent 1.0 (Kafka protocol binding: binary mode in ce_ headers,
// structured mode by content-type), and captures its fields.
type reader struct {
	format   string
	maxBytes int
	plain    *pathNode // the fields, and a top-level specversion
	envelope *pathNode // the attributes of an event, and the fields below its data
}

func newReader(format string, maxBytes int, ms []mapping) reader {
	rd := reader{format: format, maxBytes: maxBytes, plain: &pathNode{}, envelope: &pathNode{}}
	data := Path{{Name: "data", Index: -1}}
	for _, m := range ms {
		if path, err := ParsePath(m.value); err == nil { // else it is empty or a constant: Validate has seen to that
			rd.plain.add(path, m.field)
			rd.envelope.add(append(data[:1:1], path...), m.field)
		}
	}
	if format == "auto" {
		rd.plain.add(Path{{Name: "specversion", Index: -1}}, fieldSpecVersion)
	}
	for field := fieldSpecVersion; field <= fieldEventData64; field++ {
		rd.envelope.add(Path{{Name: fieldNames[field], Index: -1}}, field)
	}
	return rd
}

// read captures the fields of a record.
func (rd *reader) read(r *Record, got *capture) (document, error) {
	if len(r.Value) > rd.maxBytes {
		return document{}, &DecodeError{ReasonTooLarge, "", fmt.Errorf("value has %d bytes, more than decode.max_bytes (%d)", len(r.Value), rd.maxBytes)}
	}
	if len(r.Value) == 0 {
		return document{}, &DecodeError{ReasonInvalidJSON, "", errors.New("record has no value")}
	}
	if rd.format == "json" || len(r.Headers) == 0 && rd.format == "auto" {
		return rd.body(r, got)
	}
	contentType := string(r.Header("content-type"))
	switch media := mediaType(contentType); {
	case media == "application/cloudevents+json":
		return rd.structured(r.Value, got)
	case strings.HasPrefix(media, "application/cloudevents"):
		return document{}, eventError("", fmt.Errorf("content-type %q is not supported, only application/cloudevents+json", contentType))
	case r.Header("ce_specversion") != nil:
		return rd.binary(r, contentType, got)
	}
	return rd.body(r, got)
}

// body reads a record whose headers say nothing: plain JSON, or an event that says so itself.
func (rd *reader) body(r *Record, got *capture) (document, error) {
	if rd.format == "cloudevents" {
		return rd.structured(r.Value, got)
	}
	if err := scanJSON(r.Value, rd.plain, got); err != nil {
		return document{}, &DecodeError{ReasonInvalidJSON, "", err}
	}
	if s := got[fieldSpecVersion]; !s.absent() && r.Value[s.start] == '"' {
		*got = capture{}
		return rd.structured(r.Value, got)
	}
	return document{data: r.Value}, nil
}

func (rd *reader) structured(value []byte, got *capture) (document, error) {
	if err := scanJSON(value, rd.envelope, got); err != nil {
		return document{}, &DecodeError{ReasonInvalidJSON, "", err}
	}
	v := values{data: value, got: got, reason: ReasonInvalidEvent}
	e, err := newEvent(v.text(fieldSpecVersion), v.text(fieldEventID), v.text(fieldEventSource), v.text(fieldEventType))
	e.time = v.time(fieldEventTime)
	contentType := v.text(fieldEventContentType)
	encoded := v.bytes(fieldEventData64)
	if v.err != nil {
		return document{}, v.err
	}
	if err != nil {
		return document{}, err
	}
	if err := checkDataType(contentType); err != nil {
		return document{}, err
	}
	plain := v.raw(fieldEventData)
	switch {
	case plain != nil && encoded != nil:
		return document{}, eventError("data_base64", errors.New("stands beside data; an event has one of them"))
	case plain != nil:
		return document{value, e}, nil
	case encoded == nil:
		return document{}, eventError("data", errors.New("is missing"))
	}
	*got = capture{}
	if err := scanJSON(encoded, rd.plain, got); err != nil {
		return document{}, &DecodeError{ReasonInvalidJSON, "data_base64", err}
	}
	return document{encoded, e}, nil
}

func (rd *reader) binary(r *Record, contentType string, got *capture) (document, error) {
	e, err := newEvent(string(r.Header("ce_specversion")), string(r.Header("ce_id")), string(r.Header("ce_source")), string(r.Header("ce_type")))
	if err != nil {
		return document{}, err
	}
	if text := r.Header("ce_time"); text != nil {
		if err := e.time.UnmarshalText(text); err != nil {
			return document{}, eventError("time", errors.New("is not RFC 3339"))
		}
		e.time = e.time.UTC()
	}
	if err := checkDataType(contentType); err != nil {
		return document{}, err
	}
	if err := scanJSON(r.Value, rd.plain, got); err != nil {
		return document{}, &DecodeError{ReasonInvalidJSON, "", err}
	}
	return document{r.Value, e}, nil
}

// newEvent checks the required attributes (CloudEvents 1.0.2, section "Required attributes").
func newEvent(version, id, source, kind string) (event, error) {
	if version != "1.0" {
		return event{}, eventError("specversion", fmt.Errorf("is %.16q; only 1.0 is supported", version))
	}
	for _, a := range [...]struct{ name, value string }{{"id", id}, {"source", source}, {"type", kind}} {
		if a.value == "" {
			return event{}, eventError(a.name, errors.New("is missing"))
		}
		if err := checkText(a.value, maxID); err != nil {
			return event{}, eventError(a.name, err)
		}
	}
	return event{id: source + "#" + id, source: source}, nil
}

func eventError(field string, err error) error { return &DecodeError{ReasonInvalidEvent, field, err} }

// checkDataType refuses data that is not JSON; no content type means JSON, as CloudEvents has it.
func checkDataType(contentType string) error {
	media := mediaType(contentType)
	if media == "" || media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json") {
		return nil
	}
	return eventError("datacontenttype", fmt.Errorf("%.64q is not supported, only JSON", contentType))
}

// mediaType returns the lower-case type without its parameters.
func mediaType(contentType string) string {
	if media, _, err := mime.ParseMediaType(contentType); err == nil {
		return media
	}
	return strings.ToLower(strings.TrimSpace(contentType))
}
