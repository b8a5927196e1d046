package onnx

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"shaketable/pipeline"
)

// Floors are the largest differences that a probability showed at start when the same picture was probed again.
type Floors struct {
	Alone     float64 // twice alone
	Company   float64 // alone, and with as many others as there may be
	Providers float64 // on the GPU, and on the CPU of the same machine; 0 where models run on the CPU
}

// NoiseFloor returns the largest difference that a probability showed at start when the same picture was probed again on this
// device, alone or in company. RR at a tolerance below it would count the device's rounding.
func (m *Model) NoiseFloor() float64 { return max(m.floors.Alone, m.floors.Company) }

// Floors returns where the noise floor comes from, and how far the device is from the CPU, which does not bound what is
// measured on one device: figures of two kinds of devices are of two generations (see [Model.Plan]).
func (m *Model) Floors() Floors { return m.floors }

// measureFloor probes one picture twice alone, and then in the company of as many others as there may be.
func (m *Model) measureFloor(ctx context.Context) error {
	company := m.runtime.Parallel()
	if m.batch != nil {
		company = m.batch.largest()
	}
	pictures := randomPictures(max(company, 2), m.fused.Width, m.fused.Height)
	probe := func(p picture) ([]float64, error) {
		return m.Probe(ctx, pipeline.Image{Width: m.fused.Width, Height: m.fused.Height, Pix: p.pix}, p.seed)
	}
	alone, err := probe(pictures[0])
	if err != nil {
		return err
	}
	again, err := probe(pictures[0])
	if err != nil {
		return err
	}
	results, faults := make([][]float64, len(pictures)), make([]error, len(pictures))
	var all sync.WaitGroup
	for i, p := range pictures {
		all.Go(func() { results[i], faults[i] = probe(p) })
	}
	all.Wait()
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("probing in company: %w", err)
	}
	m.floors.Alone, m.floors.Company = largestGap(again, alone), largestGap(results[0], alone)
	if m.runtime.device.cuda {
		if err := m.compareProviders(ctx, pictures[0], alone); err != nil {
			return fmt.Errorf("probing on the CPU for comparison: %w", err)
		}
	}
	m.nanos.Store(0)
	return nil
}

// compareProviders runs the very graph of the GPU once on the CPU.
func (m *Model) compareProviders(ctx context.Context, p picture, want []float64) (err error) {
	s, err := newSession(m.fused.Model, inputs(m.fused), []string{"p"}, device{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	onCPU := &Model{runtime: m.runtime, suite: m.suite, fused: m.fused, painter: m.painter, session: s}
	got, err := onCPU.probeAlone(ctx, p.pix, p.seed)
	if err != nil {
		return err
	}
	m.floors.Providers = largestGap(got, want)
	return nil
}

// largestGap compares the probabilities that were run.
func largestGap(a, b []float64) (gap float64) {
	for i, p := range a {
		if !math.IsNaN(p) {
			gap = max(gap, math.Abs(p-b[i]))
		}
	}
	return gap
}
