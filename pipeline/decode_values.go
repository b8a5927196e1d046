package pipeline

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"
)

// The places that a scan keeps. The first block is of detections and labels, the second of the CloudEvents envelope.
const (
	fieldID = iota
	fieldMediaID
	fieldGroup
	fieldDetector
	fieldVersion
	fieldScore
	fieldTime
	fieldRegion
	fieldBox
	fieldURI
	fieldSHA256
	fieldSize
	fieldContentType
	fieldData
	fieldSource
	fieldAttributes
	fieldLabel
	fieldRevision

	fieldSpecVersion
	fieldEventID
	fieldEventSource
	fieldEventType
	fieldEventTime
	fieldEventContentType
	fieldEventData
	fieldEventData64
)

// fieldNames are the names of the contract, for errors.
var fieldNames = [...]string{"id", "media_id", "group", "detector.name", "detector.version", "score", "time", "region.id",
	"region.box", "media.uri", "media.sha256", "media.size", "media.content_type", "media.data", "source", "attributes",
	"label", "revision", "specversion", "id", "source", "type", "time", "datacontenttype", "data", "data_base64"}

// Longest texts, in bytes. Ids become parts of keys in the store; names also become label values of metrics.
const (
	maxID         = 1024
	maxText       = 4096
	maxAttributes = 64
)

// values reads the captured places of one record. The first error stays, and every later read returns nothing.
type values struct {
	data   []byte
	got    *capture
	err    error
	reason string // of errors; ReasonInvalidField if ""
}

func (v *values) fail(field int, err error) {
	if v.err != nil {
		return
	}
	reason := v.reason
	if reason == "" {
		reason = ReasonInvalidField
	}
	v.err = &DecodeError{reason, fieldNames[field], err}
}

// raw returns the JSON text of a value; nil if it is absent or null.
func (v *values) raw(field int) []byte {
	s := v.got[field]
	if v.err != nil || s.absent() {
		return nil
	}
	if raw := s.of(v.data); raw[0] != 'n' {
		return raw
	}
	return nil
}

func (v *values) text(field int) string {
	raw := v.raw(field)
	if raw == nil {
		return ""
	}
	if raw[0] != '"' {
		v.fail(field, fmt.Errorf("is %s, not a text", kindOf(raw)))
		return ""
	}
	return v.checked(field, raw, maxText)
}

// checked returns the text of a string, which is at most limit bytes long and has no control characters.
func (v *values) checked(field int, raw []byte, limit int) string {
	s, plain := unquote(raw)
	if plain && len(s) <= limit && strings.IndexByte(s, 0x7f) < 0 { // the scanner has seen to the rest
		return s
	}
	if err := checkText(s, limit); err != nil {
		v.fail(field, err)
	}
	return s
}

// id reads a text, or a whole number as its digits: many services number their media.
func (v *values) id(field int) string {
	raw := v.raw(field)
	if raw == nil {
		return ""
	}
	switch {
	case raw[0] == '"':
		return v.checked(field, raw, maxID)
	case !isWhole(raw):
		v.fail(field, fmt.Errorf("is %s, not a text or a whole number", kindOf(raw)))
		return ""
	}
	s := string(raw)
	if err := checkText(s, maxID); err != nil {
		v.fail(field, err)
	}
	return s
}

func (v *values) number(field int) (float64, bool) {
	raw := v.raw(field)
	if raw == nil {
		return 0, false
	}
	f, err := parseNumber(raw)
	if err != nil {
		v.fail(field, err)
		return 0, false
	}
	return f, true
}

func parseNumber(raw []byte) (float64, error) {
	if !isNumber(raw) {
		return 0, fmt.Errorf("is %s, not a number", kindOf(raw))
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return 0, errors.New("is a number too large to represent")
	}
	return f, nil
}

func (v *values) whole(field int) int64 {
	raw := v.raw(field)
	if raw == nil {
		return 0
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		v.fail(field, fmt.Errorf("is %s, not a whole number of 64 bits", kindOf(raw)))
	}
	return n
}

func (v *values) size(field int) int64 {
	n := v.whole(field)
	if n < 0 {
		v.fail(field, errors.New("is negative"))
	}
	return n
}

// Bounds of a number that is a time: below the first it is seconds (up to the year 5138), below the second milliseconds.
const (
	secondsBelow      = 1e11
	millisecondsBelow = 1e14
)

func (v *values) time(field int) time.Time {
	raw := v.raw(field)
	if raw == nil {
		return time.Time{}
	}
	var t time.Time
	var err error
	if raw[0] == '"' {
		err = t.UnmarshalText(raw[1 : len(raw)-1]) // strict RFC 3339; an escape in it is an error, as it should be
		if err != nil {
			err = errors.New("is not RFC 3339, such as 2026-11-22T10:00:00.123Z")
		}
	} else {
		t, err = unixTime(raw)
	}
	if err == nil && (t.Unix() < 0 || t.Year() > 9999) {
		err = errors.New("lies before 1970 or after 9999")
	}
	if err != nil {
		v.fail(field, err)
		return time.Time{}
	}
	return t.UTC()
}

func unixTime(raw []byte) (time.Time, error) {
	f, err := parseNumber(raw)
	switch {
	case err != nil:
		return time.Time{}, err
	case f < secondsBelow:
		seconds, fraction := math.Modf(f)
		return time.Unix(int64(seconds), int64(math.Round(fraction*1e6))*1000), nil
	case f < millisecondsBelow:
		return time.UnixMicro(int64(math.Round(f * 1000))), nil
	}
	return time.Time{}, errors.New("is too large for Unix seconds or milliseconds; microseconds are not supported")
}

func (v *values) digest(field int) string {
	s := v.text(field)
	if s == "" {
		return ""
	}
	if _, err := hex.DecodeString(s); err != nil || len(s) != 64 {
		v.fail(field, errors.New("is not 64 hex digits"))
	}
	return strings.ToLower(s)
}

func (v *values) bytes(field int) []byte {
	raw := v.raw(field)
	if raw == nil {
		return nil
	}
	if raw[0] != '"' {
		v.fail(field, fmt.Errorf("is %s, not base64 text", kindOf(raw)))
		return nil
	}
	in := raw[1 : len(raw)-1]
	if bytes.IndexByte(in, '\\') >= 0 { // some writers escape the slash
		in = unescape(in)
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(in)))
	n, err := base64.StdEncoding.Strict().Decode(out, in)
	if err != nil {
		v.fail(field, fmt.Errorf("is not base64: %w", err))
		return nil
	}
	return out[:n]
}

func (v *values) box(field int, r *Region) {
	raw := v.raw(field)
	if raw == nil {
		return
	}
	var side [4]float64
	n := 0
	err := eachElement(raw, func(_ int, value []byte) error {
		if n == len(side) {
			return errors.New("has more than 4 numbers")
		}
		f, err := parseNumber(value)
		side[n] = f
		n++
		return err
	})
	switch {
	case err != nil:
	case n != len(side):
		err = fmt.Errorf("has %d numbers, not 4: x, y, width, height", n)
	case side[2] <= 0 || side[3] <= 0:
		err = errors.New("has a width or height that is not above 0")
	}
	if err != nil {
		v.fail(field, err)
		return
	}
	r.X, r.Y, r.W, r.H = side[0], side[1], side[2], side[3]
}

// checkText refuses what would break a line of a log or a key: control characters; and texts that are too long.
func checkText(s string, limit int) error {
	if len(s) > limit {
		return fmt.Errorf("is longer than %d bytes", limit)
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return errors.New("has a control character")
		}
	}
	if !utf8.ValidString(s) {
		return errNotUTF8
	}
	return nil
}

// unquote returns the text of a JSON string that the scanner has checked, and whether it stands there as it is. Such a text
// shares the memory of the record: half of the allocations of a decoded detection were copies of what lies there already,
// and nobody writes to a record.
func unquote(raw []byte) (text string, plain bool) {
	inside := raw[1 : len(raw)-1]
	if bytes.IndexByte(inside, '\\') < 0 {
		return unsafe.String(unsafe.SliceData(inside), len(inside)), true
	}
	return string(unescape(inside)), false
}

// unquoted is the text alone.
func unquoted(raw []byte) string {
	text, _ := unquote(raw)
	return text
}

func isNumber(raw []byte) bool { return raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9' }

func isWhole(raw []byte) bool { return isNumber(raw) && !bytes.ContainsAny(raw, ".eE") }

func kindOf(raw []byte) string {
	switch raw[0] {
	case '"':
		return "a text"
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}
