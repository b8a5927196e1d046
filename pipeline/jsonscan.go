package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Why a scanner of our own: encoding/json needs either a struct known when compiling (fields come from the configuration)
// or a tree of maps, which cost 5 to 10 times the time and lets duplicate keys and broken UTF-8 pass. This one checks the
// whole text against RFC 8259 in one pass and keeps only the places that a configured path names.

// span is a value in a JSON text: data[start:end]. The zero span means that the value is not there.
type span struct{ start, end int }

func (s span) of(data []byte) []byte { return data[s.start:s.end] }

func (s span) absent() bool { return s.end == 0 }

// maxFields is the number of places that one scan can keep.
const maxFields = 32

// capture holds what a scan kept, by the index that was given to pathNode.add.
type capture [maxFields]span

// maxDepth bounds the nesting of a record; deeper ones would only serve to exhaust the stack.
const maxDepth = 64

// scanner checks a JSON text and captures values of it.
type scanner struct {
	data []byte
	at   int
	got  *capture
}

var errNotUTF8 = errors.New("is not UTF-8")

// scanJSON checks that data is one JSON value (RFC 8259: UTF-8, unique keys, at most 64 deep) and stores in got where the
// values are that the tree asks for.
func scanJSON(data []byte, root *pathNode, got *capture) error {
	if !utf8.Valid(data) {
		return errNotUTF8
	}
	s := scanner{data: data, got: got}
	s.space()
	if err := s.value(root, 0); err != nil {
		return err
	}
	if s.space(); s.at < len(data) {
		return s.fail("more text after the value")
	}
	return nil
}

func (s *scanner) fail(what string) error {
	if s.at >= len(s.data) {
		return fmt.Errorf("byte %d: text ends early, %s", len(s.data), what)
	}
	return fmt.Errorf("byte %d: %s", s.at+1, what)
}

func (s *scanner) space() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\n', '\t', '\r':
			s.at++
		default:
			return
		}
	}
}

// peek returns the next byte, 0 at the end: 0 begins nothing in JSON.
func (s *scanner) peek() byte {
	if s.at < len(s.data) {
		return s.data[s.at]
	}
	return 0
}

func (s *scanner) value(node *pathNode, depth int) error {
	start := s.at
	var err error
	switch c := s.peek(); {
	case c == '"':
		_, err = s.text()
	case c == '{':
		err = s.object(node, depth+1)
	case c == '[':
		err = s.array(node, depth+1)
	case c == '-' || c >= '0' && c <= '9':
		err = s.number()
	case c == 't':
		err = s.literal("true")
	case c == 'f':
		err = s.literal("false")
	case c == 'n':
		err = s.literal("null")
	default:
		err = s.fail("expects a value")
	}
	if err == nil && node != nil {
		for _, f := range node.fields {
			s.got[f] = span{start, s.at}
		}
	}
	return err
}

func (s *scanner) literal(word string) error {
	if !bytes.HasPrefix(s.data[s.at:], []byte(word)) {
		return s.fail("expects a value")
	}
	s.at += len(word)
	return nil
}

func (s *scanner) object(node *pathNode, depth int) error {
	if depth > maxDepth {
		return s.fail("nested too deep")
	}
	s.at++
	s.space()
	if s.peek() == '}' {
		s.at++
		return nil
	}
	var keys keySet
	for {
		if s.peek() != '"' {
			return s.fail("expects a key in quotes")
		}
		start := s.at
		escaped, err := s.text()
		if err != nil {
			return err
		}
		key := s.data[start+1 : s.at-1]
		if escaped {
			key = unescape(key)
		}
		if !keys.add(s.data, key, span{start + 1, s.at - 1}, escaped) {
			s.at = start
			return s.fail("duplicate key")
		}
		s.space()
		if s.peek() != ':' {
			return s.fail("expects :")
		}
		s.at++
		s.space()
		if err := s.value(node.named(key), depth); err != nil {
			return err
		}
		if done, err := s.next('}'); done || err != nil {
			return err
		}
	}
}

// next goes over the comma between members, or over the closing bracket (true).
func (s *scanner) next(closing byte) (bool, error) {
	s.space()
	switch s.peek() {
	case ',':
		s.at++
		s.space()
		return false, nil
	case closing:
		s.at++
		return true, nil
	}
	return false, s.fail("expects , or the closing bracket")
}

func (s *scanner) array(node *pathNode, depth int) error {
	if depth > maxDepth {
		return s.fail("nested too deep")
	}
	s.at++
	s.space()
	if s.peek() == ']' {
		s.at++
		return nil
	}
	for i := 0; ; i++ {
		if err := s.value(node.element(i), depth); err != nil {
			return err
		}
		if done, err := s.next(']'); done || err != nil {
			return err
		}
	}
}

// number follows the grammar of RFC 8259 section 6: no leading zeros, no plus, digits on both sides of the point.
func (s *scanner) number() error {
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else if !s.digits() {
		return s.fail("expects a digit")
	}
	if s.peek() == '.' {
		if s.at++; !s.digits() {
			return s.fail("expects a digit")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		if !s.digits() {
			return s.fail("expects a digit")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.data) && s.data[s.at]-'0' <= 9 {
		s.at++
	}
	return s.at > start
}

// text goes over a string, quotes and all, and says whether there are escapes in it.
func (s *scanner) text() (escaped bool, err error) {
	data := s.data
	for i := s.at + 1; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			s.at = i + 1
			return escaped, nil
		case c == '\\':
			escaped = true
			n := escapeLen(data[i:])
			if n == 0 {
				s.at = i
				return false, s.fail("no such escape")
			}
			i += n - 1
		case c < ' ':
			s.at = i
			return false, s.fail("control character in a string")
		}
	}
	s.at = len(data)
	return false, s.fail("a string lacks its closing quote")
}

// keySet finds duplicate keys of one object: by comparing while they are few, by a map beyond that, so that an object of
// many keys costs no more than its length.
type keySet struct {
	few  [16]span
	n    int
	many map[string]struct{}
}

// add returns false if the key is there already. at is where the key stands in data.
func (k *keySet) add(data, key []byte, at span, escaped bool) bool {
	if k.many == nil && k.n < len(k.few) && !escaped {
		for _, s := range k.few[:k.n] {
			if s.end-s.start == len(key) && string(s.of(data)) == string(key) {
				return false
			}
		}
		k.few[k.n] = at
		k.n++
		return true
	}
	if k.many == nil {
		k.many = make(map[string]struct{}, 2*k.n)
		for _, s := range k.few[:k.n] {
			k.many[string(s.of(data))] = struct{}{}
		}
	}
	if _, ok := k.many[string(key)]; ok {
		return false
	}
	k.many[string(key)] = struct{}{}
	return true
}
