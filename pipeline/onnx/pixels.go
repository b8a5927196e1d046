package onnx

import (
	"context"
	"errors"
	"fmt"

	"shaketable/perturb"
	"shaketable/pipeline"
)

const (
	// pixelsOpset is the opset of graphs that have no detector.
	pixelsOpset = 17
	// pixelsAtOnce bounds what one run makes, in bytes of finished pictures; its floats take several times that.
	pixelsAtOnce = 32 << 20
)

// Pixels returns every variant of a suite as a picture, of any size that a graph can be compiled for: the very pixels that a probe
// would score, if its detector took this size.
func (r *Runtime) Pixels(ctx context.Context, s perturb.Suite, img pipeline.Image, seed int64) ([]pipeline.Image, error) {
	err := checkImage(img, img.Width, img.Height)
	if err == nil {
		err = checkSeed(seed)
	}
	var all []pipeline.Image
	if part := max(1, pixelsAtOnce/max(1, len(img.Pix))); err == nil {
		for from := 0; from < len(s.Variants) && err == nil; from += part {
			some := s
			some.Variants = s.Variants[from:min(from+part, len(s.Variants))]
			var list []pipeline.Image
			list, err = r.paint(ctx, some, img, seed)
			all = append(all, list...)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("onnx: suite %s: %w", s.Name, err)
	}
	return all, nil
}

// paint makes some variants in one run. Each depends on its own parameters and the seed alone, not on what is made beside it.
func (r *Runtime) paint(ctx context.Context, s perturb.Suite, img pipeline.Image, seed int64) (list []pipeline.Image, err error) {
	fused, err := perturb.CompilePixels(s, img.Height, img.Width, pixelsOpset)
	if err != nil {
		return nil, err
	}
	loaded, err := newSession(fused.Model, inputs(fused), []string{"pixels"}, r.device)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, loaded.close()) }()
	painter, err := perturb.NewPainter(s, img.Width, img.Height)
	if err != nil {
		return nil, err
	}
	release, err := r.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	j := job{pix: img.Pix, seed: seed}
	if j.host, err = paintHost(ctx, painter, fused.Host, img.Pix, seed); err != nil {
		return nil, err
	}
	out := make([]byte, len(s.Variants)*len(img.Pix))
	shape := []int64{int64(len(s.Variants)), 1, int64(img.Height), int64(img.Width), 3}
	if err := loaded.run(ctx, arguments(fused, []job{j}), []tensor{bytesOf(out, shape...)}); err != nil {
		return nil, err
	}
	for i := range s.Variants {
		list = append(list, pipeline.Image{Width: img.Width, Height: img.Height, Pix: out[i*len(img.Pix) : (i+1)*len(img.Pix) : (i+1)*len(img.Pix)]})
	}
	return list, nil
}
