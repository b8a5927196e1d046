package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"shaketable/config"
	"shaketable/perturb"
	"shaketable/pipeline"
	"shaketable/pipeline/kafka"
	"shaketable/pipeline/kafka/kafkatest"
	"shaketable/pipeline/redis"
	"shaketable/pipeline/storetest"
)

// feeder counts probes of one generation on partition 0, as a worker does, and begins anew when the store has lost the
// fence.
type feeder struct {
	store *redis.Store
	g     pipeline.Generation
	meter *pipeline.Meter
	rng   *rand.Rand
	last  int64

	mu      sync.Mutex
	counted int // probes since the store had nothing
}

func newFeeder(t *testing.T, store *redis.Store) *feeder {
	t.Helper()
	f := &feeder{store: store, rng: rand.New(rand.NewPCG(1, 2)), g: pipeline.Generation{ID: "0123456789abcdef", Detector: "a", Version: "1",
		Digest: strings.Repeat("0", 64), Suite: "s@1", Edges: pipeline.DefaultWindowConfig().Edges(), Threshold: .5,
		Variants: []perturb.Variant{{Family: "jpeg", Severity: 2, Parameter: "q=75"}, {Family: "resize", Severity: 1, Parameter: "2"}}}}
	var err error
	if f.meter, err = pipeline.NewMeter(f.g); err != nil {
		t.Fatal(err)
	}
	return f
}

// feed counts one batch of 40 probes.
func (f *feeder) feed(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	at, counts := pipeline.BucketsAt(now, time.Minute, time.Hour), map[pipeline.Cell]pipeline.Counts{}
	f.meter.CountDetection(at, 40, counts)
	for range 40 {
		p := .7
		probs := []float64{p, p + .01, p + .01}
		if f.rng.Float64() < .1 {
			probs[1] = p + .08
		}
		r, err := f.meter.Measure(probs, p)
		if err != nil {
			return err
		}
		f.meter.Count(r, at, counts)
	}
	v, _, err := f.store.Apply(ctx, &pipeline.Batch{Stream: pipeline.Detections, Owner: "test", Prev: f.last, Last: f.last + 1, Watermark: now,
		Record: now, Counts: counts})
	switch {
	case err != nil:
		return err
	case v == pipeline.OK:
		f.last++
		f.counted += 40
		return nil
	case v != pipeline.LOST:
		return fmt.Errorf("apply: %s", v)
	}
	f.last, f.counted = -1, 0
	if err := f.store.Register(ctx, f.g, 1, now); err != nil {
		return err
	}
	_, err = f.store.Claim(ctx, pipeline.Detections, 0, "test", &pipeline.NewFence{Offset: -1, TopicID: "t"})
	return err
}

// since is how many probes were counted since the store had nothing.
func (f *feeder) since() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counted
}

// office is an alerter at work with a real Redis and a real Kafka, and the commands that people give it.
type office struct {
	t      *testing.T
	config string
	feeder *feeder
	stop   func() int
}

func newOffice(t *testing.T) (*office, *storetest.Server) {
	t.Helper()
	broker := kafkatest.ForTest(t, kafkatest.Options{})
	transport := &kafkago.Transport{}
	defer transport.CloseIdleConnections()
	client := kafkago.Client{Addr: kafkago.TCP(broker.Address()), Transport: transport, Timeout: 10 * time.Second}
	answer, err := client.CreateTopics(t.Context(), &kafkago.CreateTopicsRequest{Topics: []kafkago.TopicConfig{{Topic: "archive", NumPartitions: 2,
		ReplicationFactor: 1, ConfigEntries: []kafkago.ConfigEntry{{ConfigName: "cleanup.policy", ConfigValue: "compact"}}}}})
	if err := errors.Join(err, answer.Errors["archive"]); err != nil {
		t.Fatal(err)
	}
	server := storetest.StartRedis(t)
	_, endpoint := newOTLPCollector(t)
	o := &office{t: t, config: filepath.Join(files(t, map[string]string{"c.yaml": `
kafka: {brokers: ["` + broker.Address() + `"], topics: {archive: archive}}
redis: {addresses: ["` + server.Addr + `"]}
alerts: {period: 1s, lease: 6s, burn_in: {min_probes: 400, min_duration: 1s}}
telemetry: {otlp: {endpoint: "` + endpoint + `", insecure: true}}
http: {listen: ""}
detectors: [{name: a, version: "1", notify: page, model: {path: a.onnx, sha256: ` + strings.Repeat("0", 64) + `}, input: {width: 8, height: 8}}]
`}), "c.yaml")}
	cfg := redis.DefaultConfig()
	cfg.Addresses = []string{server.Addr}
	store, err := redis.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	o.feeder = newFeeder(t, store)
	return o, server
}

// open starts the alerter and the traffic.
func (o *office) open() {
	ctx, cancel := context.WithCancel(context.Background())
	var log bytes.Buffer
	exit := make(chan int, 1)
	go func() { exit <- run(ctx, []string{"run", "--config", o.config, "--role", "alert"}, io.Discard, &log) }()
	var feeding sync.WaitGroup
	feeding.Go(func() {
		for pipeline.Pause(ctx, 50*time.Millisecond) {
			if err := o.feeder.feed(ctx); err != nil && ctx.Err() == nil {
				o.t.Error(err)
				return
			}
		}
	})
	o.stop = func() int {
		cancel()
		feeding.Wait()
		code := <-exit
		if o.t.Failed() {
			o.t.Log(log.String())
		}
		o.stop = func() int { return code }
		return code
	}
	o.t.Cleanup(func() { o.stop() })
}

// archived says whether the topic holds an entry of a kind whose key ends like this.
func (o *office) archived(kind, suffix string) bool {
	o.t.Helper()
	cfg, err := config.Load(o.config, os.LookupEnv)
	if err != nil {
		o.t.Fatal(err)
	}
	archive, err := kafka.NewArchive(cfg.Kafka, slog.New(slog.DiscardHandler))
	if err != nil {
		o.t.Fatal(err)
	}
	defer archive.Close()
	entries, err := archive.Load(o.t.Context(), "a")
	if err != nil {
		o.t.Fatal(err)
	}
	return slices.ContainsFunc(entries, func(e pipeline.Entry) bool { return string(e.Kind) == kind && strings.HasSuffix(e.ID, suffix) })
}

// folds counts the folds of the detector.
func (o *office) folds() int64 {
	o.t.Helper()
	_, data, err := o.feeder.store.Load(o.t.Context(), "a")
	if err != nil {
		o.t.Fatal(err)
	}
	st, err := pipeline.ParseState("a", data)
	if err != nil {
		o.t.Fatal(err)
	}
	return st.Folds
}

// does runs a command and returns what it printed.
func (o *office) does(code int, args ...string) string {
	o.t.Helper()
	var stdout, stderr bytes.Buffer
	if got := run(o.t.Context(), append(args, "--config", o.config), &stdout, &stderr); got != code {
		o.t.Fatalf("%v: exit %d, want %d\n%s%s", args, got, code, stdout.String(), stderr.String())
	}
	return stdout.String() + stderr.String()
}

func (o *office) says(text string, wants ...string) {
	o.t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			o.t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}

// TestDecisionsOutliveRedis goes through what people decide about a detector, by the commands that they have, while its
// alerter works; then Redis loses everything, and the decisions are there again.
func TestDecisionsOutliveRedis(t *testing.T) {
	t.Setenv("USER", "ada")
	o, server := newOffice(t)
	o.says(o.does(exitFailed, "alerts", "mute", "--for", "1h", "--reason", "too early", "--wait", "300ms"),
		"no alerter has judged a yet", "stays written down")
	o.open()
	eventually(t, "the first probes are a baseline", func() bool { return strings.Contains(o.does(exitFine, "baseline", "list"), "burn_in") })
	o.says(o.does(exitFine, "alerts", "list"), "everything until", "by ada: too early") // it was carried out when somebody came

	frozen := o.does(exitFine, "baseline", "freeze", "--since", "15m", "--reason", "a new encoder")
	o.says(frozen, "is proposed as number 2 of version 1")
	id := regexp.MustCompile(`accepted-[0-9a-f-]+`).FindString(frozen)
	o.says(o.does(exitFailed, "baseline", "approve", "no such id", "--reason", "x"), "refused:", id)
	o.says(o.does(exitFine, "baseline", "approve", id, "--author", "grace", "--reason", "it is here to stay"), "is held against baseline "+id)
	o.says(o.does(exitFailed, "baseline", "approve", id, "--reason", "again"), "in use already")
	o.says(o.does(exitFine, "baseline", "show", id), "approved", "by grace: it is here to stay", "rr(0.05)/jpeg/q=75", "model_sha256")
	exported := filepath.Join(t.TempDir(), "baseline.json")
	if err := os.WriteFile(exported, []byte(o.does(exitFine, "baseline", "export", id)), 0o600); err != nil {
		t.Fatal(err)
	}
	o.says(o.does(exitFine, "baseline", "import", exported, "--reason", "to see"), "is known already, as number 2")
	muted := o.does(exitFine, "alerts", "mute", "--for", "4h", "--tier", "page", "--reason", "maintenance")
	mute := regexp.MustCompile(`unmute ([0-9a-f]+)`).FindStringSubmatch(muted)[1]
	o.says(o.does(exitFine, "alerts", "test", "--reason", "drill"), "sent as tier ticket", "otlp: delivered")
	listed := o.does(exitFine, "alerts", "list")
	o.says(listed, "TEST of the alerts of a by ada", "mute "+mute+": tier page until", "by ada: maintenance")
	before := o.does(exitFine, "baseline", "list")
	o.says(before, "accepted", "burn_in", "replaced", "approved by grace: it is here to stay")

	eventually(t, "the archive has all", func() bool {
		return o.archived("baseline", id) && o.archived("mute", mute) && o.archived("transition", ":test")
	})
	if reply, err := server.Do("FLUSHALL"); err != nil || !strings.HasPrefix(reply, "+OK") {
		t.Fatalf("%q, %v", reply, err)
	}
	eventually(t, "the state is back", func() bool { return strings.Contains(o.does(exitFine, "alerts", "list"), "mute "+mute) })
	o.says(o.does(exitFine, "alerts", "list"), "by ada: too early", "TEST of the alerts of a by ada")
	eventually(t, "there are more than enough probes for a burn-in, and folds that saw them", func() bool { return o.feeder.since() > 1000 })
	folded := o.folds()
	eventually(t, "two more folds", func() bool { return o.folds() >= folded+2 })
	if after := o.does(exitFine, "baseline", "list"); after != before {
		t.Errorf("baselines after the loss:\n%sbefore:\n%s", after, before)
	}
	o.says(o.does(exitFine, "alerts", "unmute", mute, "--reason", "done"), "the mute of pages by ada is ended")
	if code := o.stop(); code != exitFine {
		t.Errorf("exit %d", code)
	}
}

// What is wrong with a command is said before anything is written down.
func TestOrdersAreCheckedFirst(t *testing.T) {
	t.Setenv("USER", "")
	file := filepath.Join(files(t, map[string]string{"c.yaml": `
redis: {addresses: ["127.0.0.1:1"]}
detectors:
  - {name: a, version: "1", model: {path: a.onnx, sha256: ` + strings.Repeat("0", 64) + `}, input: {width: 8, height: 8}}
  - {name: b, version: "1", model: {path: b.onnx, sha256: ` + strings.Repeat("1", 64) + `}, input: {width: 8, height: 8}}
`, "two.json": twoBaselines}), "c.yaml")
	two := filepath.Join(filepath.Dir(file), "two.json")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"baseline", "freeze", "--reason", "x"}, "--author is missing"},
		{[]string{"baseline", "freeze", "--author", "x"}, "--reason is missing"},
		{[]string{"baseline", "freeze", "--author", "x", "--reason", " "}, "--reason is missing"},
		{[]string{"baseline", "freeze", "--author", "x", "--reason", "y"}, "--detector is missing: name one of a, b"},
		{[]string{"baseline", "freeze", "--author", "x", "--reason", "y", "--since", "200h"}, "at most 168h"},
		{[]string{"baseline", "list", "--detector", "c"}, `"c" is not in`},
		{[]string{"baseline", "show", "--detector", "a"}, "takes one argument, the id of a baseline"},
		{[]string{"baseline", "import", "absent.json", "--author", "x", "--reason", "y"}, "absent.json"},
		{[]string{"baseline", "import", file, "--author", "x", "--reason", "y"}, "parsing baseline"},
		{[]string{"alerts", "mute", "--author", "x", "--reason", "y"}, "--for"},
		{[]string{"alerts", "mute", "--for", "721h", "--author", "x", "--reason", "y"}, "at most 720h"},
		{[]string{"alerts", "mute", "--for", "1h", "--tier", "siren", "--author", "x", "--reason", "y"}, `"siren"`},
		{[]string{"alerts", "test", "--tier", "siren", "--author", "x", "--reason", "y"}, `"siren"`},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), append(c.args, "--config", file), &stdout, &stderr); code != exitUsage || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%v: exit %d, %q, want %q", c.args, code, stderr.String(), c.want)
		}
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"baseline", "burn"}, &stdout, &stderr); code != exitUsage || !strings.Contains(stderr.String(), `unknown command "baseline burn"`) {
		t.Errorf("exit %d, %q", code, stderr.String())
	}
	args := []string{"baseline", "import", two, "--detector", "a", "--author", "x", "--reason", "y", "--config", file}
	if code := run(t.Context(), args, &stdout, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "none of its baselines was counted with a model of a: it has one, two") {
		t.Errorf("a file of others: exit %d, %q", code, stderr.String())
	}
}

const twoBaselines = `[
{"schema":1,"kind":"file","id":"one","generation":"g","frozen_at":"2026-11-22T10:00:00Z","author":"a","reason":"r","series":{"ra_self/jpeg/q=75":{"n":300,"k":3}}},
{"schema":1,"kind":"file","id":"two","generation":"h","frozen_at":"2026-11-22T10:00:00Z","author":"a","reason":"r","series":{"ra_self/jpeg/q=75":{"n":300,"k":3}}}]`
