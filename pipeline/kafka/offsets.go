package kafka

import (
	"context"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
	"github.com/segmentio/kafka-go/protocol/offsetfetch"
)

// Timestamps with a meaning of their own in a ListOffsets request.
const (
	logEnd   = -1
	logStart = -2
)

// Isolation levels: uncommitted sees up to the high watermark, committed up to the last stable offset.
const (
	uncommitted = 0
	committed   = 1
)

// offsetAt asks the leader of a partition for the first offset whose record time is at or after ms, or for logEnd or
// logStart; -1 if there is none.
func (c *cluster) offsetAt(ctx context.Context, topic string, partition int, ms int64, isolation int8) (int64, error) {
	answer, err := c.do(ctx, 0, &listoffsets.Request{ReplicaID: -1, IsolationLevel: isolation,
		Topics: []listoffsets.RequestTopic{{Topic: topic, Partitions: []listoffsets.RequestPartition{{
			Partition: int32(partition), CurrentLeaderEpoch: -1, Timestamp: ms}}}}})
	if err != nil {
		return 0, err
	}
	response, ok := answer.(*listoffsets.Response)
	if !ok || len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("offset request for one partition was answered for another number")
	}
	p := response.Topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		return 0, kafkago.Error(p.ErrorCode)
	}
	return p.Offset, nil
}

// groupOffset returns the offset that the group has committed, -1 if none.
func (c *cluster) groupOffset(ctx context.Context, topic string, partition int) (int64, error) {
	answer, err := c.do(ctx, 0, &offsetfetch.Request{GroupID: c.cfg.Group,
		Topics: []offsetfetch.RequestTopic{{Name: topic, PartitionIndexes: []int32{int32(partition)}}}})
	if err != nil {
		return 0, err
	}
	response, ok := answer.(*offsetfetch.Response)
	if ok && kafkago.Error(response.ErrorCode) == kafkago.GroupIdNotFound {
		return -1, nil // nobody has joined yet
	}
	if ok && response.ErrorCode != 0 {
		return 0, kafkago.Error(response.ErrorCode)
	}
	if !ok || len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("request for one committed offset was answered for another number")
	}
	p := response.Topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		return 0, kafkago.Error(p.ErrorCode)
	}
	return p.CommittedOffset, nil
}
