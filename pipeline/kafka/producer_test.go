package kafka

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"shaketable/pipeline"
)

// The same key goes where franz-go's port of the Java partitioner puts it.
func TestProducePartitionsLikeJava(t *testing.T) {
	const partitions = 7
	_, cfg := fake(t, kfake.SeedTopics(partitions, "t", "reference"))
	p, err := NewProducer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	reference := writer(t, cfg.Brokers, kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	var records []pipeline.Record
	want := map[string]int{}
	for i := range 100 {
		key := fmt.Sprint("clip-", i)
		records = append(records, pipeline.Record{Key: []byte(key), Value: []byte(key)})
		r := reference.ProduceSync(t.Context(), &kgo.Record{Topic: "reference", Key: []byte(key)})
		if r.FirstErr() != nil {
			t.Fatal(r.FirstErr())
		}
		want[key] = int(r[0].Record.Partition)
	}
	if err := p.Produce(t.Context(), "t", records...); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for n := range partitions {
		l := open(t, cfg, "t", n)
		b, err := l.Bounds(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range drain(t, l, 0, b.End) {
			seen++
			if want[string(r.Key)] != n {
				t.Errorf("%s is in partition %d, not %d", r.Key, n, want[string(r.Key)])
			}
		}
	}
	if seen != len(records) {
		t.Errorf("%d records of %d", seen, len(records))
	}
}

func TestBury(t *testing.T) {
	_, cfg := fake(t, kfake.SeedTopics(1, "letters"))
	cfg.Topics.DeadLetters = "letters"
	p, err := NewProducer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	letter := pipeline.DeadLetter{Stream: pipeline.Detections, Topic: "detections", Partition: 3, Offset: 1 << 40, Key: []byte("clip"),
		Outcome: pipeline.DeadLettered, Reason: pipeline.ReasonInvalidJSON, Error: strings.Repeat("x", 5000), SHA256: "ab"}
	if err := p.Bury(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	r := drain(t, open(t, cfg, "letters", 0), 0, 1)[0]
	var back pipeline.DeadLetter
	if err := json.Unmarshal(r.Value, &back); err != nil {
		t.Fatal(err)
	}
	if string(r.Key) != "clip" || string(r.Header(HeaderID)) != "detections/3/1099511627776" || back.Offset != 1<<40 ||
		back.Reason != "invalid_json" || len(back.Error) != maxErrorText || time.Since(r.Time) > time.Hour {
		t.Errorf("key %q, headers %v, %+v", r.Key, r.Headers, back)
	}
	cfg.Topics.DeadLetters = ""
	none, err := NewProducer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close()
	if err := none.Bury(t.Context(), letter); err == nil {
		t.Error("a letter without a topic is buried")
	}
}

func TestProduceFails(t *testing.T) {
	c, cfg := fake(t, kfake.AllowAutoTopicCreation(), kfake.SeedTopics(1, "t"))
	p, err := NewProducer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.writer.MaxAttempts = 2
	if err := p.Produce(t.Context(), "absent", pipeline.Record{Value: []byte("v")}); err == nil || !strings.Contains(err.Error(), `"absent"`) {
		t.Errorf("absent topic: %v", err)
	}
	if c.TopicInfo("absent") != nil {
		t.Error("writing has created a topic")
	}
	if err := p.Produce(t.Context(), "t", pipeline.Record{Value: make([]byte, 2<<20)}); err == nil {
		t.Error("2 MiB are written to a topic that takes 1 MiB")
	}
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: 1})
	if err := p.Produce(t.Context(), "t", pipeline.Record{Value: []byte("v")}); err != nil {
		t.Errorf("a replica was away once: %v", err)
	}
}
