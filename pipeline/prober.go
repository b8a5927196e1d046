package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"shaketable/perturb"
)

// ErrOutOfMemory wraps a device that had no memory for a probe even after the batch was halved.
var ErrOutOfMemory = errors.New("device out of memory")

// Prober carries one sampled detection from the bytes of its media to a Reading.
//
// In: a detection, its subject and a way to get the bytes. Out: exactly one Finding. Invariant: it never returns an
// error; whatever goes wrong is an outcome with a reason, and the picture's bytes stay in memory.
type Prober struct {
	Store Store
	// Prepare decodes, crops and scales. Errors that say why are *PrepareError.
	Prepare  func(ctx context.Context, data []byte, d *Detection, in perturb.Input) (Image, error)
	Timeout  time.Duration // of one probe, from prepared picture to probabilities
	Attacks  *AttackLane   // nil: no media is attacked
	ClaimFor time.Duration
	// Slots bounds how many probes hold a decoded picture at once, over all partitions.
	Slots chan struct{}
	// Health is told when the store answers no claims: the probes wait for it.
	Health *Health
	// Observe is told of every probe that ran; nil for nobody.
	Observe func(s *Subject, r Reading, took time.Duration)
}

// Finding is the end of a sampled detection.
type Finding struct {
	Outcome Outcome // "" if the work was called off before it ended: the record will be read again
	Reason  string
	Err     error  // for the log and the dead letter; nil unless something was wrong
	Digest  string // SHA-256 of the media, hex; "" if there were no bytes
	Reading *Reading
	Attack  AttackFailure // of a probe that counts
}

// Probe runs the stages join (the fetch), prepare, probe, attack and measure. Holder identifies the record, so that the same
// record asking again after a crash is not taken for its own duplicate.
func (p *Prober) Probe(ctx context.Context, d *Detection, s *Subject, holder string, fetch func(context.Context) ([]byte, error)) (f Finding) {
	defer func() {
		if r := recover(); r != nil {
			f = Finding{Outcome: Crash, Reason: ReasonPanic, Digest: f.Digest, Err: fmt.Errorf("probe %s: panic: %v\n%s", holder, r, debug.Stack())}
		}
	}()
	select {
	case p.Slots <- struct{}{}:
		defer func() { <-p.Slots }()
	case <-ctx.Done():
		return Finding{Err: ctx.Err()}
	}
	data, err := fetch(ctx)
	if err != nil {
		return lookupFinding(ctx, err)
	}
	digest := sha256.Sum256(data)
	f.Digest = hex.EncodeToString(digest[:])
	mine, err := p.first(ctx, d, s, holder, f.Digest)
	if err != nil {
		return Finding{Err: err}
	}
	if !mine {
		f.Outcome = Duplicate
		return f
	}
	img, err := p.Prepare(ctx, data, d, s.Detector.Input)
	if err != nil {
		return f.inconclusive(ctx, prepareReason(err), err)
	}
	return p.run(ctx, d, s, img, f)
}

func (p *Prober) run(ctx context.Context, d *Detection, s *Subject, img Image, f Finding) Finding {
	probe, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	began := time.Now() // a duration, measured monotonically: no event is dated by it
	probs, err := s.Model.Probe(probe, img, perturb.Seed(d.MediaID, s.Suite.Version))
	switch {
	case errors.Is(err, ErrOutOfMemory):
		return f.inconclusive(ctx, ReasonMemory, err)
	case err != nil && probe.Err() != nil:
		return f.inconclusive(ctx, ReasonTimeout, fmt.Errorf("probe took longer than %s (probe.timeout): %w", p.Timeout, err))
	case err != nil:
		return f.inconclusive(ctx, ReasonModel, err)
	}
	took := time.Since(began)
	attacked, failure := p.Attacks.attack(ctx, d, s, img)
	if failure.Err != nil && ctx.Err() != nil { // the drain ended it: the record is read again, and attacked as a whole
		return Finding{Err: ctx.Err()}
	}
	reading, err := s.Meter.Measure(append(probs, attacked...), d.Score)
	if err != nil {
		return f.inconclusive(ctx, ReasonModel, err)
	}
	if p.Observe != nil {
		p.Observe(s, reading, took)
	}
	f.Outcome, f.Reading, f.Attack = Probed, &reading, failure
	return f
}

// first asks to be the one probe of this group, or of this content and region, for the generation and day.
func (p *Prober) first(ctx context.Context, d *Detection, s *Subject, holder, digest string) (bool, error) {
	claim := DigestClaim{Key: ClaimKey(s.Generation.ID, d, digest), Holder: holder, TTL: p.ClaimFor}
	for attempt := 0; ; attempt++ {
		winner, err := p.Store.Win(ctx, claim)
		if err == nil {
			if attempt > 0 {
				p.report(nil)
			}
			return winner == holder, nil
		}
		// Without the store nothing can be applied either, so waiting here loses no time.
		if !Pause(ctx, backoff(attempt)) {
			p.report(nil) // whoever waits on says so again
			return false, err
		}
		p.report(err)
	}
}

// ClaimKey is what at most one probe may hold: of a generation, the day of the event, and the group of the detection or,
// without one, the region and the SHA-256 of the content in hex.
func ClaimKey(generation string, d *Detection, digest string) string {
	what := "group\x00" + d.Group
	if d.Group == "" {
		what = fmt.Sprintf("content\x00%s\x00%s\x00%v,%v,%v,%v", digest, d.Region.ID, d.Region.X, d.Region.Y, d.Region.W, d.Region.H)
	}
	day := d.Time.UTC().Format(time.DateOnly)
	sum := sha256.Sum256([]byte(generation + "\x00" + day + "\x00" + what))
	return hex.EncodeToString(sum[:16])
}

func (p *Prober) report(err error) {
	if p.Health != nil {
		p.Health.Set("store (claims)", err)
	}
}

// inconclusive ends a finding, unless it was the drain that ended it: then it has no outcome and will be read again.
func (f Finding) inconclusive(ctx context.Context, reason string, err error) Finding {
	if ctx.Err() != nil {
		return Finding{Err: ctx.Err()}
	}
	f.Outcome, f.Reason, f.Err = Inconclusive, reason, err
	return f
}

func lookupFinding(ctx context.Context, err error) Finding {
	switch {
	case ctx.Err() != nil:
		return Finding{Err: ctx.Err()}
	case errors.Is(err, ErrMediaGone):
		return Finding{Outcome: MediaGone, Err: err}
	case errors.Is(err, ErrNotAllowed):
		return Finding{Outcome: DeadLettered, Reason: ReasonInvalidField, Err: err}
	}
	return Finding{Outcome: Inconclusive, Reason: ReasonUnreadable, Err: err}
}

func prepareReason(err error) string {
	var p *PrepareError
	if errors.As(err, &p) {
		return p.Reason
	}
	return ReasonUndecodable
}
