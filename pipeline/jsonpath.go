package pipeline

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Path is a parsed JSON path to one value: "$.outputs[0].data[1]" or "$.a['b.c']". It is the part of JSONPath (RFC 9535)
// that names exactly one place: child names and array indices. Wildcards, slices, filters, ".." and negative indices are
// refused, because a field needs one value.
type Path []Step

// Step goes to a member of an object by its name, or to an element of an array (Index >= 0).
type Step struct {
	Name  string
	Index int // -1: by name
}

// maxIndex bounds an array index: a larger one is a slip of the pen, not a score.
const maxIndex = 99_999

// ParsePath parses a path. The error says where it goes wrong and why.
func ParsePath(text string) (Path, error) {
	p := pathParser{text: text}
	if !p.take('$') {
		return nil, p.fail("must begin with $")
	}
	var path Path
	for p.at < len(p.text) {
		step, err := p.step()
		if err != nil {
			return nil, err
		}
		path = append(path, step)
	}
	if len(path) == 0 {
		return nil, p.fail("names the whole record; name one value in it, such as $.score")
	}
	return path, nil
}

type pathParser struct {
	text string
	at   int
}

func (p *pathParser) take(c byte) bool {
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *pathParser) fail(format string, args ...any) error {
	return fmt.Errorf("path %q, position %d: %s", p.text, p.at+1, fmt.Sprintf(format, args...))
}

func (p *pathParser) step() (Step, error) {
	switch {
	case p.take('.'):
		return p.name()
	case p.take('['):
		return p.bracket()
	}
	return Step{}, p.fail("expects . or [")
}

func (p *pathParser) name() (Step, error) {
	start := p.at
	for p.at < len(p.text) {
		r, size := utf8.DecodeRuneInString(p.text[p.at:])
		if r == utf8.RuneError && size == 1 {
			return Step{}, p.fail("is not UTF-8")
		}
		if r != '_' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			break
		}
		p.at += size
	}
	if p.at > start {
		return Step{Name: p.text[start:p.at], Index: -1}, nil
	}
	if p.at < len(p.text) && strings.IndexByte(".*", p.text[p.at]) >= 0 {
		return Step{}, p.fail(".. and * are not supported: a field needs one value")
	}
	return Step{}, p.fail("expects a name of letters, digits, _ or -; write other names as ['a name']")
}

func (p *pathParser) bracket() (Step, error) {
	if p.at < len(p.text) && (p.text[p.at] == '\'' || p.text[p.at] == '"') {
		name, err := p.quoted(p.text[p.at])
		if err != nil {
			return Step{}, err
		}
		if !p.take(']') {
			return Step{}, p.fail("expects ]")
		}
		return Step{Name: name, Index: -1}, nil
	}
	digits, _, closed := strings.Cut(p.text[p.at:], "]")
	if !closed {
		return Step{}, p.fail("lacks the closing ]")
	}
	index, err := strconv.Atoi(digits)
	if err != nil || index < 0 || index > maxIndex || strconv.Itoa(index) != digits {
		return Step{}, p.fail("[%s] must be an index from 0 to %d or a quoted name; wildcards, slices, filters and negative "+
			"indices are not supported: a field needs one value", digits, maxIndex)
	}
	p.at += len(digits) + 1
	return Step{Index: index}, nil
}

// quoted reads a name in quotes, in which a backslash makes the next quote or backslash literal.
func (p *pathParser) quoted(quote byte) (string, error) {
	p.at++
	var name strings.Builder
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch {
		case c == quote:
			p.at++
			if !utf8.ValidString(name.String()) {
				return "", p.fail("is not UTF-8")
			}
			return name.String(), nil
		case c == '\\':
			if p.at++; p.at == len(p.text) || p.text[p.at] != quote && p.text[p.at] != '\\' {
				return "", p.fail(`a \ in a name stands only before %c or \`, quote)
			}
			c = p.text[p.at]
		}
		name.WriteByte(c)
		p.at++
	}
	return "", p.fail("lacks the closing %c", quote)
}

// String writes the path so that ParsePath reads it back.
func (p Path) String() string {
	var b strings.Builder
	b.WriteByte('$')
	for _, s := range p {
		switch {
		case s.Index >= 0:
			fmt.Fprintf(&b, "[%d]", s.Index)
		default:
			b.WriteString("['" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s.Name) + "']")
		}
	}
	return b.String()
}

// pathNode is a tree of paths: where the scanner stands, and which fields want the value that is there.
type pathNode struct {
	fields   []int // indices into a capture
	names    []pathEdge
	elements []pathElement
}

type pathEdge struct {
	name string
	to   *pathNode
}

type pathElement struct {
	index int
	to    *pathNode
}

// add makes the value at path go to a field.
func (n *pathNode) add(path Path, field int) {
	for _, s := range path {
		next := n.named([]byte(s.Name))
		if s.Index >= 0 {
			next = n.element(s.Index)
		}
		if next == nil {
			next = &pathNode{}
			if s.Index >= 0 {
				n.elements = append(n.elements, pathElement{s.Index, next})
			} else {
				n.names = append(n.names, pathEdge{s.Name, next})
			}
		}
		n = next
	}
	n.fields = append(n.fields, field)
}

// named and element return the next node, or nil where no path goes on. They accept a nil receiver: the scanner is then
// below everything that anybody wants.
func (n *pathNode) named(name []byte) *pathNode {
	if n == nil {
		return nil
	}
	for i := range n.names {
		if n.names[i].name == string(name) {
			return n.names[i].to
		}
	}
	return nil
}

func (n *pathNode) element(index int) *pathNode {
	if n == nil {
		return nil
	}
	for i := range n.elements {
		if n.elements[i].index == index {
			return n.elements[i].to
		}
	}
	return nil
}
