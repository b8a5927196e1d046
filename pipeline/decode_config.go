package pipeline

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// DecodeConfig says how a record of the detections topic is read. See [Decoder].
type DecodeConfig struct {
	// Format is "json", "cloudevents" or "auto". Auto takes a record as a CloudEvent if its content-type header is
	// application/cloudevents+json, if it has a ce_specversion header, or if its value is an object with a text
	// "specversion"; else as plain JSON. Default "auto".
	Format string `yaml:"format"`
	// MaxBytes is the largest value of a record. Default 8 MiB (pictures may be inline).
	MaxBytes int `yaml:"max_bytes"`
	// Fields says where each part of a detection stands.
	Fields FieldPaths `yaml:"fields"`
	// Score says what the number in the score field is.
	Score ScoreConfig `yaml:"score"`
	// ScoreOf overrides Score for detectors by name; what an entry leaves out is the default, not what Score says.
	ScoreOf map[string]ScoreConfig `yaml:"score_of"`
	// Labels says how a record of the labels topic is read.
	Labels LabelConfig `yaml:"labels"`
}

// FieldPaths maps the parts of a detection from JSON paths (see [ParsePath]), relative to the record, or to the data of a
// CloudEvent. "" leaves a part out. A part that is text may be a constant instead: "=meso4-f2f" says that every record
// speaks of that detector. Only media_id (default: the record's key), detector.name and score are required.
type FieldPaths struct {
	ID       string `yaml:"id"`
	MediaID  string `yaml:"media_id"`
	Group    string `yaml:"group"`
	Detector struct {
		Name    string `yaml:"name"`
		Version string `yaml:"version"`
	} `yaml:"detector"`
	Score string `yaml:"score"`
	// Time is RFC 3339 text, or a number: Unix seconds below 1e11 in size, milliseconds from there to 1e14.
	Time   string `yaml:"time"`
	Region struct {
		ID string `yaml:"id"`
		// Box is [x, y, width, height] in pixels of the upright picture.
		Box string `yaml:"box"`
	} `yaml:"region"`
	Media struct {
		URI         string `yaml:"uri"`
		SHA256      string `yaml:"sha256"`
		Size        string `yaml:"size"`
		ContentType string `yaml:"content_type"`
		// Data is the picture itself in base64 (RFC 4648 section 4, with padding).
		Data string `yaml:"data"`
	} `yaml:"media"`
	Source string `yaml:"source"`
	// Attributes is an object; nested names are joined with dots, values become text.
	Attributes string `yaml:"attributes"`
}

// ScoreConfig says how a score becomes P(fake): s = score / scale; kind "probability" takes s as it is, "percent" too,
// with a default scale of 100; "logit" takes 1/(1+exp(-s)), the scale being a temperature. Meaning "real" then takes 1 - p.
type ScoreConfig struct {
	Kind    string  `yaml:"kind"`    // probability | percent | logit; default probability
	Meaning string  `yaml:"meaning"` // fake | real: what a high score speaks for; default fake
	Scale   float64 `yaml:"scale"`   // 0: the default of the kind
}

// LabelConfig says how a record of the labels topic is read. See [LabelDecoder].
type LabelConfig struct {
	Fields LabelPaths `yaml:"fields"`
	// Fake and Real are the values that mean so: text, or a number, true or false as it is written in JSON.
	Fake []string `yaml:"fake"`
	Real []string `yaml:"real"`
}

// LabelPaths maps the parts of a label from JSON paths. Only label is required; media_id defaults to the record's key.
type LabelPaths struct {
	MediaID  string `yaml:"media_id"`
	Label    string `yaml:"label"`
	Time     string `yaml:"time"`
	Revision string `yaml:"revision"`
}

// DefaultDecodeConfig returns the schema that detections and labels have unless the configuration maps another.
func DefaultDecodeConfig() DecodeConfig {
	c := DecodeConfig{Format: "auto", MaxBytes: 8 << 20, Score: ScoreConfig{Kind: "probability", Meaning: "fake"}}
	f := &c.Fields
	f.ID, f.MediaID, f.Group, f.Score, f.Time = "$.id", "$.media_id", "$.group", "$.score", "$.time"
	f.Detector.Name, f.Detector.Version = "$.detector.name", "$.detector.version"
	f.Region.ID, f.Region.Box = "$.region.id", "$.region.box"
	f.Media.URI, f.Media.SHA256, f.Media.Size = "$.media.uri", "$.media.sha256", "$.media.size"
	f.Media.ContentType, f.Media.Data = "$.media.content_type", "$.media.data"
	f.Source, f.Attributes = "$.source", "$.attributes"
	c.Labels = LabelConfig{Fake: []string{"fake"}, Real: []string{"real"},
		Fields: LabelPaths{MediaID: "$.media_id", Label: "$.label", Time: "$.time", Revision: "$.revision"}}
	return c
}

// mapping is one line of the table from configuration key to field.
type mapping struct {
	key   string
	value string
	field int
	text  bool // a constant is allowed
}

func (f *FieldPaths) mappings() []mapping {
	return []mapping{
		{"fields.id", f.ID, fieldID, false}, {"fields.media_id", f.MediaID, fieldMediaID, false},
		{"fields.group", f.Group, fieldGroup, false}, {"fields.detector.name", f.Detector.Name, fieldDetector, true},
		{"fields.detector.version", f.Detector.Version, fieldVersion, true}, {"fields.score", f.Score, fieldScore, false},
		{"fields.time", f.Time, fieldTime, false}, {"fields.region.id", f.Region.ID, fieldRegion, false},
		{"fields.region.box", f.Region.Box, fieldBox, false}, {"fields.media.uri", f.Media.URI, fieldURI, false},
		{"fields.media.sha256", f.Media.SHA256, fieldSHA256, false}, {"fields.media.size", f.Media.Size, fieldSize, false},
		{"fields.media.content_type", f.Media.ContentType, fieldContentType, true},
		{"fields.media.data", f.Media.Data, fieldData, false}, {"fields.source", f.Source, fieldSource, true},
		{"fields.attributes", f.Attributes, fieldAttributes, false},
	}
}

func (f *LabelPaths) mappings() []mapping {
	return []mapping{{"labels.fields.media_id", f.MediaID, fieldMediaID, false}, {"labels.fields.label", f.Label, fieldLabel, false},
		{"labels.fields.time", f.Time, fieldTime, false}, {"labels.fields.revision", f.Revision, fieldRevision, false}}
}

// Validate returns one error per fault; each begins with the key that is at fault.
func (c DecodeConfig) Validate() []error {
	var es []error
	if !slices.Contains([]string{"auto", "json", "cloudevents"}, c.Format) {
		es = append(es, fmt.Errorf("format: %q is not one of auto, json, cloudevents", c.Format))
	}
	if c.MaxBytes < 64 || c.MaxBytes > 1<<30 {
		es = append(es, fmt.Errorf("max_bytes: %d must be 64 to %d", c.MaxBytes, 1<<30))
	}
	es = append(es, checkMappings(c.Fields.mappings())...)
	for _, m := range c.Fields.mappings() {
		if m.value == "" && (m.field == fieldDetector || m.field == fieldScore) {
			es = append(es, fmt.Errorf("%s: is required; say where it stands in the record", m.key))
		}
	}
	es = append(es, c.Score.validate("score")...)
	for _, name := range slices.Sorted(maps.Keys(c.ScoreOf)) {
		es = append(es, c.ScoreOf[name].validate("score_of."+name)...)
	}
	return append(es, c.Labels.validate()...)
}

// check joins the faults under the name of the section.
func (c DecodeConfig) check() error {
	es := c.Validate()
	for i := range es {
		es[i] = fmt.Errorf("decode.%w", es[i])
	}
	return errors.Join(es...)
}

func checkMappings(ms []mapping) []error {
	var es []error
	for _, m := range ms {
		constant, isConstant := strings.CutPrefix(m.value, "=")
		switch {
		case m.value == "":
		case isConstant && !m.text:
			es = append(es, fmt.Errorf("%s: cannot be a constant, it differs from record to record", m.key))
		case isConstant && constant == "":
			es = append(es, fmt.Errorf("%s: lacks the constant after =", m.key))
		case !isConstant:
			if _, err := ParsePath(m.value); err != nil {
				es = append(es, fmt.Errorf("%s: %w", m.key, err))
			}
		}
	}
	return es
}

func (c ScoreConfig) validate(key string) []error {
	var es []error
	if !slices.Contains([]string{"", "probability", "percent", "logit"}, c.Kind) {
		es = append(es, fmt.Errorf("%s.kind: %q is not one of probability, percent, logit", key, c.Kind))
	}
	if !slices.Contains([]string{"", "fake", "real"}, c.Meaning) {
		es = append(es, fmt.Errorf("%s.meaning: %q is not one of fake, real", key, c.Meaning))
	}
	if !(c.Scale >= 0) || math.IsInf(c.Scale, 0) {
		es = append(es, fmt.Errorf("%s.scale: %v must be above 0: the score is divided by it", key, c.Scale))
	}
	return es
}

func (c LabelConfig) validate() []error {
	es := checkMappings(c.Fields.mappings())
	if c.Fields.Label == "" {
		es = append(es, fmt.Errorf("labels.fields.label: is required; say where the label stands in the record"))
	}
	for key, values := range map[string][]string{"fake": c.Fake, "real": c.Real} {
		if len(values) == 0 {
			es = append(es, fmt.Errorf("labels.%s: is empty; name the values that mean it", key))
		}
	}
	for i, v := range c.Real {
		if slices.Contains(c.Fake, v) {
			es = append(es, fmt.Errorf("labels.real[%d]: %q is in labels.fake too", i, v))
		}
	}
	return es
}
