//go:build cgo

package main

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"shaketable/cmd/demo/media"
	"shaketable/perturb"
)

// sample is one picture for fitting: its truth and its features, clean first, then under every variant.
type sample struct {
	fake     bool
	features [][]float64
}

// source makes pictures, every second one fake.
type source struct {
	studio *media.Studio
	suite  perturb.Suite
	seed   uint64
}

func newSource(seed uint64) (source, error) {
	suite, err := perturb.Lookup("production")
	return source{studio: media.NewStudio(seed), suite: suite, seed: seed}, err
}

func (s source) picture(i int) (rgb []byte, fake bool, noise int64) {
	fake = i%2 == 1
	return media.RGB(s.studio.Make(uint64(i), fake)), fake, perturb.Seed(fmt.Sprintf("fit-%d-%d", s.seed, i), s.suite.Version)
}

// each calls do for 0..n-1, as many at once as there are processors.
func each(ctx context.Context, n int, do func(i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return do(i)
		})
	}
	return g.Wait()
}

// collect runs n pictures through the suite and the filters.
func (s source) collect(ctx context.Context, n int) ([]sample, error) {
	fused, err := perturb.CompilePixels(s.suite, media.Size, media.Size, opset)
	if err != nil {
		return nil, err
	}
	shake, err := openSession(fused.Model, []string{"image", "seed"}, []string{"pixels"})
	if err != nil {
		return nil, err
	}
	defer shake.close()
	filter, err := newSession(featureModel(), []string{"image"}, []string{"features"})
	if err != nil {
		return nil, err
	}
	defer filter.close()
	samples := make([]sample, n)
	return samples, each(ctx, n, func(i int) error {
		var err error
		samples[i], err = s.one(i, shake, filter)
		return err
	})
}

func (s source) one(i int, shake, filter *session) (sample, error) {
	const size = 3 * media.Size * media.Size
	rgb, fake, noise := s.picture(i)
	copies, err := shaken[uint8](shake, rgb, noise, []int64{int64(len(s.suite.Variants)), 1, media.Size, media.Size, 3})
	if err != nil {
		return sample{}, err
	}
	all := toTensor(rgb, 3)
	for k := range s.suite.Variants {
		all = append(all, toTensor(copies[k*size:(k+1)*size], 3)...)
	}
	rows := int64(1 + len(s.suite.Variants))
	flat, err := run[float32, float32](filter, all, []int64{rows, 3, media.Size, media.Size}, []int64{rows, features})
	if err != nil {
		return sample{}, err
	}
	out := sample{fake: fake, features: make([][]float64, rows)}
	for r := range out.features {
		for _, v := range flat[r*features : (r+1)*features] {
			out.features[r] = append(out.features[r], float64(v))
		}
	}
	return out, nil
}

// evaluate probes n pictures with a finished detector, exactly as the worker does.
func (s source) evaluate(ctx context.Context, model []byte, in perturb.Input, out perturb.Output, n int) ([]scored, error) {
	fused, err := perturb.Compile(model, in, out, s.suite, perturb.Options{Chunk: 1})
	if err != nil {
		return nil, err
	}
	probe, err := openSession(fused.Model, []string{"image", "seed"}, []string{"p"})
	if err != nil {
		return nil, err
	}
	defer probe.close()
	pictures := make([]scored, n)
	return pictures, each(ctx, n, func(i int) error {
		rgb, fake, noise := s.picture(i)
		p, err := shaken[float32](probe, rgb, noise, []int64{int64(len(fused.Variants)), 1})
		pictures[i].fake = fake
		for _, v := range p {
			pictures[i].p = append(pictures[i].p, float64(v))
		}
		return err
	})
}
