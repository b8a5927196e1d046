package otlp

import (
	"context"
	"log/slog"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	logsv1 "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shaketable/pipeline"
)

func noEnv(string) string { return "" }

func openAt(t *testing.T, endpoint string, change func(*Config)) *Telemetry {
	t.Helper()
	cfg := DefaultConfig()
	cfg.OTLP.Endpoint, cfg.OTLP.Insecure = endpoint, endpoint != "" && !strings.Contains(endpoint, "://")
	if change != nil {
		change(&cfg)
	}
	tel, err := Open(t.Context(), cfg, Identity{Version: "v1.2.3", Revision: "abc", Instance: "one"}, noEnv, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tel.Shutdown(context.Background()) })
	return tel
}

func transition() pipeline.Transition {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	return pipeline.Transition{ID: "e1:firing", Episode: "e1", Fingerprint: "f1", Detector: "meso4-f2f", Version: "2018.1", Generation: "g1",
		Tier: pipeline.Paging, Notify: pipeline.NotifyPage, Owner: "vision", Rule: "RR(0.05) jpeg", State: pipeline.StateFiring,
		Previous: pipeline.StateOK, At: at, Started: at.Add(-time.Minute), Value: .62, Low: .58, High: .66, N: 500, Baseline: .88,
		BaselineName: "predecessor 2018.0", Window: "15m", Summary: "one line", Text: "What: 38 of 100 …\nSince: …", Runbook: "https://runbooks/x"}
}

func TestEventArrives(t *testing.T) {
	r := newReceiver(t)
	tel := openAt(t, r.address, func(c *Config) { c.Attributes = map[string]string{"deployment.environment.name": "test"} })
	want := transition()
	if err := tel.Sink().Send(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	got := r.got()
	if len(got) != 1 {
		t.Fatalf("%d records", len(got))
	}
	e := got[0]
	if e.EventName != "shaketable.alert.transition" || e.SeverityNumber != logsv1.SeverityNumber_SEVERITY_NUMBER_ERROR || e.SeverityText != "ERROR" ||
		e.Body.GetStringValue() != want.Text || e.TimeUnixNano != uint64(want.At.UnixNano()) {
		t.Errorf("event %v", e)
	}
	attributes := map[string]any{
		"alertname": "shaketable RR(0.05) jpeg", "shaketable.detector.name": "meso4-f2f", "shaketable.detector.version": "2018.1",
		"shaketable.generation": "g1", "shaketable.alert.id": "e1:firing", "shaketable.alert.episode": "e1", "shaketable.alert.fingerprint": "f1",
		"shaketable.alert.rule": "RR(0.05) jpeg", "shaketable.alert.state": "firing", "shaketable.alert.previous_state": "ok",
		"shaketable.alert.tier": "page", "shaketable.alert.notify": "page", "shaketable.alert.value": .62, "shaketable.alert.ci_low": .58,
		"shaketable.alert.ci_high": .66, "shaketable.alert.sample_count": int64(500), "shaketable.alert.window": "15m",
		"shaketable.alert.baseline": .88, "shaketable.alert.baseline_name": "predecessor 2018.0", "shaketable.alert.summary": "one line",
		"shaketable.alert.started_at": "2026-11-22T09:59:00.000Z", "shaketable.alert.runbook_url": "https://runbooks/x", "shaketable.alert.owner": "vision",
	}
	if got := valuesOf(e.Attributes); !reflect.DeepEqual(got, attributes) {
		t.Errorf("attributes\n%v\nwant\n%v", got, attributes)
	}
	for k, v := range map[string]string{"service.name": "shaketable", "service.version": "v1.2.3", "service.instance.id": "one", "deployment.environment.name": "test"} {
		if r.resource[k] != v {
			t.Errorf("resource %s is %q, want %q", k, r.resource[k], v)
		}
	}
}

func TestSeverity(t *testing.T) {
	for _, c := range []struct {
		tier   pipeline.Tier
		state  pipeline.AlertState
		notify string
		want   string
	}{
		{pipeline.Paging, pipeline.StateFiring, pipeline.NotifyPage, "ERROR"},
		{pipeline.Paging, pipeline.StateFiring, pipeline.NotifyTicket, "WARN"},
		{pipeline.Paging, pipeline.StateFiring, pipeline.NotifyNone, "INFO"},
		{pipeline.Ticketing, pipeline.StateFiring, pipeline.NotifyPage, "WARN"},
		{pipeline.LogOnly, pipeline.StateFiring, pipeline.NotifyPage, "INFO"},
		{pipeline.Paging, pipeline.StateResolved, pipeline.NotifyPage, "INFO"},
		{pipeline.Paging, pipeline.StateSuperseded, pipeline.NotifyPage, "INFO"},
		{pipeline.Ticketing, pipeline.StateNoData, pipeline.NotifyNone, "WARN"},
		{pipeline.Ticketing, pipeline.StateUntrusted, pipeline.NotifyPage, "WARN"},
	} {
		if _, got := severityOf(pipeline.Transition{Tier: c.tier, State: c.state, Notify: c.notify}); got != c.want {
			t.Errorf("%s %s notify %s: %s, want %s", c.tier, c.state, c.notify, got, c.want)
		}
	}
}

// TestUnacknowledgedIsAnError: whatever keeps the receiver from saying yes, Send says no, and a later Send of the same
// transition delivers the same id.
func TestUnacknowledgedIsAnError(t *testing.T) {
	reject := &collogs.ExportLogsServiceResponse{PartialSuccess: &collogs.ExportLogsPartialSuccess{RejectedLogRecords: 1, ErrorMessage: "too old"}}
	for name, first := range map[string]struct {
		behave func(ctx context.Context) (*collogs.ExportLogsServiceResponse, error)
		kept   bool // by the receiver, although it did not say so
		says   string
	}{
		"refuses": {func(context.Context) (*collogs.ExportLogsServiceResponse, error) {
			return nil, status.Error(codes.ResourceExhausted, "full")
		}, false, "full"},
		"hangs": {func(ctx context.Context) (*collogs.ExportLogsServiceResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, false, "eadline"},
		"accepts but its answer is lost": {func(context.Context) (*collogs.ExportLogsServiceResponse, error) {
			return nil, status.Error(codes.Unavailable, "connection reset")
		}, true, "connection reset"},
		"rejects the record": {func(context.Context) (*collogs.ExportLogsServiceResponse, error) { return reject, nil }, false, "too old"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t)
			r.keeps = func(call int) bool { return call > 1 || first.kept }
			r.behave = func(ctx context.Context, call int) (*collogs.ExportLogsServiceResponse, error) {
				if call == 1 {
					return first.behave(ctx)
				}
				return &collogs.ExportLogsServiceResponse{}, nil
			}
			sink := openAt(t, r.address, func(c *Config) { c.OTLP.Timeout = 500 * time.Millisecond }).Sink()
			err := sink.Send(t.Context(), transition())
			if err == nil || !strings.Contains(err.Error(), first.says) || !strings.Contains(err.Error(), "e1:firing is not acknowledged") {
				t.Fatalf("first send: %v", err)
			}
			if err := sink.Send(t.Context(), transition()); err != nil {
				t.Fatalf("second send: %v", err)
			}
			want := 1
			if first.kept {
				want = 2
			}
			got := r.got()
			if len(got) != want {
				t.Fatalf("%d records, want %d", len(got), want)
			}
			for _, e := range got {
				if id := valuesOf(e.Attributes)["shaketable.alert.id"]; id != "e1:firing" {
					t.Errorf("id %v", id)
				}
			}
		})
	}
}

// TestWarningIsAnAcknowledgement: a receiver may accept everything and still have something to say.
func TestWarningIsAnAcknowledgement(t *testing.T) {
	r := newReceiver(t)
	r.behave = func(context.Context, int) (*collogs.ExportLogsServiceResponse, error) {
		return &collogs.ExportLogsServiceResponse{PartialSuccess: &collogs.ExportLogsPartialSuccess{ErrorMessage: "deprecated"}}, nil
	}
	if err := openAt(t, r.address, nil).Sink().Send(t.Context(), transition()); err != nil {
		t.Error(err)
	}
}

func TestReceiverComesBack(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	tel := openAt(t, address, nil)
	if err := tel.Sink().Send(t.Context(), transition()); err == nil {
		t.Error("sent to nobody")
	}
}

// TestShutdownWithDeadReceiver: neither a receiver that is not there nor one that accepts connections and never answers
// holds up the end of the process.
func TestShutdownWithDeadReceiver(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for name, address := range map[string]string{"nobody": "127.0.0.1:1", "silent": silent.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			tel := openAt(t, address, nil)
			tel.Delivered("otlp", nil) // something to flush
			began := time.Now()
			err := tel.Shutdown(t.Context())
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("took %v", took)
			}
			if err == nil {
				t.Error("the loss of the last metrics is not told")
			}
			if err := tel.Sink().Send(t.Context(), transition()); err == nil {
				t.Error("acknowledged after the shutdown")
			}
		})
	}
}

func TestSendKeepsItsDeadline(t *testing.T) {
	r := newReceiver(t)
	r.behave = func(ctx context.Context, _ int) (*collogs.ExportLogsServiceResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	sink := openAt(t, r.address, func(c *Config) { c.OTLP.Timeout = time.Minute }).Sink()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	results := make(chan error, 2)
	for range 2 { // one exports, the other waits for its turn
		go func() { results <- sink.Send(ctx, transition()) }()
	}
	for range 2 {
		if err := <-results; err == nil {
			t.Error("acknowledged by nobody")
		}
	}
}

// TestHTTP speaks the other protocol, with headers from a file.
func TestHTTP(t *testing.T) {
	var path, token string
	answer := nethttp.StatusServiceUnavailable
	server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if strings.HasSuffix(r.URL.Path, "/logs") {
			path, token = r.URL.Path, r.Header.Get("Authorization")
			w.WriteHeader(answer)
		}
	}))
	defer server.Close()
	headers := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(headers, []byte("authorization=Bearer s3cret=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sink := openAt(t, server.URL+"/otlp/", func(c *Config) { c.OTLP.Protocol, c.OTLP.HeadersFile = "http", headers }).Sink()
	if err := sink.Send(t.Context(), transition()); err == nil {
		t.Error("503 is an acknowledgement")
	}
	answer = nethttp.StatusOK
	if err := sink.Send(t.Context(), transition()); err != nil {
		t.Error(err)
	}
	if path != "/otlp/v1/logs" || token != "Bearer s3cret=" {
		t.Errorf("path %s, token %q", path, token)
	}
}

// TestEnvironment: with nothing in the configuration, OTEL_* say where to.
func TestEnvironment(t *testing.T) {
	open := func() *Telemetry {
		tel, err := Open(t.Context(), DefaultConfig(), Identity{}, os.Getenv, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { tel.Shutdown(context.Background()) })
		return tel
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "OTEL_SDK_DISABLED"} {
		t.Setenv(name, "")
	}
	if open().Sink() != nil {
		t.Error("there is a sink without an endpoint")
	}
	r := newReceiver(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+r.address)
	t.Setenv("OTEL_SERVICE_NAME", "night-watch")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "team=vision")
	if err := open().Sink().Send(t.Context(), transition()); err != nil {
		t.Fatal(err)
	}
	if len(r.got()) != 1 || r.resource["service.name"] != "night-watch" || r.resource["team"] != "vision" {
		t.Errorf("%d records from %v", len(r.got()), r.resource)
	}
	t.Setenv("OTEL_LOGS_EXPORTER", "none")
	if open().Sink() != nil {
		t.Error("OTEL_LOGS_EXPORTER=none leaves a sink")
	}
	t.Setenv("OTEL_LOGS_EXPORTER", "")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
	if _, err := Open(t.Context(), DefaultConfig(), Identity{}, os.Getenv, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), `"http/json" is not one of grpc, http/protobuf`) {
		t.Errorf("http/json: %v", err)
	}
}
