package kafka

import "context"

// Partitions returns how many partitions the co-partitioned topics have. They must exist and agree.
func (s *Source) Partitions(ctx context.Context) (int, error) {
	return s.cluster.partitionCount(ctx, s.cfg.Topics.names())
}
