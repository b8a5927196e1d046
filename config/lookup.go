package config

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// line returns the line of the deepest key on a dotted path that stands in the file, so that a missing key is reported at
// the section that lacks it; 0 if not even its first part is there.
func (d *document) line(path string) int {
	node, at := d.root, 0
	for _, part := range split(path) {
		next, line := child(node, part)
		if next == nil {
			return at
		}
		node, at = next, line
	}
	return at
}

// without returns the top mapping less the first entry of a key.
func (d *document) without(key string) *yaml.Node {
	rest := *d.root
	for i := 0; i+1 < len(rest.Content); i += 2 {
		if rest.Content[i].Value == key {
			rest.Content = slices.Delete(slices.Clone(rest.Content), i, i+2)
			break
		}
	}
	return &rest
}

// missing says whether a dotted path does not stand in the file.
func (d *document) missing(path string) bool {
	node := d.root
	for _, part := range split(path) {
		if node, _ = child(node, part); node == nil {
			return true
		}
	}
	return false
}

// child finds a key or an index ("[2]") in a node, and the line on which it stands.
func child(node *yaml.Node, part string) (*yaml.Node, int) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if index, ok := strings.CutPrefix(part, "["); ok {
		i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
		if err != nil || node.Kind != yaml.SequenceNode || i < 0 || i >= len(node.Content) {
			return nil, 0
		}
		return node.Content[i], node.Content[i].Line
	}
	if node.Kind != yaml.MappingNode {
		return nil, 0
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == part {
			return node.Content[i+1], node.Content[i].Line
		}
	}
	return nil, 0
}

// split cuts "detectors[0].input.std" into detectors, [0], input, std. A key with a dot of its own is looked up in vain,
// which only makes the line less exact.
func split(path string) []string {
	return strings.FieldsFunc(strings.ReplaceAll(path, "[", ".["), func(r rune) bool { return r == '.' })
}

// pathAt returns the dotted path of the last key at or before a line, below prefix.
func (d *document) pathAt(line int, prefix string) string {
	best := prefix
	var walk func(n *yaml.Node, path string)
	walk = func(n *yaml.Node, path string) {
		switch n.Kind {
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				p := join(path, n.Content[i].Value)
				if n.Content[i].Line <= line {
					best = p
				}
				walk(n.Content[i+1], p)
			}
		case yaml.SequenceNode:
			for i, c := range n.Content {
				p := path + "[" + strconv.Itoa(i) + "]"
				if c.Kind == yaml.MappingNode && c.Line <= line { // a scalar's line is that of its list: no index to tell
					best = p
				}
				walk(c, p)
			}
		}
	}
	walk(d.root, "")
	return best
}
