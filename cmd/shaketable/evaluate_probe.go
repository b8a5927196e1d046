package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"shaketable/metrics"
	"shaketable/perturb"
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
	digest [sha256.Size]byte // of the file
	probs  []float64         // nil if err is set
	err    error             // why the picture could not be used
}

// evaluateDetector probes every picture and counts. An error means that nothing can be counted; pictures that cannot be
// used are in the results.
func evaluateDetector(ctx context.Context, r *onnx.Runtime, d pipeline.Detector, suite perturb.Suite, f folder, bar *progress) (e evaluation, err error) {
	model, err := r.Open(ctx, d, suite)
	if err != nil {
		return evaluation{}, configError{err}
	}
	defer func() { err = errors.Join(err, model.Close()) }()
	edges := pipeline.DefaultWindowConfig().Edges()
	if floor := metrics.Ticks(0, model.NoiseFloor()); floor >= edges[0] {
		return evaluation{}, fmt.Errorf("evaluate: detector %s: the same picture moved by %.6f on %s when it was probed again: "+
			"RR(%g) would count that; use device cpu", d.Name, model.NoiseFloor(), r.Device(), metrics.Tolerance(edges[0]))
	}
	e = evaluation{detector: d, results: make([]probeResult, len(f.pictures)),
		engine: fmt.Sprintf("ONNX Runtime %s on %s, %s", r.Version(), r.Device(), model.Plan())}
	e.counts, err = pipeline.NewEvaluation(pipeline.NewGeneration(d, model.Digest(), suite, edges, model.Plan()))
	if err != nil {
		return evaluation{}, err
	}
	p := prober{detector: d, suite: suite, model: model, prepare: pipeline.NewPreparer(pipeline.DefaultPrepareConfig())}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(r.Callers())
	for i, picture := range f.pictures {
		work.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			e.results[i] = p.probe(ctx, f.dir, picture.name)
			bar.step()
			return ctx.Err()
		})
	}
	if err := work.Wait(); err != nil {
		return evaluation{}, err
	}
	for i := range e.results { // in their order, so that sums of floats come out alike every time
		if res := &e.results[i]; res.err == nil {
			res.err = e.counts.Add(res.probs, f.pictures[i].fake)
		}
	}
	return e, nil
}

// prober takes one picture from its file to its probabilities.
type prober struct {
	detector pipeline.Detector
	suite    perturb.Suite
	model    pipeline.Model
	prepare  *pipeline.Preparer
}

func (p prober) probe(ctx context.Context, dir, name string) (r probeResult) {
	data, err := readCapped(filepath.Join(dir, filepath.FromSlash(name)), pipeline.DefaultPrepareConfig().MaxBytes)
	if err != nil {
		return probeResult{err: err}
	}
	r.digest = sha256.Sum256(data)
	whole := pipeline.Detection{MediaID: name, Detector: p.detector.Name}
	img, err := p.prepare.Prepare(ctx, data, &whole, p.detector.Input)
	if err != nil {
		r.err = err
		return r
	}
	r.probs, r.err = p.model.Probe(ctx, img, perturb.Seed(name, p.suite.Version))
	return r
}

// readCapped reads one byte more than the cap at most: prepare then says that the file is too large.
func readCapped(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
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
