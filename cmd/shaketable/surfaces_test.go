package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc"

	"shaketable/pipeline"
	"shaketable/pipeline/redis"
	"shaketable/pipeline/storetest"
)

// otlpCollector is an OTLP receiver that keeps the names of what it was sent.
type otlpCollector struct {
	collogs.UnimplementedLogsServiceServer
	mu      sync.Mutex
	events  []string
	metrics map[string]bool
}

type metricsCollector struct {
	colmetrics.UnimplementedMetricsServiceServer
	*otlpCollector
}

func (c *otlpCollector) Export(_ context.Context, in *collogs.ExportLogsServiceRequest) (*collogs.ExportLogsServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rl := range in.ResourceLogs {
		for _, sl := range rl.ScopeLogs {
			for _, r := range sl.LogRecords {
				c.events = append(c.events, r.EventName)
			}
		}
	}
	return &collogs.ExportLogsServiceResponse{}, nil
}

func (c metricsCollector) Export(_ context.Context, in *colmetrics.ExportMetricsServiceRequest) (*colmetrics.ExportMetricsServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rm := range in.ResourceMetrics {
		for _, sm := range rm.ScopeMetrics {
			for _, m := range sm.Metrics {
				c.metrics[m.Name] = true
			}
		}
	}
	return &colmetrics.ExportMetricsServiceResponse{}, nil
}

func newOTLPCollector(t *testing.T) (*otlpCollector, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &otlpCollector{metrics: map[string]bool{}}
	server := grpc.NewServer()
	collogs.RegisterLogsServiceServer(server, c)
	colmetrics.RegisterMetricsServiceServer(server, metricsCollector{otlpCollector: c})
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return c, listener.Addr().String()
}

// TestAlerterServesAndTells runs the clock path as a whole process on a real Redis: it serves its surfaces, tells the
// collector that no data comes, and pushes its last metrics when it is asked to end.
func TestAlerterServesAndTells(t *testing.T) {
	server := storetest.StartRedis(t)
	c, endpoint := newOTLPCollector(t)
	cfg := redis.DefaultConfig()
	cfg.Addresses = []string{server.Addr}
	store, err := redis.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	g := pipeline.Generation{ID: "0123456789abcdef", Detector: "a", Version: "1", Edges: []int64{50_000}}
	if err := store.Register(t.Context(), g, 1, time.Now()); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(config, []byte(`
redis: {addresses: ["`+server.Addr+`"]}
alerts: {period: 1s, lease: 3s, no_data: {max_hold: 2s}}
telemetry: {otlp: {endpoint: "`+endpoint+`", insecure: true}}
http: {listen: "127.0.0.1:0"}
detectors: [{name: a, version: "1", model: {path: a.onnx, sha256: `+strings.Repeat("0", 64)+`}, input: {width: 8, height: 8}}]
`), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log, stderr := io.Pipe()
	exit := make(chan int, 1)
	go func() {
		exit <- run(ctx, []string{"run", "--config", config, "--role", "alert"}, io.Discard, stderr)
		stderr.Close()
	}()
	base := ""
	var lines []string
	scanner := bufio.NewScanner(log)
	for base == "" && scanner.Scan() {
		var line struct{ Address string }
		lines = append(lines, scanner.Text())
		if json.Unmarshal(scanner.Bytes(), &line) == nil && line.Address != "" {
			base = "http://" + line.Address
		}
	}
	if base == "" {
		t.Fatalf("no address in the log:\n%s", strings.Join(lines, "\n"))
	}
	go io.Copy(io.Discard, log)

	eventually(t, "the page shows the detector", func() bool { return strings.Contains(fetch(base+"/"), "<h2>a") })
	eventually(t, "no_data is told", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return len(c.events) > 0 })
	for path, want := range map[string]string{"/livez": "alive", "/readyz?verbose": "role alert", "/api/v1/state/a": `"detector":"a"`,
		"/metrics": `shaketable_alert_active{detector="a",notify="none",state="no_data",tier="page"} 1`} {
		if got := fetch(base + path); !strings.Contains(got, want) {
			t.Errorf("%s lacks %q:\n%s", path, want, got)
		}
	}
	stop()
	if code := <-exit; code != exitFine {
		t.Errorf("exit %d", code)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.events[0] != "shaketable.alert.transition" || !c.metrics["shaketable.build.info"] || !c.metrics["shaketable.alert.deliveries"] {
		t.Errorf("events %v, metrics %v", c.events, c.metrics)
	}
}

func fetch(url string) string {
	answer, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within 20 s: %s", what)
}
