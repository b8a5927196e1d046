package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// DeadLetter points at a record or picture that could not be used: where it is, a digest to know it by, and why. It never
// holds the bytes.
type DeadLetter struct {
	Stream    Stream  `json:"stream"`
	Topic     string  `json:"topic"`
	Partition int     `json:"partition"`
	Offset    int64   `json:"offset"`
	Key       []byte  `json:"-"`
	Outcome   Outcome `json:"outcome"`
	Reason    string  `json:"reason"`
	Error     string  `json:"error"`
	SHA256    string  `json:"sha256"` // of the record's value
	Media     string  `json:"media_sha256,omitempty"`
}

// DeadLetters takes what could not be used. Bury returns when the letter is acknowledged by all in-sync replicas.
type DeadLetters interface {
	Bury(ctx context.Context, d DeadLetter) error
}

// newDeadLetter describes a record that ended badly.
func newDeadLetter(s Stream, r *Record, f Finding) DeadLetter {
	sum := sha256.Sum256(r.Value)
	d := DeadLetter{Stream: s, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Key: r.Key,
		Outcome: f.Outcome, Reason: f.Reason, SHA256: hex.EncodeToString(sum[:]), Media: f.Digest}
	if f.Err != nil {
		d.Error = f.Err.Error()
	}
	return d
}

// bury logs a bad record and hands it to the dead letters, trying until it is acknowledged or ctx ends. It says whether
// the record may be counted as done.
func (l *Line) bury(ctx context.Context, d DeadLetter) bool {
	if ok, held := l.letterLog.pass(l.Now()); ok {
		l.Log.Warn("record could not be used", "stream", d.Stream, "topic", d.Topic, "partition", d.Partition, "offset", d.Offset,
			"outcome", d.Outcome, "reason", d.Reason, "error", d.Error, "held_back", held)
	}
	if l.Letters == nil {
		return true
	}
	part := fmt.Sprintf("dead letters (partition %d)", d.Partition)
	for attempt := 0; ; attempt++ {
		err := l.Letters.Bury(ctx, d)
		if err == nil {
			l.Stats.Letters.Add(1)
			if attempt > 0 {
				l.Health.Set(part, nil)
			}
			return true
		}
		if !Pause(ctx, backoff(attempt)) {
			return false
		}
		l.Health.Set(part, fmt.Errorf("not acknowledged: %w", err))
		if ok, _ := l.letterLog.pass(l.Now()); ok {
			l.Log.Error("dead letter was not acknowledged, trying again", "topic", d.Topic, "offset", d.Offset, "error", err)
		}
	}
}
