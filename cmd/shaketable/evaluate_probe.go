package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"shaketable/metrics"
	"shaketable/perturb"
	"shaketable/perturb/attack"
	"shaketable/pipeline"
	"shaketable/pipeline/onnx"
)

// folder is where the pictures lie, and which ones.
type folder struct {
	dir      string
	pictures []mediaFile
}

// probeResult is one picture under one detector.
type probeResult struct {
	digest   [sha256.Size]byte // of the file
	probs    []float64         // p, then p' of the suite and of the attacks, NaN for what did not run; nil if err is set
	err      error             // why the picture could not be used
	attacks  attack.Result     // empty if attacked is set
	attacked error             // why its attacks could not be run
}

// evaluate probes every picture with one detector and counts. An error means that nothing can be counted; pictures that
// cannot be used are in the results.
func (t task) evaluate(ctx context.Context, r *onnx.Runtime, d pipeline.Detector, bar *progress) (e evaluation, err error) {
	p := prober{detector: d, suite: t.suite, prepare: pipeline.NewPreparer(pipeline.DefaultPrepareConfig()), bar: bar, steps: 1 + len(t.attacks)}
	model, err := openScorer(ctx, r, d, t.suite)
	if err != nil {
		return evaluation{}, configError{err}
	}
	defer func() { err = errors.Join(err, model.Close()) }()
	p.model = model
	var variants []perturb.Variant
	if len(t.attacks) > 0 {
		if p.attacker, err = r.OpenAttacker(ctx, d, t.attacks); err != nil {
			return evaluation{}, configError{err}
		}
		defer func() { err = errors.Join(err, p.attacker.Close()) }()
		variants = p.attacker.Variants()
	}
	if e, err = begin(r, d, t.suite, variants, model); err != nil {
		return evaluation{}, err
	}
	e.results = make([]probeResult, len(t.media.pictures))
	if err := p.probeAll(ctx, t.media, r.Callers(), e.results); err != nil {
		return evaluation{}, err
	}
	for i := range e.results { // in their order, so that sums of floats come out alike every time
		if res := &e.results[i]; res.err == nil {
			res.err = e.counts.Add(res.probs, t.media.pictures[i].fake)
		}
	}
	if p.attacker != nil {
		e.attacked, err = newAttacked(p.attacker, d, t.media.pictures, e.results)
	}
	return e, err
}

// begin makes sure that the device can be trusted, and starts with nothing counted.
func begin(r *onnx.Runtime, d pipeline.Detector, suite perturb.Suite, attacks []perturb.Variant, model scorer) (e evaluation, err error) {
	edges := pipeline.DefaultWindowConfig().Edges()
	if floor := metrics.Ticks(0, model.NoiseFloor()); floor >= edges[0] {
		return e, fmt.Errorf("evaluate: detector %s: the same picture moved by %.6f on %s when it was probed again: "+
			"RR(%g) would count that; use device cpu", d.Name, model.NoiseFloor(), r.Device(), metrics.Tolerance(edges[0]))
	}
	e = evaluation{detector: d, engine: fmt.Sprintf("ONNX Runtime %s on %s, %s", r.Version(), r.Device(), model.Plan()), floors: model.Floors()}
	e.counts, err = pipeline.NewEvaluation(pipeline.NewGeneration(d, model.Digest(), suite, attacks, edges, model.Plan()))
	return e, err
}

// prober takes one picture from its file to its probabilities.
type prober struct {
	detector pipeline.Detector
	suite    perturb.Suite
	model    pipeline.Model
	attacker *onnx.Attacker // nil without attacks
	prepare  *pipeline.Preparer
	bar      *progress
	steps    int // of the progress for one picture
}

// probeAll fills in the results, as many at once as keep the device busy. An error is that of ctx.
func (p prober) probeAll(ctx context.Context, f folder, callers int, results []probeResult) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(callers)
	for i, picture := range f.pictures {
		work.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			results[i] = p.probe(ctx, f.dir, picture)
			return ctx.Err()
		})
	}
	return work.Wait()
}

func (p prober) probe(ctx context.Context, dir string, picture mediaFile) (r probeResult) {
	left := p.steps // a picture that cannot be used takes all of them at once
	defer func() { p.bar.step(left) }()
	data, err := readCapped(filepath.Join(dir, filepath.FromSlash(picture.name)), pipeline.DefaultPrepareConfig().MaxBytes)
	if err != nil {
		return probeResult{err: err}
	}
	r.digest = sha256.Sum256(data)
	whole := pipeline.Detection{MediaID: picture.name, Detector: p.detector.Name}
	img, err := p.prepare.Prepare(ctx, data, &whole, p.detector.Input)
	if err != nil {
		r.err = err
		return r
	}
	seed := perturb.Seed(picture.name, p.suite.Version)
	if r.probs, r.err = p.model.Probe(ctx, img, seed); r.err != nil || p.attacker == nil {
		return r
	}
	p.bar.step(1)
	left--
	r.attacks, r.attacked = p.attacker.Run(ctx, img, seed, picture.fake)
	for i := range p.attacker.Variants() {
		after := math.NaN()
		if r.attacked == nil {
			after = r.attacks.Outcomes[i].P
		}
		r.probs = append(r.probs, after)
	}
	return r
}

// readCapped reads one byte more than the cap at most: prepare then says that the file is too large.
func readCapped(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // looked at before it is opened: opening a pipe waits for a writer
		return nil, errors.New("is not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, limit+1))
}

// listFailed prints the pictures that a detector could not use, each once, and returns how many there are.
func listFailed(w io.Writer, pictures []mediaFile, done []evaluation) int {
	failed := 0
	for i, picture := range pictures {
		for _, e := range done {
			if err := e.results[i].err; err != nil {
				fmt.Fprintf(w, "not used: %s: %v\n", picture.name, err)
				failed++
				break
			}
		}
	}
	return failed
}

// alike is how little the probabilities of a detector may differ from picture to picture before it is named.
const alike = 1e-6

// warnAlike names detectors that say the same of every picture. All their verdicts hold, which is no robustness: most often
// the pictures reach the model in another form than it has learned.
func warnAlike(w io.Writer, done []evaluation) {
	for _, e := range done {
		least, most, n := 1., 0., 0
		for _, r := range e.results {
			if r.err == nil {
				least, most, n = min(least, r.probs[0]), max(most, r.probs[0]), n+1
			}
		}
		if n > 1 && most-least < alike {
			fmt.Fprintf(w, "%s: the probability of fake is %s for all %d pictures, so figures of robustness mean nothing: check input and output in --detectors, or let shaketable verify find out\n",
				e.detector.Name, share(most), n)
		}
	}
}
