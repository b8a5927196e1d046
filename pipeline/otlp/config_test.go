package otlp

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	if es := DefaultConfig().Validate(); len(es) > 0 {
		t.Error(es)
	}
	for want, change := range map[string]func(*Config){
		`otlp.endpoint: "collector" is neither`:      func(c *Config) { c.OTLP.Endpoint = "collector" },
		`otlp.endpoint: "ftp://a:1" is no http`:      func(c *Config) { c.OTLP.Endpoint = "ftp://a:1" },
		`otlp.endpoint: holds a user or password`:    func(c *Config) { c.OTLP.Endpoint = "https://me:secret@a:1" },
		`otlp.protocol: "udp"`:                       func(c *Config) { c.OTLP.Protocol = "udp" },
		`otlp.insecure: needs otlp.endpoint`:         func(c *Config) { c.OTLP.Insecure = true },
		`otlp.insecure: the scheme`:                  func(c *Config) { c.OTLP.Endpoint, c.OTLP.Insecure = "http://a:1", true },
		`otlp.ca_file: has no use`:                   func(c *Config) { c.OTLP.Endpoint, c.OTLP.Insecure, c.OTLP.CAFile = "a:1", true, "ca" },
		`otlp.headers_file: otlp.headers_env is set`: func(c *Config) { c.OTLP.HeadersFile, c.OTLP.HeadersEnv = "f", "E" },
		`otlp.timeout: 0s`:                           func(c *Config) { c.OTLP.Timeout = 0 },
		`cardinality_limit: 5`:                       func(c *Config) { c.CardinalityLimit = 5 },
		`shutdown_timeout: 0s`:                       func(c *Config) { c.ShutdownTimeout = 0 },
		`attributes: has an empty name`:              func(c *Config) { c.Attributes = map[string]string{"": "x"} },
	} {
		c := DefaultConfig()
		change(&c)
		if es := c.Validate(); len(es) != 1 || !strings.HasPrefix(es[0].Error(), want) {
			t.Errorf("want %s, got %v", want, es)
		}
	}
}

func TestEndpoints(t *testing.T) {
	for text, want := range map[string]target{"a:4317": {host: "a:4317"}, "http://a:4318/otlp/": {"a:4318", "/otlp", "http"}, "https://a.example": {"a.example", "", "https"}} {
		if got, err := parseEndpoint(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

// TestHeaders: a line that can't be read is named by its place, because its text may be the secret.
func TestHeaders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "headers")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := OTLPConfig{HeadersFile: path}
	write("authorization = Bearer a=b\n\nx-scope=7\n")
	if got, err := file.headers(noEnv); err != nil || !reflect.DeepEqual(got, map[string]string{"authorization": "Bearer a=b", "x-scope": "7"}) {
		t.Errorf("%v, %v", got, err)
	}
	write("a=b\nc4n4ry\n")
	if _, err := file.headers(noEnv); err == nil || !strings.Contains(err.Error(), "line 2 is not name=value") || strings.Contains(err.Error(), "c4n4ry") {
		t.Errorf("got %v", err)
	}
	env := OTLPConfig{HeadersEnv: "HEADERS"}
	if _, err := env.headers(noEnv); err == nil || !strings.Contains(err.Error(), "the variable HEADERS is not set") {
		t.Errorf("got %v", err)
	}
	if got, err := env.headers(func(string) string { return "a=b" }); err != nil || got["a"] != "b" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := (OTLPConfig{HeadersFile: "/none/such"}).headers(noEnv); err == nil {
		t.Error("a file that is not there")
	}
}

func TestComplaintsAreCountedAndSeldomLogged(t *testing.T) {
	var out bytes.Buffer
	now := noon
	c := &complaints{log: slog.New(slog.NewTextHandler(&out, nil)), every: time.Minute, now: func() time.Time { return now }}
	c.Handle(nil)
	for range 100 {
		c.Handle(errors.New("collector is away"))
		now = now.Add(time.Second)
	}
	if n := strings.Count(out.String(), "collector is away"); n != 2 || c.count.Load() != 100 || !strings.Contains(out.String(), "more_since_the_last_message=59") {
		t.Errorf("%d lines for %d errors:\n%s", n, c.count.Load(), out.String())
	}
}

func TestCardinalityIsBounded(t *testing.T) {
	tel := openAt(t, "", func(c *Config) { c.CardinalityLimit = 100 })
	for i := range 300 {
		tel.Delivered(strings.Repeat("x", i+1), nil)
	}
	if n := len(scrape(t, tel)["shaketable_alert_deliveries_total"].Metric); n != 100 {
		t.Errorf("%d series", n)
	}
}
