package pipeline

import (
	"fmt"
	"slices"
)

// ExcludeRule keeps detections out of the sample, before any media is fetched: no consent, another region, a legal hold.
// It names one thing, an attribute or a field, and one condition.
type ExcludeRule struct {
	// Attribute is the name of an attribute, nested ones joined with dots.
	Attribute string `yaml:"attribute"`
	// Field is "source", "group", "detector" or "version".
	Field string `yaml:"field"`

	// Equals and NotEquals compare with one text. NotEquals also excludes what has no value: a consent that nobody gave.
	Equals    *string `yaml:"equals"`
	NotEquals *string `yaml:"not_equals"`
	// In excludes what has one of these values; NotIn what has another one or none.
	In    []string `yaml:"in"`
	NotIn []string `yaml:"not_in"`
	// Missing excludes what has no value (true), or has one (false).
	Missing *bool `yaml:"missing"`
}

// ExcludeFields are the fields that a rule may name.
func ExcludeFields() []string { return []string{"source", "group", "detector", "version"} }

// Validate returns one error per fault; each begins with the key that is at fault.
func (r ExcludeRule) Validate() []error {
	var es []error
	if (r.Attribute == "") == (r.Field == "") {
		es = append(es, fmt.Errorf("attribute: give either attribute or field"))
	}
	if r.Field != "" && !slices.Contains(ExcludeFields(), r.Field) {
		es = append(es, fmt.Errorf("field: %q is not one of %v", r.Field, ExcludeFields()))
	}
	given := 0
	for _, on := range []bool{r.Equals != nil, r.NotEquals != nil, len(r.In) > 0, len(r.NotIn) > 0, r.Missing != nil} {
		if on {
			given++
		}
	}
	if given != 1 {
		es = append(es, fmt.Errorf("equals: has %d conditions; give exactly one of equals, not_equals, in, not_in, missing", given))
	}
	return es
}

// Excluder applies rules: a detection is excluded if any of them says so. It is immutable and safe for concurrent use.
type Excluder struct{ rules []ExcludeRule }

// NewExcluder returns the excluder of a list of rules that Validate accepts.
func NewExcluder(rules []ExcludeRule) (*Excluder, error) {
	for i, r := range rules {
		if es := r.Validate(); len(es) > 0 {
			return nil, fmt.Errorf("exclude[%d].%w", i, es[0])
		}
	}
	return &Excluder{rules: slices.Clone(rules)}, nil
}

// NeedsAttributes says whether any rule looks at an attribute.
func (e *Excluder) NeedsAttributes() bool {
	return slices.ContainsFunc(e.rules, func(r ExcludeRule) bool { return r.Attribute != "" })
}

// Excluded says whether the detection must not be probed.
func (e *Excluder) Excluded(d *Detection) bool {
	for i := range e.rules {
		if e.rules[i].matches(d) {
			return true
		}
	}
	return false
}

func (r *ExcludeRule) matches(d *Detection) bool {
	value, there := r.subject(d)
	switch {
	case r.Equals != nil:
		return there && value == *r.Equals
	case r.NotEquals != nil:
		return !there || value != *r.NotEquals
	case len(r.In) > 0:
		return there && slices.Contains(r.In, value)
	case len(r.NotIn) > 0:
		return !there || !slices.Contains(r.NotIn, value)
	}
	return r.Missing != nil && *r.Missing != there
}

// subject returns the value that a rule looks at; an empty field is one that is not there.
func (r *ExcludeRule) subject(d *Detection) (string, bool) {
	value := ""
	switch r.Field {
	case "source":
		value = d.Source
	case "group":
		value = d.Group
	case "detector":
		value = d.Detector
	case "version":
		value = d.Version
	default:
		v, there := d.Attributes[r.Attribute]
		return v, there
	}
	return value, value != ""
}
