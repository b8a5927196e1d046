//go:build cgo

package onnx

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// environment guards ONNX Runtime's own process-wide state, of which there can be only one whatever we would like. It is
// never torn down: sessions of other runtimes may be alive, and the end of the process frees it.
var environment struct {
	sync.Mutex
	library string // the path it was loaded from; "" before
}

// load loads the library once per process and returns its version.
func load(library string) (string, error) {
	environment.Lock()
	defer environment.Unlock()
	switch {
	case environment.library == library:
		return ort.GetVersion(), nil
	case ort.IsInitialized():
		return "", fmt.Errorf("onnx: %s cannot be loaded: this process runs %s, and a process has one ONNX Runtime", library, environment.library)
	}
	ort.SetSharedLibraryPath(library)
	if err := ort.InitializeEnvironment(ort.WithLogLevelError()); err != nil {
		return "", fmt.Errorf("onnx: %s cannot be loaded: it must be ONNX Runtime 1.24 or newer for this platform: %w", library, err)
	}
	environment.library = library
	return ort.GetVersion(), nil
}

// available says whether models can run on a device, by loading its provider.
func (d device) available() error {
	options, err := d.options()
	if err != nil {
		return fmt.Errorf("onnx: device %s is not available: %w", d, explain(err))
	}
	return options.Destroy()
}

// session is a loaded model. Its inputs and outputs are known by their place.
type session struct {
	mu      sync.RWMutex // held for reading by runs, for writing by close
	dynamic *ort.DynamicAdvancedSession
}

// newSession loads a model from its bytes, to be run on values in the order of these names.
func newSession(model []byte, inputs, outputs []string, d device) (*session, error) {
	options, err := d.options()
	if err != nil {
		return nil, explain(err)
	}
	defer options.Destroy()
	dynamic, err := ort.NewDynamicAdvancedSessionWithONNXData(model, inputs, outputs, options)
	if err != nil {
		return nil, explain(err)
	}
	return &session{dynamic: dynamic}, nil
}

// options: one thread per run and no spinning, since the parallelism is between runs and spinning threads would take the
// processor from them.
func (d device) options() (*ort.SessionOptions, error) {
	o, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	steps := []func() error{
		func() error { return o.SetIntraOpNumThreads(1) },
		func() error { return o.SetInterOpNumThreads(1) },
		func() error { return o.AddSessionConfigEntry("session.intra_op.allow_spinning", "0") },
		func() error { return o.AddSessionConfigEntry("session.inter_op.allow_spinning", "0") },
		func() error { return o.SetLogSeverityLevel(ort.LoggingLevelFatal) }, // every error comes back as a value as well
	}
	if d.cuda {
		steps = append(steps, func() error { return d.appendCUDA(o) })
	}
	if d.strict {
		steps = append(steps, func() error { return o.AddSessionConfigEntry("session.disable_cpu_ep_fallback", "1") })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			o.Destroy()
			return nil, err
		}
	}
	return o, nil
}

// appendCUDA sets the GPU up for figures that can be repeated: full float32 instead of TF32, one algorithm per shape by
// heuristic instead of by a race at the first run, and an arena that grows by what is asked for.
func (d device) appendCUDA(o *ort.SessionOptions) error {
	cuda, err := ort.NewCUDAProviderOptions()
	if err != nil {
		return err
	}
	defer cuda.Destroy()
	settings := map[string]string{"device_id": strconv.Itoa(d.id), "use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC",
		"arena_extend_strategy": "kSameAsRequested"}
	if d.memory > 0 {
		settings["gpu_mem_limit"] = strconv.FormatInt(d.memory, 10)
	}
	if err := cuda.Update(settings); err != nil {
		return err
	}
	return o.AppendExecutionProviderCUDA(cuda)
}

// run runs the model on in and fills out. A done ctx ends it at the next node of the graph, with ctx's error.
func (s *session) run(ctx context.Context, in, out []tensor) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.dynamic == nil {
		return errClosed
	}
	inputs, release, err := wrap(in)
	defer release()
	if err != nil {
		return explain(err)
	}
	outputs, release, err := wrap(out)
	defer release()
	if err != nil {
		return explain(err)
	}
	options, err := ort.NewRunOptions()
	if err != nil {
		return explain(err)
	}
	defer options.Destroy()
	terminated := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(terminated)
		options.Terminate() // its only error is that of options that are gone, which the wait below rules out
	})
	err = s.dynamic.RunWithOptions(inputs, outputs, options)
	if !stop() {
		<-terminated
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return explain(err)
}

// wrap hands Go memory to the runtime, without a copy. Release frees what was made, also after an error.
func wrap(list []tensor) (values []ort.Value, release func(), err error) {
	release = func() {
		for _, v := range values {
			v.Destroy()
		}
	}
	for _, t := range list {
		v, err := t.value()
		if err != nil {
			return values, release, err
		}
		values = append(values, v)
	}
	return values, release, nil
}

func (t tensor) value() (ort.Value, error) {
	shape := ort.NewShape(t.shape...)
	switch {
	case t.bytes != nil:
		return ort.NewTensor(shape, t.bytes)
	case t.ints != nil:
		return ort.NewTensor(shape, t.ints)
	}
	return ort.NewTensor(shape, t.floats)
}

// close waits for runs and frees the model. It can be called again.
func (s *session) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dynamic == nil {
		return nil
	}
	err := s.dynamic.Destroy()
	s.dynamic = nil
	return err
}
