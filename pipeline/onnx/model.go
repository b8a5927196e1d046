package onnx

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"shaketable/perturb"
	"shaketable/pipeline"
)

// Model is a detector fused with the variants of a suite. It is safe for concurrent use.
//
// In: a picture of the detector's size and the seed of its noise. Out: the probability of fake of the clean picture and
// of every variant. Invariant: what it returns are probabilities, one per variant that was run, or there is an error.
type Model struct {
	runtime  *Runtime
	detector string
	suite    perturb.Suite
	fused    *perturb.Fused
	painter  *perturb.Painter // nil if the graph makes all variants
	session  *session
	batch    *batcher[job, []float64] // nil on a CPU: one picture per run
	digest   string
	floors   Floors
	nanos    atomic.Int64
}

var _ pipeline.Model = (*Model)(nil)

// Open compiles a detector with a suite, loads the result and chooses its plan. The file must have the digest that the
// configuration gives, if it gives one; external data is refused. A done ctx ends what is measured.
func (r *Runtime) Open(ctx context.Context, d pipeline.Detector, suite perturb.Suite) (*Model, error) {
	data, digest, err := readModel(d)
	if err != nil {
		return nil, fmt.Errorf("onnx: detector %s: %w", d.Name, err)
	}
	m := &Model{runtime: r, detector: d.Name, digest: digest, suite: suite}
	compile := func(chunk int) (*perturb.Fused, error) {
		return perturb.Compile(data, d.Input, d.Output, suite, perturb.Options{Chunk: chunk, Picks: r.cfg.VariantsPerProbe})
	}
	if err := m.choose(ctx, compile); err != nil {
		m.Close()
		return nil, fmt.Errorf("onnx: detector %s: %s: %w", d.Name, d.Model.Path, err)
	}
	r.cfg.Logger.Debug("model is open", "detector", d.Name, "device", r.Device(), "plan", m.Plan(), "noise_floor", m.NoiseFloor())
	return m, nil
}

// Size returns the width and height in pixels that Probe takes.
func (m *Model) Size() (width, height int) { return m.fused.Width, m.fused.Height }

// Digest returns the SHA-256 of the model file in hex.
func (m *Model) Digest() string { return m.digest }

// DeviceSeconds returns how long probes have held the device so far.
func (m *Model) DeviceSeconds() float64 { return time.Duration(m.nanos.Load()).Seconds() }

// Probe implements [pipeline.Model]. Seed is in [0, 2^31), as perturb.Seed makes it. Variants that were not picked for this
// seed are NaN.
func (m *Model) Probe(ctx context.Context, img pipeline.Image, seed int64) ([]float64, error) {
	if err := checkImage(img, m.fused.Width, m.fused.Height); err != nil {
		return nil, fmt.Errorf("onnx: detector %s: %w", m.detector, err)
	}
	if err := checkSeed(seed); err != nil {
		return nil, fmt.Errorf("onnx: detector %s: %w", m.detector, err)
	}
	var probs []float64
	var err error
	if m.batch != nil {
		var j job
		if j, err = m.prepare(ctx, img.Pix, seed); err == nil { // the GPU need not wait while pictures are painted
			probs, err = m.batch.do(ctx, j)
		}
	} else {
		probs, err = m.probeAlone(ctx, img.Pix, seed)
	}
	if err != nil {
		return nil, fmt.Errorf("onnx: detector %s: %w", m.detector, err)
	}
	return probs, nil
}

func checkSeed(seed int64) error {
	if seed < 0 || seed >= 1<<31 {
		return fmt.Errorf("seed %d is not in [0, 2^31): make it with perturb.Seed", seed)
	}
	return nil
}

// Close waits for running probes and frees the model. It can be called again.
func (m *Model) Close() error {
	if m.batch != nil {
		m.batch.close()
	}
	if m.session == nil {
		return nil
	}
	return m.session.close()
}
