package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"sync"

	kafkago "github.com/segmentio/kafka-go"

	"shaketable/pipeline"
)

// Source is one member of the consumer group.
//
// kafka-go has no limit on the time between two fetches: a member that is alive but stuck keeps its partitions for ever.
// Noticing that is the matter of whoever serves.
type Source struct {
	cfg     Config
	cluster *cluster
	log     *slog.Logger

	mu       sync.Mutex
	progress map[*progress]bool
}

var _ pipeline.Source = (*Source)(nil)

// NewSource reads secrets and certificates; it does not connect.
func NewSource(cfg Config, log *slog.Logger) (*Source, error) {
	c, err := newCluster(cfg, cfg.Topics.names())
	if err != nil {
		return nil, err
	}
	return &Source{cfg: cfg, cluster: c, log: log.With("group", cfg.Group), progress: map[*progress]bool{}}, nil
}

// Close lets go of the connections. Run must have returned.
func (s *Source) Close() error {
	s.cluster.close()
	return nil
}

// Run joins the group and serves what it is assigned, generation after generation, until ctx is done. Failures of the
// cluster are logged and outlasted; a group that can never be joined is an error.
//
// The context of serve ends with the generation, and Run rejoins when every serve has returned. Nobody sends heartbeats
// in between: serve has Config.DrainLimit to end, then the group goes on without this member.
func (s *Source) Run(ctx context.Context, serve func(ctx context.Context, a pipeline.Assignment)) error {
	// kafka-go asks for metadata in a way that creates absent topics where a cluster allows that, so they must be there.
	if err := s.awaitTopics(ctx); err != nil {
		return nil // ctx is done
	}
	group, err := kafkago.NewConsumerGroup(s.groupConfig())
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	defer group.Close()
	for attempt := 1; ; attempt++ {
		gen, err := group.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case hopeless(err):
			return fmt.Errorf("kafka: join group %q: %w", s.cfg.Group, err)
		case err != nil:
			// kafka-go waits for JoinBackoff itself. Waiting here too would leave the next generation lying.
			if bits.OnesCount(uint(attempt)) == 1 {
				s.log.Warn("joining the group failed, trying again", "attempts", attempt, "error", err)
			}
			continue
		}
		attempt = 0
		s.begin(ctx, gen, serve)
	}
}

// hopeless says whether an error of the group stays, however often it is tried.
func hopeless(err error) bool {
	return errors.Is(err, kafkago.ErrGroupClosed) || errors.Is(err, kafkago.InconsistentGroupProtocol) ||
		errors.Is(err, kafkago.InvalidGroupId) || errors.Is(err, kafkago.InvalidSessionTimeout)
}

func (s *Source) groupConfig() kafkago.ConsumerGroupConfig {
	return kafkago.ConsumerGroupConfig{
		ID: s.cfg.Group, Brokers: s.cfg.Brokers, Topics: s.cfg.Topics.names(), Dialer: s.cluster.dialer(),
		GroupBalancers: []kafkago.GroupBalancer{copartRange{s.log}},
		SessionTimeout: s.cfg.SessionTimeout, HeartbeatInterval: s.cfg.Heartbeat, RebalanceTimeout: s.cfg.RebalanceTimeout,
		JoinGroupBackoff: s.cfg.JoinBackoff, Timeout: s.cfg.Timeout,
		WatchPartitionChanges: true, PartitionWatchInterval: s.cfg.WatchInterval,
		Logger: kafkago.LoggerFunc(func(format string, args ...any) {
			if s.log.Enabled(context.Background(), slog.LevelDebug) { // it talks a lot
				s.log.Debug("kafka client", "said", fmt.Sprintf(format, args...))
			}
		}),
	}
}

// awaitTopics returns when the topics of all inputs exist and are co-partitioned, or with the error of ctx.
func (s *Source) awaitTopics(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		_, err := s.cluster.partitionCount(ctx, s.cfg.Topics.names())
		if err == nil {
			return nil
		}
		if ctx.Err() == nil && bits.OnesCount(uint(attempt)) == 1 {
			s.log.Error("not joining the group yet", "error", err)
		}
		if !pipeline.Pause(ctx, backoff(attempt)) {
			return ctx.Err()
		}
	}
}

func (s *Source) hold(p *progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.progress[p] = true
}

func (s *Source) release(p *progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.progress, p)
}

func (s *Source) held() []*progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*progress
	for p := range s.progress {
		all = append(all, p)
	}
	return all
}
