// Package kafka reads and writes Apache Kafka for the pipeline, on segmentio/kafka-go.
//
//	Source ── ConsumerGroup ── generation ──► one serve per partition number        source.go, assign.go, generation.go
//	  Assignment.Log(stream) ──► Log ── Fetch, At, Bounds                             log.go, offsets.go, topicid.go
//	     fetch.go: one Fetch request and its raw answer     batch.go: batches ──► records
//	  Source.Lag: how far behind                                                      lag.go
//	Producer ── Produce, Bury (dead letters)                                          producer.go
//	Preflight: what must be true of the cluster before a worker joins                 preflight.go
//
// Invariants:
//
//   - A member holds the same partition numbers of every topic, or it works on nothing and says so.
//   - Commit goes through the generation that handed the partition out, so that it fails once the generation is over.
//   - A record of an aborted transaction, a control record or a damaged batch never leaves Fetch; the offset passes the
//     first two, and stops at the third.
//   - Nothing here creates a topic.
//
// kafka-go's Reader is not used, because it commits what a past generation had fetched, hands out aborted and control
// records as data, skips trimmed records silently and waits for ever on a topic that was made again. The answer to a Fetch
// request is read raw from the connection that kafka.Transport routes to the leader, not through kafka-go's own record
// reader: that one forgets the last offset of a batch, so that it can't pass a batch whose tail was compacted away, and
// gives records of topics with LogAppendTime the producer's time.
//
// Works with Kafka 2.1 to 4.x (the tests run on 4.1); the versions of requests that kafka-go sends are the oldest that 4.0 accepts.
package kafka
