package main

import (
	"context"
	"errors"
	"sync"

	"shaketable/cmd/shaketable/inspect"
	"shaketable/cmd/shaketable/suspect"
	"shaketable/pipeline/onnx"
)

// networks opens one model for tensors of several shapes.
type networks struct {
	runtime *onnx.Runtime
	data    []byte
	batch   int64 // that the model insists on; 0: none

	mu     sync.Mutex
	opened []*onnx.Raw
}

// newNetworks is for a model whose input has been read.
func newNetworks(r *onnx.Runtime, data []byte, shape inspect.Shape) *networks {
	return &networks{runtime: r, data: data, batch: shape.Batch}
}

// open loads the model at a size.
func (n *networks) open(layout string, size suspect.Size) (suspect.Network, error) {
	shape := []int64{max(n.batch, 1), 3, int64(size.Height), int64(size.Width)}
	if layout == "NHWC" {
		shape = []int64{shape[0], shape[2], shape[3], 3}
	}
	raw, err := n.runtime.OpenRaw(n.data, shape...)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.opened = append(n.opened, raw)
	return network{raw, int(shape[0])}, nil
}

// close frees what was opened.
func (n *networks) close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var faults []error
	for _, raw := range n.opened {
		faults = append(faults, raw.Close())
	}
	n.opened = nil
	return errors.Join(faults...)
}

// network runs one picture at a time: a model with a fixed batch gets copies of it.
type network struct {
	raw   *onnx.Raw
	batch int
}

// Run implements [suspect.Network].
func (n network) Run(ctx context.Context, tensor []float32) ([]suspect.Output, error) {
	all := tensor
	for range n.batch - 1 {
		all = append(all[:len(all):len(all)], tensor...)
	}
	results, err := n.raw.Run(ctx, all)
	if err != nil {
		return nil, err
	}
	out := make([]suspect.Output, len(results))
	for i, r := range results {
		out[i] = suspect.Output{Name: r.Name, Values: r.Values[:len(r.Values)/n.batch]}
	}
	return out, nil
}
