package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const example = "../deploy/config.example.yaml"

func TestExampleLoads(t *testing.T) {
	if _, err := Load(example, noEnv); err != nil {
		t.Error(err)
	}
}

// TestExampleShowsDefaults: a line of the example that does not say otherwise shows the default, and one that says so does
// not.
func TestExampleShowsDefaults(t *testing.T) {
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	changed := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasSuffix(strings.TrimSpace(line), "# not the default") {
			changed++
			continue
		}
		kept = append(kept, line)
	}
	if changed < 5 {
		t.Fatalf("only %d lines are marked as not the default", changed)
	}
	c := Default()
	doc, err := parseDocument(filepath.Base(example), []byte(strings.Join(kept, "")))
	if err != nil {
		t.Fatal(err)
	}
	if faults := doc.decode(doc.root, "", &c); len(faults) > 0 {
		t.Fatal(faults)
	}
	if want := Default(); !reflect.DeepEqual(c, want) {
		got, _ := c.YAML()
		defaults, _ := want.YAML()
		t.Errorf("the example shows other values than the defaults:\n%s", differing(string(got), string(defaults)))
	}
	var marked, plain map[string]any
	if yaml.Unmarshal(text, &marked) != nil || yaml.Unmarshal([]byte(strings.Join(kept, "")), &plain) != nil || reflect.DeepEqual(marked, plain) {
		t.Error("lines marked as not the default change nothing")
	}
}

func differing(got, want string) string {
	wanted := strings.Split(want, "\n")
	var out strings.Builder
	for i, line := range strings.Split(got, "\n") {
		if i >= len(wanted) || line != wanted[i] {
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}
