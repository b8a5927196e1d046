package otlp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"google.golang.org/grpc/credentials"
)

// wire is what all four exporters are told. The exporters read OTEL_EXPORTER_OTLP_* themselves; an option is passed only
// for what the configuration names, because it goes before the environment.
type wire struct {
	at      *target // nil: the environment's
	plain   bool    // no TLS
	tls     *tls.Config
	headers map[string]string
}

func (c Config) wire(env func(string) string) (wire, error) {
	o := c.OTLP
	headers, err := o.headers(env)
	if err != nil {
		return wire{}, err
	}
	w := wire{headers: headers}
	if o.Endpoint != "" {
		at, err := parseEndpoint(o.Endpoint)
		if err != nil {
			return wire{}, fmt.Errorf("telemetry: otlp.endpoint: %w", err)
		}
		w.at, w.plain = &at, o.Insecure || at.scheme == "http"
	}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return wire{}, fmt.Errorf("telemetry: otlp.ca_file: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return wire{}, fmt.Errorf("telemetry: otlp.ca_file: %s holds no PEM certificate", o.CAFile)
		}
		w.tls = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	}
	return w, nil
}

// logExporter makes the exporter of alert events. It does not try again: the outbox does, and it knows the backlog.
func (c Config) logExporter(ctx context.Context, env func(string) string) (sdklog.Exporter, error) {
	protocol, err := c.protocol(logs, env)
	if err != nil {
		return nil, err
	}
	w, err := c.wire(env)
	if err != nil {
		return nil, err
	}
	if protocol == protocolGRPC {
		return c.logGRPC(ctx, w)
	}
	return c.logHTTP(ctx, w)
}

func (c Config) logGRPC(ctx context.Context, w wire) (sdklog.Exporter, error) {
	options := []otlploggrpc.Option{otlploggrpc.WithTimeout(c.OTLP.Timeout), otlploggrpc.WithRetry(otlploggrpc.RetryConfig{})}
	if w.at != nil {
		options = append(options, otlploggrpc.WithEndpoint(w.at.host))
	}
	if w.plain {
		options = append(options, otlploggrpc.WithInsecure())
	}
	if w.tls != nil {
		options = append(options, otlploggrpc.WithTLSCredentials(credentials.NewTLS(w.tls)))
	}
	if w.headers != nil {
		options = append(options, otlploggrpc.WithHeaders(w.headers))
	}
	return otlploggrpc.New(ctx, options...)
}

func (c Config) logHTTP(ctx context.Context, w wire) (sdklog.Exporter, error) {
	options := []otlploghttp.Option{otlploghttp.WithTimeout(c.OTLP.Timeout), otlploghttp.WithRetry(otlploghttp.RetryConfig{})}
	if w.at != nil {
		options = append(options, otlploghttp.WithEndpoint(w.at.host), otlploghttp.WithURLPath(w.at.path+"/v1/logs"))
	}
	if w.plain {
		options = append(options, otlploghttp.WithInsecure())
	}
	if w.tls != nil {
		options = append(options, otlploghttp.WithTLSClientConfig(w.tls))
	}
	if w.headers != nil {
		options = append(options, otlploghttp.WithHeaders(w.headers))
	}
	return otlploghttp.New(ctx, options...)
}

// metricExporter makes the exporter of pushed metrics. What it can't deliver is dropped and counted: the next push carries
// the same totals.
func (c Config) metricExporter(ctx context.Context, env func(string) string) (sdkmetric.Exporter, error) {
	protocol, err := c.protocol(metrics, env)
	if err != nil {
		return nil, err
	}
	w, err := c.wire(env)
	if err != nil {
		return nil, err
	}
	if protocol == protocolGRPC {
		return c.metricGRPC(ctx, w)
	}
	return c.metricHTTP(ctx, w)
}

func (c Config) metricGRPC(ctx context.Context, w wire) (sdkmetric.Exporter, error) {
	options := []otlpmetricgrpc.Option{otlpmetricgrpc.WithTimeout(c.OTLP.Timeout)}
	if w.at != nil {
		options = append(options, otlpmetricgrpc.WithEndpoint(w.at.host))
	}
	if w.plain {
		options = append(options, otlpmetricgrpc.WithInsecure())
	}
	if w.tls != nil {
		options = append(options, otlpmetricgrpc.WithTLSCredentials(credentials.NewTLS(w.tls)))
	}
	if w.headers != nil {
		options = append(options, otlpmetricgrpc.WithHeaders(w.headers))
	}
	return otlpmetricgrpc.New(ctx, options...)
}

func (c Config) metricHTTP(ctx context.Context, w wire) (sdkmetric.Exporter, error) {
	options := []otlpmetrichttp.Option{otlpmetrichttp.WithTimeout(c.OTLP.Timeout)}
	if w.at != nil {
		options = append(options, otlpmetrichttp.WithEndpoint(w.at.host), otlpmetrichttp.WithURLPath(w.at.path+"/v1/metrics"))
	}
	if w.plain {
		options = append(options, otlpmetrichttp.WithInsecure())
	}
	if w.tls != nil {
		options = append(options, otlpmetrichttp.WithTLSClientConfig(w.tls))
	}
	if w.headers != nil {
		options = append(options, otlpmetrichttp.WithHeaders(w.headers))
	}
	return otlpmetrichttp.New(ctx, options...)
}
