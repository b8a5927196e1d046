package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"shaketable/pipeline"
	"shaketable/pipeline/kafka/kafkatest"
)

// TestReal runs on Apache Kafka what kfake can't prove: that a real broker agrees. One broker serves all parts.
func TestReal(t *testing.T) {
	t.Parallel()
	began := time.Now()
	b := kafkatest.ForTest(t, kafkatest.Options{Properties: cleaning()})
	t.Logf("Apache Kafka answers after %s", time.Since(began).Round(100*time.Millisecond))
	cfg := fast([]string{b.Address()})
	t.Run("floor", func(t *testing.T) { realFloor(t, b) })
	t.Run("transactions", func(t *testing.T) { realTransactions(t, b, cfg) })
	t.Run("log", func(t *testing.T) { realLog(t, b, cfg) })
	t.Run("group", func(t *testing.T) { realGroup(t, b, cfg) })
	t.Run("history", func(t *testing.T) { realHistory(t, b, cfg) })
	t.Run("archive", func(t *testing.T) { realArchive(t, b, cfg) })
	t.Run("restart", func(t *testing.T) { realRestart(t, b, cfg) })
}

// A broker accepts whatever kfake's guard lets pass. The guard may be stricter: 4.1 has brought back versions of Produce and
// JoinGroup that 4.0 refuses.
func realFloor(t *testing.T, b *kafkatest.Broker) {
	transport := &kafkago.Transport{}
	defer transport.CloseIdleConnections()
	client := kafkago.Client{Addr: kafkago.TCP(b.Address()), Transport: transport}
	versions, err := client.ApiVersions(t.Context(), &kafkago.ApiVersionsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	minimum := floor()
	for _, k := range versions.ApiKeys {
		if want, guarded := minimum[int16(k.ApiKey)]; guarded && int16(k.MinVersion) > want {
			t.Errorf("%s: the broker accepts v%d and later, the guard in the tests lets v%d pass", kmsg.NameForKey(int16(k.ApiKey)), k.MinVersion, want)
		}
	}
}

// A real broker finds offsets by time within its batches.
func realHistory(t *testing.T, b *kafkatest.Broker, cfg Config) {
	create(t, b, 3, "past", "past-labels")
	cfg.Topics = Topics{Detections: "past", Labels: "past-labels"}
	readsHistory(t, cfg, func() {})
}

func realTransactions(t *testing.T, b *kafkatest.Broker, cfg Config) {
	create(t, b, 1, "tx")
	w := writer(t, cfg.Brokers, kgo.TransactionalID("x"))
	for i, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
		if err := w.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		write(t, w, "tx", 0, 10*i, 10*i+2)
		if err := w.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	l := open(t, cfg, "tx", 0)
	if got, want := values(drain(t, l, 0, 12)), []string{"0", "1", "20", "21"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := values(drain(t, l, 4, 12)); !slices.Equal(got, []string{"20", "21"}) {
		t.Errorf("from inside the aborted transaction: %v", got)
	}
}

// realLog checks bounds, times, trimming and topics that are made again.
func realLog(t *testing.T, b *kafkatest.Broker, cfg Config) {
	create(t, b, 1, "log")
	write(t, writer(t, cfg.Brokers), "log", 0, 0, 10)
	l := open(t, cfg, "log", 0)
	before, err := l.Bounds(t.Context())
	if err != nil || before.Start != 0 || before.End != 10 || before.Committed != -1 || len(before.TopicID) != 22 {
		t.Errorf("bounds %+v, %v", before, err)
	}
	if got, err := l.At(t.Context(), time.Now().Add(time.Hour)); err != nil || got != 10 {
		t.Errorf("at a time in the future: %d, %v", got, err)
	}
	w := writer(t, cfg.Brokers)
	trim := kmsg.NewDeleteRecordsRequest()
	trim.TimeoutMillis = 5000
	trim.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: "log", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: 0, Offset: 6}}}}
	if _, err := trim.RequestWith(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Fetch(t.Context(), 2); !errors.Is(err, pipeline.ErrTrimmed) {
		t.Errorf("below the log start: %v", err)
	}
	if p, err := l.Fetch(t.Context(), 6); err != nil || len(p.Records) != 4 || p.Start != 6 || p.End != 10 {
		t.Errorf("at the log start: %+v, %v", p, err)
	}
	if _, err := l.Fetch(t.Context(), 11); !errors.Is(err, pipeline.ErrBeyond) {
		t.Errorf("above the log end: %v", err)
	}
	transport := &kafkago.Transport{}
	defer transport.CloseIdleConnections()
	client := kafkago.Client{Addr: kafkago.TCP(b.Address()), Transport: transport}
	if _, err := client.DeleteTopics(t.Context(), &kafkago.DeleteTopicsRequest{Topics: []string{"log"}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the topic can be made again", func() bool { return b.CreateTopics(t.Context(), 1, "log") == nil })
	if after, err := l.Bounds(t.Context()); err != nil || after.TopicID == before.TopicID || after.End != 0 {
		t.Errorf("bounds of the new topic %+v, %v; the old one had id %s", after, err, before.TopicID)
	}
}

// realGroup reads three co-partitioned topics with members that come and go, and resumes where the group stood.
func realGroup(t *testing.T, b *kafkatest.Broker, cfg Config) {
	const partitions, each = 3, 200
	create(t, b, partitions, "detections", "media", "labels")
	cfg.Topics = Topics{Detections: "detections", Media: "media", Labels: "labels"}
	s, err := NewSource(cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	warnings, err := s.Preflight(t.Context(), time.Hour)
	s.Close()
	if err != nil || len(warnings) != 0 {
		t.Errorf("preflight: %v, %v", warnings, err)
	}
	p, err := NewProducer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	streams := []pipeline.Stream{pipeline.Detections, pipeline.Media, pipeline.Labels}
	y := newTally()
	_, stop := member(t, cfg, y.serve(streams...))
	for round := range 3 {
		for _, topic := range cfg.Topics.names() {
			var records []pipeline.Record
			for i := range each {
				records = append(records, pipeline.Record{Key: fmt.Append(nil, "clip-", i), Value: fmt.Append(nil, round)})
			}
			if err := p.Produce(t.Context(), topic, records...); err != nil {
				t.Fatal(err)
			}
		}
		want := (round + 1) * each * len(streams)
		eventually(t, fmt.Sprintf("%d records in round %d", want, round), func() bool { return y.count() >= want })
		if _, another := member(t, cfg, y.serve(streams...)); round == 1 {
			stop()
			stop = another
		}
	}
	if got := y.count(); got != 3*each*len(streams) {
		t.Errorf("%d records, want %d", got, 3*each*len(streams))
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if len(y.wrong) > 0 {
		t.Errorf("faults reached the reader: %v", y.wrong)
	}
}

// realRestart cuts the broker's power under a member.
func realRestart(t *testing.T, b *kafkatest.Broker, cfg Config) {
	create(t, b, 1, "restarted")
	cfg.Topics, cfg.Group = Topics{Detections: "restarted"}, "restarted"
	y := newTally()
	member(t, cfg, y.serve(pipeline.Detections))
	write(t, writer(t, cfg.Brokers), "restarted", 0, 0, 10)
	eventually(t, "the records before are read", func() bool { return y.count() == 10 })
	b.Kill()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := b.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("the broker answers again after %s", time.Since(began).Round(100*time.Millisecond))
	write(t, writer(t, cfg.Brokers), "restarted", 0, 10, 20)
	eventually(t, "the records after are read", func() bool { return y.count() == 20 })
}

func create(t *testing.T, b *kafkatest.Broker, partitions int, names ...string) {
	t.Helper()
	if err := b.CreateTopics(t.Context(), partitions, names...); err != nil {
		t.Fatal(err)
	}
}
