package otlp

import (
	"context"
	"net"
	"sync"
	"testing"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logsv1 "go.opentelemetry.io/proto/otlp/logs/v1"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc"
)

// receiver is an OTLP receiver over gRPC in this process. Behave decides, per export of logs, what it answers after it has
// kept the records; nil accepts.
type receiver struct {
	collogs.UnimplementedLogsServiceServer
	address string
	server  *grpc.Server
	behave  func(ctx context.Context, call int) (*collogs.ExportLogsServiceResponse, error)
	keeps   func(call int) bool // nil keeps everything

	mu       sync.Mutex
	calls    int
	records  []*logsv1.LogRecord
	resource map[string]string
	metrics  map[string]*metricsv1.Metric
}

// metricsReceiver is the other service of a receiver: both have a method Export.
type metricsReceiver struct {
	colmetrics.UnimplementedMetricsServiceServer
	*receiver
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{address: listener.Addr().String(), server: grpc.NewServer(), metrics: map[string]*metricsv1.Metric{}}
	collogs.RegisterLogsServiceServer(r.server, r)
	colmetrics.RegisterMetricsServiceServer(r.server, metricsReceiver{receiver: r})
	done := make(chan struct{})
	go func() { defer close(done); r.server.Serve(listener) }()
	t.Cleanup(func() { r.server.Stop(); <-done })
	return r
}

func (r *receiver) Export(ctx context.Context, in *collogs.ExportLogsServiceRequest) (*collogs.ExportLogsServiceResponse, error) {
	r.mu.Lock()
	r.calls++
	call := r.calls
	if r.keeps == nil || r.keeps(call) {
		for _, rl := range in.ResourceLogs {
			r.resource = stringsOf(rl.Resource.Attributes)
			for _, sl := range rl.ScopeLogs {
				r.records = append(r.records, sl.LogRecords...)
			}
		}
	}
	r.mu.Unlock()
	if r.behave != nil {
		return r.behave(ctx, call)
	}
	return &collogs.ExportLogsServiceResponse{}, nil
}

func (r metricsReceiver) Export(_ context.Context, in *colmetrics.ExportMetricsServiceRequest) (*colmetrics.ExportMetricsServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rm := range in.ResourceMetrics {
		for _, sm := range rm.ScopeMetrics {
			for _, m := range sm.Metrics {
				r.metrics[m.Name] = m
			}
		}
	}
	return &colmetrics.ExportMetricsServiceResponse{}, nil
}

func (r *receiver) got() []*logsv1.LogRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*logsv1.LogRecord(nil), r.records...)
}

// valuesOf flattens attributes to what Go would print.
func valuesOf(list []*common.KeyValue) map[string]any {
	out := map[string]any{}
	for _, kv := range list {
		switch v := kv.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			out[kv.Key] = v.StringValue
		case *common.AnyValue_DoubleValue:
			out[kv.Key] = v.DoubleValue
		case *common.AnyValue_IntValue:
			out[kv.Key] = v.IntValue
		}
	}
	return out
}

func stringsOf(list []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for k, v := range valuesOf(list) {
		if s, ok := v.(string); ok {
			out[k] = s
		}
	}
	return out
}
