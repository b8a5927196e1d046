package pipeline

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// OtherSlice is the value of the slice that holds every value without a place of its own.
const OtherSlice = "~other"

// sourceAttribute names [Detection.Source]; every other name is that of an attribute.
const sourceAttribute = "source"

// SliceName is the name of a slice: attribute=value, where the value is "" for detections without one.
func SliceName(attribute, value string) string { return attribute + "=" + value }

// SplitSlice takes a name apart; attribute is "" if it is none.
func SplitSlice(name string) (attribute, value string) {
	attribute, value, ok := strings.Cut(name, "=")
	if !ok {
		return "", ""
	}
	return attribute, value
}

// ShowSlice is a name for people: source=web, source=(none), source=(other).
func ShowSlice(name string) string {
	switch attribute, value := SplitSlice(name); value {
	case "":
		return SliceName(attribute, "(none)")
	case OtherSlice:
		return SliceName(attribute, "(other)")
	}
	return name
}

// maxSliceValue is how many bytes of a value become part of a name.
const maxSliceValue = 64

// sliceValue returns what a detection has of an attribute, fit for a name: cut at a rune, without control characters.
func sliceValue(d *Detection, attribute string) string {
	v := d.Source
	if attribute != sourceAttribute {
		v = d.Attributes[attribute]
	}
	plain := len(v) <= maxSliceValue
	for i := 0; plain && i < len(v); i++ {
		plain = v[i] >= ' ' && v[i] < 0x7f
	}
	if plain {
		return v
	}
	return cutValue(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return utf8.RuneError // these would change how the text around them is shown
		}
		return r
	}, cutValue(v)))
}

func cutValue(v string) string {
	if len(v) <= maxSliceValue {
		return v
	}
	n := maxSliceValue
	for n > maxSliceValue-utf8.UTFMax && !utf8.RuneStart(v[n]) {
		n--
	}
	return v[:n]
}
