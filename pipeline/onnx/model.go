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
// of every variant. Invariant: what it returns are probabilities, one per variant, or there is an error.
type Model struct {
	runtime  *Runtime
	detector string
	fused    *perturb.Fused
	session  *session
	batch    *batcher // nil on a CPU: one picture per run
	digest   string
	floor    float64
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
	m := &Model{runtime: r, detector: d.Name, digest: digest}
	compile := func(chunk int) (*perturb.Fused, error) {
		return perturb.Compile(data, d.Input, d.Output, suite, perturb.Options{Chunk: chunk})
	}
	if err := m.choose(ctx, compile); err != nil {
		m.Close()
		return nil, fmt.Errorf("onnx: detector %s: %s: %w", d.Name, d.Model.Path, err)
	}
	r.cfg.Logger.Debug("model is open", "detector", d.Name, "device", r.Device(), "plan", m.Plan(), "noise_floor", m.floor)
	return m, nil
}

// Size returns the width and height in pixels that Probe takes.
func (m *Model) Size() (width, height int) { return m.fused.Width, m.fused.Height }

// Digest returns the SHA-256 of the model file in hex.
func (m *Model) Digest() string { return m.digest }

// NoiseFloor returns the largest difference that a probability showed at start when the same picture was probed again in
// other company. RR at a tolerance below it would count the device's rounding.
func (m *Model) NoiseFloor() float64 { return m.floor }

// DeviceSeconds returns how long probes have held the device so far.
func (m *Model) DeviceSeconds() float64 { return time.Duration(m.nanos.Load()).Seconds() }

// Probe implements [pipeline.Model]. Seed is in [0, 2^31), as perturb.Seed makes it.
func (m *Model) Probe(ctx context.Context, img pipeline.Image, seed int64) ([]float64, error) {
	if err := checkImage(img, m.fused.Width, m.fused.Height); err != nil {
		return nil, fmt.Errorf("onnx: detector %s: %w", m.detector, err)
	}
	if seed < 0 || seed >= 1<<31 {
		return nil, fmt.Errorf("onnx: detector %s: seed %d is not in [0, 2^31): make it with perturb.Seed", m.detector, seed)
	}
	var probs []float64
	var err error
	if m.batch != nil {
		probs, err = m.batch.probe(ctx, img.Pix, seed)
	} else {
		probs, err = first(m.run(ctx, img.Pix, []int64{seed}))
	}
	if err != nil {
		return nil, fmt.Errorf("onnx: detector %s: %w", m.detector, err)
	}
	return probs, nil
}

func first(list [][]float64, err error) ([]float64, error) {
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// run probes as many pictures as there are seeds in one run and returns the probabilities by picture.
func (m *Model) run(ctx context.Context, pix []byte, seeds []int64) ([][]float64, error) {
	release, err := m.runtime.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	rows, n := len(m.fused.Variants), len(seeds)
	out := make([]float32, rows*n)
	began := time.Now()
	err = m.session.run(ctx, pix, m.fused.Height, m.fused.Width, seeds, out, int64(rows), int64(n))
	m.nanos.Add(int64(time.Since(began)))
	if err != nil {
		return nil, err
	}
	probs := make([][]float64, n)
	for j := range probs {
		probs[j] = make([]float64, rows)
		for i := range rows {
			p := out[i*n+j]
			if err := checkProbability(p); err != nil {
				v := m.fused.Variants[i]
				return nil, fmt.Errorf("variant %s %s: %w", v.Family, v.Parameter, err)
			}
			probs[j][i] = float64(p)
		}
	}
	return probs, nil
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
