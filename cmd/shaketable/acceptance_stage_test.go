//go:build acceptance

package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"shaketable/pipeline"
	"shaketable/pipeline/kafka"
	"shaketable/pipeline/kafka/kafkatest"
	"shaketable/pipeline/storetest"
)

const acceptanceKey = "an acceptance test's secret, 32 b"

var shared struct {
	sync.Mutex
	broker *kafkatest.Broker
	binary string
	topics int
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.broker != nil {
		shared.broker.Kill()
	}
	os.Exit(code)
}

// acceptanceData is the folder of real detectors and pictures.
func acceptanceData(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("SHAKETABLE_ACCEPTANCE")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "acceptance")
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		_, err = os.Stat(filepath.Join(dir, "detectors.yaml"))
	}
	if err != nil {
		t.Fatalf("the acceptance data is not there (SHAKETABLE_ACCEPTANCE): %v", err)
	}
	return dir
}

// stage is a Kafka with topics of its own, a Redis, and the program built for real.
type stage struct {
	t       *testing.T
	dir     string
	data    string
	redis   *storetest.Server
	client  *goredis.Client
	topics  kafka.Topics
	config  string
	binary  string
	workers []*worker
}

// newStage starts what a test needs. extra is appended to the configuration file.
func newStage(t *testing.T, partitions int, detectors, extra string) *stage {
	t.Helper()
	s := &stage{t: t, dir: t.TempDir(), data: acceptanceData(t), redis: storetest.StartRedis(t)}
	s.client = goredis.NewClient(&goredis.Options{Addr: s.redis.Addr, MaxRetries: 10})
	t.Cleanup(func() { s.client.Close() })
	shared.Lock()
	defer shared.Unlock()
	if shared.broker == nil {
		dir, err := os.MkdirTemp("", "acceptance-kafka")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if shared.broker, err = kafkatest.Start(ctx, dir, kafkatest.Options{Properties: map[string]string{"log.retention.ms": "-1"}}); err != nil {
			t.Fatal(err)
		}
		shared.binary = filepath.Join(dir, "shaketable")
		if out, err := exec.Command("go", "build", "-o", shared.binary, ".").CombinedOutput(); err != nil {
			t.Fatalf("build: %v\n%s", err, out)
		}
	}
	shared.topics++
	n := strconv.Itoa(shared.topics)
	s.binary = shared.binary
	s.topics = kafka.Topics{Detections: "detections-" + n, Media: "media-" + n, Labels: "labels-" + n, DeadLetters: "dead-letters-" + n}
	if err := shared.broker.CreateTopics(context.Background(), partitions, s.topics.Detections, s.topics.Media, s.topics.Labels, s.topics.DeadLetters); err != nil {
		t.Fatal(err)
	}
	s.config = filepath.Join(s.dir, "shaketable.yaml")
	s.write("shaketable.yaml", fmt.Sprintf(`kafka:
  brokers: [%q]
  group: acceptance-%s
  topics: {detections: %s, media: %s, labels: %s, dead_letters: %s}
  session_timeout: 6s
  heartbeat: 1s
  rebalance_timeout: 6s
redis: {addresses: [%q]}
decode: {score: {kind: probability, meaning: real}}
sample: {rate: 1}
join: {media: topic}
%s
%s
`, shared.broker.Address(), n, s.topics.Detections, s.topics.Media, s.topics.Labels, s.topics.DeadLetters, s.redis.Addr, detectors, extra))
	return s
}

func (s *stage) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// worker is a running `shaketable run`.
type worker struct {
	s     *stage
	cmd   *exec.Cmd
	file  string
	ended chan struct{} // closed when the process is gone
	err   error
	ours  bool // the test ended it
}

// start runs the program with further arguments.
func (s *stage) start(args ...string) *worker {
	s.t.Helper()
	w := &worker{s: s, file: filepath.Join(s.dir, fmt.Sprintf("worker-%d.log", len(s.workers)+1)), ended: make(chan struct{})}
	s.workers = append(s.workers, w)
	log, err := os.Create(w.file)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	w.cmd = exec.Command(s.binary, append([]string{"run", "--config", s.config}, args...)...)
	w.cmd.Env = append(os.Environ(), "SHAKETABLE_SAMPLE_KEY="+acceptanceKey)
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		s.t.Fatal(err)
	}
	w.cmd.Dir = root // where make puts ONNX Runtime
	w.cmd.Stdout, w.cmd.Stderr = log, log
	if err := w.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		w.err = w.cmd.Wait()
		close(w.ended)
	}()
	s.t.Cleanup(func() {
		w.kill()
		if s.t.Failed() {
			s.t.Logf("log of %s:\n%s", filepath.Base(w.file), w.tail())
		}
	})
	return w
}

// kill ends the process as kill -9 does.
func (w *worker) kill() {
	w.ours = true
	_ = w.cmd.Process.Kill()
	<-w.ended
}

// stop asks it to end and wants status 0.
func (w *worker) stop() {
	w.s.t.Helper()
	w.ours = true
	_ = w.cmd.Process.Signal(syscall.SIGTERM)
	<-w.ended
	if w.err != nil {
		w.s.t.Errorf("the worker ended with %v:\n%s", w.err, w.tail())
	}
}

// alive fails the test if a worker ended by itself: nothing that is waited for would come.
func (s *stage) alive() {
	s.t.Helper()
	for _, w := range s.workers {
		select {
		case <-w.ended:
			if !w.ours {
				s.t.Fatalf("%s ended: %v", filepath.Base(w.file), w.err)
			}
		default:
		}
	}
}

func (w *worker) log() string {
	data, _ := os.ReadFile(w.file)
	return string(data)
}

func (w *worker) tail() string {
	text := w.log()
	return text[max(0, len(text)-4000):]
}

// outcomes sums the outcome counters of all partitions, by their keys in Redis.
func (s *stage) outcomes() map[string]int64 {
	sum := map[string]int64{}
	for key, fields := range s.hashes("shaketable:{*}:outcomes") {
		_ = key
		for f, n := range fields {
			sum[f] += n
		}
	}
	return sum
}

// hashes reads every hash of integers whose key matches.
func (s *stage) hashes(pattern string) map[string]map[string]int64 {
	all := map[string]map[string]int64{}
	ctx := context.Background()
	keys, err := s.client.Keys(ctx, pattern).Result()
	if err != nil {
		return all // Redis is being restarted: the caller asks again
	}
	for _, key := range keys {
		fields, err := s.client.HGetAll(ctx, key).Result()
		if err != nil {
			continue
		}
		all[key] = map[string]int64{}
		for f, v := range fields {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				s.t.Errorf("%s %s holds %q", key, f, v)
			}
			all[key][f] = n
		}
	}
	return all
}

// await polls a condition of the running system until it holds.
func (s *stage) await(what string, limit time.Duration, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(20 * time.Millisecond) {
		s.alive()
		if time.Now().After(deadline) {
			s.t.Fatalf("waited %s for %s; outcomes %v", limit, what, s.outcomes())
		}
	}
}

// producer writes to the stage's topics.
func (s *stage) producer() *kafka.Producer {
	s.t.Helper()
	cfg := kafka.DefaultConfig()
	cfg.Brokers, cfg.Topics = []string{shared.broker.Address()}, s.topics
	p, err := kafka.NewProducer(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { p.Close() })
	return p
}

// deployed returns the score that the deployed detector gave, from the golden probabilities: P(real).
func deployed(t *testing.T, data string) map[string]map[string]float64 {
	t.Helper()
	var golden struct {
		Files []string                        `json:"files"`
		Prob  map[string]map[string][]float64 `json:"prob_real"`
	}
	text, err := os.ReadFile(filepath.Join(data, "golden", "prob_real.json"))
	if err == nil {
		err = json.Unmarshal(text, &golden)
	}
	if err != nil {
		t.Fatal(err)
	}
	scores := map[string]map[string]float64{}
	for model, variants := range golden.Prob {
		scores[model] = map[string]float64{}
		for i, f := range golden.Files {
			scores[model][f] = variants["clean"][i]
		}
	}
	return scores
}

// truth reads labels.csv: file -> fake.
func truth(t *testing.T, data string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(data, "media", "labels.csv"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]bool{}
	for _, r := range rows[1:] {
		labels[r[0]] = r[1] == "fake"
	}
	return labels
}

// detection is the JSON of one detection.
func detection(media, detector, version string, score float64, at time.Time) pipeline.Record {
	value := fmt.Sprintf(`{"media_id":%q,"detector":{"name":%q,"version":%q},"score":%s,"time":%q}`, media, detector, version,
		strconv.FormatFloat(score, 'g', -1, 64), at.UTC().Format(time.RFC3339Nano))
	return pipeline.Record{Key: []byte(media), Value: []byte(value), Time: time.Now()}
}

func labelRecord(media string, fake bool, revision int) pipeline.Record {
	word := map[bool]string{true: "fake", false: "real"}[fake]
	return pipeline.Record{Key: []byte(media), Time: time.Now(),
		Value: []byte(fmt.Sprintf(`{"media_id":%q,"label":%q,"revision":%d}`, media, word, revision))}
}

// contains counts a phrase in the logs of workers.
func contains(phrase string, workers ...*worker) int {
	n := 0
	for _, w := range workers {
		n += strings.Count(w.log(), phrase)
	}
	return n
}
