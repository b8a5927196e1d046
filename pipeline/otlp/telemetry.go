package otlp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"golang.org/x/sync/errgroup"
)

// Identity is what telemetry says about the process.
type Identity struct {
	Version  string // of the program
	Revision string // of its source; "" if unknown
	Instance string // unique to the process
}

// Telemetry is the telemetry of a process. Open makes it, Shutdown ends it. A nil one records nothing and has no sink.
//
//	instruments ─► MeterProvider ─┬─► own Prometheus registry ─► Handler
//	                              └─► periodic reader ─► OTLP (where an endpoint is configured)
//	Sink ─► LoggerProvider ─► ackExporter ─► OTLP
type Telemetry struct {
	cfg        Config
	identity   Identity
	complaints *complaints
	registry   *prometheus.Registry
	meters     *sdkmetric.MeterProvider
	loggers    *sdklog.LoggerProvider // nil without a receiver of logs
	sink       *Sink
	probes     probes
	deliveries deliveries
}

// Open sets telemetry up. Env is os.Getenv outside tests; the exporters themselves always read the process's environment.
// A receiver that can't be reached is no error: it may come later.
func Open(ctx context.Context, cfg Config, id Identity, env func(string) string, log *slog.Logger) (*Telemetry, error) {
	if es := cfg.Validate(); len(es) > 0 {
		return nil, fmt.Errorf("telemetry: %w", errors.Join(es...))
	}
	t := &Telemetry{cfg: cfg, identity: id, registry: prometheus.NewRegistry(),
		complaints: &complaints{log: log, every: time.Minute, now: time.Now}}
	otel.SetErrorHandler(t.complaints)
	described, err := cfg.describe(ctx, id, env)
	if err != nil {
		return nil, err
	}
	if err := t.openMetrics(ctx, described, env); err != nil {
		return nil, err
	}
	if err := t.openLogs(ctx, described, env); err != nil {
		return nil, errors.Join(err, t.Shutdown(ctx))
	}
	return t, nil
}

// describe returns the resource: what the environment says, over it what the configuration names.
func (c Config) describe(ctx context.Context, id Identity, env func(string) string) (*resource.Resource, error) {
	attributes := []attribute.KeyValue{
		attribute.String("service.name", cmp.Or(c.ServiceName, env("OTEL_SERVICE_NAME"), "shaketable")),
		attribute.String("service.version", id.Version), attribute.String("service.instance.id", id.Instance)}
	for name, value := range c.Attributes {
		attributes = append(attributes, attribute.String(name, value))
	}
	r, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithFromEnv(), resource.WithAttributes(attributes...))
	if err != nil {
		return nil, fmt.Errorf("telemetry: OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return r, nil
}

func (t *Telemetry) openMetrics(ctx context.Context, described *resource.Resource, env func(string) string) error {
	t.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	pull, err := exporter.New(exporter.WithRegisterer(t.registry), exporter.WithoutScopeInfo(),
		exporter.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes))
	if err != nil {
		return fmt.Errorf("telemetry: prometheus exporter: %w", err)
	}
	options := []sdkmetric.Option{sdkmetric.WithResource(described), sdkmetric.WithReader(pull), sdkmetric.WithCardinalityLimit(t.cfg.CardinalityLimit)}
	if t.cfg.pushes(metrics, env) {
		push, err := t.cfg.metricExporter(ctx, env)
		if err != nil {
			return fmt.Errorf("telemetry: metric exporter: %w", err)
		}
		options = append(options, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(push)))
	}
	t.meters = sdkmetric.NewMeterProvider(options...)
	return t.instruments()
}

func (t *Telemetry) openLogs(ctx context.Context, described *resource.Resource, env func(string) string) error {
	if !t.cfg.pushes(logs, env) {
		return nil
	}
	inner, err := t.cfg.logExporter(ctx, env)
	if err != nil {
		return fmt.Errorf("telemetry: log exporter: %w", err)
	}
	t.loggers = sdklog.NewLoggerProvider(sdklog.WithResource(described), sdklog.WithProcessor(sdklog.NewSimpleProcessor(ackExporter{inner})))
	t.sink = newSink(t.loggers, t.identity.Version)
	return nil
}

// Sink returns the sink of alert transitions; nil if no receiver is configured, by file or by environment.
func (t *Telemetry) Sink() *Sink {
	if t == nil {
		return nil
	}
	return t.sink
}

// Handler serves the metrics to Prometheus.
func (t *Telemetry) Handler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// Shutdown pushes the last metrics and closes the exporters, all at once and each within the shutdown timeout.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	var group errgroup.Group
	part := func(name string, stop func(context.Context) error) {
		group.Go(func() error {
			limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.cfg.ShutdownTimeout)
			defer cancel()
			if err := stop(limited); err != nil {
				return fmt.Errorf("telemetry: last flush of %s: %w", name, err)
			}
			return nil
		})
	}
	if t.meters != nil {
		part("metrics", t.meters.Shutdown)
	}
	if t.loggers != nil {
		part("alerts", t.loggers.Shutdown)
	}
	return group.Wait()
}
