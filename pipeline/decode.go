package pipeline

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// DecodeError says why a record is no detection or label. The line turns it into the outcome dead_lettered{reason}.
type DecodeError struct {
	Reason string // ReasonInvalidJSON, ReasonInvalidField, ReasonInvalidEvent or ReasonTooLarge
	Field  string // in the words of the contract, "detector.name"; "" for the record as a whole
	Err    error
}

// Error reads "invalid_field: score: 1.7 is no probability".
func (e *DecodeError) Error() string {
	if e.Field == "" {
		return e.Reason + ": " + e.Err.Error()
	}
	return e.Reason + ": " + e.Field + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *DecodeError) Unwrap() error { return e.Err }

// Decoder turns records into detections. In: a record of the detections topic, as plain JSON or as a CloudEvent 1.0. Out:
// a Detection, or a [DecodeError]. Invariant: what comes out depends on the record alone, so a replay decodes the same;
// nothing is guessed, and no input panics. A Decoder is immutable and safe for concurrent use.
type Decoder struct {
	reader   reader
	constant map[int]string
	score    scoring
	scoreOf  map[string]scoring
	// bare leaves Detection.Attributes empty: a quarter of the work on records that carry some.
	bare bool
	// scratch holds captures: they would be half of what decoding allocates.
	scratch *sync.Pool
}

// NewDecoder compiles the paths of the configuration. The error holds all that [DecodeConfig.Validate] returns.
func NewDecoder(c DecodeConfig) (*Decoder, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	d := &Decoder{score: newScoring(c.Score), scoreOf: map[string]scoring{}, constant: map[int]string{},
		scratch: &sync.Pool{New: func() any { return new(capture) }}}
	d.reader = newReader(c.Format, c.MaxBytes, c.Fields.mappings())
	for _, m := range c.Fields.mappings() {
		if constant, ok := strings.CutPrefix(m.value, "="); ok {
			d.constant[m.field] = constant
		}
	}
	for name, s := range c.ScoreOf {
		d.scoreOf[name] = newScoring(s)
	}
	return d, nil
}

// WithoutAttributes returns a decoder that does not look at attributes, for a line that has no use for them.
func (d *Decoder) WithoutAttributes() *Decoder {
	bare := *d
	bare.bare = true
	return &bare
}

// Decode reads one record.
func (d *Decoder) Decode(r *Record) (Detection, error) {
	got := d.scratch.Get().(*capture)
	defer d.scratch.Put(got)
	*got = capture{}
	doc, err := d.reader.read(r, got)
	if err != nil {
		return Detection{}, err
	}
	v := values{data: doc.data, got: got}
	det := Detection{
		ID:       v.id(fieldID),
		MediaID:  v.id(fieldMediaID),
		Group:    v.id(fieldGroup),
		Detector: v.text(fieldDetector),
		Version:  v.text(fieldVersion),
		Time:     v.time(fieldTime),
		Source:   v.text(fieldSource),
		Region:   Region{ID: v.id(fieldRegion)},
		Media: MediaRef{URI: v.text(fieldURI), SHA256: v.digest(fieldSHA256), Size: v.size(fieldSize),
			ContentType: v.text(fieldContentType), Inline: v.bytes(fieldData)},
	}
	if !d.bare {
		det.Attributes = v.attributes(fieldAttributes)
	}
	v.box(fieldBox, &det.Region)
	score, scored := v.number(fieldScore)
	if v.err != nil {
		return Detection{}, v.err
	}
	if len(d.constant) > 0 {
		d.fillConstants(&det)
	}
	if err := fillDefaults(&det, r, doc.event); err != nil {
		return Detection{}, err
	}
	if !scored {
		return Detection{}, missing(fieldScore)
	}
	if det.Score, err = d.scoring(det.Detector).probability(score); err != nil {
		return Detection{}, &DecodeError{ReasonInvalidField, fieldNames[fieldScore], err}
	}
	return det, nil
}

func (d *Decoder) scoring(detector string) scoring {
	if s, ok := d.scoreOf[detector]; ok {
		return s
	}
	return d.score
}

func (d *Decoder) fillConstants(det *Detection) {
	for field, constant := range d.constant {
		switch field {
		case fieldDetector:
			det.Detector = constant
		case fieldVersion:
			det.Version = constant
		case fieldContentType:
			det.Media.ContentType = constant
		case fieldSource:
			det.Source = constant
		}
	}
}

// fillDefaults takes from the event, then from the record, what the fields do not say.
func fillDefaults(det *Detection, r *Record, e event) error {
	if det.MediaID == "" {
		id, err := keyText(r.Key)
		if err != nil {
			return err
		}
		det.MediaID = id
	}
	if det.Detector == "" {
		return missing(fieldDetector)
	}
	if det.ID == "" {
		det.ID = e.id
	}
	if det.ID == "" {
		det.ID = r.Topic + "/" + strconv.Itoa(r.Partition) + "/" + strconv.FormatInt(r.Offset, 10)
	}
	if det.Source == "" {
		det.Source = e.source
	}
	if det.Time.IsZero() {
		det.Time = e.time
	}
	if det.Time.IsZero() {
		det.Time = r.Time
	}
	return nil
}

// keyText is the media id where the value names none: the record's key.
func keyText(key []byte) (string, error) {
	if len(key) == 0 {
		return "", &DecodeError{ReasonInvalidField, fieldNames[fieldMediaID], errors.New("is missing, and the record has no key")}
	}
	id := string(key)
	if err := checkText(id, maxID); err != nil {
		return "", &DecodeError{ReasonInvalidField, fieldNames[fieldMediaID], fmt.Errorf("taken from the record's key: %w", err)}
	}
	return id, nil
}

func missing(field int) error {
	return &DecodeError{ReasonInvalidField, fieldNames[field], errors.New("is missing")}
}
