package pipeline

import (
	"errors"
	"fmt"
	"slices"
)

// LabelDecoder turns records of the labels topic into labels, with the same formats and paths as [Decoder]. It is
// immutable and safe for concurrent use.
type LabelDecoder struct {
	reader     reader
	fake, real []string
}

// NewLabelDecoder compiles the paths of the configuration. The error holds all that [DecodeConfig.Validate] returns.
func NewLabelDecoder(c DecodeConfig) (*LabelDecoder, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return &LabelDecoder{reader: newReader(c.Format, c.MaxBytes, c.Labels.Fields.mappings()),
		fake: slices.Clone(c.Labels.Fake), real: slices.Clone(c.Labels.Real)}, nil
}

// Decode reads one record. The error is a [DecodeError].
func (d *LabelDecoder) Decode(r *Record) (Label, error) {
	var got capture
	doc, err := d.reader.read(r, &got)
	if err != nil {
		return Label{}, err
	}
	v := values{data: doc.data, got: &got}
	l := Label{MediaID: v.id(fieldMediaID), Time: v.time(fieldTime), Revision: v.size(fieldRevision)}
	l.Fake = d.verdict(&v)
	if v.err != nil {
		return Label{}, v.err
	}
	if l.MediaID == "" {
		if l.MediaID, err = keyText(r.Key); err != nil {
			return Label{}, err
		}
	}
	if l.Time.IsZero() {
		l.Time = doc.event.time
	}
	if l.Time.IsZero() {
		l.Time = r.Time
	}
	return l, nil
}

// verdict reads the label: a text by its content, a number, true or false by its spelling.
func (d *LabelDecoder) verdict(v *values) (fake bool) {
	raw := v.raw(fieldLabel)
	if raw == nil {
		v.fail(fieldLabel, errors.New("is missing"))
		return false
	}
	text := string(raw)
	switch raw[0] {
	case '"':
		text = unquoted(raw)
	case '{', '[':
		v.fail(fieldLabel, fmt.Errorf("is %s, not one value", kindOf(raw)))
		return false
	}
	switch {
	case slices.Contains(d.fake, text):
		return true
	case !slices.Contains(d.real, text):
		v.fail(fieldLabel, fmt.Errorf("%.64q is neither one of decode.labels.fake %q nor of decode.labels.real %q", text, d.fake, d.real))
	}
	return false
}
