package pipeline

import (
	"errors"
	"fmt"
	"strconv"
)

// attributes flattens an object to texts: {"a":{"b":1},"c":["x"]} becomes a.b=1, c.0=x. Numbers, true and false keep their
// JSON spelling, null is left out.
func (v *values) attributes(field int) map[string]string {
	raw := v.raw(field)
	if raw == nil {
		return nil
	}
	if raw[0] != '{' {
		v.fail(field, fmt.Errorf("is %s, not an object", kindOf(raw)))
		return nil
	}
	f := flattener{}
	if err := f.members("", raw); err != nil {
		v.fail(field, err)
		return nil
	}
	return f.out
}

type flattener struct{ out map[string]string }

func (f *flattener) members(prefix string, raw []byte) error {
	if raw[0] == '{' {
		return eachMember(raw, func(name string, value []byte) error { return f.put(prefix, name, value) })
	}
	return eachElement(raw, func(i int, value []byte) error { return f.put(prefix, strconv.Itoa(i), value) })
}

func (f *flattener) put(prefix, name string, value []byte) error {
	if prefix != "" {
		name = prefix + "." + name
	}
	text := ""
	switch value[0] {
	case '{', '[':
		return f.members(name, value)
	case 'n':
		return nil
	case '"':
		text = unquoted(value)
	default:
		text = string(value)
	}
	if err := errors.Join(checkText(name, maxID), checkText(text, maxText)); err != nil {
		return fmt.Errorf("attribute %.64q %w", name, err)
	}
	if _, ok := f.out[name]; ok {
		return fmt.Errorf("attribute %.64q is there twice", name)
	}
	if len(f.out) == maxAttributes {
		return fmt.Errorf("has more than %d attributes", maxAttributes)
	}
	if f.out == nil {
		f.out = map[string]string{}
	}
	f.out[name] = text
	return nil
}

// eachMember calls fn for every member of an object that scanJSON has accepted.
func eachMember(raw []byte, fn func(name string, value []byte) error) error {
	s := scanner{data: raw, at: 1}
	for s.space(); s.peek() != '}'; {
		start := s.at
		if _, err := s.text(); err != nil {
			return err
		}
		name := unquoted(raw[start:s.at])
		s.space()
		s.at++ // the colon
		s.space()
		value, err := s.skip()
		if err != nil {
			return err
		}
		if err := fn(name, value); err != nil {
			return err
		}
		if done, err := s.next('}'); done || err != nil {
			return err
		}
	}
	return nil
}

// eachElement calls fn for every element of an array that scanJSON has accepted; another value is an error.
func eachElement(raw []byte, fn func(i int, value []byte) error) error {
	if raw[0] != '[' {
		return fmt.Errorf("is %s, not a list", kindOf(raw))
	}
	s := scanner{data: raw, at: 1}
	s.space()
	for i := 0; s.peek() != ']'; i++ {
		value, err := s.skip()
		if err != nil {
			return err
		}
		if err := fn(i, value); err != nil {
			return err
		}
		if done, err := s.next(']'); done || err != nil {
			return err
		}
	}
	return nil
}

// skip goes over one value and returns its text.
func (s *scanner) skip() ([]byte, error) {
	start := s.at
	err := s.value(nil, 0)
	return s.data[start:s.at], err
}
