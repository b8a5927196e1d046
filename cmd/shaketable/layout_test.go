package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// listed is what `go list` tells of a package.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
}

// list asks the go command for all packages of the module.
func list(t *testing.T) map[string]listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Standard,Imports,Deps", "shaketable/...")
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	packages := map[string]listed{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages[p.ImportPath] = p
	}
	return packages
}

// matches says whether a package is meant by a pattern: "a/b" is that package alone, "a/b/..." all at or below it.
func matches(path, pattern string) bool {
	root, all := strings.CutSuffix(pattern, "/...")
	return path == root || all && strings.HasPrefix(path, root+"/")
}

func anyMatches(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(path, p) })
}

// rule says what the packages that a pattern means may depend on, directly or not.
type rule struct {
	of        string
	within    []string // of the module
	forbidden []string // outside of it
}

const (
	brokers = "github.com/segmentio/..."
	stores  = "github.com/redis/..."
	fakes   = "github.com/twmb/..."
	otel    = "go.opentelemetry.io/..."
	native  = "github.com/yalue/..."
	cli     = "github.com/spf13/..."
)

// rules are the one direction of imports: cmd -> config -> pipeline -> {perturb, metrics}; adapters -> pipeline, never each
// other.
func rules() []rule {
	stages := []string{"shaketable/pipeline", "shaketable/perturb/...", "shaketable/metrics"}
	rs := []rule{
		{"shaketable/metrics/...", []string{"shaketable/metrics/..."}, []string{"net", "os/exec", "github.com/...", otel, "google.golang.org/..."}},
		{"shaketable/perturb/...", []string{"shaketable/perturb/..."}, []string{brokers, stores, fakes, otel, native}},
		{"shaketable/pipeline", stages, []string{brokers, stores, fakes, otel, native, cli}},
		{"shaketable/config", append([]string{"shaketable/config", "shaketable/pipeline/kafka", "shaketable/pipeline/redis",
			"shaketable/pipeline/otlp", "shaketable/pipeline/http"}, stages...), []string{native, cli, fakes}},
	}
	return rs
}

// adapterRule says what a package directly below pipeline must not know; false if nobody has thought of that yet.
func adapterRule(path string) (rule, bool) {
	others, ok := map[string][]string{
		"kafka": {stores, otel, native}, "redis": {brokers, otel, native}, "onnx": {brokers, stores, otel},
		"otlp": {brokers, stores, native}, "http": {brokers, stores, native}, "storetest": {brokers, otel, native},
		"memory": {brokers, stores, fakes, otel, native},
	}[strings.TrimPrefix(path, "shaketable/pipeline/")]
	within := []string{path, "shaketable/pipeline", "shaketable/perturb/...", "shaketable/metrics"}
	return rule{path, within, append(others, cli)}, ok
}

func TestImportDirection(t *testing.T) {
	packages := list(t)
	all := rules()
	for path := range packages {
		if name, ok := strings.CutPrefix(path, "shaketable/pipeline/"); ok && !strings.Contains(name, "/") {
			r, known := adapterRule(path)
			if !known {
				t.Errorf("%s has no rule: say in adapterRule what it must not know", path)
			}
			all = append(all, r)
		}
	}
	for _, r := range all {
		checked := 0
		for path, p := range packages {
			if !matches(path, r.of) {
				continue
			}
			checked++
			for _, d := range p.Deps {
				if matches(d, "shaketable/...") && !anyMatches(d, r.within) {
					t.Errorf("%s depends on %s; allowed are %v", path, d, r.within)
				}
				if anyMatches(d, r.forbidden) {
					t.Errorf("%s depends on %s, which it must not know", path, d)
				}
			}
		}
		if checked == 0 {
			t.Errorf("there is no package %s", r.of)
		}
	}
}

// The embedded broker and store are for tests and the demo.
func TestNoFakesInTheBinary(t *testing.T) {
	packages := list(t)
	binary := packages["shaketable/cmd/shaketable"]
	if len(binary.Deps) == 0 {
		t.Fatal("go list tells no dependencies of cmd/shaketable")
	}
	for _, d := range binary.Deps {
		if anyMatches(d, []string{"testing/...", fakes, "github.com/alicebob/...", "pgregory.net/...", "github.com/chromedp/...",
			"shaketable/pipeline/storetest", "shaketable/pipeline/kafka/kafkatest"}) {
			t.Errorf("cmd/shaketable depends on %s", d)
		}
	}
}
