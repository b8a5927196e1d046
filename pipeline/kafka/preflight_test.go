package kafka

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func preflight(t *testing.T, cfg Config, keep time.Duration) (string, error) {
	t.Helper()
	s, err := NewSource(cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	warnings, err := s.Preflight(t.Context(), keep)
	return strings.Join(warnings, "\n"), err
}

func TestPreflight(t *testing.T) {
	c, cfg := fake(t, kfake.NumBrokers(3), kfake.AllowAutoTopicCreation(), kfake.SeedTopics(4, "detections", "media"), kfake.SeedTopics(3, "labels"))
	cfg.Topics.Media = "media"
	if warnings, err := preflight(t, cfg, time.Hour); err != nil || warnings != "" {
		t.Errorf("all is well: %q, %v", warnings, err)
	}

	cfg.Topics.Labels = "labels"
	_, err := preflight(t, cfg, time.Hour)
	if err == nil || !strings.Contains(err.Error(), `"detections" has 4, "media" has 4, "labels" has 3`) {
		t.Errorf("unequal counts: %v", err)
	}
	cfg.Topics.Labels, cfg.Topics.DeadLetters = "absent", "letters"
	_, err = preflight(t, cfg, time.Hour)
	if err == nil || !strings.Contains(err.Error(), `"absent" does not exist`) || !strings.Contains(err.Error(), `"letters" does not exist`) {
		t.Errorf("absent topics: %v", err)
	}
	if c.TopicInfo("absent") != nil || c.TopicInfo("letters") != nil {
		t.Error("the check has created a topic")
	}
}

func TestPreflightBrokers(t *testing.T) {
	_, cfg := fake(t, kfake.SeedTopics(1, "detections"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	l.Close()
	good := cfg.Brokers
	cfg.Brokers = append([]string{gone}, good...)
	if warnings, err := preflight(t, cfg, time.Hour); err != nil || !strings.Contains(warnings, gone) {
		t.Errorf("one of two is away: %q, %v", warnings, err)
	}
	cfg.Brokers = []string{gone}
	if _, err := preflight(t, cfg, time.Hour); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("all are away: %v", err)
	}

	// Something that listens, but is no Kafka.
	l, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			conn.Close()
		}
	}()
	cfg.Brokers, cfg.Timeout = []string{l.Addr().String()}, 2*time.Second
	if _, err := preflight(t, cfg, time.Hour); err == nil {
		t.Error("a web server passes for a broker")
	}
}

func TestPreflightRetention(t *testing.T) {
	c, cfg := fake(t)
	if err := c.CreateTopic("detections", 1, map[string]string{"retention.ms": "3600000", "cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	warnings, err := preflight(t, cfg, 26*time.Hour)
	if err != nil || !strings.Contains(warnings, "keeps records for 1h0m0s, but 26h0m0s are needed") || !strings.Contains(warnings, "is compacted") {
		t.Errorf("%q, %v", warnings, err)
	}
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: kerr.TopicAuthorizationFailed, Count: 1})
	if warnings, err := preflight(t, cfg, time.Hour); err != nil || !strings.Contains(warnings, "can't be read") {
		t.Errorf("settings may not be read: %q, %v", warnings, err)
	}
}
