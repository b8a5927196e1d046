package kafka

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/sasl"
)

// cluster is the way to the brokers: kafka-go takes its security settings twice, for the group's own connections (dialer)
// and for everything else (transport).
type cluster struct {
	cfg       Config
	tls       *tls.Config
	sasl      sasl.Mechanism
	transport *kafkago.Transport
	addr      net.Addr
}

// newCluster reads secrets and certificates; it does not connect. Requests are routed by the metadata of topics, all
// topics if there are none.
func newCluster(cfg Config, topics []string) (*cluster, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("kafka: configuration: %w", err)
	}
	c := &cluster{cfg: cfg, addr: kafkago.TCP(cfg.Brokers...)}
	var err error
	if c.tls, err = cfg.TLS.load(); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	if c.sasl, err = cfg.SASL.load(); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	c.transport = c.newTransport(topics)
	return c, nil
}

func (c *cluster) newTransport(topics []string) *kafkago.Transport {
	return &kafkago.Transport{
		Dial: (&net.Dialer{Timeout: c.cfg.Timeout}).DialContext, DialTimeout: c.cfg.Timeout,
		MetadataTTL: c.cfg.MetadataAge, MetadataTopics: topics, ClientID: c.cfg.ClientID, TLS: c.tls, SASL: c.sasl,
	}
}

func (c *cluster) dialer() *kafkago.Dialer {
	return &kafkago.Dialer{ClientID: c.cfg.ClientID, Timeout: c.cfg.Timeout, DualStack: true, TLS: c.tls, SASLMechanism: c.sasl}
}

// do sends one request to the broker that it is meant for. wait is what the request allows the broker to take, beyond the
// timeout.
func (c *cluster) do(ctx context.Context, wait time.Duration, req kafkago.Request) (protocol.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout+wait)
	defer cancel()
	return c.transport.RoundTrip(ctx, c.addr, req)
}

// close lets go of the connections; those in use end with their request.
func (c *cluster) close() { c.transport.CloseIdleConnections() }
