package kafka

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

func TestDefaultConfigIsValid(t *testing.T) {
	cfg := DefaultConfig()
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
	if got := cfg.DrainLimit(); got != 7500*time.Millisecond {
		t.Errorf("drain limit %s, want half of the shorter of session and rebalance timeout", got)
	}
}

func TestConfigFaults(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no broker":        {func(c *Config) { c.Brokers = nil }, "brokers: at least one"},
		"broker, no port":  {func(c *Config) { c.Brokers = []string{"kafka"} }, `"kafka" is not host:port`},
		"no group":         {func(c *Config) { c.Group = "" }, "group:"},
		"no detections":    {func(c *Config) { c.Topics.Detections = "" }, "topics.detections:"},
		"one topic twice":  {func(c *Config) { c.Topics.Media = "detections" }, `"detections" is named twice`},
		"letters of input": {func(c *Config) { c.Topics.DeadLetters = "detections" }, `"detections" is named twice`},
		"plain SASL":       {func(c *Config) { c.SASL = SASL{Mechanism: "PLAIN", Username: "u", PasswordEnv: "P"} }, "allow_plaintext"},
		"unknown SASL":     {func(c *Config) { c.SASL = SASL{Mechanism: "GSSAPI"} }, `"GSSAPI" is not known`},
		"SASL, no secret":  {func(c *Config) { c.SASL = SASL{Mechanism: "PLAIN", Username: "u", AllowPlaintext: true} }, "one of password_file"},
		"two secrets":      {func(c *Config) { c.SASL = SASL{Mechanism: "PLAIN", PasswordFile: "f", PasswordEnv: "P"} }, "one of password_file"},
		"user, no SASL":    {func(c *Config) { c.SASL.Username = "u" }, "no mechanism"},
		"TLS not enabled":  {func(c *Config) { c.TLS.CAFile = "ca.pem" }, "enabled is false"},
		"cert, no key":     {func(c *Config) { c.TLS = TLS{Enabled: true, CertFile: "c.pem"} }, "go together"},
		"slow heartbeat":   {func(c *Config) { c.Heartbeat = 6 * time.Second }, "more than a third"},
		"no wait":          {func(c *Config) { c.Fetch.MaxWait = 0 }, "fetch.max_wait"},
		"tiny fetch":       {func(c *Config) { c.Fetch.MaxBytes = 10 }, "fetch.max_bytes"},
		"batch limit":      {func(c *Config) { c.Fetch.MaxBatchBytes = 5000 }, "fetch.max_batch_bytes"},
	} {
		cfg := DefaultConfig()
		c.change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if _, err := NewSource(cfg, quiet()); err == nil {
			t.Errorf("%s: a source is made", name)
		}
	}
	if err := (Config{}).Validate(); err == nil || strings.Count(err.Error(), "\n") < 5 {
		t.Errorf("an empty configuration does not name all its faults: %v", err)
	}
}

func TestConfigFromYAML(t *testing.T) {
	cfg := DefaultConfig()
	d := yaml.NewDecoder(bytes.NewReader([]byte(`
brokers: ["k1:9092", "k2:9092"]
topics: {detections: d, media: m, labels: l, dead_letters: x}
session_timeout: 45s
fetch: {max_wait: 250ms}
`)))
	d.KnownFields(true)
	if err := d.Decode(&cfg); err != nil {
		t.Fatal(err)
	}
	if cfg.SessionTimeout != 45*time.Second || cfg.Fetch.MaxWait != 250*time.Millisecond || cfg.Fetch.MaxBytes != 1<<20 || cfg.Topics.Labels != "l" {
		t.Errorf("%+v", cfg)
	}
}
