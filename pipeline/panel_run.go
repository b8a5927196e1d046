package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"time"

	"shaketable/perturb"
)

// PanelStore keeps the first and the last run of every generation.
type PanelStore interface {
	PanelReader
	// SavePanel stores a run as the last, and as the first if there is none of this panel yet. It says whether the runs of
	// another panel gave way.
	SavePanel(ctx context.Context, detector string, run PanelRun) (replaced bool, err error)
}

// PanelRunner judges the frozen panel with every subject: once when a generation has no run, then once a period, on one
// worker of all.
//
// In: the pictures of a panel. Out: runs in the store. Invariant: a picture takes the way of a live one from its bytes to
// its probabilities, and lets live ones go first for a while; whatever goes wrong is a warning, and live probes go on. What
// it takes of the device is part of what the budget of the sample counts.
type PanelRunner struct {
	Panel  *Panel
	Prober *Prober // its Store decides which worker runs
	Store  PanelStore
	Every  time.Duration
	Owner  string // of the claims; unique to the process
	Now    func() time.Time
	Log    *slog.Logger

	quiet map[string]time.Time // by generation: nothing is due before
}

// How long a generation waits at most for its first run if the worker that took it died, and how often it is looked
// whether a run is due.
const (
	panelRetry = 10 * time.Minute
	panelLook  = 5 * time.Second
)

// Run works until ctx is done.
func (r *PanelRunner) Run(ctx context.Context, subjects []*Subject) {
	r.quiet = map[string]time.Time{}
	for {
		for _, s := range subjects {
			if err := r.turn(ctx, s); err != nil && ctx.Err() == nil {
				r.Log.Warn("the panel was not run; live probing goes on", "detector", s.Detector.Name, "version", s.Detector.Version, "error", err)
			}
		}
		if !Pause(ctx, panelLook) {
			return
		}
	}
}

// turn runs the panel of one subject if it is due and nobody else does it.
func (r *PanelRunner) turn(ctx context.Context, s *Subject) error {
	now, id := r.Now(), s.Generation.ID
	if now.Before(r.quiet[id]) {
		return nil
	}
	runs, err := r.Store.Panels(ctx, s.Detector.Name)
	if err != nil {
		return err
	}
	claim, until, due := r.due(runs[id], id, now)
	if due {
		winner, err := r.Prober.Store.Win(ctx, claim)
		if err != nil {
			return err
		}
		due = winner == r.Owner
	}
	r.quiet[id] = until
	if !due {
		return nil
	}
	run, err := r.run(ctx, s, runs[id].Last.Panel != r.Panel.ID)
	if err != nil {
		return err
	}
	replaced, err := r.Store.SavePanel(ctx, s.Detector.Name, run)
	if err != nil {
		return err
	}
	if replaced {
		r.Log.Warn("the panel holds other pictures than before: what it found so far is forgotten, and runs are compared from this one on",
			"detector", s.Detector.Name, "version", s.Detector.Version, "pictures", len(run.Media))
	}
	r.Log.Info("panel was run", "detector", s.Detector.Name, "version", s.Detector.Version, "pictures", len(run.Media), "panel", run.Panel[:16])
	return nil
}

// due says whether a generation needs a run now, under which claim, and until when there is nothing to look for.
func (r *PanelRunner) due(runs PanelRuns, generation string, now time.Time) (c DigestClaim, until time.Time, due bool) {
	span, kind := r.Every, "every"
	if runs.Last.Panel != r.Panel.ID {
		span, kind = min(r.Every, panelRetry), "first"
	} else if at := runs.Last.At; !at.Before(now.Truncate(span)) {
		return c, now.Truncate(span).Add(span), false
	}
	start := now.Truncate(span)
	key := digest("panel", r.Panel.ID, generation, kind, strconv.FormatInt(start.Unix(), 10))
	return DigestClaim{Key: key, Holder: r.Owner, TTL: 2 * span}, start.Add(span), true
}

// run judges every picture. A run of which most pictures failed is an error.
func (r *PanelRunner) run(ctx context.Context, s *Subject, first bool) (PanelRun, error) {
	out := PanelRun{Generation: s.Generation.ID, Version: s.Detector.Version, At: r.Now().UTC(), Panel: r.Panel.ID,
		Threshold: s.Detector.Threshold, Variants: make([]string, len(s.Suite.Variants))}
	for i, v := range s.Suite.Variants {
		out.Variants[i] = v.Family + " " + v.Parameter
	}
	var fault error
	failed := 0
	for _, picture := range r.Panel.pictures {
		probs, err := r.judge(ctx, s, picture, first)
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
		if err != nil {
			failed++
			if fault == nil {
				fault = fmt.Errorf("picture %s: %w", picture.Path, err)
			}
		}
		out.Media = append(out.Media, PanelMedia{Name: picture.name(), Fake: picture.Fake, Probs: probs})
	}
	if 2*failed > r.Panel.Len() {
		return out, fmt.Errorf("%d of %d pictures could not be judged; the first: %w", failed, r.Panel.Len(), fault)
	}
	if failed > 0 {
		r.Log.Warn("pictures of the panel could not be judged: they are left out of this run", "detector", s.Detector.Name,
			"version", s.Detector.Version, "pictures", failed, "of", r.Panel.Len(), "first", fault)
	}
	return out, nil
}

// judge takes one picture from its bytes to the probabilities, like [Prober.Probe] below the sampling.
func (r *PanelRunner) judge(ctx context.Context, s *Subject, picture panelPicture, first bool) (probs []float64, err error) {
	defer func() {
		if p := recover(); p != nil { // a bug of ours must not take live probing with it
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	release, err := r.slot(ctx, first)
	if err != nil {
		return nil, err
	}
	defer release()
	data, err := r.Panel.again(picture)
	if err != nil {
		return nil, err
	}
	img, err := r.Prober.Prepare(ctx, data, &Detection{MediaID: picture.name()}, s.Detector.Input)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, r.Prober.Timeout)
	defer cancel()
	probs, err = s.Model.Probe(limited, img, perturb.Seed(picture.name(), s.Suite.Version))
	if err == nil && len(probs) != 1+len(s.Suite.Variants) {
		err = fmt.Errorf("the model returned %d probabilities for %d variants and the clean picture", len(probs), len(s.Suite.Variants))
	}
	if err != nil {
		return nil, err
	}
	return probs, nil
}

// slot waits for a slot that nobody wants, and gives it back by the function that it returns. While live probes take them all,
// it waits for its share of a quarter of the period; then, and for a first run, which a roll-out is waiting for, it goes on
// beside them: the queue of live probes may be minutes long, and one more picture in memory costs little. On the device
// itself the panel stands in line like a live probe.
func (r *PanelRunner) slot(ctx context.Context, first bool) (release func(), err error) {
	const look = 20 * time.Millisecond
	patience := r.Every / time.Duration(4*r.Panel.Len())
	if first {
		patience = look
	}
	for waited := time.Duration(0); waited < patience; waited += look {
		select {
		case r.Prober.Slots <- struct{}{}:
			return func() { <-r.Prober.Slots }, nil
		default:
			if !Pause(ctx, look) {
				return nil, ctx.Err()
			}
		}
	}
	return func() {}, nil
}
