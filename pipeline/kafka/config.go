package kafka

import (
	"errors"
	"fmt"
	"net"
	"time"

	"shaketable/pipeline"
)

// Config says where Kafka is, what is read from it and how patiently.
type Config struct {
	// Brokers are host:port of some brokers of the cluster; the others are learned from them.
	Brokers []string `yaml:"brokers"`
	// Group is the consumer group. It must be used by nothing else: a member with another assignment strategy keeps
	// everybody out.
	Group string `yaml:"group"`
	// ClientID names this program in the broker's logs, quotas and metrics.
	ClientID string `yaml:"client_id"`
	Topics   Topics `yaml:"topics"`
	TLS      TLS    `yaml:"tls"`
	SASL     SASL   `yaml:"sasl"`

	// SessionTimeout is how long the group waits for a member that is silent, because it crashed, before its partitions
	// go to others.
	SessionTimeout time.Duration `yaml:"session_timeout"`
	// Heartbeat is the time between two signs of life; at most a third of SessionTimeout.
	Heartbeat time.Duration `yaml:"heartbeat"`
	// RebalanceTimeout is how long the group waits for members that are draining.
	RebalanceTimeout time.Duration `yaml:"rebalance_timeout"`
	// JoinBackoff is the pause before joining again after a failure.
	JoinBackoff time.Duration `yaml:"join_backoff"`
	// WatchInterval is how often the topics are asked whether they have grown.
	WatchInterval time.Duration `yaml:"watch_interval"`
	// Timeout bounds one dial or request, beyond the time that the request itself asks the broker to wait.
	Timeout time.Duration `yaml:"timeout"`
	// MetadataAge bounds how old the picture of the cluster may be that requests are routed by: after a leader has moved,
	// its partitions are silent for up to this long.
	MetadataAge time.Duration `yaml:"metadata_age"`
	Fetch       Fetch         `yaml:"fetch"`
}

// Topics are the inputs and the dead letters. Detections, Media and Labels are co-partitioned: same key (media id), same
// partition count, same partitioner.
type Topics struct {
	Detections string `yaml:"detections"`
	// Media and Labels are optional: "" if there is no such topic.
	Media  string `yaml:"media"`
	Labels string `yaml:"labels"`
	// DeadLetters takes pointers to records that could not be used; "" leaves them in the log only.
	DeadLetters string `yaml:"dead_letters"`
	// Archive is a compacted topic for what must outlive Redis: baselines, mutes, open episodes and the last transitions;
	// "" keeps them in Redis only.
	Archive string `yaml:"archive"`
}

// Fetch bounds one fetch of one partition.
type Fetch struct {
	// MaxBytes is how many bytes, as stored, a broker is asked for. A single batch that is larger still comes whole.
	MaxBytes int `yaml:"max_bytes"`
	// MaxWait is how long a broker may wait for the first record.
	MaxWait time.Duration `yaml:"max_wait"`
	// MaxBatchBytes is how large one batch may become when it is decompressed; a larger one stops its partition.
	MaxBatchBytes int `yaml:"max_batch_bytes"`
}

// DefaultConfig is a local broker with the names that the documentation uses.
func DefaultConfig() Config {
	return Config{
		Brokers: []string{"127.0.0.1:9092"}, Group: "shaketable", ClientID: "shaketable",
		Topics:         Topics{Detections: "detections"},
		SessionTimeout: 15 * time.Second, Heartbeat: 3 * time.Second, RebalanceTimeout: 30 * time.Second,
		JoinBackoff: 500 * time.Millisecond, WatchInterval: 5 * time.Second, Timeout: 5 * time.Second,
		MetadataAge: 3 * time.Second,
		Fetch:       Fetch{MaxBytes: 1 << 20, MaxWait: 500 * time.Millisecond, MaxBatchBytes: 64 << 20},
	}
}

// DrainLimit is how long the work on a partition may go on after its generation has ended. Nobody sends heartbeats
// meanwhile: who takes longer than the group is willing to wait loses the membership, and the last commit fails.
func (c Config) DrainLimit() time.Duration { return min(c.SessionTimeout, c.RebalanceTimeout) / 2 }

// Topic returns the topic of a stream; "" if it is not configured.
func (t Topics) Topic(s pipeline.Stream) string {
	switch s {
	case pipeline.Detections:
		return t.Detections
	case pipeline.Media:
		return t.Media
	case pipeline.Labels:
		return t.Labels
	}
	return ""
}

// inputs returns the streams that are configured, detections first.
func (t Topics) inputs() []pipeline.Stream {
	var streams []pipeline.Stream
	for _, s := range []pipeline.Stream{pipeline.Detections, pipeline.Media, pipeline.Labels} {
		if t.Topic(s) != "" {
			streams = append(streams, s)
		}
	}
	return streams
}

// names returns the topics of the inputs, detections first.
func (t Topics) names() []string {
	var names []string
	for _, s := range t.inputs() {
		names = append(names, t.Topic(s))
	}
	return names
}

// Validate returns every fault, each naming its key.
func (c Config) Validate() error {
	var faults []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	require(len(c.Brokers) > 0, "brokers: at least one host:port is needed")
	for _, b := range c.Brokers {
		_, port, err := net.SplitHostPort(b)
		require(err == nil && port != "", "brokers: %q is not host:port", b)
	}
	require(c.Group != "", "group: is empty; name a consumer group that nothing else uses")
	require(c.Topics.Detections != "", "topics.detections: is empty; name the topic of the detector's results")
	seen := map[string]bool{}
	for _, name := range append(c.Topics.names(), c.Topics.DeadLetters, c.Topics.Archive) {
		require(name == "" || !seen[name], "topics: %q is named twice; every topic has one use", name)
		seen[name] = true
	}
	faults = append(faults, c.TLS.faults()...)
	faults = append(faults, c.SASL.faults(c.TLS.Enabled)...)
	return errors.Join(append(faults, c.timingFaults()...)...)
}

// timingFaults checks what kafka-go would accept, but the group would suffer from.
func (c Config) timingFaults() []error {
	var faults []error
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"session_timeout", c.SessionTimeout}, {"heartbeat", c.Heartbeat}, {"rebalance_timeout", c.RebalanceTimeout},
		{"join_backoff", c.JoinBackoff}, {"watch_interval", c.WatchInterval}, {"timeout", c.Timeout},
		{"metadata_age", c.MetadataAge}, {"fetch.max_wait", c.Fetch.MaxWait},
	} {
		if d.value < time.Millisecond {
			faults = append(faults, fmt.Errorf("%s: %s is under a millisecond", d.key, d.value))
		}
	}
	if c.Heartbeat > c.SessionTimeout/3 {
		faults = append(faults, fmt.Errorf("heartbeat: %s is more than a third of session_timeout (%s): one lost packet would end the membership", c.Heartbeat, c.SessionTimeout))
	}
	if c.Fetch.MaxBytes < 1<<10 || c.Fetch.MaxBytes > 1<<30 {
		faults = append(faults, fmt.Errorf("fetch.max_bytes: %d is not between 1 KiB and 1 GiB", c.Fetch.MaxBytes))
	}
	if c.Fetch.MaxBatchBytes < c.Fetch.MaxBytes {
		faults = append(faults, fmt.Errorf("fetch.max_batch_bytes: %d is less than fetch.max_bytes (%d)", c.Fetch.MaxBatchBytes, c.Fetch.MaxBytes))
	}
	return faults
}
