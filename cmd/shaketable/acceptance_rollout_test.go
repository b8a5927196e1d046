//go:build acceptance

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	otlpcollector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	otlplogs "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/grpc"

	"shaketable/pipeline"
)

// receiver is an OTLP endpoint that keeps the log events it gets.
type receiver struct {
	otlpcollector.UnimplementedLogsServiceServer
	mu     sync.Mutex
	events []event
}

// event is one transition as it arrived.
type event struct {
	name, body string
	attributes map[string]string
}

func (r *receiver) Export(_ context.Context, in *otlpcollector.ExportLogsServiceRequest) (*otlpcollector.ExportLogsServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resource := range in.ResourceLogs {
		for _, scope := range resource.ScopeLogs {
			for _, rec := range scope.LogRecords {
				r.events = append(r.events, eventOf(rec))
			}
		}
	}
	return &otlpcollector.ExportLogsServiceResponse{}, nil
}

func eventOf(rec *otlplogs.LogRecord) event {
	e := event{name: rec.EventName, body: rec.Body.GetStringValue(), attributes: map[string]string{}}
	for _, kv := range rec.Attributes {
		e.attributes[kv.Key] = fmt.Sprint(kv.Value.GetStringValue())
	}
	return e
}

// distinct returns the events of a tier and state, one per id: delivery is at least once.
func (r *receiver) distinct(tier, state string) []event {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[string]bool{}
	var list []event
	for _, e := range r.events {
		id := e.attributes["shaketable.alert.id"]
		if e.attributes["shaketable.alert.tier"] == tier && e.attributes["shaketable.alert.state"] == state && !seen[id] {
			seen[id] = true
			list = append(list, e)
		}
	}
	return list
}

func startReceiver(t *testing.T) (*receiver, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r, server := &receiver{}, grpc.NewServer()
	otlpcollector.RegisterLogsServiceServer(server, r)
	go server.Serve(l)
	t.Cleanup(server.Stop)
	return r, l.Addr().String()
}

// rollout is traffic on one detector whose version changes. A picture is judged as many regions of it, a pixel or two
// apart: every one is another picture to the detector, so that a hundred files are thousands of independent uploads.
type rollout struct {
	s      *stage
	files  []string
	bytes  map[string][]byte
	sent   int
	writer interface {
		Produce(ctx context.Context, topic string, records ...pipeline.Record) error
	}
}

func (r *rollout) send(version string) {
	r.s.t.Helper()
	i := r.sent
	r.sent++
	file := r.files[i%len(r.files)]
	round := i / len(r.files)
	x, y, size := round%4, round/4%4, 250+round/16%3
	media := fmt.Sprintf("%s#%d", file, i)
	now := time.Now()
	value := fmt.Sprintf(`{"media_id":%q,"detector":{"name":"face-swap","version":%q},"score":0.5,"time":%q,"region":{"id":"face","box":[%d,%d,%d,%d]}}`,
		media, version, now.UTC().Format(time.RFC3339Nano), x, y, size, size)
	ctx := context.Background()
	if err := r.writer.Produce(ctx, r.s.topics.Media, pipeline.Record{Key: []byte(media), Value: r.bytes[file], Time: now}); err != nil {
		r.s.t.Fatal(err)
	}
	if err := r.writer.Produce(ctx, r.s.topics.Detections, pipeline.Record{Key: []byte(media), Value: []byte(value), Time: now}); err != nil {
		r.s.t.Fatal(err)
	}
}

// until sends a version's traffic at a steady pace until something has happened.
func (r *rollout) until(version, what string, limit time.Duration, ok func() bool) {
	r.s.t.Helper()
	pace := time.NewTicker(25 * time.Millisecond)
	defer pace.Stop()
	for deadline := time.Now().Add(limit); !ok(); <-pace.C {
		if time.Now().After(deadline) {
			r.s.t.Fatalf("waited %s for %s; outcomes %v", limit, what, r.s.outcomes())
		}
		r.s.alive()
		r.send(version)
	}
}

// faceSwap is one detector in two versions: what is deployed, and what is rolled out.
func faceSwap(data string) string {
	const form = `  - name: face-swap
    version: %q
    model: {path: %s, sha256: %s}
    input: {name: image, width: 256, height: 256}
    output: {name: prob_real, kind: probability, meaning: real}
    notify: page
    owner: media-integrity
    runbook: https://runbooks.example/face-swap
`
	return "detectors:\n" +
		fmt.Sprintf(form, "1", filepath.Join(data, "models", "mesoinception4-f2f.onnx"), "7b7b0e0f8778246e1d56385eedfb11c6dda391875308d041c5d67e9872529ac3") +
		fmt.Sprintf(form, "2", filepath.Join(data, "models", "meso4-f2f.onnx"), "ef11f8e25ce673e0e545c04334a8b0387135660f7d648fec038d72e8887a1523")
}

func TestRolloutFiresOnceAndTheWayBackResolvesOnce(t *testing.T) {
	data := acceptanceData(t)
	got, address := startReceiver(t)
	// The deployed score is not what is tested here, so skew is switched off by its share; times are scaled down.
	s := newStage(t, 4, faceSwap(data), fmt.Sprintf(`telemetry: {otlp: {endpoint: %q, protocol: grpc, insecure: true}}
http: {listen: "127.0.0.1:0"}
window: {fine: 1s, coarse: 60s}
alerts:
  baseline: [predecessor, burn_in]
  burn_in: {min_probes: 400, min_duration: 5s}
  predecessor: {min_probes: 400}
  period: 1s
  lease: 5s
  windows: [10s, 30s, 60s]
  fine_horizon: 10m
  skew: {tolerance: 0.05, share: .99}
  resolve: {min_probes: 300, hold: 5s}
  no_data: {max_hold: 30s, idle: 10s}
`, address))
	r := &rollout{s: s, writer: s.producer(), bytes: map[string][]byte{}}
	for f := range truth(t, data) {
		text, err := os.ReadFile(filepath.Join(data, "media", f))
		if err != nil {
			t.Fatal(err)
		}
		r.files, r.bytes[f] = append(r.files, f), text
	}
	worker := s.start()
	probed := func() int64 { return s.outcomes()["probed"] }
	r.until("1", "the first version's burn-in", 5*time.Minute, func() bool { return probed() > 900 })
	if n := len(got.distinct("page", "firing")); n != 0 {
		t.Fatalf("%d pages before anything changed", n)
	}
	r.until("2", "the page", 5*time.Minute, func() bool { return len(got.distinct("page", "firing")) > 0 })
	r.until("1", "the resolution", 5*time.Minute, func() bool { return len(got.distinct("page", "resolved")) > 0 })
	mark := probed()
	r.until("1", "quiet traffic afterwards", 5*time.Minute, func() bool { return probed() > mark+300 })
	worker.stop()

	for state, phrase := range map[string]string{"firing": "version 2", "resolved": "went back from 2 to 1"} {
		events := got.distinct("page", state)
		if len(events) != 1 {
			t.Errorf("%d %s events of the page tier, want exactly one", len(events), state)
		}
		for _, e := range events {
			t.Logf("%s %s: %s\n%s", e.name, state, e.attributes["shaketable.alert.summary"], e.body)
			if e.name != "shaketable.alert.transition" {
				t.Errorf("event name %q", e.name)
			}
			if !strings.Contains(e.body, phrase) {
				t.Errorf("the text does not say %q", phrase)
			}
		}
	}
}
