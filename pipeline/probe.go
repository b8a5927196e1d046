package pipeline

import "context"

// Image is a decoded picture as the detector's graph takes it: 8 bit RGB, row by row, Width*Height*3 bytes.
type Image struct {
	Width, Height int
	Pix           []byte
}

// Model runs one detector, fused with the perturbations of its suite.
type Model interface {
	// Probe returns the probability of fake of the clean picture (index 0) and of every variant, in the order of the
	// suite. Seed comes from perturb.Seed. It is safe for concurrent use; what runs at once is bounded by the model. A
	// done ctx ends the run at the next node of the graph. ErrOutOfMemory wraps a device that had no memory left.
	Probe(ctx context.Context, img Image, seed int64) ([]float64, error)
	// Size is the width and height in pixels that Probe takes.
	Size() (width, height int)
}
