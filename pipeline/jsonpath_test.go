package pipeline

import (
	"reflect"
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	name := func(s string) Step { return Step{Name: s, Index: -1} }
	for text, want := range map[string]Path{
		"$.score":               {name("score")},
		"$.outputs[0].data[1]":  {name("outputs"), {Index: 0}, name("data"), {Index: 1}},
		"$.a['b.c']":            {name("a"), name("b.c")},
		`$["a b"]['it\'s \\']`:  {name("a b"), name(`it's \`)},
		"$[12][0]":              {{Index: 12}, {Index: 0}},
		"$.über-name_1":         {name("über-name_1")},
		"$['']":                 {name("")},
		"$.0":                   {name("0")},
		"$['0'][99999]['$[]x']": {name("0"), {Index: 99999}, name("$[]x")},
	} {
		got, err := ParsePath(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, %v; want %v", text, got, err, want)
		}
		again, err := ParsePath(got.String())
		if err != nil || !reflect.DeepEqual(again, want) {
			t.Errorf("%s: written as %s, read back as %v, %v", text, got, again, err)
		}
	}
}

func TestParsePathFaults(t *testing.T) {
	for text, want := range map[string]string{
		"":           "position 1: must begin with $",
		"score":      "position 1: must begin with $",
		"$":          "names the whole record",
		"$.":         "position 3: expects a name",
		"$..a":       "position 3: .. and * are not supported",
		"$.*":        "position 3: .. and * are not supported",
		"$.a.*":      "position 5: .. and * are not supported",
		"$a":         "position 2: expects . or [",
		"$.a b":      "position 4: expects . or [",
		"$[*]":       "position 3: [*] must be an index",
		"$[-1]":      "[-1] must be an index",
		"$[0:2]":     "[0:2] must be an index",
		"$[01]":      "[01] must be an index",
		"$[+1]":      "[+1] must be an index",
		"$[100000]":  "from 0 to 99999",
		"$[]":        "[] must be an index",
		"$[?(@.a)]":  "filters",
		"$[0":        "lacks the closing ]",
		"$['a":       "lacks the closing '",
		"$['a'":      "expects ]",
		`$['a\n']`:   "stands only before",
		"$['a','b']": "expects ]",
		"$.\xff":     "is not UTF-8",
		"$['\xff']":  "is not UTF-8",
	} {
		if got, err := ParsePath(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v; want %q", text, got, err, want)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	f.Add("$.outputs[0].data[1]")
	f.Add(`$.a['b.c']["d\\"]`)
	f.Fuzz(func(t *testing.T, text string) {
		path, err := ParsePath(text)
		if err != nil {
			return
		}
		again, err := ParsePath(path.String())
		if err != nil || !reflect.DeepEqual(path, again) {
			t.Fatalf("%q -> %s -> %v, %v", text, path, again, err)
		}
	})
}
