package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"shaketable/pipeline"
)

// HeaderID is the header with the identity of a record that this program produced. A retry may write a record twice, and
// both have the same.
const HeaderID = "shaketable-id"

// Producer writes keyed records, each acknowledged by all in-sync replicas before a call returns. The same key goes to the
// same partition as with the Java client's default (murmur2). It is safe for concurrent use.
type Producer struct {
	cluster *cluster
	writer  *kafkago.Writer
	letters string
}

var _ pipeline.DeadLetters = (*Producer)(nil)

// NewProducer reads secrets and certificates; it does not connect.
func NewProducer(cfg Config) (*Producer, error) {
	c, err := newCluster(cfg, nil)
	if err != nil {
		return nil, err
	}
	return &Producer{cluster: c, letters: cfg.Topics.DeadLetters, writer: &kafkago.Writer{
		Addr: c.addr, Transport: c.transport, Balancer: kafkago.Murmur2Balancer{Consistent: true},
		RequiredAcks: kafkago.RequireAll, BatchTimeout: 5 * time.Millisecond, BatchSize: 1000,
		MaxAttempts: 10, WriteBackoffMin: 50 * time.Millisecond, WriteBackoffMax: time.Second,
		WriteTimeout: cfg.Timeout, ReadTimeout: cfg.Timeout,
	}}, nil
}

// Close waits for calls that are under way and lets go of the connections.
func (p *Producer) Close() error {
	err := p.writer.Close()
	p.cluster.close()
	return err
}

// Produce writes records to a topic, which must exist; of each, Key, Value, Headers and Time count (a zero Time is the
// time of writing). It returns when all are acknowledged, or with the first error; some may have been written then.
func (p *Producer) Produce(ctx context.Context, topic string, records ...pipeline.Record) error {
	messages := make([]kafkago.Message, len(records))
	for i, r := range records {
		messages[i] = kafkago.Message{Topic: topic, Key: r.Key, Value: r.Value, Time: r.Time}
		for _, h := range r.Headers {
			messages[i].Headers = append(messages[i].Headers, kafkago.Header{Key: h.Key, Value: h.Value})
		}
	}
	err := p.writer.WriteMessages(ctx, messages...)
	var each kafkago.WriteErrors
	if errors.As(err, &each) {
		for _, one := range each {
			if one != nil {
				err = fmt.Errorf("%d of %d records were not written: %w", each.Count(), len(records), one)
				break
			}
		}
	}
	if err != nil {
		return fmt.Errorf("kafka: produce to %q: %w", topic, err)
	}
	return nil
}

// Error texts come from decoders and may quote what they could not read; a letter is no place for much of that.
const maxErrorText = 1024

// Bury writes a dead letter: JSON that points at the record, with its key, and never its bytes. The id in the header is the
// record's place, so that a letter which is written again after a replay can be told from a new one.
func (p *Producer) Bury(ctx context.Context, d pipeline.DeadLetter) error {
	if p.letters == "" {
		return errors.New("kafka: dead letter: topics.dead_letters is not configured")
	}
	d.Error = d.Error[:min(len(d.Error), maxErrorText)]
	value, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("kafka: dead letter of %s/%d@%d: %w", d.Topic, d.Partition, d.Offset, err)
	}
	id := d.Topic + "/" + strconv.Itoa(d.Partition) + "/" + strconv.FormatInt(d.Offset, 10)
	return p.Produce(ctx, p.letters, pipeline.Record{Key: d.Key, Value: value, Headers: []pipeline.Header{
		{Key: HeaderID, Value: []byte(id)},
		{Key: "content-type", Value: []byte("application/json")},
		{Key: "reason", Value: []byte(d.Reason)},
	}})
}
