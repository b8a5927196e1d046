package perturb

import (
	"fmt"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/onnx"
)

// Options say how a fused model is laid out for a device.
type Options struct {
	// Chunk is how many pictures go through the detector per run; 0 is all (1+K)*N at once. Small is fast on a CPU, where
	// activations then stay in the cache, and 1 makes a figure independent of its company; 0 is fast on a GPU. If Chunk does
	// not divide 1+K, copies of the clean picture fill the last chunk. A model with a fixed batch gets that as its chunk.
	Chunk int
	// Batch fixes N, the number of media per call; 0 leaves it open.
	Batch int
	// Picks, if above 0 and below K, is how many of the K variants are scored per media; which ones, the caller says with
	// every call. All are painted, but only those cost the detector time.
	Picks int
}

// Fused is a detector and a suite as one ONNX model.
//
// Inputs: "image" uint8 [N,Height,Width,3], RGB; "seed" int64 [N], in [0, 2^31), see Seed (if Seeded); "host" uint8
// [len(Host),N,Height,Width,3] (if there are any); "pick" int64 [Picks,N] (if above 0). Output: "p" float32 [1+K,N], the
// probability of fake; row i belongs to Variants[i]. With picks it is [1+Picks,N]: row 0 is the clean picture, row j the
// variant that pick[j-1] names.
type Fused struct {
	Model         []byte
	Variants      []Variant // index 0 is the clean picture: family "none", severity 0
	Width, Height int
	Chunk         int   // in use; 0: all at once
	Opset         int64 // the detector's
	Seeded        bool  // the model has the input "seed"
	// Host are the indexes into Variants that the graph does not make. Input "host" carries them, in this order, as
	// Painter.Paint makes them (whose indexes are one less: a suite doesn't list the clean picture).
	Host []int
	// Picks is how many variants are scored per media; 0: all. Input "pick" has their indexes into Variants, 1 to K, which
	// must be in range; see Picks.
	Picks int
}

// Compile fuses a suite and a detector. Errors name what the model is and what the configuration says.
func Compile(model []byte, in Input, out Output, suite Suite, opt Options) (*Fused, error) {
	if len(suite.Variants) == 0 {
		return nil, fmt.Errorf("compile suite %q: it has no variants", suite.Name)
	}
	return compile(model, in, out, suite, opt)
}

// CompileDetector gives the detector alone the same edges: "image" uint8 [N,H,W,3] in, "p" float32 [N], probability of fake,
// out, and all pictures at once (a model with a fixed batch: chunk by chunk).
func CompileDetector(model []byte, in Input, out Output) (*Fused, error) {
	return compile(model, in, out, Suite{}, Options{})
}

func compile(data []byte, in Input, out Output, suite Suite, opt Options) (*Fused, error) {
	if opt.Chunk < 0 || opt.Batch < 0 || opt.Picks < 0 {
		return nil, fmt.Errorf("compile: chunk %d, batch %d and picks %d must not be negative", opt.Chunk, opt.Batch, opt.Picks)
	}
	plan, err := outlineOf(suite)
	if err != nil {
		return nil, err
	}
	model, err := graph.Parse(data)
	if err != nil {
		return nil, err
	}
	d, err := newDetector(model, in, out)
	if err != nil {
		return nil, err
	}
	if opt.Picks >= len(suite.Variants) {
		opt.Picks = 0
	}
	b := graph.NewBuilder("probe", graph.Opset(model))
	c, err := newCanvas(b, in.Height, in.Width, opt, plan.seeded)
	if err != nil {
		return nil, err
	}
	rows := append([]string{c.planes}, c.paint(plan)...)
	chunk := opt.Chunk
	if d.batch > 0 {
		chunk = int(d.batch)
	}
	p, err := d.score(c, rows, int64(opt.Picks), int64(chunk))
	if err != nil {
		return nil, err
	}
	switch {
	case len(suite.Variants) == 0:
		b.Output("p", b.Reshape(p, -1), graph.Float32, c.n)
	case opt.Picks > 0:
		b.Output("p", p, graph.Float32, int64(1+opt.Picks), c.n)
	default:
		b.Output("p", p, graph.Float32, int64(len(rows)), c.n)
	}
	f := &Fused{Variants: append([]Variant{{Family: "none"}}, suite.Variants...), Width: in.Width, Height: in.Height,
		Chunk: chunk, Seeded: plan.seeded, Picks: opt.Picks}
	for _, i := range plan.host {
		f.Host = append(f.Host, i+1)
	}
	return finish(b, model, f)
}

// newCanvas declares the inputs and turns the pictures into planes.
func newCanvas(b *graph.Builder, height, width int, opt Options, withSeed bool) (*canvas, error) {
	if err := checkSize(height, width); err != nil {
		return nil, err
	}
	c := &canvas{b: b, h: int64(height), w: int64(width), n: graph.Unknown}
	if opt.Batch > 0 {
		c.n = int64(opt.Batch)
	}
	image := b.Input("image", graph.Uint8, c.n, c.h, c.w, 3)
	if withSeed {
		c.seed = b.Input("seed", graph.Int64, c.n)
		c.each = c.seed
	}
	c.planes = b.Transpose(image, 0, 3, 1, 2)
	return c, nil
}

func checkSize(height, width int) error {
	const smallest, largest = 16, 1 << 13
	if min(height, width) < smallest || max(height, width) > largest {
		return fmt.Errorf("pictures of %d x %d (width x height) cannot be perturbed: both must be %d to %d pixels",
			width, height, smallest, largest)
	}
	return nil
}

func finish(b *graph.Builder, origin *onnx.ModelProto, f *Fused) (*Fused, error) {
	model, err := graph.Marshal(b.Model(origin))
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	f.Model, f.Opset = model, b.Opset()
	return f, nil
}
