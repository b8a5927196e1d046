package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"shaketable/perturb"
	"shaketable/pipeline"
	"shaketable/pipeline/onnx"
)

// subjects loads every detector on the device, with its attacks if there are any, and derives its generation.
func (s *service) subjects(ctx context.Context) (list []*pipeline.Subject, closeAll func() error, err error) {
	suite, err := s.cfg.Suite()
	if err != nil {
		return nil, nil, configError{err}
	}
	p := s.cfg.Probe
	runtime, err := onnx.NewRuntime(onnx.Config{Library: p.Library, Device: p.Device, Parallel: p.Parallel, Chunk: p.Chunk,
		VariantsPerProbe: p.VariantsPerProbe, Memory: p.Memory, Logger: s.log})
	if err != nil {
		return nil, nil, err
	}
	var opened []interface{ Close() error }
	closeAll = func() error {
		var faults []error
		for _, m := range slices.Backward(opened) {
			faults = append(faults, m.Close())
		}
		return errors.Join(faults...)
	}
	for _, d := range s.cfg.Detectors {
		model, err := runtime.Open(ctx, d, suite)
		if err != nil {
			return nil, nil, errors.Join(configError{err}, closeAll())
		}
		opened = append(opened, model)
		attacker, err := s.attacker(ctx, runtime, d)
		if err != nil {
			return nil, nil, errors.Join(configError{err}, closeAll())
		}
		if attacker != nil {
			opened = append(opened, attacker)
		}
		subject, err := s.subject(d, suite, model, attacker)
		if err != nil {
			return nil, nil, errors.Join(err, closeAll())
		}
		s.gauges.runs(d, model, attacker)
		s.log.Info("detector is ready", "detector", d.Name, "version", d.Version, "generation", subject.Generation.ID, "device", runtime.Device(),
			"plan", subject.Generation.Plan, "suite", subject.Generation.Suite, "codec", suite.Codec, "attacks", attacker.names(),
			"noise_floor", model.NoiseFloor())
		list = append(list, subject)
	}
	return list, closeAll, nil
}

// subject derives the generation of a detector from what was loaded.
func (s *service) subject(d pipeline.Detector, suite perturb.Suite, model *onnx.Model, a *attacker) (*pipeline.Subject, error) {
	out := &pipeline.Subject{Detector: d, Suite: suite, Model: model}
	var attacks []perturb.Variant
	if a != nil { // a nil attacker in the interface would not be nil
		out.Attacker, attacks = a, a.Variants()
	}
	g := pipeline.NewGeneration(d, model.Digest(), suite, attacks, s.cfg.Window.Edges(), model.Plan())
	var err error
	out.Generation, err = g.Sampled(pipeline.DesignRates(suite, s.cfg.Probe.VariantsPerProbe, len(attacks), s.cfg.Attacks.Rate))
	if err != nil {
		return nil, err
	}
	out.Meter, err = pipeline.NewMeter(out.Generation)
	return out, err
}

// attacker counts what attacks cost.
type attacker struct {
	*onnx.Attacker
	passes atomic.Int64
}

// attacker loads the attacks of a detector; nil if no media is attacked. What an attack without a gradient is replaced by
// may cost more than what was asked for, so the budget is looked at again.
func (s *service) attacker(ctx context.Context, r *onnx.Runtime, d pipeline.Detector) (*attacker, error) {
	if s.cfg.Attacks.Rate == 0 {
		return nil, nil
	}
	specs, faults := s.cfg.Attacks.Specs()
	if len(faults) > 0 {
		return nil, fmt.Errorf("attacks.%w", errors.Join(faults...))
	}
	a, err := r.OpenAttacker(ctx, d, specs)
	if err != nil {
		return nil, err
	}
	if worst := a.Queries(); worst > s.cfg.Attacks.Queries {
		return nil, errors.Join(fmt.Errorf("detector %s: attacks.queries allows %d passes through the model per media, but the attacks may need %d, "+
			"because operators without a gradient (%s) leave Square Attack only: raise it or shorten attacks.list",
			d.Name, s.cfg.Attacks.Queries, worst, strings.Join(a.Unsupported(), ", ")), a.Close())
	}
	return &attacker{Attacker: a}, nil
}

// Attack implements [pipeline.Attacker].
func (a *attacker) Attack(ctx context.Context, img pipeline.Image, seed int64, fake *bool) ([]float64, error) {
	result, err := a.Run(ctx, img, seed, fake)
	if err != nil {
		return nil, err
	}
	a.passes.Add(int64(result.Queries))
	probs := make([]float64, len(result.Outcomes))
	for i, o := range result.Outcomes {
		probs[i] = o.P
	}
	return probs, nil
}

// names lists the families of the attacks, for the log.
func (a *attacker) names() []string {
	names := []string{}
	if a != nil {
		for _, v := range a.Variants() {
			names = append(names, v.Family+" "+v.Parameter)
		}
	}
	return names
}
