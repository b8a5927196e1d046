package kafka

import (
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// correlation is the id of every raw request: a connection carries one request at a time.
const correlation = 1

// fetchRequest is a Fetch of one partition whose answer is kept raw. kafka-go routes it to the leader (Broker of the
// embedded request) and hands it the connection (RawExchange).
type fetchRequest struct {
	*fetch.Request
	client  string
	version int16
	buf     []byte // in: to be used; afterwards: what fetchResponse points into
}

// fetchResponse is what a broker answered for one partition. Records point into the request's buffer.
type fetchResponse struct {
	code    int16
	high    int64 // high watermark
	stable  int64 // last stable offset: the end for a reader of committed data
	start   int64 // log start offset; -1 if the broker tells none
	aborted []abortedTransaction
	records []byte // record batches, the last one perhaps cut off
}

// abortedTransaction says that what producer wrote from first up to its next abort marker is void.
type abortedTransaction struct{ producer, first int64 }

func newFetchRequest(topic string, partition int, offset int64, limits Fetch) *fetchRequest {
	return &fetchRequest{Request: &fetch.Request{
		ReplicaID: -1, MaxWaitTime: int32(limits.MaxWait / time.Millisecond), MinBytes: 1, MaxBytes: int32(limits.MaxBytes),
		IsolationLevel: 1, SessionEpoch: -1,
		Topics: []fetch.RequestTopic{{Topic: topic, Partitions: []fetch.RequestPartition{{
			Partition: int32(partition), CurrentLeaderEpoch: -1, FetchOffset: offset, LogStartOffset: -1,
			PartitionMaxBytes: int32(limits.MaxBytes),
		}}}},
	}}
}

// ApiKey makes the response a kafka-go message.
func (*fetchResponse) ApiKey() protocol.ApiKey { return protocol.Fetch }

// Required is asked once per exchange, with the versions agreed upon.
func (r *fetchRequest) Required(versions map[protocol.ApiKey]int16) bool {
	r.version = versions[protocol.Fetch]
	return true
}

// RawExchange writes the request and reads the answer.
func (r *fetchRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if r.version < 4 {
		return nil, fmt.Errorf("the broker speaks Fetch v%d; Kafka 0.11 (v4) or newer is needed", r.version)
	}
	if err := protocol.WriteRequest(rw, r.version, correlation, r.client, r.Request); err != nil {
		return nil, err
	}
	body, grown, err := readResponse(rw, r.buf, correlation)
	r.buf = grown
	if err != nil {
		return nil, err
	}
	return parseFetch(body, r.version)
}

// parseFetch reads a Fetch response of versions 4 to 11 that holds one partition.
func parseFetch(body []byte, version int16) (*fetchResponse, error) {
	c := cursor{b: body}
	c.i32() // throttle time: the broker holds us back itself
	if version >= 7 {
		if code := c.i16(); code != 0 {
			return &fetchResponse{code: code}, nil
		}
		c.i32() // session
	}
	if n := c.count(1); n != 1 {
		return nil, fmt.Errorf("fetch response holds %d topics instead of 1", n)
	}
	c.take(int(c.i16())) // name
	if n := c.count(1); n != 1 {
		return nil, fmt.Errorf("fetch response holds %d partitions instead of 1", n)
	}
	c.i32() // partition
	f := &fetchResponse{code: c.i16(), high: c.i64(), stable: c.i64(), start: -1}
	if version >= 5 {
		f.start = c.i64()
	}
	for range c.count(16) {
		f.aborted = append(f.aborted, abortedTransaction{producer: c.i64(), first: c.i64()})
	}
	if version >= 11 {
		c.i32() // preferred replica: only for readers that name their rack
	}
	if n := c.i32(); n > 0 {
		f.records = c.take(int(n))
	}
	if c.bad {
		return nil, fmt.Errorf("fetch response (v%d, %d bytes) is cut off", version, len(body))
	}
	return f, nil
}
