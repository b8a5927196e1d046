//go:build cgo

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"shaketable/pipeline"
	"shaketable/pipeline/kafka"
	"shaketable/pipeline/storetest"
)

func TestParseMoment(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"now": now, "24h ago": now.Add(-24 * time.Hour), "24h-ago": now.Add(-24 * time.Hour), "-90m": now.Add(-90 * time.Minute),
		"7d-ago": now.Add(-7 * 24 * time.Hour), "-1.5d": now.Add(-36 * time.Hour), "2026-11-20T01:00:00+01:00": time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC),
	} {
		if got, err := parseMoment(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "24h", "yesterday", "2026-11-20", "--24h", "-xd", "ago"} {
		if got, err := parseMoment(text, now); err == nil {
			t.Errorf("%q was taken for %s", text, got)
		}
	}
}

func TestReplayRefuses(t *testing.T) {
	dir := files(t, map[string]string{"c.yaml": goodConfig})
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no from":          {[]string{"--config", dir + "/c.yaml"}, "--from is missing"},
		"no time":          {[]string{"--config", dir + "/c.yaml", "--from", "monday"}, "is no time"},
		"backwards":        {[]string{"--config", dir + "/c.yaml", "--from", "1h-ago", "--to", "2h-ago"}, "is not before"},
		"no configuration": {[]string{"--config", dir + "/none.yaml", "--from", "1h-ago"}, "none.yaml"},
		"no such detector": {[]string{"--config", dir + "/c.yaml", "--from", "1h-ago", "--detectors", "b"}, `has no "b"`},
		"no baseline":      {[]string{"--config", dir + "/c.yaml", "--from", "1h-ago", "--baseline", dir + "/none.json"}, "none.json"},
	} {
		code, _, stderr := evaluated(t, append([]string{"replay"}, c.args...))
		if code != exitUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, %s", name, code, stderr)
		}
	}
}

// past is two hours of detections in a Kafka, made by a service whose pictures get harder after ninety minutes.
type past struct {
	t       *testing.T
	bench   bench
	cluster *kfake.Cluster
	writer  *kgo.Client
	epoch   time.Time
	sent    int
}

const (
	pastMinutes   = 120
	pastDrift     = 90
	pastPerMinute = 16
	pastKey       = "a test's secret of 32 bytes, or so"
)

func newPast(t *testing.T) *past {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "detections", "labels", "letters"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	writer, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(writer.Close)
	t.Setenv("SHAKETABLE_SAMPLE_KEY", pastKey)
	return &past{t: t, bench: newBench(t, 0), cluster: cluster, writer: writer, epoch: time.Now().UTC().Truncate(time.Hour).Add(-4 * time.Hour)}
}

// config writes a configuration with settings of alerts.
func (p *past) config(name, alerts string) string {
	p.t.Helper()
	model, err := os.ReadFile(p.bench.path("toy.onnx"))
	if err != nil {
		p.t.Fatal(err)
	}
	sum := sha256.Sum256(model)
	p.bench.write(p.t, name, fmt.Appendf(nil, `kafka:
  brokers: [%q]
  topics: {detections: detections, labels: labels, dead_letters: letters}
  fetch: {max_wait: 50ms}
sample: {rate: .7}
flow: {flush: 10ms}
window: {example_ids: raw}
alerts: {windows: [15m, 1h], burn_in: {min_probes: 200, min_duration: 30m}, %s}
detectors:
  - name: toy
    model: {path: toy.onnx, sha256: %s}
    input: {width: %d, height: %d}
`, p.cluster.ListenAddrs()[0], alerts, hex.EncodeToString(sum[:]), side, side))
	return p.bench.path(name)
}

// shade is how bright a picture is: bright or dark enough for the detector to be sure; after the drift most are not, and small
// changes turn them.
func shade(minute, i int) int {
	if minute >= pastDrift && i%4 != 0 {
		return 121 + 12*(i%2) + i%5
	}
	return 60 + 130*(i%2) + i%7
}

// picture returns a picture and the score that the service gives it: the sigmoid of eight times its brightness above a half.
func picture(t *testing.T, minute, i int) (data []byte, score float64) {
	t.Helper()
	pic := image.NewRGBA(image.Rect(0, 0, side, side))
	sum := 0
	for at := range side * side {
		g := uint8(shade(minute, i) + (at*7)%20 - 10)
		sum += int(g)
		pic.Set(at%side, at/side, color.RGBA{g, g, g, 255})
	}
	var text bytes.Buffer
	if err := png.Encode(&text, pic); err != nil {
		t.Fatal(err)
	}
	return text.Bytes(), 1 / (1 + math.Exp(-8*(float64(sum)/255/side/side-.5)))
}

// send writes one minute of detections, and labels of some of them, which come ten minutes late.
func (p *past) send(minute int) {
	p.t.Helper()
	var records []*kgo.Record
	write := func(topic, id string, at time.Time, value []byte) {
		partition := int32(sha256.Sum256([]byte(id))[0] & 1)
		records = append(records, &kgo.Record{Topic: topic, Partition: partition, Key: []byte(id), Value: value, Timestamp: at})
	}
	for i := range pastPerMinute {
		at := p.epoch.Add(time.Duration(minute)*time.Minute + time.Duration(i)*time.Minute/pastPerMinute)
		id, group := fmt.Sprintf("m-%d-%d", minute, i), fmt.Sprintf("g-%d-%d", minute, i)
		if i == 5 { // copies of one clip, on both partitions, all the time
			group = "viral"
		}
		data, score := picture(p.t, minute, i)
		happened := at
		if minute == 100 && i == 7 { // one that comes late, by more than the span that is replayed
			happened = at.Add(-5 * time.Hour)
		}
		value, err := json.Marshal(map[string]any{"media_id": id, "group": group, "score": score, "time": happened.Format(time.RFC3339Nano),
			"detector": map[string]string{"name": "toy"}, "source": []string{"web", "ios"}[i%2],
			"media": map[string]string{"data": base64.StdEncoding.EncodeToString(data)}})
		if err != nil {
			p.t.Fatal(err)
		}
		write("detections", id, at.Add(100*time.Millisecond), value)
		if of := fmt.Sprintf("m-%d-%d", minute-10, i); minute >= 10 && i%3 == 0 {
			label := fmt.Sprintf(`{"media_id":%q,"label":%q,"time":%q}`, of, []string{"real", "fake"}[i%2], at.Format(time.RFC3339Nano))
			write("labels", of, at, []byte(label))
		}
	}
	if minute == 50 { // one that is no detection
		write("detections", "bad", p.epoch.Add(time.Duration(minute)*time.Minute), []byte("{"))
		p.sent++
	}
	if err := p.writer.ProduceSync(p.t.Context(), records...).FirstErr(); err != nil {
		p.t.Fatal(err)
	}
	p.sent += pastPerMinute
}

// live sends the past minute by minute to a worker with a real Redis, and folds at the end of every minute.
func (p *past) live(file string) (told []pipeline.Transition, outcomes pipeline.Counts) {
	t := p.t
	s := workerOf(t, file, storetest.StartRedis(t).Addr, "live", io.Discard)
	subjects, closeModels, err := s.subjects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer closeModels()
	if err := s.store.Register(t.Context(), subjects[0].Generation, 2, p.epoch); err != nil {
		t.Fatal(err)
	}
	line, closeLine, err := s.line(subjects)
	if err != nil {
		t.Fatal(err)
	}
	defer closeLine()
	line.Prober.Observe, line.Prober.Attacks.Observe = nil, nil
	line.Schedule = pipeline.FixedSchedule(pipeline.RateStep{Rate: s.cfg.Sample.Rate})
	source, err := kafka.NewSource(s.cfg.Kafka, s.log)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- pipeline.NewWorker(line, source).Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	machine, err := pipeline.NewMachine(s.cfg.Alerts, s.cfg.Window, pipeline.Route{Notify: pipeline.NotifyNone}, nil)
	if err != nil {
		t.Fatal(err)
	}
	state := pipeline.NewState("toy")
	for minute := range pastMinutes {
		p.send(minute)
		await(t, "all records of a minute", func() bool {
			outcomes = pipeline.Counts{}
			all, err := s.store.Outcomes(t.Context())
			for _, counts := range all {
				for field, n := range counts {
					outcomes[field] += n
				}
			}
			labels := outcomes["label."+pipeline.Read]
			return err == nil && outcomes[pipeline.Read] == int64(p.sent) && labels == int64(max(minute-9, 0)*6)
		})
		now := p.epoch.Add(time.Duration(minute+1) * time.Minute)
		in, err := machine.Read(t.Context(), pipeline.Readers{Ledger: s.store, Examples: s.store, Slices: s.store}, "toy", state, now)
		if err != nil {
			t.Fatal(err)
		}
		result, err := machine.Step(state, in)
		if err != nil {
			t.Fatal(err)
		}
		state = result.State
		told = append(told, result.Transitions...)
	}
	return told, outcomes
}

// await is eventually for what takes milliseconds, many times.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(3 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// replay runs the command over all of the past.
func (p *past) replay(file string, more ...string) (replayReport, string) {
	p.t.Helper()
	args := append([]string{"replay", "--config", file, "--from", p.epoch.Format(time.RFC3339),
		"--to", p.epoch.Add(pastMinutes * time.Minute).Format(time.RFC3339)}, more...)
	code, stdout, stderr := evaluated(p.t, append(args, "--json"))
	var r replayReport
	if err := json.Unmarshal([]byte(stdout), &r); code != exitFine || err != nil {
		p.t.Fatalf("exit %d, %v\n%s\n%s", code, err, stdout, stderr)
	}
	return r, stdout
}

// heads are transitions by what has to be the same: event times of a live fold lie within the minute that it closes.
func heads(ts []pipeline.Transition) (lines []string) {
	for _, t := range ts {
		lines = append(lines, fmt.Sprintf("%s %s %s %s", t.At.UTC().Format("15:04"), t.Tier, t.State, t.Rule))
	}
	return lines
}

// TestReplayIsTheLiveRun: a worker on Kafka and Redis and a replay of the same records come to the same transitions in the
// same minutes; two replays are the same byte for byte; and another configuration comes to another result.
func TestReplayIsTheLiveRun(t *testing.T) {
	p := newPast(t)
	file := p.config("shaketable.yaml", "epsilon: .02")
	live, outcomes := p.live(file)
	fired := slices.IndexFunc(live, func(x pipeline.Transition) bool { return x.State == pipeline.StateFiring && x.Tier == pipeline.Paging })
	if fired < 0 || live[fired].At.Before(p.epoch.Add(pastDrift*time.Minute)) {
		t.Fatalf("the live run did not find the drift: %q", heads(live))
	}
	p.onlyReads()
	got, first := p.replay(file)
	if !slices.Equal(heads(got.Transitions), heads(live)) {
		t.Errorf("replay:\n%s\nlive:\n%s", strings.Join(heads(got.Transitions), "\n"), strings.Join(heads(live), "\n"))
	}
	for _, o := range append(pipeline.Outcomes(), pipeline.Read, "label."+pipeline.Read) {
		if got.Records[string(o)] != outcomes[string(o)] {
			t.Errorf("%s: %d records, live %d", o, got.Records[string(o)], outcomes[string(o)])
		}
	}
	if outcomes[string(pipeline.Duplicate)] < 50 || outcomes[string(pipeline.Unsampled)] < 200 || outcomes[string(pipeline.DeadLettered)] != 1 {
		t.Errorf("the past has too few copies, unsampled or bad records: %v", outcomes)
	}
	if _, second := p.replay(file); second != first {
		t.Error("two replays differ")
	}
	other, _ := p.replay(p.config("lenient.yaml", "epsilon: .9"))
	if slices.ContainsFunc(other.Transitions, func(x pipeline.Transition) bool { return x.State == pipeline.StateFiring && x.Rule == live[fired].Rule }) {
		t.Errorf("with a tolerance of .9 the same rule fired: %q", heads(other.Transitions))
	}
	p.tellsAPerson(file)
	p.stopsAtOnce(file)
}

// onlyReads fails the test at any request from now on that changes something: a replay leaves no trace, of bad records neither.
func (p *past) onlyReads() {
	p.cluster.Control(func(r kmsg.Request) (kmsg.Response, error, bool) {
		p.cluster.KeepControl()
		if slices.Contains([]kmsg.Key{kmsg.Produce, kmsg.InitProducerID, kmsg.OffsetCommit, kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat,
			kmsg.ConsumerGroupHeartbeat, kmsg.CreateTopics}, kmsg.Key(r.Key())) {
			p.t.Errorf("a replay sent the request %s", kmsg.Key(r.Key()).Name())
		}
		return nil, nil, false
	})
}

// stopsAtOnce interrupts a replay while it reads.
func (p *past) stopsAtOnce(file string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 300*time.Millisecond)
	defer cancel()
	var stdout, stderr bytes.Buffer
	began := time.Now()
	code := run(ctx, []string{"replay", "--config", file, "--from", p.epoch.Format(time.RFC3339)}, &stdout, &stderr)
	if took := time.Since(began); code != exitFailed || stdout.Len() > 0 || !strings.Contains(stderr.String(), "replay was interrupted") || took > 10*time.Second {
		p.t.Errorf("exit %d after %s: %s%s", code, took, &stdout, &stderr)
	}
}

// tellsAPerson looks at the text: what was told, what became of the records, and what to do where all was learning.
func (p *past) tellsAPerson(file string) {
	p.t.Helper()
	span := []string{"--from", p.epoch.Format(time.RFC3339), "--to", p.epoch.Add(100 * time.Minute).Format(time.RFC3339)}
	code, text, stderr := evaluated(p.t, append([]string{"replay", "--config", file}, span...))
	for _, want := range []string{"page firing, held back (notify is none)", "What became of the detections:", "probed", "duplicate", "In the end:", "toy 1:"} {
		if code != exitFine || !strings.Contains(text, want) {
			p.t.Errorf("exit %d, the text lacks %q:\n%s\n%s", code, want, text, stderr)
		}
	}
	code, text, stderr = evaluated(p.t, append([]string{"replay", "--config", p.config("slow.yaml", "notify: page")}, "--from", span[1], "--to",
		p.epoch.Add(20*time.Minute).Format(time.RFC3339)))
	if code != exitFine || !strings.Contains(text, "toy was learning all the time") || !strings.Contains(text, "--baseline") {
		p.t.Errorf("exit %d, no word of learning:\n%s\n%s", code, text, stderr)
	}
	code, text, _ = evaluated(p.t, []string{"replay", "--config", file, "--from", "2h-ago", "--to", "1h-ago"})
	if code != exitFine || !strings.Contains(text, "Kafka holds no detection of that time") {
		p.t.Errorf("exit %d, no word of an empty time:\n%s", code, text)
	}
}
