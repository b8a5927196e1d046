package kafka

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/bits"
	"net"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"shaketable/pipeline"
)

// retrier repeats what fails for reasons that pass by themselves: a leader that moves, a broker that restarts.
type retrier struct {
	log *slog.Logger
}

// do calls f until it succeeds, fails for good, or ctx ends. Of many failures in a row it logs the 3rd, the 6th, the 12th and so
// on: the first two are everyday life of a cluster.
func (r retrier) do(ctx context.Context, what string, f func() error) error {
	for attempt := 1; ; attempt++ {
		err := f()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !passing(err) {
			return err
		}
		if attempt%3 == 0 && bits.OnesCount(uint(attempt/3)) == 1 {
			r.log.Warn("Kafka does not answer, trying again", "request", what, "attempts", attempt, "error", err)
		}
		if !pipeline.Pause(ctx, backoff(attempt)) {
			return ctx.Err()
		}
	}
}

// backoff grows from 50 ms to 2 s.
func backoff(attempt int) time.Duration {
	return min(25*time.Millisecond<<min(attempt, 10), 2*time.Second)
}

// passing says whether an error goes away when the cluster has settled.
func passing(err error) bool {
	var code kafkago.Error
	if errors.As(err, &code) {
		return passingCode(code)
	}
	if errors.Is(err, protocol.ErrNoTopic) || errors.Is(err, protocol.ErrNoPartition) || errors.Is(err, protocol.ErrNoLeader) {
		return true
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, context.DeadlineExceeded)
}

func passingCode(code kafkago.Error) bool {
	switch code {
	case kafkago.Unknown, kafkago.UnknownTopicOrPartition, kafkago.LeaderNotAvailable, kafkago.NotLeaderForPartition,
		kafkago.RequestTimedOut, kafkago.BrokerNotAvailable, kafkago.ReplicaNotAvailable, kafkago.NetworkException,
		kafkago.GroupLoadInProgress, kafkago.GroupCoordinatorNotAvailable, kafkago.NotCoordinatorForGroup,
		kafkago.NotController, kafkago.KafkaStorageError, kafkago.FencedLeaderEpoch, kafkago.UnknownLeaderEpoch,
		kafkago.OffsetNotAvailable, kafkago.UnstableOffsetCommit, kafkago.ThrottlingQuotaExceeded, kafkago.UnknownTopicID:
		return true
	}
	return false
}
