package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

// files writes files into a new folder and returns its path.
func files(t *testing.T, content map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const goodConfig = `sample: {rate: .1}
decode: {score: {meaning: real}}
exclude: [{attribute: consent, not_equals: "yes"}]
detectors:
  - name: a
    model: {path: a.onnx, sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}
    input: {width: 8, height: 8}
`

func TestRun(t *testing.T) {
	dir := files(t, map[string]string{
		"shaketable.yaml": goodConfig, "a.onnx": "",
		"bad.yaml":     strings.Replace(goodConfig, ".1", "7", 1) + "treshold: 3\n",
		"nomodel.yaml": strings.Replace(goodConfig, "a.onnx", "b.onnx", 1),
		"ok.json":      `{"detector":{"name":"a"},"score":0.25,"attributes":{"consent":"yes"},"media":{"data":"/9j/"}}`,
		"event.json":   `{"detector":{"name":"a"},"score":0.25}`,
		"headers.json": `{"ce_specversion":"1.0","ce_id":"7","ce_source":"/api","ce_type":"t"}`,
		"list.json":    `[]`, "other.json": `{"detector":{"name":"b"},"score":0.25}`,
		"broken.json": `{"detector":{"name":"a"},"score":2}`,
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	check := []string{"check-config", "--config", at("shaketable.yaml")}
	for _, c := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string
	}{
		{"help", nil, 0, "Available Commands:", ""},
		{"unknown command", []string{"fly"}, 2, "", `unknown command "fly"`},
		{"unknown flag", []string{"version", "--colour"}, 2, "", "unknown flag: --colour"},
		{"flag without value", []string{"check-config", "--config"}, 2, "", "flag needs an argument"},
		{"stray argument", []string{"check-config", "x"}, 2, "", `takes no arguments, but there is "x"`},
		{"unknown subcommand", []string{"config", "burn"}, 2, "", `unknown command "config burn"`},
		{"version", []string{"version"}, 0, "shaketable ", ""},
		{"defaults", []string{"config", "defaults"}, 0, "\nsample:\n    rate: 0.01\n", ""},
		{"print", []string{"config", "print", "--config", at("shaketable.yaml")}, 0, "\nsample:\n    rate: 0.1\n", ""},
		{"print bad", []string{"config", "print", "--config", at("bad.yaml")}, 2, "", "bad.yaml:8: treshold: is no known key"},
		{"fine", check, 0, "", "shaketable.yaml: fine, 1 detectors"},
		{"no file", []string{"check-config", "--config", at("none.yaml")}, 2, "", "no such file"},
		{"bad file", []string{"check-config", "--config", at("bad.yaml")}, 2, "", "bad.yaml:8: treshold: is no known key"},
		{"no model", []string{"check-config", "--config", at("nomodel.yaml")}, 2, "", "detector a: model.path: "},
		{"sample", append(check, "--sample", at("ok.json"), "--key", "k"), 0, `"probability_of_fake": 0.75`, ""},
		{"inline media is counted, not shown", append(check, "--sample", at("ok.json"), "--key", "k"), 0, `"inline_bytes": 3`, ""},
		{"event", append(check, "--sample", at("event.json"), "--headers", at("headers.json"), "--key", "k"), 0, `"id": "/api#7"`, ""},
		{"excluded", append(check, "--sample", at("event.json"), "--key", "k"), 0, `"excluded": true`, ""},
		{"no detection", append(check, "--sample", at("broken.json"), "--key", "k"), 1, "", "invalid_field: score: 2 is no probability"},
		{"unknown detector", append(check, "--sample", at("other.json"), "--key", "k"), 1, `"detector_is_configured": false`, `no detector "b"`},
		{"no sample", append(check, "--sample", at("none.json")), 2, "", "--sample: open "},
		{"bad headers", append(check, "--sample", at("ok.json"), "--headers", at("list.json")), 2, "", "must be a JSON object of texts"},
		{"headers alone", append(check, "--headers", at("headers.json")), 2, "", "--headers and --key go with --sample"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			code := run(t.Context(), c.args, &stdout, &stderr)
			if code != c.code || !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("status %d, want %d\nstdout: %s\nwant: %s\nstderr: %s\nwant: %s", code, c.code, stdout.String(), c.stdout, stderr.String(), c.stderr)
			}
			if c.code == exitUsage && stdout.Len() > 0 {
				t.Errorf("a mistake was answered on stdout: %s", stdout.String())
			}
		})
	}
}

func TestVersionJSON(t *testing.T) {
	var stdout, stderr strings.Builder
	if code := run(t.Context(), []string{"version", "--json"}, &stdout, &stderr); code != exitFine {
		t.Fatal(code, stderr.String())
	}
	var b build
	if err := json.Unmarshal([]byte(stdout.String()), &b); err != nil || !strings.HasPrefix(b.Go, "go1.") || b.Version == "" {
		t.Errorf("got %s, %v", stdout.String(), err)
	}
}

func TestNewBuild(t *testing.T) {
	got := newBuild(&debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}, {Key: "vcs.time", Value: "2026-11-22T10:00:00Z"},
		{Key: "CGO_ENABLED", Value: "1"}}})
	want := build{Version: "v1.2.3", Revision: "abc", Time: "2026-11-22T10:00:00Z", Modified: true, CGO: true, Go: "go1.26.0", Platform: got.Platform}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
