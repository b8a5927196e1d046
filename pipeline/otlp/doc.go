// Package otlp is the telemetry of a process on OpenTelemetry: alert transitions as log events that count as delivered only
// when a receiver has acknowledged them, and metrics, pushed by OTLP where an endpoint is configured and always there to be
// scraped by Prometheus.
//
// The variables OTEL_* of the environment are honoured where the configuration says nothing. Gauges are observed from
// values that are already in memory: no callback asks Redis, Kafka or a device.
package otlp
