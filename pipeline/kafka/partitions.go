package kafka

import (
	"context"

	kafkago "github.com/segmentio/kafka-go"
)

// Partitions returns how many partitions the co-partitioned topics have. They must exist and agree.
func (s *Source) Partitions(ctx context.Context) (int, error) {
	return s.cluster.partitionCount(ctx, s.cfg.Topics.names())
}

// PartitionOf returns the partition of a key among so many, by the hash of the Java client's default (murmur2), which
// [Producer] uses too. Other clients may choose otherwise: librdkafka does so unless partitioner is murmur2 or
// murmur2_random.
func PartitionOf(key string, partitions int) int {
	all := make([]int, partitions)
	for i := range all {
		all[i] = i
	}
	return kafkago.Murmur2Balancer{Consistent: true}.Balance(kafkago.Message{Key: []byte(key)}, all...)
}
