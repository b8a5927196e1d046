package onnx

import (
	"context"
	"os"
)

// Runtime is the loaded library and one device. It is safe for concurrent use.
//
// In: models to open. Out: a bound on what runs at once, over all of them. Invariant: at most Config.Parallel runs hold
// the device, so every run has a processor to itself and its device seconds mean something.
type Runtime struct {
	cfg     Config
	device  device
	version string
	slots   chan struct{}
}

// NewRuntime loads ONNX Runtime and makes sure of the device. Errors say what is missing and how to get it.
func NewRuntime(cfg Config) (*Runtime, error) {
	cfg = cfg.withDefaults()
	d, mayFallBack, err := cfg.parse()
	if err != nil {
		return nil, err
	}
	if cfg.Library == "" {
		if cfg.Library, err = FindLibrary(os.Getenv); err != nil {
			return nil, err
		}
	}
	version, err := load(cfg.Library)
	if err != nil {
		return nil, err
	}
	if err := d.available(); err != nil {
		if !mayFallBack {
			return nil, err
		}
		cfg.Logger.Warn("no GPU: models run on the CPU", "error", err)
		d = device{}
	}
	return &Runtime{cfg: cfg, device: d, version: version, slots: make(chan struct{}, cfg.Parallel)}, nil
}

// Device returns where models run: "cpu" or "cuda:N".
func (r *Runtime) Device() string { return r.device.String() }

// Version returns the version of ONNX Runtime.
func (r *Runtime) Version() string { return r.version }

// Parallel returns how many runs are under way at most: more callers than that only wait.
func (r *Runtime) Parallel() int { return cap(r.slots) }

// hold waits for a slot of the device. Release gives it back.
func (r *Runtime) hold(ctx context.Context) (release func(), err error) {
	if ctx.Err() != nil { // of two ready cases select would take either
		return nil, context.Cause(ctx)
	}
	select {
	case r.slots <- struct{}{}:
		return func() { <-r.slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Callers returns how many concurrent probes keep the device busy without queueing more than they must.
func (r *Runtime) Callers() int {
	if r.device.cuda {
		buckets := defaultBuckets()
		return 2 * buckets[len(buckets)-1] // one batch running, one waiting
	}
	return r.Parallel()
}
