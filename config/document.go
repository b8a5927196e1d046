package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds a configuration file: a list of detectors is a few kilobytes, and a mistaken path (a model, a log) must
// not be read into memory whole.
const maxFile = 1 << 20

// document is one parsed YAML file that still knows on which line every key stands.
type document struct {
	file string
	root *yaml.Node // the top mapping
}

// readDocument reads and parses a file that must hold exactly one YAML document, a mapping.
func readDocument(path string) (*document, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("read configuration: %s is larger than %d bytes: is it the right file?", path, maxFile)
	}
	return parseDocument(path, data)
}

func parseDocument(path string, data []byte) (*document, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var node yaml.Node
	if err := dec.Decode(&node); errors.Is(err, io.EOF) {
		return nil, Faults{{File: path, Text: "is empty"}}
	} else if err != nil {
		return nil, Faults{syntaxFault(path, err)}
	}
	var second yaml.Node
	switch err := dec.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return nil, Faults{syntaxFault(path, err)}
	default:
		return nil, Faults{{File: path, Line: second.Line, Text: "holds a second YAML document; only one is read, remove the ---"}}
	}
	root := node.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, Faults{{File: path, Line: root.Line, Text: "must be a mapping of keys to values"}}
	}
	return &document{file: path, root: root}, nil
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(?s:(.*))$`)

// syntaxFault takes the line out of the text of an error of the YAML library.
func syntaxFault(path string, err error) Fault {
	return textFault(path, err.Error())
}

func textFault(path, text string) Fault {
	m := yamlLine.FindStringSubmatch(text)
	line, _ := strconv.Atoi(m[1]) // "" is line 0: unknown
	return Fault{File: path, Line: line, Text: m[2]}
}

// decode stores a node in out, which holds the defaults, and returns every key that does not exist and every value of the
// wrong type. It does not use the library's own strict mode because that forgets the path of the key and is lost inside
// lists whose elements have defaults.
func (d *document) decode(node *yaml.Node, path string, out any) Faults {
	w := walker{file: d.file, seen: map[*yaml.Node]bool{}}
	w.walk(node, path, reflect.TypeOf(out).Elem())
	var typed *yaml.TypeError
	switch err := node.Decode(out); {
	case errors.As(err, &typed):
		for _, text := range typed.Errors {
			f := textFault(d.file, text)
			if !strings.HasPrefix(f.Text, "mapping key") { // a duplicate: its text has the name, and the place is not a value's
				f.Path, f.Text = d.pathAt(f.Line, path), plainType(f.Text)
			}
			w.faults = append(w.faults, f)
		}
	case err != nil && len(w.faults) == 0: // else the walk has said it, with its place
		w.faults = append(w.faults, Fault{File: d.file, Line: node.Line, Path: path, Text: strings.TrimPrefix(err.Error(), "yaml: ")})
	}
	return w.faults
}

var goType = regexp.MustCompile(`^cannot unmarshal !!(\w+)(?: (.*))? into (\S+)$`)

// plainType says "`abc` is no int" instead of the library's sentence about unmarshalling.
func plainType(text string) string {
	m := goType.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	want := map[string]string{"time.Duration": `duration such as "90s" or "24h"`, "float64": "number", "float32": "number",
		"int": "whole number", "int64": "whole number", "bool": "true or false", "string": "text"}[m[3]]
	if want == "" {
		want = "value of the form that is documented for this key"
	}
	if m[2] == "" {
		return fmt.Sprintf("is a %s, not a %s", map[string]string{"map": "mapping", "seq": "list"}[m[1]], want)
	}
	return fmt.Sprintf("%s is not a %s", m[2], want)
}

// walker reports the keys of a YAML node that its Go type does not have.
type walker struct {
	file   string
	faults Faults
	seen   map[*yaml.Node]bool // aliases already followed: an alias bomb is walked once
}

func (w *walker) walk(node *yaml.Node, path string, t reflect.Type) {
	if node.Kind == yaml.AliasNode {
		if w.seen[node.Alias] {
			return
		}
		w.seen[node.Alias] = true
		node = node.Alias
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == reflect.TypeFor[yaml.Node]() || reflect.PointerTo(t).Implements(reflect.TypeFor[yaml.Unmarshaler]()) {
		return // its content is judged elsewhere
	}
	switch {
	case node.Kind == yaml.SequenceNode && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array):
		if n := len(node.Content); t.Kind() == reflect.Array && n != t.Len() {
			w.faults = append(w.faults, Fault{File: w.file, Line: node.Line, Path: path,
				Text: fmt.Sprintf("has %d values, not %d", n, t.Len())})
		}
		for i, c := range node.Content {
			w.walk(c, fmt.Sprintf("%s[%d]", path, i), t.Elem())
		}
	case node.Kind == yaml.MappingNode && t.Kind() == reflect.Map:
		for i := 0; i+1 < len(node.Content); i += 2 {
			w.walk(node.Content[i+1], join(path, node.Content[i].Value), t.Elem())
		}
	case node.Kind == yaml.MappingNode && t.Kind() == reflect.Struct:
		w.keys(node, path, t)
	}
}

func (w *walker) keys(node *yaml.Node, path string, t reflect.Type) {
	fields, names := fieldsOf(t)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Tag == "!!merge" {
			w.walk(value, path, t)
			continue
		}
		f, ok := fields[key.Value]
		if !ok {
			w.faults = append(w.faults, Fault{File: w.file, Line: key.Line, Path: join(path, key.Value),
				Text: "is no known key; known here: " + strings.Join(names, ", ")})
			continue
		}
		w.walk(value, join(path, key.Value), f)
	}
}

// fieldsOf lists the YAML keys of a struct in their order, the fields of inlined structs among them.
func fieldsOf(t reflect.Type) (map[string]reflect.Type, []string) {
	fields, names := map[string]reflect.Type{}, []string{}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || name == "-":
			continue
		case strings.Contains(options, "inline"):
			inner, innerNames := fieldsOf(f.Type)
			for k, v := range inner {
				fields[k] = v
			}
			names = append(names, innerNames...)
			continue
		case name == "":
			name = strings.ToLower(f.Name)
		}
		fields[name] = f.Type
		names = append(names, name)
	}
	return fields, names
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
