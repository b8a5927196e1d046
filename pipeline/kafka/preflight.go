package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// Preflight checks what a worker needs of the cluster before it joins: brokers that can be reached, topics that exist and
// are co-partitioned. Everything that stands in the way is in err, what may become a problem in warnings. keep is how long
// detections must stay in Kafka: the longest window plus the longest outage to be survived.
func (s *Source) Preflight(ctx context.Context, keep time.Duration) (warnings []string, err error) {
	// A transport of its own: what the worker's has cached may be seconds old.
	fresh := *s.cluster
	fresh.transport = fresh.newTransport(nil)
	defer fresh.close()

	warnings, err = fresh.reach(ctx)
	if err != nil {
		return warnings, err
	}
	var faults []error
	if _, err := fresh.partitionCount(ctx, s.cfg.Topics.names()); err != nil {
		faults = append(faults, err)
	}
	if t := s.cfg.Topics.DeadLetters; t != "" {
		if _, err := fresh.partitionCount(ctx, []string{t}); err != nil {
			faults = append(faults, fmt.Errorf("dead letters: %w", err))
		}
	}
	if len(faults) > 0 {
		return warnings, fmt.Errorf("kafka: %w", errors.Join(faults...))
	}
	return append(warnings, fresh.retention(ctx, s.cfg.Topics.Detections, keep)...), nil
}

// reach dials the configured brokers, of which one is enough, and those that the cluster names, which are all needed.
func (c *cluster) reach(ctx context.Context) (warnings []string, err error) {
	var failed []error
	for _, b := range c.cfg.Brokers {
		if err := c.dial(ctx, b); err != nil {
			failed = append(failed, fmt.Errorf("broker %s: %w", b, err))
			warnings = append(warnings, fmt.Sprintf("broker %s, which the configuration names, can't be used: %v", b, err))
		}
	}
	if len(failed) == len(c.cfg.Brokers) {
		return nil, fmt.Errorf("kafka: no broker can be used; check brokers, tls and sasl: %w", errors.Join(failed...))
	}
	client := kafkago.Client{Addr: c.addr, Transport: c.transport, Timeout: c.cfg.Timeout}
	meta, err := client.Metadata(ctx, &kafkago.MetadataRequest{})
	if err != nil {
		return warnings, fmt.Errorf("kafka: metadata: %w", err)
	}
	for _, b := range meta.Brokers {
		address := net.JoinHostPort(b.Host, strconv.Itoa(b.Port))
		if slices.Contains(c.cfg.Brokers, address) {
			continue
		}
		if err := c.dial(ctx, address); err != nil {
			return warnings, fmt.Errorf("kafka: broker %d tells clients to reach it as %s, which fails from here: %w; check advertised.listeners", b.ID, address, err)
		}
	}
	return warnings, nil
}

// dial opens a connection, including TLS and SASL, and closes it.
func (c *cluster) dial(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	conn, err := c.dialer().DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	// Without TLS and SASL nothing has been said yet, and anything that listens would do.
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	_, err = conn.ApiVersions()
	return errors.Join(err, conn.Close())
}

// partitionCount returns the number of partitions that all topics share.
func (c *cluster) partitionCount(ctx context.Context, topics []string) (int, error) {
	client := kafkago.Client{Addr: c.addr, Transport: c.transport, Timeout: c.cfg.Timeout}
	meta, err := client.Metadata(ctx, &kafkago.MetadataRequest{Topics: topics})
	if err != nil {
		return 0, fmt.Errorf("metadata of topics %s: %w", strings.Join(topics, ", "), err)
	}
	var partitions []kafkago.Partition
	for _, t := range meta.Topics {
		if t.Error != nil && !errors.Is(t.Error, kafkago.UnknownTopicOrPartition) {
			return 0, fmt.Errorf("topic %q: %w", t.Name, t.Error)
		}
		for _, p := range t.Partitions {
			partitions = append(partitions, kafkago.Partition{Topic: t.Name, ID: p.ID})
		}
	}
	return copartitioned(topics, partitions)
}

// retention warns if records may be gone before they are needed. It is a warning, because who may read a topic is often
// not allowed to read its settings.
func (c *cluster) retention(ctx context.Context, topic string, keep time.Duration) []string {
	client := kafkago.Client{Addr: c.addr, Transport: c.transport, Timeout: c.cfg.Timeout}
	answer, err := client.DescribeConfigs(ctx, &kafkago.DescribeConfigsRequest{Resources: []kafkago.DescribeConfigRequestResource{{
		ResourceType: kafkago.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{"retention.ms", "cleanup.policy"}}}})
	if err == nil && len(answer.Resources) == 1 {
		err = answer.Resources[0].Error
	}
	if err != nil || len(answer.Resources) != 1 {
		return []string{fmt.Sprintf("the retention of topic %q can't be read (%v): make sure that it is at least %s", topic, err, keep)}
	}
	var warnings []string
	for _, e := range answer.Resources[0].ConfigEntries {
		ms, notNumber := strconv.ParseInt(e.ConfigValue, 10, 64)
		has := time.Duration(ms) * time.Millisecond
		switch {
		case e.ConfigName == "retention.ms" && notNumber == nil && ms >= 0 && has < keep:
			warnings = append(warnings, fmt.Sprintf("topic %q keeps records for %s, but %s are needed to rebuild the windows: raise retention.ms", topic, has, keep))
		case e.ConfigName == "cleanup.policy" && strings.Contains(e.ConfigValue, "compact"):
			warnings = append(warnings, fmt.Sprintf("topic %q is compacted: a second detection of the same media removes the first before it may have been read; set cleanup.policy=delete", topic))
		}
	}
	return warnings
}
