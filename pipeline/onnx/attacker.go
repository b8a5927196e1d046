package onnx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"shaketable/perturb"
	"shaketable/perturb/attack"
	"shaketable/perturb/corrupt"
	"shaketable/pipeline"
)

// Attacker runs attacks on one detector. It is safe for concurrent use.
//
// In: a picture of the detector's size, the seed of its media and, if known, its true label. Out: a probability of fake per
// row of Variants. Invariant: on a CPU the rows depend on these alone; a row that was not run is NaN and never a guess.
type Attacker struct {
	detector    string
	specs       []attack.Spec // as they are run
	variants    []perturb.Variant
	unsupported []string
	margin      string
	set         attack.Setting
	model       *passes
}

var _ pipeline.Attacker = (*Attacker)(nil)

// OpenAttacker loads the detector as a function of float pixels, and its gradient. Where an operator of the model has no
// gradient ([Attacker.Unsupported]), the attacks that need one are replaced by Square Attack with the same target and eps
// ([attack.WithoutGradient]), under its own name; the log says so once.
func (r *Runtime) OpenAttacker(ctx context.Context, d pipeline.Detector, specs []attack.Spec) (*Attacker, error) {
	data, _, err := readModel(d)
	if err != nil {
		return nil, fmt.Errorf("onnx: detector %s: %w", d.Name, err)
	}
	compile := func(batch int) (*perturb.Attackable, error) {
		return perturb.CompileAttackable(data, d.Input, d.Output, batch)
	}
	a, err := r.openAttacker(ctx, d, specs, compile)
	if err != nil {
		return nil, fmt.Errorf("onnx: detector %s: %s: attacks: %w", d.Name, d.Model.Path, err)
	}
	return a, nil
}

func (r *Runtime) openAttacker(ctx context.Context, d pipeline.Detector, specs []attack.Spec, compile func(batch int) (*perturb.Attackable, error)) (*Attacker, error) {
	if len(specs) == 0 {
		return nil, errors.New("no attacks are listed")
	}
	first, err := compile(1)
	if err != nil {
		return nil, err
	}
	a := &Attacker{detector: d.Name, specs: specs, margin: first.Margin, unsupported: first.Unsupported,
		set: attack.Setting{Threshold: d.Threshold, JPEG: recompress}}
	needed := slices.ContainsFunc(specs, attack.Spec.Gradient)
	if needed && len(first.Unsupported) > 0 {
		a.specs = attack.WithoutGradient(specs, first.Width, first.Height)
		needed = false
		r.cfg.Logger.Warn("the detector has operators without a gradient: Square Attack takes the place of the attacks that need one",
			"detector", d.Name, "operators", strings.Join(first.Unsupported, ", "))
	}
	a.variants = attack.Variants(a.specs)
	if a.model, err = newPasses(r, first, needed); err != nil {
		return nil, err
	}
	if r.device.cuda {
		buckets := passBuckets()
		a.set.Concurrency = buckets[len(buckets)-1]
		if err := a.model.startBatches(ctx, compile, needed); err != nil {
			return nil, errors.Join(err, a.Close())
		}
	}
	r.cfg.Logger.Debug("attacks are open", "detector", d.Name, "device", r.Device(), "margin", a.margin, "queries", a.Queries())
	return a, nil
}

// recompress is the real codec of package corrupt.
func recompress(pix []byte, width, height, quality int) ([]byte, error) {
	return corrupt.Apply("jpeg", []float64{float64(quality)}, pix, width, height, 0)
}

// Specs returns the attacks as they are run: those of OpenAttacker, or what took their place.
func (a *Attacker) Specs() []attack.Spec { return a.specs }

// Variants returns the rows of Attack, in order.
func (a *Attacker) Variants() []perturb.Variant { return a.variants }

// Unsupported returns the operators of the model that have no gradient, each with the name of its node.
func (a *Attacker) Unsupported() []string { return a.unsupported }

// Margin says in words where in the model the attacked margin was found.
func (a *Attacker) Margin() string { return a.margin }

// Queries returns the worst case of passes through the model for one picture, over all attacks as they are run.
func (a *Attacker) Queries() int {
	sum := 0
	for _, s := range a.specs {
		sum += s.Queries()
	}
	return sum
}

// DeviceSeconds returns how long passes have held the device so far.
func (a *Attacker) DeviceSeconds() float64 { return time.Duration(a.model.nanos.Load()).Seconds() }

// Attack returns p' of every row of Variants for one picture; NaN for attacks towards the wrong class if fake is nil.
func (a *Attacker) Attack(ctx context.Context, img pipeline.Image, seed int64, fake *bool) ([]float64, error) {
	result, err := a.Run(ctx, img, seed, fake)
	if err != nil {
		return nil, err
	}
	probs := make([]float64, len(result.Outcomes))
	for i, o := range result.Outcomes {
		probs[i] = o.P
	}
	return probs, nil
}

// Run is Attack with everything that is known: distances, passes, and what [attack.Masked] needs.
func (a *Attacker) Run(ctx context.Context, img pipeline.Image, seed int64, fake *bool) (attack.Result, error) {
	err := checkImage(img, a.model.w, a.model.h)
	if err == nil {
		err = checkSeed(seed)
	}
	var result attack.Result
	if err == nil {
		result, err = attack.Run(ctx, a.model, a.set, a.specs, attack.Picture{Pix: img.Pix, Seed: seed, Fake: fake})
	}
	if err != nil {
		return attack.Result{}, fmt.Errorf("onnx: detector %s: %w", a.detector, err)
	}
	return result, nil
}

// Close waits for running attacks' passes and frees the models. It can be called again.
func (a *Attacker) Close() error { return a.model.close() }

// together calls do for 0 to n-1 at once and returns their errors.
func together(n int, do func(i int) error) error {
	if n == 1 {
		return do(0)
	}
	faults := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { faults[i] = do(i) })
	}
	all.Wait()
	return errors.Join(faults...)
}
