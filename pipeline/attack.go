package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"time"

	"shaketable/perturb"
)

// Attacker runs attacks on one detector.
type Attacker interface {
	// Attack returns the probability of fake of the picture after every attack, in the order of their variants in the
	// generation; NaN for one that was not run. Seed comes from perturb.Seed. Fake is the true label, nil if nobody knows. It
	// is safe for concurrent use, a done ctx ends it, and ErrOutOfMemory wraps a device that had no memory left.
	Attack(ctx context.Context, img Image, seed int64, fake *bool) ([]float64, error)
}

// AttackLane attacks a sample of the probed media, behind their probe and in its slot.
//
// In: the prepared picture of a probe. Out: one probability per attack, NaN for all of them if the media is not sampled or
// the attack failed. Invariant: whatever becomes of an attack, the probe counts as it would without; and which media are
// attacked is a function of (key, media id, rate), so a replay attacks the same.
type AttackLane struct {
	Sampler *Sampler
	Rate    float64       // share of the probed media, [0,1]
	Timeout time.Duration // for all attacks on one media
	// Observe is told of every attack that ran, and why it failed, "" if it did not; nil for nobody.
	Observe func(s *Subject, reason string, took time.Duration)
}

// AttackFailure says why a probe has no figures of its attacks; the zero value, that nothing failed.
type AttackFailure struct {
	Reason string
	Err    error
}

// attack returns what stands for the attacks of a subject behind the probabilities of its suite.
func (l *AttackLane) attack(ctx context.Context, d *Detection, s *Subject, img Image) ([]float64, AttackFailure) {
	n := len(s.Generation.Variants) - len(s.Suite.Variants)
	none := slices.Repeat([]float64{math.NaN()}, max(n, 0))
	if l == nil || s.Attacker == nil || n <= 0 || !l.Sampler.SampleAttack(d.MediaID, l.Rate) {
		return none, AttackFailure{}
	}
	limited, cancel := context.WithTimeout(ctx, l.Timeout)
	defer cancel()
	began := time.Now() // a duration, measured monotonically: no event is dated by it
	probs, f := attackOne(limited, s, img, perturb.Seed(d.MediaID, s.Suite.Version), n)
	if f.Reason == ReasonTimeout {
		f.Err = fmt.Errorf("attacks took longer than %s (attacks.timeout): %w", l.Timeout, f.Err)
	}
	if l.Observe != nil && ctx.Err() == nil {
		l.Observe(s, f.Reason, time.Since(began))
	}
	if f.Reason != "" {
		return none, f
	}
	return probs, f
}

// attackOne attacks one picture. A bug in an attack is no reason to lose the probe that went before it.
func attackOne(ctx context.Context, s *Subject, img Image, seed int64, n int) (probs []float64, f AttackFailure) {
	defer func() {
		if r := recover(); r != nil {
			f = AttackFailure{ReasonPanic, fmt.Errorf("panic: %v\n%s", r, debug.Stack())}
		}
	}()
	probs, err := s.Attacker.Attack(ctx, img, seed, nil)
	switch {
	case errors.Is(err, ErrOutOfMemory):
		return nil, AttackFailure{ReasonMemory, err}
	case err != nil && ctx.Err() != nil:
		return nil, AttackFailure{ReasonTimeout, err}
	case err != nil:
		return nil, AttackFailure{ReasonModel, err}
	case len(probs) != n:
		return nil, AttackFailure{ReasonModel, fmt.Errorf("%d probabilities for %d attacks", len(probs), n)}
	}
	for i, p := range probs {
		if p < 0 || p > 1 {
			return nil, AttackFailure{ReasonModel, fmt.Errorf("attack %d returned %v, which is no probability", i+1, p)}
		}
	}
	return probs, AttackFailure{}
}
