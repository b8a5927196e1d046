package kafka

import (
	"context"
	"fmt"
	"slices"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"shaketable/pipeline"
)

// How long a generation is let be that can't be worked on, and how often ends of idle partitions are asked for.
const (
	refusalPause = 5 * time.Second
	endInterval  = 10 * time.Second
)

// begin starts one serve per partition number of a generation. It does not wait for them: kafka-go does, before the member
// joins the next one.
func (s *Source) begin(ctx context.Context, gen *kafkago.Generation, serve func(context.Context, pipeline.Assignment)) {
	log := s.log.With("generation", gen.ID)
	numbers, err := s.numbers(gen.Assignments)
	if err != nil {
		log.Error("this generation is refused", "error", err)
		// Returning from a started function is the way to end a generation; the pause keeps the others' work going.
		gen.Start(func(ended context.Context) { pipeline.Pause(ended, refusalPause) })
		return
	}
	log.Info("joined the group", "member", gen.MemberID, "partitions", numbers)
	gen.Start(func(ended context.Context) { s.refreshEnds(ended, endInterval) })
	for _, n := range numbers {
		a := s.newAssignment(gen, n)
		gen.Start(func(ended context.Context) {
			defer a.release()
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(ended, cancel)()
			serve(ctx, a)
			if ended.Err() == nil && ctx.Err() == nil {
				log.Error("work on a partition has ended too early: it is idle until the next generation", "partition", n)
			}
			// Returning early would end the generation for every other partition too.
			<-ended.Done()
		})
	}
}

// numbers returns the partition numbers of a generation, ascending, after checking that they are the same for every topic.
func (s *Source) numbers(assigned map[string][]kafkago.PartitionAssignment) ([]int, error) {
	of := func(topic string) []int {
		var ids []int
		for _, p := range assigned[topic] {
			ids = append(ids, p.ID)
		}
		slices.Sort(ids)
		return ids
	}
	topics := s.cfg.Topics.names()
	first := of(topics[0])
	for _, t := range topics[1:] {
		if other := of(t); !slices.Equal(first, other) {
			return nil, fmt.Errorf("partitions %v of topic %q but %v of %q: has another program joined group %q, or do its members read different topics?",
				first, topics[0], other, t, s.cfg.Group)
		}
	}
	return first, nil
}

// assignment is one partition number within one generation.
type assignment struct {
	source   *Source
	gen      *kafkago.Generation
	number   int
	progress map[pipeline.Stream]*progress
}

var _ pipeline.Assignment = (*assignment)(nil)

func (s *Source) newAssignment(gen *kafkago.Generation, number int) *assignment {
	a := &assignment{source: s, gen: gen, number: number, progress: map[pipeline.Stream]*progress{}}
	for _, stream := range s.cfg.Topics.inputs() {
		a.progress[stream] = newProgress(stream, s.cfg.Topics.Topic(stream), number)
		s.hold(a.progress[stream])
	}
	return a
}

func (a *assignment) release() {
	for _, p := range a.progress {
		a.source.release(p)
	}
}

// Partition returns the partition number.
func (a *assignment) Partition() int { return a.number }

// Log opens the partition's part of a stream; nil if the stream is not configured.
func (a *assignment) Log(stream pipeline.Stream) pipeline.Log {
	p := a.progress[stream]
	if p == nil {
		return nil
	}
	s := a.source
	return &Log{cluster: s.cluster, retry: retrier{s.log}, topic: p.topicName, partition: a.number, progress: p,
		unpacker: newUnpacker(p.topicName, a.number, s.cfg.Fetch.MaxBatchBytes)}
}

// Commit stores next through the generation. It fails when the generation is over, and works while serve drains. ctx is
// looked at before the request only: the request itself is bounded by Config.Timeout.
func (a *assignment) Commit(ctx context.Context, stream pipeline.Stream, next int64) error {
	p := a.progress[stream]
	if p == nil {
		return fmt.Errorf("kafka: commit: stream %s is not configured", stream)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("kafka: commit %s/%d@%d: %w", p.topicName, a.number, next, err)
	}
	err := a.gen.CommitOffsets(map[string]map[int]int64{p.topicName: {a.number: next}})
	if err != nil {
		return fmt.Errorf("kafka: commit %s/%d@%d in generation %d: %w", p.topicName, a.number, next, a.gen.ID, err)
	}
	p.done(next)
	return nil
}
