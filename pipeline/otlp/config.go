package otlp

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// Config says where telemetry goes and what it says about this process.
type Config struct {
	OTLP OTLPConfig `yaml:"otlp"`
	// ServiceName is the resource attribute service.name; "" for OTEL_SERVICE_NAME, else shaketable.
	ServiceName string `yaml:"service_name"`
	// Attributes are further resource attributes, such as deployment.environment.name. Default: none.
	Attributes map[string]string `yaml:"attributes"`
	// CardinalityLimit is how many attribute sets one instrument may have; what comes later is summed in one series with
	// otel_metric_overflow="true". Default 2000.
	CardinalityLimit int `yaml:"cardinality_limit"`
	// ShutdownTimeout bounds the last flush, whatever the receiver does. Default 2s.
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout"`
}

// OTLPConfig is the receiver of metrics and alert events. What is left empty is taken from OTEL_EXPORTER_OTLP_*.
type OTLPConfig struct {
	// Endpoint is host:port or a URL; its scheme says whether TLS is used. "" for the environment's; if that names none
	// either, nothing is pushed.
	Endpoint string `yaml:"endpoint"`
	// Protocol is grpc or http (protobuf over HTTP, below /v1/ of the endpoint). "" for the environment's, else grpc.
	Protocol string `yaml:"protocol"`
	// Insecure turns TLS off for an endpoint that is host:port.
	Insecure bool `yaml:"insecure"`
	// CAFile holds the certificates that the receiver's is checked against, PEM; "" for the environment's or the system's.
	CAFile string `yaml:"ca_file"`
	// HeadersFile or HeadersEnv name where the headers are, one name=value a line: they often hold a secret.
	HeadersFile string `yaml:"headers_file"`
	HeadersEnv  string `yaml:"headers_env"`
	// Timeout bounds one export, until the receiver has answered. Default 10s.
	Timeout time.Duration `yaml:"timeout"`
}

// The protocols.
const (
	protocolGRPC = "grpc"
	protocolHTTP = "http"
)

// DefaultConfig pushes only where the environment says so.
func DefaultConfig() Config {
	return Config{OTLP: OTLPConfig{Timeout: 10 * time.Second}, CardinalityLimit: 2000, ShutdownTimeout: 2 * time.Second}
}

// Validate returns every fault, each beginning with its key.
func (c Config) Validate() []error {
	var es []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			es = append(es, fmt.Errorf(format, args...))
		}
	}
	o := c.OTLP
	if o.Endpoint != "" {
		if _, err := parseEndpoint(o.Endpoint); err != nil {
			es = append(es, fmt.Errorf("otlp.endpoint: %w", err))
		}
	}
	check(slices.Contains([]string{"", protocolGRPC, protocolHTTP}, o.Protocol), "otlp.protocol: %q is not one of grpc, http", o.Protocol)
	check(!o.Insecure || o.Endpoint != "", "otlp.insecure: needs otlp.endpoint; for one in the environment set OTEL_EXPORTER_OTLP_INSECURE")
	check(!o.Insecure || !strings.Contains(o.Endpoint, "://"), "otlp.insecure: the scheme of otlp.endpoint decides; leave this out")
	check(o.CAFile == "" || !o.Insecure, "otlp.ca_file: has no use with otlp.insecure; keep one")
	check(o.HeadersFile == "" || o.HeadersEnv == "", "otlp.headers_file: otlp.headers_env is set too; keep one")
	check(o.Timeout >= time.Millisecond, "otlp.timeout: %v must be at least 1ms", o.Timeout)
	check(c.CardinalityLimit >= 100, "cardinality_limit: %d must be at least 100", c.CardinalityLimit)
	check(c.ShutdownTimeout > 0, "shutdown_timeout: %v must be above 0", c.ShutdownTimeout)
	for name := range c.Attributes {
		check(name != "", "attributes: has an empty name")
	}
	return es
}

// target is where an endpoint points.
type target struct {
	host   string // host:port
	path   string // of a URL, without its last slash
	scheme string // http, https or "" for host:port
}

func parseEndpoint(endpoint string) (target, error) {
	if !strings.Contains(endpoint, "://") {
		_, port, err := net.SplitHostPort(endpoint)
		if err != nil || port == "" {
			return target{}, fmt.Errorf("%q is neither host:port nor a URL", endpoint)
		}
		return target{host: endpoint}, nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return target{}, fmt.Errorf("%q is no http:// or https:// URL with a host", endpoint)
	}
	if u.User != nil {
		return target{}, fmt.Errorf("holds a user or password; put it in otlp.headers_file")
	}
	return target{host: u.Host, path: strings.TrimSuffix(u.Path, "/"), scheme: u.Scheme}, nil
}

// signal is one of the two kinds of telemetry, as the environment spells it.
type signal string

const (
	logs    signal = "LOGS"
	metrics signal = "METRICS"
)

// pushes says whether a signal has a receiver.
func (c Config) pushes(s signal, env func(string) string) bool {
	if strings.EqualFold(env("OTEL_SDK_DISABLED"), "true") || env("OTEL_"+string(s)+"_EXPORTER") == "none" {
		return false
	}
	return c.OTLP.Endpoint != "" || env("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || env("OTEL_EXPORTER_OTLP_"+string(s)+"_ENDPOINT") != ""
}

// protocol returns grpc or http.
func (c Config) protocol(s signal, env func(string) string) (string, error) {
	name := cmp.Or(c.OTLP.Protocol, env("OTEL_EXPORTER_OTLP_"+string(s)+"_PROTOCOL"), env("OTEL_EXPORTER_OTLP_PROTOCOL"), protocolGRPC)
	switch name {
	case protocolGRPC:
		return protocolGRPC, nil
	case protocolHTTP, "http/protobuf":
		return protocolHTTP, nil
	}
	return "", fmt.Errorf("telemetry: OTEL_EXPORTER_OTLP_PROTOCOL: %q is not one of grpc, http/protobuf", name)
}

// headers reads the headers; nil if the configuration names none.
func (o OTLPConfig) headers(env func(string) string) (map[string]string, error) {
	text, where := "", "otlp.headers_env: the variable "+o.HeadersEnv
	switch {
	case o.HeadersFile != "":
		data, err := os.ReadFile(o.HeadersFile)
		if err != nil {
			return nil, fmt.Errorf("telemetry: otlp.headers_file: %w", err)
		}
		text, where = string(data), "otlp.headers_file: "+o.HeadersFile
	case o.HeadersEnv != "":
		if text = env(o.HeadersEnv); text == "" {
			return nil, fmt.Errorf("telemetry: %s is not set", where)
		}
	default:
		return nil, nil
	}
	headers := map[string]string{}
	line := 0
	for entry := range strings.Lines(text) {
		line++
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		name, value, ok := strings.Cut(entry, "=")
		if !ok || name == "" { // the text may be a secret: only its place is told
			return nil, fmt.Errorf("telemetry: %s: line %d is not name=value", where, line)
		}
		headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return headers, nil
}
