package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Errors that end a holding. Each has its own way to go on, see Line.react.
var (
	errReplay = errors.New("the store was rolled back")
	errLost   = errors.New("the store has lost the partition")
	errFenced = errors.New("another worker has claimed the partition")
	errBeyond = errors.New("the store is ahead of the log")
)

// serve runs one assignment until its generation ends.
func (l *Line) serve(ctx context.Context, a Assignment) {
	log := l.Log.With("partition", a.Partition())
	defer l.Stats.Positions.Drop(a.Partition())
	defer l.Health.Drop(partitionPart(a)) // what is wrong with it is now somebody else's to say
	for attempt, lost := 0, false; ctx.Err() == nil; attempt++ {
		err := l.hold(ctx, a, lost, log)
		if ctx.Err() != nil {
			return
		}
		// For good: a claim that fails in between must not make a store that was emptied look like one never used.
		lost = lost || errors.Is(err, errLost)
		l.react(ctx, a, err, log)
		// A fail-over answers many claims with the same verdict; a claim is cheap, but not free.
		Pause(ctx, backoff(min(attempt, 4)))
	}
}

// react does what the end of a holding asks for, before the next claim.
func (l *Line) react(ctx context.Context, a Assignment, err error, log *slog.Logger) {
	switch {
	case errors.Is(err, errReplay), errors.Is(err, errLost):
		l.Stats.Replays.Add(1)
		log.Warn("reading again from the store's position", "cause", err)
		l.Schedule.Restore(ctx)
	case errors.Is(err, errFenced):
		log.Warn("fenced off, but still a member of the group: claiming again")
	default: // a fault until the next claim has succeeded
		log.Error("partition stopped, trying again", "error", err)
		l.Health.Set(partitionPart(a), err)
		Pause(ctx, 5*time.Second)
	}
}

// partitionPart names a partition in the health of the process.
func partitionPart(a Assignment) string { return fmt.Sprintf("partition %d", a.Partition()) }

// claimed is where a counted stream goes on.
type claimed struct {
	fence  Fence
	bounds Bounds
}

// claim makes owner the writer of a stream, or makes the fence if there is none.
func (l *Line) claim(ctx context.Context, a Assignment, s Stream, owner string, lost bool, log *slog.Logger) (claimed, error) {
	logRead := a.Log(s)
	bounds, err := logRead.Bounds(ctx)
	if err != nil {
		return claimed{}, fmt.Errorf("claim %s: %w", s, err)
	}
	fence, err := l.Store.Claim(ctx, s, a.Partition(), owner, nil)
	if errors.Is(err, ErrNoFence) {
		start, why, startErr := l.start(ctx, s, logRead, bounds, lost)
		if startErr != nil {
			return claimed{}, startErr
		}
		log.Warn("the store has no position for this partition", "stream", s, "start", start, "because", why)
		fence, err = l.Store.Claim(ctx, s, a.Partition(), owner, &NewFence{Offset: start - 1, TopicID: bounds.TopicID})
	}
	if err != nil {
		return claimed{}, fmt.Errorf("claim %s: %w", s, err)
	}
	if fence.TopicID != "" && bounds.TopicID != "" && fence.TopicID != bounds.TopicID {
		return claimed{}, fmt.Errorf("%w: topic of %s was deleted and made again (its id changed): check what happened, then remove the position from Redis", errBeyond, s)
	}
	if fence.Offset+1 > bounds.End {
		return claimed{}, fmt.Errorf("%w: %s ends at %d, the store has applied up to %d: the topic was recreated or lost records; check what happened, then remove the position from Redis", errBeyond, s, bounds.End, fence.Offset)
	}
	return claimed{fence, bounds}, nil
}

// start chooses the first offset of a stream that has no fence. A group that has committed has lived before: then Redis
// was lost, and the windows are rebuilt from Kafka.
func (l *Line) start(ctx context.Context, s Stream, log Log, b Bounds, lost bool) (offset int64, why string, err error) {
	back := l.Flow.Rebuild
	if s == Labels {
		back = l.Window.LabelHorizon
	}
	switch {
	case lost || b.Committed >= 0:
		offset, err = log.At(ctx, l.Now().Add(-back))
		why = fmt.Sprintf("it had one before: rebuilding the last %s from Kafka", back)
	case s == Labels:
		offset, err = log.At(ctx, l.Now().Add(-back))
		why = fmt.Sprintf("first run: labels of the last %s", back)
	case l.Flow.Start == "latest":
		offset, why = b.End, "first run: from the log end (flow.start)"
	default:
		offset, why = b.Start, "first run: from the log start (flow.start)"
	}
	return offset, why, err
}
