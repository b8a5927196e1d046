package pipeline

import (
	"fmt"
	"slices"
	"strings"
)

// SliceConfig says by what detections are told apart, so that one bad source can be found among many. See [Slicer].
//
// The values that get a slice are kept as they are, for ever and up to 64 bytes of each: in Redis, in metrics, in alerts and on
// the page. So name attributes with few values that say nothing of a person: a channel, a country, an app; not an account.
type SliceConfig struct {
	// Attributes are "source", the source of a detection, or names of its attributes, nested ones joined with dots. At most
	// 4; an empty list turns slices off. Anything but the source means that all attributes of every record have to be decoded,
	// which halves how many records one processor gets through. Default [source].
	Attributes []string `yaml:"attributes"`
	// Cap is how many values of each attribute get a slice of their own, in the order in which they are first seen: a place is
	// kept for ever. All other values share one slice. 1 to 50; default 10.
	Cap int `yaml:"cap"`
}

// DefaultSliceConfig returns the defaults of [SliceConfig].
func DefaultSliceConfig() SliceConfig {
	return SliceConfig{Attributes: []string{sourceAttribute}, Cap: 10}
}

// Every slice costs counters in every partition, and every attribute is looked at in every detection.
const (
	maxSliceAttributes = 4
	maxSliceCap        = 50
)

// Validate returns one error per fault; each begins with the key that is at fault.
func (c SliceConfig) Validate() []error {
	var es []error
	if n := len(c.Attributes); n > maxSliceAttributes {
		es = append(es, fmt.Errorf("attributes: has %d names; give at most %d", n, maxSliceAttributes))
	}
	for i, a := range c.Attributes {
		key := fmt.Sprintf("attributes[%d]", i)
		switch err := checkText(a, maxID); {
		case a == "":
			es = append(es, fmt.Errorf("%s: is empty; name an attribute of the detections, or source", key))
		case err != nil:
			es = append(es, fmt.Errorf("%s: %.64q %w", key, a, err))
		case strings.Contains(a, "="):
			es = append(es, fmt.Errorf("%s: %.64q holds =, which separates the attribute from its value in the name of a slice", key, a))
		case slices.Contains(c.Attributes[:i], a):
			es = append(es, fmt.Errorf("%s: %.64q is there twice", key, a))
		}
	}
	if c.Cap < 1 || c.Cap > maxSliceCap {
		es = append(es, fmt.Errorf("cap: %d must be 1 to %d; attributes: [] turns slices off", c.Cap, maxSliceCap))
	}
	return es
}
