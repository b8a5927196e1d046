package kafka

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"shaketable/pipeline"
)

// readerOnly fails the test on every request that joins a group, commits or writes.
func readerOnly(t *testing.T, c *kfake.Cluster) {
	writes := []kmsg.Key{kmsg.Produce, kmsg.OffsetCommit, kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat, kmsg.CreateTopics, kmsg.InitProducerID}
	c.Control(func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if slices.Contains(writes, kmsg.Key(req.Key())) {
			t.Errorf("a reader of history sent %s", kmsg.NameForKey(req.Key()))
		}
		return nil, nil, false
	})
}

// historian reads every counted stream as the line does: what it commits is behind the last data record.
type historian struct {
	mu   sync.Mutex
	read map[string][]string // by stream and partition
}

func (h *historian) serve(ctx context.Context, a pipeline.Assignment) {
	var all sync.WaitGroup
	for _, stream := range []pipeline.Stream{pipeline.Detections, pipeline.Labels} {
		log := a.Log(stream)
		if log == nil {
			continue
		}
		all.Go(func() {
			b, err := log.Bounds(ctx)
			if err != nil {
				return
			}
			for offset := b.Start; ctx.Err() == nil; {
				p, err := log.Fetch(ctx, offset)
				if err != nil {
					continue
				}
				offset = p.Next
				if len(p.Records) == 0 {
					continue
				}
				h.mu.Lock()
				key := fmt.Sprintf("%s/%d", stream, a.Partition())
				h.read[key] = append(h.read[key], values(p.Records)...)
				h.mu.Unlock()
				a.Commit(ctx, stream, p.Records[len(p.Records)-1].Offset+1)
			}
		})
	}
	all.Wait()
}

// TestHistory: what is read is what lies between the two times on every partition, whatever is behind it, and nothing is
// joined, committed or written.
func TestHistory(t *testing.T) {
	c, cfg := fake(t, kfake.SeedTopics(3, "detections", "labels"))
	cfg.Topics.Labels = "labels"
	readsHistory(t, cfg, func() { readerOnly(t, c) })
}

// readsHistory writes to three partitions and reads spans of them; written is called in between.
func readsHistory(t *testing.T, cfg Config, written func()) {
	t.Helper()
	w := writer(t, cfg.Brokers)
	epoch := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var records []*kgo.Record
	for i := range 100 {
		for p := range int32(2) { // the third partition stays empty
			records = append(records, &kgo.Record{Topic: cfg.Topics.Detections, Partition: p, Timestamp: epoch.Add(time.Duration(i) * time.Minute), Value: []byte(strconv.Itoa(i))})
		}
		records = append(records, &kgo.Record{Topic: cfg.Topics.Labels, Partition: 0, Timestamp: epoch.Add(time.Duration(i) * time.Hour), Value: []byte(strconv.Itoa(i))})
	}
	if err := w.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	written()
	for _, x := range []struct {
		from, to           int // minutes
		detections, labels []int
	}{
		{from: 10, to: 90, detections: []int{10, 90}, labels: []int{1, 2}},
		{from: -1000, to: 100_000, detections: []int{0, 100}, labels: []int{0, 100}},
		{from: 99, to: 100, detections: []int{99, 100}},
		{from: -1000, to: -10},
		{from: 100_000, to: 100_001},
	} {
		h, err := NewHistory(cfg, epoch.Add(time.Duration(x.from)*time.Minute), epoch.Add(time.Duration(x.to)*time.Minute), quiet())
		if err != nil {
			t.Fatal(err)
		}
		got := &historian{read: map[string][]string{}}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if err := h.Run(ctx, got.serve); err != nil || ctx.Err() != nil {
			t.Fatalf("%+v: %v, %v", x, err, ctx.Err())
		}
		cancel()
		want := map[string][]string{}
		for key, span := range map[string][]int{"detections/0": x.detections, "detections/1": x.detections, "labels/0": x.labels} {
			for i := 0; len(span) > 0 && i < span[1]-span[0]; i++ {
				want[key] = append(want[key], strconv.Itoa(span[0]+i))
			}
		}
		if fmt.Sprint(got.read) != fmt.Sprint(want) {
			t.Errorf("from %d to %d: read %v\nwant %v", x.from, x.to, got.read, want)
		}
		if done, total := h.Progress(); done != total || total != 2*int64(len(want["detections/0"])) {
			t.Errorf("from %d to %d: progress %d of %d", x.from, x.to, done, total)
		}
		h.Close()
	}
}

// TestHistoryEndsWithMarkers: a log whose last offsets are markers of transactions and an aborted one ends all the same.
func TestHistoryEndsWithMarkers(t *testing.T) {
	_, cfg := fake(t, kfake.SeedTopics(1, "detections"))
	w := writer(t, cfg.Brokers, kgo.TransactionalID("x"))
	for i, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		if err := w.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		write(t, w, "detections", 0, 10*i, 10*i+10)
		if err := w.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	h, err := NewHistory(cfg, time.Now().Add(-time.Hour), time.Now().Add(time.Hour), quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	got := &historian{read: map[string][]string{}}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := h.Run(ctx, got.serve); err != nil || ctx.Err() != nil || len(got.read["detections/0"]) != 10 {
		t.Errorf("read %v, %v, %v", got.read, err, ctx.Err())
	}
}

func TestHistoryRefuses(t *testing.T) {
	now := time.Now()
	if _, err := NewHistory(DefaultConfig(), now, now, quiet()); err == nil {
		t.Error("an empty span was accepted")
	}
	_, cfg := fake(t, kfake.SeedTopics(1, "other"))
	h, err := NewHistory(cfg, now.Add(-time.Hour), now, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Run(t.Context(), func(context.Context, pipeline.Assignment) {}); err == nil {
		t.Error("a topic that does not exist was read")
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Run(stopped, func(context.Context, pipeline.Assignment) {}); err == nil {
		t.Error("a done context found partitions")
	}
}
