package pipeline

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

const contract = `{"id":"01JD","media_id":"clip-8812/000123","group":"clip-8812","detector":{"name":"meso4-f2f","version":"2018.1"},
 "score":0.9731,"decision":"fake","time":"2026-11-22T10:00:00.123Z","region":{"id":"face-1","box":[10,20.5,64,64]},
 "media":{"uri":"s3://b/k","sha256":"ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789","size":48213,"content_type":"image/jpeg"},
 "source":"upload-api","attributes":{"consent":"yes","geo":{"country":"DE"},"tags":["a",1,true,null]}}`

var recordTime = time.Date(2026, 11, 22, 10, 0, 1, 0, time.UTC)

func record(value string) *Record {
	return &Record{Topic: "detections", Partition: 3, Offset: 918, Time: recordTime, Key: []byte("key-1"), Value: []byte(value)}
}

func decoder(t testing.TB, change func(*DecodeConfig)) *Decoder {
	t.Helper()
	c := DefaultDecodeConfig()
	if change != nil {
		change(&c)
	}
	d, err := NewDecoder(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDecodeContract(t *testing.T) {
	got, err := decoder(t, nil).Decode(record(contract))
	if err != nil {
		t.Fatal(err)
	}
	want := Detection{ID: "01JD", MediaID: "clip-8812/000123", Group: "clip-8812", Detector: "meso4-f2f", Version: "2018.1",
		Score: .9731, Time: time.Date(2026, 11, 22, 10, 0, 0, 123e6, time.UTC),
		Region: Region{ID: "face-1", X: 10, Y: 20.5, W: 64, H: 64},
		Media: MediaRef{URI: "s3://b/k", SHA256: "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789", Size: 48213,
			ContentType: "image/jpeg"},
		Source:     "upload-api",
		Attributes: map[string]string{"consent": "yes", "geo.country": "DE", "tags.0": "a", "tags.1": "1", "tags.2": "true"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDecodeSmallest(t *testing.T) {
	got, err := decoder(t, nil).Decode(record(`{"detector":{"name":"a"},"score":0}`))
	want := Detection{ID: "detections/3/918", MediaID: "key-1", Detector: "a", Time: recordTime}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestDecodeMapped(t *testing.T) {
	d := decoder(t, func(c *DecodeConfig) {
		c.Fields = FieldPaths{MediaID: "$.request['asset.id']", Score: "$.outputs[0].data[1]", Time: "$.at"}
		c.Fields.Detector.Name, c.Fields.Detector.Version = "=meso4", "$.model_version"
		c.Fields.Media.Data, c.Fields.Source = "$.picture", "=kserve"
		c.Score = ScoreConfig{Kind: "percent", Meaning: "real"}
	})
	value := `{"request":{"asset.id":77},"model_version":"3","outputs":[{"data":[0.5,90]},{"data":[1,2]}],"at":1763805600,
		"picture":"` + strings.ReplaceAll(base64.StdEncoding.EncodeToString([]byte{0xff, 0xd8, 0xff}), "/", `\/`) + `","score":"ignored"}`
	got, err := d.Decode(record(value))
	if err != nil {
		t.Fatal(err)
	}
	want := Detection{ID: "detections/3/918", MediaID: "77", Detector: "meso4", Version: "3", Score: .1, Source: "kserve",
		Time: time.Unix(1763805600, 0).UTC(), Media: MediaRef{Inline: []byte{0xff, 0xd8, 0xff}}}
	if math.Abs(got.Score-want.Score) > 1e-15 {
		t.Errorf("score: got %v, want %v", got.Score, want.Score)
	}
	want.Score = got.Score
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDecodeTimes(t *testing.T) {
	for text, want := range map[string]time.Time{
		`"2026-11-22T12:00:00+02:00"`: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC),
		`1763805600`:                  time.Unix(1763805600, 0),
		`1763805600.25`:               time.Unix(1763805600, 25e7),
		`1763805600250`:               time.UnixMilli(1763805600250),
		`1.76380560025e12`:            time.UnixMilli(1763805600250),
		`0`:                           time.Unix(0, 0),
		`null`:                        recordTime,
	} {
		got, err := decoder(t, nil).Decode(record(`{"detector":{"name":"a"},"score":0,"time":` + text + `}`))
		if err != nil || !got.Time.Equal(want) || got.Time.Location() != time.UTC {
			t.Errorf("%s: got %v, %v; want %v", text, got.Time, err, want)
		}
	}
}

func TestDecodeScores(t *testing.T) {
	for _, c := range []struct {
		config ScoreConfig
		score  string
		want   float64
	}{
		{ScoreConfig{}, "1", 1}, {ScoreConfig{}, "1.0000001", 1}, {ScoreConfig{}, "-0.0000001", 0},
		{ScoreConfig{Meaning: "real"}, "0.25", .75}, {ScoreConfig{Kind: "percent"}, "12.5", .125},
		{ScoreConfig{Scale: 255}, "51", .2}, {ScoreConfig{Kind: "percent", Scale: 1000}, "125", .125},
		{ScoreConfig{Kind: "logit"}, "0", .5}, {ScoreConfig{Kind: "logit"}, "2", 0.8807970779778823}, // R: plogis(2)
		{ScoreConfig{Kind: "logit", Meaning: "real"}, "2", 0.11920292202211769}, {ScoreConfig{Kind: "logit", Scale: 2}, "4", 0.8807970779778823},
		{ScoreConfig{Kind: "logit"}, "-1e6", 0}, {ScoreConfig{Kind: "logit"}, "1e308", 1},
	} {
		d := decoder(t, func(dc *DecodeConfig) { dc.ScoreOf = map[string]ScoreConfig{"a": c.config} })
		got, err := d.Decode(record(`{"detector":{"name":"a"},"score":` + c.score + `}`))
		if err != nil || math.Abs(got.Score-c.want) > 1e-15 {
			t.Errorf("%+v %s: got %v, %v; want %v", c.config, c.score, got.Score, err, c.want)
		}
		other, err := d.Decode(record(`{"detector":{"name":"b"},"score":0.25}`))
		if err != nil || other.Score != .25 {
			t.Errorf("another detector's score: got %v, %v", other.Score, err)
		}
	}
}

func TestDecodeFaults(t *testing.T) {
	long := strings.Repeat("x", 1025)
	for _, c := range []struct{ value, reason, field, want string }{
		{``, ReasonInvalidJSON, "", "has no value"},
		{`{`, ReasonInvalidJSON, "", "text ends early"},
		{`{"score":NaN}`, ReasonInvalidJSON, "", "byte 10: expects a value"},
		{`{"score":1,"score":2}`, ReasonInvalidJSON, "", "duplicate key"},
		{`{}`, ReasonInvalidField, "detector.name", "is missing"},
		{`[]`, ReasonInvalidField, "detector.name", "is missing"},
		{`{"detector":"a","score":1}`, ReasonInvalidField, "detector.name", "is missing"},
		{`{"detector":{"name":1},"score":1}`, ReasonInvalidField, "detector.name", "is a number, not a text"},
		{`{"detector":{"name":"a"}}`, ReasonInvalidField, "score", "is missing"},
		{`{"detector":{"name":"a"},"score":null}`, ReasonInvalidField, "score", "is missing"},
		{`{"detector":{"name":"a"},"score":"0.5"}`, ReasonInvalidField, "score", "is a text, not a number"},
		{`{"detector":{"name":"a"},"score":1e999}`, ReasonInvalidField, "score", "too large"},
		{`{"detector":{"name":"a"},"score":1.1}`, ReasonInvalidField, "score", "1.1 is no probability"},
		{`{"detector":{"name":"a"},"score":-0.1}`, ReasonInvalidField, "score", "is no probability"},
		{`{"media_id":1.5,"detector":{"name":"a"},"score":1}`, ReasonInvalidField, "media_id", "is a number, not a text or a whole number"},
		{`{"media_id":"` + long + `"}`, ReasonInvalidField, "media_id", "is longer than 1024"},
		{`{"media_id":"a\nb"}`, ReasonInvalidField, "media_id", "control character"},
		{`{"time":"yesterday"}`, ReasonInvalidField, "time", "is not RFC 3339"},
		{`{"time":"2026-02-30T00:00:00Z"}`, ReasonInvalidField, "time", "is not RFC 3339"},
		{`{"time":1763805600000000}`, ReasonInvalidField, "time", "microseconds are not supported"},
		{`{"time":-1}`, ReasonInvalidField, "time", "before 1970"},
		{`{"time":true}`, ReasonInvalidField, "time", "is true or false, not a number"},
		{`{"region":{"box":[1,2,3]}}`, ReasonInvalidField, "region.box", "has 3 numbers, not 4"},
		{`{"region":{"box":[1,2,3,4,5]}}`, ReasonInvalidField, "region.box", "more than 4"},
		{`{"region":{"box":[1,2,0,4]}}`, ReasonInvalidField, "region.box", "not above 0"},
		{`{"region":{"box":[1,2,"3",4]}}`, ReasonInvalidField, "region.box", "is a text, not a number"},
		{`{"region":{"box":{}}}`, ReasonInvalidField, "region.box", "is an object, not a list"},
		{`{"media":{"sha256":"zz"}}`, ReasonInvalidField, "media.sha256", "is not 64 hex digits"},
		{`{"media":{"size":-1}}`, ReasonInvalidField, "media.size", "is negative"},
		{`{"media":{"size":1.5}}`, ReasonInvalidField, "media.size", "not a whole number"},
		{`{"media":{"data":"AAA"}}`, ReasonInvalidField, "media.data", "is not base64"},
		{`{"media":{"data":[]}}`, ReasonInvalidField, "media.data", "is a list, not base64"},
		{`{"attributes":[]}`, ReasonInvalidField, "attributes", "is a list, not an object"},
		{`{"attributes":{"a":{"b":1},"a.b":2}}`, ReasonInvalidField, "attributes", `"a.b" is there twice`},
		{`{"attributes":[` + strings.Repeat("1,", 64) + `1]}`, ReasonInvalidField, "attributes", "not an object"},
		{`{"attributes":{"a":[` + strings.Repeat("1,", 64) + `1]}}`, ReasonInvalidField, "attributes", "more than 64"},
		{`{"attributes":{"a":"\u0000"}}`, ReasonInvalidField, "attributes", "control character"},
	} {
		_, err := decoder(t, nil).Decode(record(c.value))
		var de *DecodeError
		if !errors.As(err, &de) || de.Reason != c.reason || de.Field != c.field || !strings.Contains(de.Error(), c.want) {
			t.Errorf("%.80s: got %v; want %s: %s: …%s", c.value, err, c.reason, c.field, c.want)
		}
	}
}

func TestDecodeKey(t *testing.T) {
	for key, want := range map[string]string{"": "no key", "a\xff": "not UTF-8", "a\x00": "control character"} {
		r := record(`{"detector":{"name":"a"},"score":1}`)
		r.Key = []byte(key)
		if _, err := decoder(t, nil).Decode(r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("key %q: got %v, want %q", key, err, want)
		}
	}
}

func TestDecodeTooLarge(t *testing.T) {
	d := decoder(t, func(c *DecodeConfig) { c.MaxBytes = 64 })
	_, err := d.Decode(record(strings.Repeat(" ", 65)))
	var de *DecodeError
	if !errors.As(err, &de) || de.Reason != ReasonTooLarge {
		t.Errorf("got %v", err)
	}
}

func TestNewDecoderFaults(t *testing.T) {
	c := DefaultDecodeConfig()
	c.Format, c.Fields.Score, c.Fields.Time, c.Fields.ID = "avro", "", "$..t", "=1"
	c.Score.Scale = math.Inf(1)
	_, err := NewDecoder(c)
	for _, want := range []string{`decode.format: "avro" is not one of`, "decode.fields.score: is required", "decode.fields.time: path",
		"decode.fields.id: cannot be a constant", "decode.score.scale: +Inf"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
}

// TestDecodeTruncated cuts the contract's example at every byte: always an error, never a panic or half a detection.
func TestDecodeTruncated(t *testing.T) {
	d := decoder(t, nil)
	for i := range len(contract) {
		if got, err := d.Decode(record(contract[:i])); err == nil {
			t.Fatalf("cut at %d: got %+v", i, got)
		}
	}
}

// plainDetection is the default schema for encoding/json, the independent decoder of the differential test.
type plainDetection struct {
	ID       any    `json:"id"`
	MediaID  any    `json:"media_id"`
	Group    any    `json:"group"`
	Source   string `json:"source"`
	Detector struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"detector"`
	Score *float64 `json:"score"`
	Media struct {
		URI  string `json:"uri"`
		Data []byte `json:"data"`
		Size int64  `json:"size"`
	} `json:"media"`
}

// FuzzDecode: no input panics; every error is a DecodeError with a reason of the contract; and what is accepted reads the
// same through encoding/json.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(contract))
	f.Add([]byte(`{"detector":{"name":"a\u00e9"},"score":1e-3,"media":{"data":"/9j/","size":7},"attributes":{"a":[{"b":[]}]}}`))
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"detector":{"name":"a"},"score":1}}`))
	d := decoder(f, nil)
	f.Fuzz(func(t *testing.T, value []byte) {
		got, err := d.Decode(record(string(value)))
		if err != nil {
			var de *DecodeError
			if !errors.As(err, &de) || de.Reason == "" {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		if !(got.Score >= 0 && got.Score <= 1) || got.MediaID == "" || got.Detector == "" || got.ID == "" || got.Time.IsZero() {
			t.Fatalf("incomplete: %+v", got)
		}
		compareWithPlain(t, value, got)
	})
}

func compareWithPlain(t *testing.T, value []byte, got Detection) {
	var names map[string]json.RawMessage
	if json.Unmarshal(value, &names) != nil || names["specversion"] != nil {
		return // an event: its test is of its own
	}
	var want plainDetection
	// encoding/json matches keys in any case, we do not: only texts without such keys can be compared.
	if strings.ToLower(string(value)) != string(value) || json.Unmarshal(value, &want) != nil {
		return
	}
	text := func(v any, or string) string {
		if s, ok := v.(string); ok && s != "" {
			return s
		}
		return or
	}
	if got.Detector != want.Detector.Name || got.Version != want.Detector.Version || got.Source != want.Source ||
		got.Media.URI != want.Media.URI || string(got.Media.Inline) != string(want.Media.Data) || got.Media.Size != want.Media.Size ||
		math.Abs(got.Score-*want.Score) > 2*slack || text(want.MediaID, got.MediaID) != got.MediaID ||
		text(want.Group, got.Group) != got.Group || text(want.ID, got.ID) != got.ID {
		t.Fatalf("%q: got %+v, encoding/json reads %+v", value, got, want)
	}
}

// A record of 300 bytes with the fields that a service sends.
const typical = `{"id":"01JD8ZK3F5Q0X7","media_id":"clip-8812/000123","group":"clip-8812","detector":{"name":"meso4-f2f","version":"2018.1"},` +
	`"score":0.9731,"decision":"fake","time":"2026-11-22T10:00:00.123Z","region":{"id":"face-1","box":[10,20,64,64]},"source":"upload-api",` +
	`"attributes":{"consent":"yes","country":"DE"}}`

func BenchmarkDecode(b *testing.B) {
	d := decoder(b, nil)
	r := record(typical)
	b.SetBytes(int64(len(typical)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkDecodeStandard is encoding/json into a struct of the default schema, for comparison.
func BenchmarkDecodeStandard(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var v struct {
			plainDetection
			Time       time.Time
			Region     struct{ Box []float64 }
			Attributes map[string]any
		}
		if err := json.Unmarshal([]byte(typical), &v); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
