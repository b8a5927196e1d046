package kafka

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
)

// Metadata from version 10 on tells topic ids. kafka-go knows versions up to 8, so this one request is written by hand.
const (
	metadataKey     = 3
	metadataVersion = 10
)

// topicIDRequest asks any broker for the id of a topic.
type topicIDRequest struct {
	topic  string
	client string
}

// topicIDResponse is "" where the broker is older than Kafka 2.8 and tells no ids.
type topicIDResponse struct{ id string }

// ApiKey makes the request a kafka-go message; so does the response's.
func (*topicIDRequest) ApiKey() protocol.ApiKey { return protocol.Metadata }

// ApiKey makes the response a kafka-go message.
func (*topicIDResponse) ApiKey() protocol.ApiKey { return protocol.Metadata }

// Required makes kafka-go hand over the connection.
func (*topicIDRequest) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange asks for the versions first, because kafka-go keeps only those that it would use itself.
func (r *topicIDRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	answer, err := protocol.RoundTrip(rw, 0, correlation, r.client, &apiversions.Request{})
	if err != nil {
		return nil, err
	}
	if !speaks(answer.(*apiversions.Response), metadataKey, metadataVersion) {
		return &topicIDResponse{}, nil
	}
	if _, err := rw.Write(r.encode()); err != nil {
		return nil, err
	}
	body, _, err := readResponse(rw, nil, correlation)
	if err != nil {
		return nil, err
	}
	return parseTopicID(body, r.topic)
}

func speaks(versions *apiversions.Response, key, version int16) bool {
	for _, k := range versions.ApiKeys {
		if k.ApiKey == key {
			return k.MinVersion <= version && version <= k.MaxVersion
		}
	}
	return false
}

// encode writes a Metadata v10 request for one topic by name, never creating it.
func (r *topicIDRequest) encode() []byte {
	b := make([]byte, 4, 64+len(r.client)+len(r.topic))
	b = binary.BigEndian.AppendUint16(b, metadataKey)
	b = binary.BigEndian.AppendUint16(b, metadataVersion)
	b = binary.BigEndian.AppendUint32(b, correlation)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.client)))
	b = append(b, r.client...)
	b = append(b, 0)                   // no tagged fields in the header
	b = append(b, 1+1)                 // one topic
	b = append(b, make([]byte, 16)...) // topic id: zero, to be found by name
	b = binary.AppendUvarint(b, uint64(len(r.topic)+1))
	b = append(b, r.topic...)
	b = append(b, 0)       // no tagged fields of the topic
	b = append(b, 0, 0, 0) // create it: no; authorized operations of cluster and topic: not asked
	b = append(b, 0)       // no tagged fields
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// parseTopicID reads a Metadata v10 response as far as the id of its one topic.
func parseTopicID(body []byte, topic string) (*topicIDResponse, error) {
	c := cursor{b: body}
	c.skipTags()
	c.i32() // throttle time
	for range min(c.uvarint()-1, len(c.b)) {
		c.i32()                       // node
		c.take(c.uvarint() - 1)       // host
		c.i32()                       // port
		c.take(max(c.uvarint()-1, 0)) // rack, may be null
		c.skipTags()
	}
	c.take(max(c.uvarint()-1, 0)) // cluster id, may be null
	c.i32()                       // controller
	n := c.uvarint() - 1
	code := c.i16()
	name := c.take(c.uvarint() - 1)
	id := c.take(16)
	switch {
	case c.bad || n != 1 || string(name) != topic:
		return nil, fmt.Errorf("metadata response for topic %q can't be read", topic)
	case code != 0:
		return nil, kafkago.Error(code)
	}
	return &topicIDResponse{id: base64.RawURLEncoding.EncodeToString(id)}, nil
}

// skipTags passes the tagged fields of the "flexible" versions.
func (c *cursor) skipTags() {
	for range min(c.uvarint(), len(c.b)) {
		c.uvarint()
		c.take(c.uvarint())
	}
}

// topicID returns the id that the cluster gave a topic when it was created, as Kafka's tools print it; "" where brokers
// tell none.
func (c *cluster) topicID(ctx context.Context, topic string) (string, error) {
	answer, err := c.do(ctx, 0, &topicIDRequest{topic: topic, client: c.cfg.ClientID})
	if err != nil {
		return "", err
	}
	return answer.(*topicIDResponse).id, nil
}
