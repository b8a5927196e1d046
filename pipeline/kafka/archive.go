package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	kafkago "github.com/segmentio/kafka-go"

	"shaketable/pipeline"
)

// Archive keeps what must outlive Redis in a compacted topic: in are entries, written under their keys; out is, for every
// key of a detector, the entry of the latest fold.
//
// Invariant: Keep returns nil only when all in-sync replicas have the entries, and Load reads every partition from its
// start to the end that it had when Load began, or fails.
type Archive struct {
	cluster  *cluster
	producer *Producer
	topic    string
	retry    retrier
}

var _ pipeline.Archive = (*Archive)(nil)

// NewArchive opens the topic cfg.Topics.Archive; it does not connect. Check asks the brokers.
func NewArchive(cfg Config, log *slog.Logger) (*Archive, error) {
	if cfg.Topics.Archive == "" {
		return nil, errors.New("kafka: archive: topics.archive is not configured")
	}
	c, err := newCluster(cfg, []string{cfg.Topics.Archive})
	if err != nil {
		return nil, err
	}
	producer, err := NewProducer(cfg)
	if err != nil {
		c.close()
		return nil, err
	}
	return &Archive{cluster: c, producer: producer, topic: cfg.Topics.Archive, retry: retrier{log}}, nil
}

// Close lets go of the connections.
func (a *Archive) Close() error {
	a.cluster.close()
	return a.producer.Close()
}

// Keep implements pipeline.Archive. An entry that is gone is written as a tombstone.
func (a *Archive) Keep(ctx context.Context, entries []pipeline.Entry) error {
	records := make([]pipeline.Record, len(entries))
	for i, e := range entries {
		records[i] = pipeline.Record{Key: []byte(e.Key())}
		if e.Gone {
			continue
		}
		value, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("kafka: archive %s: %w", e.Key(), err)
		}
		records[i].Value = value
		records[i].Headers = []pipeline.Header{{Key: "content-type", Value: []byte("application/json")}}
	}
	return a.producer.Produce(ctx, a.topic, records...)
}

// Load implements pipeline.Archive. What is not an entry of this program's making is an error: a topic has one use.
func (a *Archive) Load(ctx context.Context, detector string) ([]pipeline.Entry, error) {
	var partitions int
	err := a.retry.do(ctx, "partitions of "+a.topic, func() (err error) {
		partitions, err = a.cluster.partitionCount(ctx, []string{a.topic})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("kafka: archive: %w", err)
	}
	var entries []pipeline.Entry
	for p := range partitions {
		found, err := a.load(ctx, p, detector)
		if err != nil {
			return nil, fmt.Errorf("kafka: archive %s/%d: %w", a.topic, p, err)
		}
		entries = append(entries, found...)
	}
	return entries, nil
}

// load reads one partition; all entries of a key are in the same.
func (a *Archive) load(ctx context.Context, partition int, detector string) ([]pipeline.Entry, error) {
	l := &Log{cluster: a.cluster, retry: a.retry, topic: a.topic, partition: partition,
		unpacker: newUnpacker(a.topic, partition, a.cluster.cfg.Fetch.MaxBatchBytes), progress: newProgress("archive", a.topic, partition)}
	var offset, end int64
	err := a.retry.do(ctx, l.at("bounds of", 0), func() (err error) {
		if offset, err = a.cluster.offsetAt(ctx, a.topic, partition, logStart, uncommitted); err != nil {
			return err
		}
		end, err = a.cluster.offsetAt(ctx, a.topic, partition, logEnd, committed)
		return err
	})
	if err != nil {
		return nil, err
	}
	latest := newShelf(detector)
	for offset < end {
		page, err := l.Fetch(ctx, offset)
		if errors.Is(err, pipeline.ErrTrimmed) { // old segments went away meanwhile: what they held was replaced
			if offset, err = a.cluster.offsetAt(ctx, a.topic, partition, logStart, uncommitted); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, r := range page.Records {
			if err := latest.put(r); err != nil {
				return nil, fmt.Errorf("offset %d: %w", r.Offset, err)
			}
		}
		offset = page.Next
	}
	return latest.entries(), nil
}

// shelf holds the entry of the latest fold for every key of a detector, in the order in which the keys came.
type shelf struct {
	detector string
	keys     []string
	found    map[string]pipeline.Entry
}

func newShelf(detector string) *shelf {
	return &shelf{detector: detector, found: map[string]pipeline.Entry{}}
}

func (s *shelf) put(r pipeline.Record) error {
	key := string(r.Key)
	if len(r.Value) == 0 {
		delete(s.found, key)
		return nil
	}
	var e pipeline.Entry
	if err := json.Unmarshal(r.Value, &e); err != nil {
		return fmt.Errorf("%.80q holds no entry: %w", key, err)
	}
	if e.Key() != key {
		return fmt.Errorf("%.80q holds an entry of another key; is the topic used for something else", key)
	}
	if e.Detector != s.detector {
		return nil
	}
	// An alerter that had lost its lease may write what it knew before the other one has written.
	if has, ok := s.found[key]; ok && has.Fold > e.Fold {
		return nil
	}
	s.keys = append(s.keys, key)
	s.found[key] = e
	return nil
}

func (s *shelf) entries() (list []pipeline.Entry) {
	for _, key := range s.keys {
		if e, ok := s.found[key]; ok {
			list = append(list, e)
			delete(s.found, key)
		}
	}
	return list
}

// Check returns what may become a problem: a topic that does not exist or is not compacted, brokers that do not answer.
// None of it keeps an alerter with a state from working.
func (a *Archive) Check(ctx context.Context) (warnings []string) {
	if _, err := a.cluster.partitionCount(ctx, []string{a.topic}); err != nil {
		return []string{fmt.Sprintf("the archive can't be used, so nothing would survive a loss of Redis: %v", err)}
	}
	client := kafkago.Client{Addr: a.cluster.addr, Transport: a.cluster.transport, Timeout: a.cluster.cfg.Timeout}
	answer, err := client.DescribeConfigs(ctx, &kafkago.DescribeConfigsRequest{Resources: []kafkago.DescribeConfigRequestResource{{
		ResourceType: kafkago.ResourceTypeTopic, ResourceName: a.topic, ConfigNames: []string{"cleanup.policy"}}}})
	if err == nil && len(answer.Resources) == 1 {
		err = answer.Resources[0].Error
	}
	if err != nil || len(answer.Resources) != 1 {
		return []string{fmt.Sprintf("whether topic %q is compacted can't be read (%v): make sure that cleanup.policy=compact", a.topic, err)}
	}
	for _, e := range answer.Resources[0].ConfigEntries {
		if e.ConfigName != "cleanup.policy" {
			continue
		}
		switch {
		case !strings.Contains(e.ConfigValue, "compact"):
			return []string{fmt.Sprintf("topic %q has cleanup.policy=%s: baselines and mutes would be deleted with age; set cleanup.policy=compact", a.topic, e.ConfigValue)}
		case strings.Contains(e.ConfigValue, "delete"):
			return []string{fmt.Sprintf("topic %q has cleanup.policy=%s: what is older than retention.ms would be deleted; set cleanup.policy=compact", a.topic, e.ConfigValue)}
		}
	}
	return nil
}
