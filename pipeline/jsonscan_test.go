package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// accepts is what encoding/json makes of a text, with the three things that it lets pass and we do not: broken UTF-8,
// duplicate keys, half surrogates; and our limit of depth.
func accepts(data []byte) bool {
	return utf8.Valid(data) && json.Valid(data) && !halfSurrogate(data) && wellFormed(data)
}

func halfSurrogate(data []byte) bool {
	// encoding/json turns half a surrogate into U+FFFD; a text that has none of its own shows it by that.
	if bytes.ContainsRune(data, utf8.RuneError) || bytes.Contains(bytes.ToLower(data), []byte(`\ufffd`)) {
		return false // can't tell: such texts are left out of the comparison
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	for {
		token, err := dec.Token()
		if err != nil {
			return false
		}
		if s, ok := token.(string); ok && strings.ContainsRune(s, utf8.RuneError) {
			return true
		}
	}
}

// wellFormed walks the tokens: unique keys, at most maxDepth deep.
func wellFormed(data []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var walk func(depth int) bool
	walk = func(depth int) bool {
		token, err := dec.Token()
		if err != nil {
			return false
		}
		delim, ok := token.(json.Delim)
		if !ok {
			return true
		}
		if depth++; depth > maxDepth {
			return false
		}
		keys := map[string]bool{}
		for dec.More() {
			if delim == '{' {
				key, err := dec.Token()
				if err != nil || keys[key.(string)] {
					return false
				}
				keys[key.(string)] = true
			}
			if !walk(depth) {
				return false
			}
		}
		_, err = dec.Token()
		return err == nil
	}
	if !walk(0) {
		return false
	}
	_, err := dec.Token()
	return errors.Is(err, io.EOF)
}

func TestScanJSON(t *testing.T) {
	for text, want := range map[string]string{
		`{}`: "", `[]`: "", ` 0 `: "", `-0.5e+7`: "", `"a\u00e9\ud83d\ude00"`: "", `{"a":{"a":1},"b":[{"a":1}]}`: "",
		`null`: "", `[true,false,null]`: "",
		strings.Repeat("[", 64) + strings.Repeat("]", 64): "",
		strings.Repeat("[", 65) + strings.Repeat("]", 65): "nested too deep",
		strings.Repeat(`{"a":`, 65):                       "nested too deep",
		``:                                                "text ends early",
		`{`:                                               "text ends early, expects a key",
		`{"a"`:                                            "expects :",
		`{"a":`:                                           "expects a value",
		`{"a":1`:                                          "expects ,",
		`{"a":1,}`:                                        "expects a key",
		`[1,]`:                                            "expects a value",
		`[1 2]`:                                           "expects ,",
		`{'a':1}`:                                         "byte 2: expects a key",
		`{"a":1,"a":2}`:                                   "byte 8: duplicate key",
		`{"a":1,"\u0061":2}`:                              "byte 8: duplicate key",
		`{"\u0061":1,"a":2}`:                              "duplicate key",
		`01`:                                              "more text after the value",
		`1.`:                                              "expects a digit",
		`.5`:                                              "expects a value",
		`-`:                                               "expects a digit",
		`1e`:                                              "expects a digit",
		`+1`:                                              "expects a value",
		`NaN`:                                             "expects a value",
		`nul`:                                             "expects a value",
		`nulls`:                                           "more text",
		`"a`:                                              "lacks its closing quote",
		"\"a\nb\"":                                        "control character",
		`"\x41"`:                                          "no such escape",
		`"\u12g4"`:                                        "no such escape",
		`"\ud800"`:                                        "no such escape",
		`"\ud800\u0041"`:                                  "no such escape",
		`"\udc00"`:                                        "no such escape",
		`"\`:                                              "no such escape",
		"\"\xff\"":                                        "is not UTF-8",
		"\xef\xbb\xbf{}":                                  "byte 1: expects a value",
		`{} {}`:                                           "byte 4: more text",
		"// c\n{}":                                        "expects a value",
	} {
		var got capture
		err := scanJSON([]byte(text), nil, &got)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
		if ok := accepts([]byte(text)); ok != (err == nil) {
			t.Errorf("%q: scanner says %v, encoding/json says %v", text, err, ok)
		}
	}
}

func TestScanManyKeys(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		b.WriteString(`"k`)
		b.WriteString(strings.Repeat("x", i%3))
		b.WriteString(json.Number(string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676))).String())
		b.WriteString(`":0,`)
	}
	var got capture
	if err := scanJSON([]byte("{"+b.String()+`"last":1}`), nil, &got); err != nil {
		t.Error(err)
	}
	if err := scanJSON([]byte("{"+b.String()+`"kaaa":1}`), nil, &got); err == nil || !strings.Contains(err.Error(), "duplicate key") {
		t.Errorf("duplicate of the first of 5000 keys: %v", err)
	}
}

// FuzzScanJSON holds the scanner against encoding/json: the same texts are accepted, and every captured text has the same
// content.
func FuzzScanJSON(f *testing.F) {
	for _, s := range []string{`{"a":[{"b.c":"x\ud83d\ude00"},1.5e3],"d":null}`, `{"a":1,"a":2}`, `[[[]]]`, `"\ud800"`, "{\"\xff\":1}", `{"a":{"a":[0,-0]}}`} {
		f.Add([]byte(s))
	}
	root := &pathNode{}
	root.add(Path{{Name: "a", Index: -1}}, 0)
	root.add(Path{{Name: "a", Index: -1}, {Index: 0}}, 1)
	root.add(Path{{Name: "a", Index: -1}, {Name: "a", Index: -1}}, 2)
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.ContainsRune(data, utf8.RuneError) || bytes.Contains(bytes.ToLower(data), []byte(`\ufffd`)) {
			t.Skip()
		}
		var got capture
		err := scanJSON(data, root, &got)
		if want := accepts(data); want != (err == nil) {
			t.Fatalf("%q: scanner says %v, encoding/json says %v", data, err, want)
		}
		if err != nil {
			return
		}
		for field, path := range []func(any) any{member("a"), chain(member("a"), element(0)), chain(member("a"), member("a"))} {
			want := path(tree(data))
			s := got[field]
			if s.absent() != (want == absent) {
				t.Fatalf("%q: field %d captured %v, want %v", data, field, s, want)
			}
			if !s.absent() && !reflect.DeepEqual(tree(s.of(data)), want) {
				t.Fatalf("%q: field %d is %q, want %v", data, field, s.of(data), want)
			}
			if text, ok := want.(string); ok && unquoted(s.of(data)) != text {
				t.Fatalf("%q: field %d reads %q, want %q", data, field, unquoted(s.of(data)), text)
			}
		}
	})
}

// absent marks a place that is not in a tree; null is there.
const absent = notThere("absent")

type notThere string

func tree(data []byte) any {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return absent
	}
	return v
}

func member(name string) func(any) any {
	return func(v any) any {
		m, ok := v.(map[string]any)
		if !ok {
			return absent
		}
		if v, ok := m[name]; ok {
			return v
		}
		return absent
	}
}

func element(i int) func(any) any {
	return func(v any) any {
		if list, ok := v.([]any); ok && i < len(list) {
			return list[i]
		}
		return absent
	}
}

func chain(fns ...func(any) any) func(any) any {
	return func(v any) any {
		for _, fn := range fns {
			v = fn(v)
		}
		return v
	}
}
