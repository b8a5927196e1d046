package kafka

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"shaketable/pipeline"
)

func TestFetchEveryCompression(t *testing.T) {
	for name, codec := range map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()} {
		t.Run(name, func(t *testing.T) {
			_, cfg := fake(t, kfake.SeedTopics(2, "t"))
			w := writer(t, cfg.Brokers, kgo.ProducerBatchCompression(codec))
			at := time.UnixMilli(1_750_000_000_123).UTC()
			var records []*kgo.Record
			for i := range 500 {
				records = append(records, &kgo.Record{Topic: "t", Partition: 1, Timestamp: at, Key: []byte("key"),
					Value:   []byte(strings.Repeat(strconv.Itoa(i), 50)),
					Headers: []kgo.RecordHeader{{Key: "traceparent", Value: []byte("00-" + strconv.Itoa(i))}}})
			}
			if err := w.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			for i, r := range drain(t, open(t, cfg, "t", 1), 0, 500) {
				if r.Offset != int64(i) || !r.Time.Equal(at) || string(r.Value) != strings.Repeat(strconv.Itoa(i), 50) ||
					string(r.Header("traceparent")) != "00-"+strconv.Itoa(i) || string(r.Key) != "key" || r.Partition != 1 {
					t.Fatalf("record %d came as %+v", i, r)
				}
			}
		})
	}
}

func TestFetchTransactions(t *testing.T) {
	c, cfg := fake(t, kfake.SeedTopics(1, "t"))
	w := writer(t, cfg.Brokers, kgo.TransactionalID("x"))
	for i, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
		if err := w.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		write(t, w, "t", 0, 10*i, 10*i+2)
		if err := w.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	end := c.PartitionInfo("t", 0).LastStableOffset
	l := open(t, cfg, "t", 0)
	got := values(drain(t, l, 0, end)) // drain ends only if the offset passes the aborted tail
	if want := []string{"0", "1", "20", "21"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if end != 12 { // four times two records and a marker
		t.Errorf("the log ends at %d", end)
	}

	// What is still open is not there yet, and is not beyond the log either.
	if err := w.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	write(t, w, "t", 0, 90, 92)
	p, err := l.Fetch(t.Context(), end)
	if err != nil || len(p.Records) != 0 || p.Next != end || p.End != end {
		t.Errorf("inside an open transaction: %+v, %v", p, err)
	}
	if err := w.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if got := values(drain(t, l, end, end+2)); !slices.Equal(got, []string{"90", "91"}) {
		t.Errorf("after its end: %v", got)
	}
}

func TestFetchOutsideTheLog(t *testing.T) {
	c, cfg := fake(t, kfake.SeedTopics(1, "t"))
	w := writer(t, cfg.Brokers)
	write(t, w, "t", 0, 0, 10)
	if err := c.DeleteRecords("t", 0, 6); err != nil {
		t.Fatal(err)
	}
	l := open(t, cfg, "t", 0)
	if _, err := l.Fetch(t.Context(), 2); !errors.Is(err, pipeline.ErrTrimmed) || !strings.Contains(err.Error(), "t/0@2") || !strings.Contains(err.Error(), "starts at 6") {
		t.Errorf("below the log start: %v", err)
	}
	if _, err := l.Fetch(t.Context(), 11); !errors.Is(err, pipeline.ErrBeyond) || !strings.Contains(err.Error(), "ends at 10") {
		t.Errorf("above the log end: %v", err)
	}
	p, err := l.Fetch(t.Context(), 6)
	if err != nil || !slices.Equal(values(p.Records), []string{"6", "7", "8", "9"}) || p.Start != 6 || p.End != 10 || p.Next != 10 {
		t.Errorf("at the log start: %+v, %v", p, err)
	}
	began := time.Now()
	p, err = l.Fetch(t.Context(), 10)
	if err != nil || len(p.Records) != 0 || p.Next != 10 || time.Since(began) < cfg.Fetch.MaxWait {
		t.Errorf("at the log end: %+v, %v after %s", p, err, time.Since(began))
	}
}

func TestRecreatedTopic(t *testing.T) {
	c, cfg := fake(t, kfake.SeedTopics(1, "t"))
	w := writer(t, cfg.Brokers)
	write(t, w, "t", 0, 0, 10)
	l := open(t, cfg, "t", 0)
	before, err := l.Bounds(t.Context())
	if err != nil || before.End != 10 || before.TopicID == "" || before.Committed != -1 {
		t.Fatalf("bounds %+v, %v", before, err)
	}
	if err := c.DeleteTopic("t"); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTopic("t", 1, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Fetch(t.Context(), 10); !errors.Is(err, pipeline.ErrBeyond) {
		t.Errorf("position above the end of the new topic: %v", err)
	}
	after, err := l.Bounds(t.Context())
	if err != nil || after.TopicID == before.TopicID {
		t.Errorf("topic ids %q and %q, %v", before.TopicID, after.TopicID, err)
	}
}

// A topic that was gone for a while and came back with more records than our position: only its id tells.
func TestRecreatedTopicIsNotContinued(t *testing.T) {
	c, cfg := fake(t, kfake.SeedTopics(1, "t"))
	write(t, writer(t, cfg.Brokers), "t", 0, 0, 10)
	l := open(t, cfg, "t", 0)
	if _, err := l.Bounds(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteTopic("t"); err != nil {
		t.Fatal(err)
	}
	missed := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.UnknownTopicOrPartition, Observe: true, Count: -1})
	defer missed.Remove()
	done := make(chan error, 1)
	go func() {
		_, err := l.Fetch(context.Background(), 5)
		done <- err
	}()
	if err := missed.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTopic("t", 1, nil); err != nil {
		t.Fatal(err)
	}
	write(t, writer(t, cfg.Brokers), "t", 0, 0, 20)
	if err := <-done; !errors.Is(err, pipeline.ErrBeyond) || !strings.Contains(err.Error(), "its id was") {
		t.Errorf("a topic that was made again: %v", err)
	}
}

func TestFetchOutlastsTheCluster(t *testing.T) {
	c, cfg := fake(t, kfake.NumBrokers(3), kfake.SeedTopics(1, "t"))
	w := writer(t, cfg.Brokers)
	write(t, w, "t", 0, 0, 100)
	l := open(t, cfg, "t", 0)
	for _, code := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.UnknownTopicOrPartition,
		kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.OffsetNotAvailable, kerr.KafkaStorageError, kerr.RequestTimedOut} {
		f := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: code, Count: 2})
		if got := drain(t, l, 0, 100); len(got) != 100 || f.Hits() != 2 {
			t.Errorf("%s: %d records after %d faults", code.Message, len(got), f.Hits())
		}
		f.Remove()
	}
	for range 6 {
		c.ShufflePartitionLeaders()
		if got := drain(t, l, 0, 100); len(got) != 100 {
			t.Errorf("after the leader moved: %d records", len(got))
		}
	}
	f := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Count: 1})
	if _, err := l.Fetch(t.Context(), 0); err == nil || f.Hits() != 1 {
		t.Errorf("missing permission: %v", err)
	}
}

func TestFetchStopsWithItsContext(t *testing.T) {
	_, cfg := fake(t, kfake.SeedTopics(1, "t"))
	cfg.Fetch.MaxWait = 3 * time.Second
	l := open(t, cfg, "t", 0)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := l.Fetch(ctx, 0); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	// The connection still reads into the buffer that it was given; the next fetch must not share it.
	if l.buf != nil {
		t.Error("the buffer is kept although the connection may still write to it")
	}
	absent := open(t, cfg, "absent", 0)
	ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := absent.Fetch(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a topic that never comes: %v", err)
	}
}

func TestFetchLargeRecord(t *testing.T) {
	_, cfg := fake(t, kfake.SeedTopics(1, "t"))
	cfg.Fetch.MaxBytes = 1 << 10
	w := writer(t, cfg.Brokers, kgo.ProducerBatchCompression(kgo.NoCompression()))
	big := make([]byte, 700<<10)
	if err := w.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: big}, &kgo.Record{Topic: "t", Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	l := open(t, cfg, "t", 0)
	if got := drain(t, l, 0, 2); len(got) != 2 || len(got[0].Value) != len(big) {
		t.Errorf("%d records", len(got))
	}
	if cap(l.buf) > pageFactor*cfg.Fetch.MaxBytes {
		t.Errorf("a buffer of %d bytes is kept after one large record", cap(l.buf))
	}
}

func TestAt(t *testing.T) {
	_, cfg := fake(t, kfake.SeedTopics(1, "t"))
	w := writer(t, cfg.Brokers)
	base := time.UnixMilli(1_750_000_000_000)
	for i := range 5 { // one batch each, one second apart
		r := &kgo.Record{Topic: "t", Timestamp: base.Add(time.Duration(i) * time.Second), Value: []byte("x")}
		if err := w.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	l := open(t, cfg, "t", 0)
	for _, c := range []struct {
		t    time.Time
		want int64
	}{
		{base, 0}, {base.Add(time.Nanosecond), 1}, {base.Add(time.Second), 1}, {base.Add(3999 * time.Millisecond), 4},
		{base.Add(time.Hour), 5}, {time.Time{}, 0}, {time.Unix(-5, 0), 0}, {base.Add(-time.Hour), 0},
	} {
		if got, err := l.At(t.Context(), c.t); err != nil || got != c.want {
			t.Errorf("at %s: offset %d, %v; want %d", c.t, got, err, c.want)
		}
	}
}

// Between the question for a time and the question for the end, records come: they must not be jumped over.
func TestAtDoesNotJump(t *testing.T) {
	c, cfg := fake(t, kfake.SeedTopics(1, "t"))
	w := writer(t, cfg.Brokers)
	write(t, w, "t", 0, 0, 3)
	var asked atomic.Int32
	c.ControlKey(int16(kmsg.ListOffsets), func(kmsg.Request) (kmsg.Response, error, bool) {
		if asked.Add(1) == 2 {
			done := make(chan struct{})
			go func() {
				defer close(done)
				write(t, w, "t", 0, 3, 6)
			}()
			c.SleepControl(func() { <-done })
		}
		return nil, nil, false
	})
	got, err := open(t, cfg, "t", 0).At(t.Context(), time.Now().Add(time.Hour))
	if err != nil || got != 3 || asked.Load() < 2 {
		t.Errorf("offset %d, %v after %d questions: records 3 to 5 came after the call and are skipped", got, err, asked.Load())
	}
}
