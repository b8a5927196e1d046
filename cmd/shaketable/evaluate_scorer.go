package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"

	"shaketable/perturb"
	"shaketable/pipeline"
	"shaketable/pipeline/onnx"
)

// scorer is a detector that probes pictures: *onnx.Model, or the detector alone where there is no suite.
type scorer interface {
	pipeline.Model
	Digest() string
	Plan() string
	NoiseFloor() float64
	Floors() onnx.Floors
	Close() error
}

// noSuite is the name of the suite without perturbations.
const noSuite = "none"

// emptySuite has no variants, and the seeds of deepfake-v1, so that attacks draw the same numbers beside either.
func emptySuite() (perturb.Suite, error) {
	seeds, err := perturb.Lookup("deepfake-v1")
	return perturb.Suite{Name: noSuite, Version: seeds.Version}, err
}

func openScorer(ctx context.Context, r *onnx.Runtime, d pipeline.Detector, suite perturb.Suite) (scorer, error) {
	if len(suite.Variants) > 0 {
		return r.Open(ctx, d, suite)
	}
	plain, err := r.OpenPlain(d)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(d.Model.Path)
	if err != nil {
		return nil, fmt.Errorf("evaluate: detector %s: %w", d.Name, err)
	}
	sum := sha256.Sum256(data)
	return bareDetector{plain, hex.EncodeToString(sum[:]), r.Device()}, nil
}

// bareDetector probes a picture without perturbations.
type bareDetector struct {
	*onnx.Plain
	digest string
	device string
}

// Probe returns the probability of fake of the clean picture alone.
func (b bareDetector) Probe(ctx context.Context, img pipeline.Image, _ int64) ([]float64, error) {
	p, err := b.Score(ctx, img)
	return []float64{p}, err
}

// Digest returns the SHA-256 of the model file in hex.
func (b bareDetector) Digest() string { return b.digest }

// Plan says that there is no batching.
func (b bareDetector) Plan() string { return b.device + ", one picture at a time" }

// NoiseFloor is that of a picture which never has company.
func (b bareDetector) NoiseFloor() float64 { return 0 }

// Floors are not measured without a suite.
func (b bareDetector) Floors() onnx.Floors { return onnx.Floors{} }
