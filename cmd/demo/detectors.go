package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"shaketable/config"
	demo "shaketable/deploy/demo"
	"shaketable/perturb"
	"shaketable/pipeline"
	"shaketable/pipeline/onnx"
)

// deployment is one version of the detector: as the service that judges uploads runs it, and as the worker probes it.
type deployment struct {
	detector pipeline.Detector
	service  *onnx.Plain
	subject  *pipeline.Subject
	close    func()
}

// unpack writes the embedded models to a directory and reads their list.
func unpack(dir string) ([]pipeline.Detector, error) {
	if err := os.CopyFS(dir, demo.Models); err != nil {
		return nil, fmt.Errorf("unpacking the models: %w", err)
	}
	detectors, err := config.LoadDetectors(filepath.Join(dir, "detectors.yaml"))
	if err != nil {
		return nil, err
	}
	if len(detectors) != 2 {
		return nil, fmt.Errorf("detectors.yaml lists %d detectors: the demo rolls out the second of two", len(detectors))
	}
	return detectors, nil
}

// deploy opens every version of the detector.
func deploy(ctx context.Context, dir string, log *slog.Logger) ([]*deployment, error) {
	detectors, err := unpack(dir)
	if err != nil {
		return nil, err
	}
	runtime, err := onnx.NewRuntime(onnx.Config{Logger: log})
	if err != nil {
		return nil, err
	}
	suite, err := perturb.Lookup("production")
	if err != nil {
		return nil, err
	}
	var versions []*deployment
	for _, d := range detectors {
		v, err := open(ctx, runtime, d, suite, windowConfig().Edges())
		if err != nil {
			for _, opened := range versions {
				opened.close()
			}
			return nil, err
		}
		versions = append(versions, v)
	}
	return versions, nil
}

// open loads a version twice, as deployed and fused with the suite.
func open(ctx context.Context, r *onnx.Runtime, d pipeline.Detector, suite perturb.Suite, edges []int64) (*deployment, error) {
	service, err := r.OpenPlain(d)
	if err != nil {
		return nil, err
	}
	model, err := r.Open(ctx, d, suite)
	if err != nil {
		service.Close()
		return nil, err
	}
	out := &deployment{detector: d, service: service, close: func() { model.Close(); service.Close() }}
	generation := pipeline.NewGeneration(d, model.Digest(), suite, nil, edges, model.Plan())
	meter, err := pipeline.NewMeter(generation)
	if err != nil {
		out.close()
		return nil, err
	}
	out.subject = &pipeline.Subject{Detector: d, Generation: generation, Suite: suite, Model: model, Meter: meter}
	return out, nil
}
