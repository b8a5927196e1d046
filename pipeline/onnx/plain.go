package onnx

import (
	"context"
	"fmt"
	"math"

	"shaketable/perturb"
	"shaketable/pipeline"
)

// Plain is a detector alone, with its own pre- and post-processing: what the deployed service computes.
type Plain struct {
	runtime *Runtime
	session *session
	w, h    int
	name    string
}

// OpenPlain loads a detector. The file must have the digest that the configuration gives, if it gives one.
func (r *Runtime) OpenPlain(d pipeline.Detector) (*Plain, error) {
	data, _, err := readModel(d)
	if err != nil {
		return nil, fmt.Errorf("onnx: detector %s: %w", d.Name, err)
	}
	bare, err := perturb.CompileDetector(data, d.Input, d.Output)
	if err != nil {
		return nil, fmt.Errorf("onnx: detector %s: %s: %w", d.Name, d.Model.Path, err)
	}
	s, err := newSession(bare.Model, []string{"image"}, []string{"p"}, r.device)
	if err != nil {
		return nil, fmt.Errorf("onnx: detector %s: %s: %w", d.Name, d.Model.Path, err)
	}
	return &Plain{runtime: r, session: s, w: bare.Width, h: bare.Height, name: d.Name}, nil
}

// Size returns the width and height in pixels that Score takes.
func (p *Plain) Size() (width, height int) { return p.w, p.h }

// Score returns the probability of fake of one picture. A done ctx ends it.
func (p *Plain) Score(ctx context.Context, img pipeline.Image) (float64, error) {
	if err := checkImage(img, p.w, p.h); err != nil {
		return 0, fmt.Errorf("onnx: detector %s: %w", p.name, err)
	}
	release, err := p.runtime.hold(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	var out [1]float32
	in := []tensor{bytesOf(img.Pix, 1, int64(p.h), int64(p.w), 3)}
	if err := p.session.run(ctx, in, []tensor{floatsOf(out[:], 1)}); err != nil {
		return 0, fmt.Errorf("onnx: detector %s: %w", p.name, err)
	}
	if err := checkProbability(out[0]); err != nil {
		return 0, fmt.Errorf("onnx: detector %s: %w", p.name, err)
	}
	return float64(out[0]), nil
}

// Close waits for running scores and frees the model. It can be called again.
func (p *Plain) Close() error { return p.session.close() }

func checkImage(img pipeline.Image, w, h int) error {
	if img.Width != w || img.Height != h || len(img.Pix) != w*h*3 {
		return fmt.Errorf("the picture is %d x %d with %d bytes: the model takes %d x %d pixels of 3 bytes, %d in all",
			img.Width, img.Height, len(img.Pix), w, h, w*h*3)
	}
	return nil
}

// checkProbability allows what a softmax in float32 may end above 1.
func checkProbability(p float32) error {
	const slack = 1e-6
	if v := float64(p); math.IsNaN(v) || v < -slack || v > 1+slack {
		return fmt.Errorf("the model returned %v where a probability was expected: check output.kind (probability, logit or logits) "+
			"and input.scale, mean and std; a model may also return this for some pictures only", v)
	}
	return nil
}
