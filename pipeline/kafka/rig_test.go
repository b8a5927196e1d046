package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"shaketable/pipeline"
)

func TestMain(m *testing.M) {
	// kafka-go's codecs and kfake keep no goroutines; the decoder pool of zstd does.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/klauspost/compress/zstd.(*blockDec).startDecoder"))
}

// floor holds the oldest version of each request that Kafka 4.0 accepts; TestRealFloor compares it with a real broker.
func floor() map[int16]int16 {
	return map[int16]int16{0: 3, 1: 4, 2: 1, 3: 0, 8: 2, 9: 1, 10: 0, 11: 2, 12: 0, 13: 0, 14: 0, 17: 0, 18: 0, 19: 2, 32: 1, 36: 0}
}

// fake starts a kfake cluster that fails the test on any request that Kafka 4.0 would refuse.
func fake(t testing.TB, opts ...kfake.Opt) (*kfake.Cluster, Config) {
	t.Helper()
	opts = append([]kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100 * time.Millisecond)}, opts...)
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	guard(t, c)
	return c, fast(c.ListenAddrs())
}

func guard(t testing.TB, c *kfake.Cluster) {
	minimum := floor()
	c.Control(func(req kmsg.Request) (kmsg.Response, error, bool) {
		oldest, known := minimum[req.Key()]
		if known && req.GetVersion() < oldest {
			t.Errorf("%s v%d is sent, Kafka 4.0 accepts v%d and later", kmsg.NameForKey(req.Key()), req.GetVersion(), oldest)
		}
		return nil, nil, false
	})
}

// fast is a configuration for tests, with everything that waits cut down.
func fast(brokers []string) Config {
	cfg := DefaultConfig()
	cfg.Brokers, cfg.Topics = brokers, Topics{Detections: "detections"}
	cfg.SessionTimeout, cfg.Heartbeat, cfg.RebalanceTimeout = 2*time.Second, 50*time.Millisecond, 2*time.Second
	cfg.JoinBackoff, cfg.WatchInterval = 20*time.Millisecond, 100*time.Millisecond
	cfg.Timeout, cfg.MetadataAge, cfg.Fetch.MaxWait = 5*time.Second, 200*time.Millisecond, 100*time.Millisecond
	return cfg
}

// open returns a log outside of any group membership.
func open(t testing.TB, cfg Config, topic string, partition int) *Log {
	t.Helper()
	c, err := newCluster(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return &Log{cluster: c, retry: retrier{quiet()}, topic: topic, partition: partition,
		unpacker: newUnpacker(topic, partition, cfg.Fetch.MaxBatchBytes), progress: newProgress(pipeline.Detections, topic, partition)}
}

func quiet() *slog.Logger {
	if os.Getenv("SHAKETABLE_TEST_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.DiscardHandler)
}

// writer is franz-go, so that what we read was written by somebody else.
func writer(t testing.TB, brokers []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	opts = append([]kgo.Opt{kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)
	c, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// write produces records with values "from".."to-1" to a partition, in one batch if they fit.
func write(t testing.TB, c *kgo.Client, topic string, partition int32, from, to int) {
	t.Helper()
	var records []*kgo.Record
	for i := from; i < to; i++ {
		records = append(records, &kgo.Record{Topic: topic, Partition: partition, Key: []byte("k" + strconv.Itoa(i)), Value: []byte(strconv.Itoa(i))})
	}
	if err := c.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// drain fetches from offset up to end and returns all records.
func drain(t testing.TB, l *Log, offset, end int64) []pipeline.Record {
	t.Helper()
	var all []pipeline.Record
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for offset < end {
		p, err := l.Fetch(ctx, offset)
		if err != nil {
			t.Fatalf("fetch at %d: %v", offset, err)
		}
		if p.Next < offset {
			t.Fatalf("fetch at %d goes back to %d", offset, p.Next)
		}
		all, offset = append(all, p.Records...), p.Next
	}
	return all
}

func values(records []pipeline.Record) (out []string) {
	for _, r := range records {
		out = append(out, string(r.Value))
	}
	return out
}

// tally counts what serves have read, each record by "topic/partition/offset", and notes generations.
type tally struct {
	mu    sync.Mutex
	seen  map[string]int
	gens  int
	wrong []string
}

func newTally() *tally { return &tally{seen: map[string]int{}} }

func (y *tally) count() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return len(y.seen)
}

// serve reads every stream of its partition from the committed offset and commits after every page.
func (y *tally) serve(streams ...pipeline.Stream) func(context.Context, pipeline.Assignment) {
	return func(ctx context.Context, a pipeline.Assignment) {
		y.mu.Lock()
		y.gens++
		y.mu.Unlock()
		var all sync.WaitGroup
		for _, s := range streams {
			all.Go(func() { y.read(ctx, a, s) })
		}
		all.Wait()
	}
}

func (y *tally) read(ctx context.Context, a pipeline.Assignment, s pipeline.Stream) {
	l := a.Log(s)
	b, err := l.Bounds(ctx)
	if err != nil {
		return
	}
	offset := max(b.Committed, b.Start)
	for ctx.Err() == nil {
		p, err := l.Fetch(ctx, offset)
		if err != nil {
			y.fault(ctx, fmt.Sprintf("fetch %s/%d@%d: %v", s, a.Partition(), offset, err))
			pipeline.Pause(ctx, 10*time.Millisecond)
			continue
		}
		y.mu.Lock()
		for _, r := range p.Records {
			y.seen[fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset)]++
		}
		y.mu.Unlock()
		if p.Next != offset {
			offset = p.Next
			a.Commit(ctx, s, offset) // failing is what happens to a member that was expelled; the next reads again
		}
	}
}

func (y *tally) fault(ctx context.Context, text string) {
	if ctx.Err() != nil {
		return
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	y.wrong = append(y.wrong, text)
}

// member runs a source until stop is called or the test ends.
func member(t testing.TB, cfg Config, serve func(context.Context, pipeline.Assignment)) (s *Source, stop func()) {
	t.Helper()
	s, err := NewSource(cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, serve) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		s.Close()
	})
	t.Cleanup(stop)
	return s, stop
}

// eventually waits for a condition of the outside world.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("still not: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func file(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
