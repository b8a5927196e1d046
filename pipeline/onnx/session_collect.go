//go:build cgo

package onnx

import (
	"context"
	"fmt"

	ort "github.com/yalue/onnxruntime_go"
)

// collect runs the model on one value and returns its n float32 outputs, whose shapes only the run itself can tell.
func (s *session) collect(ctx context.Context, in tensor, n int) ([]tensor, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.dynamic == nil {
		return nil, errClosed
	}
	inputs, release, err := wrap([]tensor{in})
	defer release()
	if err != nil {
		return nil, explain(err)
	}
	options, err := ort.NewRunOptions()
	if err != nil {
		return nil, explain(err)
	}
	defer options.Destroy()
	terminated := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(terminated)
		options.Terminate() // its only error is that of options that are gone, which the wait below rules out
	})
	values := make([]ort.Value, n)
	err = s.dynamic.RunWithOptions(inputs, values, options)
	if !stop() {
		<-terminated
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, explain(err)
	}
	out := make([]tensor, n)
	for i, v := range values {
		t, ok := v.(*ort.Tensor[float32])
		if !ok {
			err = fmt.Errorf("output %d is a %T, not a tensor of float32", i, v)
			v.Destroy()
			continue
		}
		out[i] = floatsOf(append([]float32{}, t.GetData()...), t.GetShape()...)
		t.Destroy()
	}
	return out, err
}
