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
}

// Fused is a detector and a suite as one ONNX model.
//
// Inputs: "image" uint8 [N,Height,Width,3], RGB; "seed" int64 [N], in [0, 2^31), see Seed (absent if the suite has no noise
// family). Output: "p" float32 [1+K,N], the probability of fake; row i belongs to Variants[i].
type Fused struct {
	Model         []byte
	Variants      []Variant // index 0 is the clean picture: family "none", severity 0
	Width, Height int
	Chunk         int   // in use; 0: all at once
	Opset         int64 // the detector's
	Seeded        bool  // the model has the input "seed"
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

// CompilePixels is a suite without a detector: "image" uint8 [N,height,width,3] and "seed" in, "pixels" uint8
// [K,N,height,width,3] out. The graph is the one that Compile puts before a detector.
func CompilePixels(suite Suite, height, width int, opset int64) (*Fused, error) {
	if opset < graph.MinOpset || opset > graph.MaxOpset {
		return nil, fmt.Errorf("compile suite %q: opset %d is not in %d..%d", suite.Name, opset, graph.MinOpset, graph.MaxOpset)
	}
	if len(suite.Variants) == 0 {
		return nil, fmt.Errorf("compile suite %q: it has no variants", suite.Name)
	}
	b := graph.NewBuilder("pixels", opset)
	c, err := newCanvas(b, height, width, Options{}, seeded(suite))
	if err != nil {
		return nil, err
	}
	variants, err := c.paint(suite.Variants)
	if err != nil {
		return nil, err
	}
	k := int64(len(variants))
	x := b.Transpose(b.Reshape(b.Concat(0, variants...), k, -1, 3, c.h, c.w), 0, 1, 3, 4, 2)
	b.Output("pixels", x, graph.Uint8, k, graph.Unknown, c.h, c.w, 3)
	return finish(b, nil, &Fused{Variants: suite.Variants, Width: width, Height: height, Seeded: seeded(suite)})
}

func compile(data []byte, in Input, out Output, suite Suite, opt Options) (*Fused, error) {
	if opt.Chunk < 0 || opt.Batch < 0 {
		return nil, fmt.Errorf("compile: chunk %d and batch %d must not be negative", opt.Chunk, opt.Batch)
	}
	model, err := graph.Parse(data)
	if err != nil {
		return nil, err
	}
	d, err := newDetector(model, in, out)
	if err != nil {
		return nil, err
	}
	b := graph.NewBuilder("probe", graph.Opset(model))
	c, err := newCanvas(b, in.Height, in.Width, opt, seeded(suite))
	if err != nil {
		return nil, err
	}
	variants, err := c.paint(suite.Variants)
	if err != nil {
		return nil, err
	}
	rows := append([]string{c.planes}, variants...)
	chunk := opt.Chunk
	if d.batch > 0 {
		chunk = int(d.batch)
	}
	p, err := d.score(c, rows, int64(chunk))
	if err != nil {
		return nil, err
	}
	n := c.n
	if len(suite.Variants) == 0 {
		b.Output("p", b.Reshape(p, -1), graph.Float32, n)
	} else {
		b.Output("p", p, graph.Float32, int64(len(rows)), n)
	}
	clean := Variant{Family: "none"}
	return finish(b, model, &Fused{Variants: append([]Variant{clean}, suite.Variants...), Width: in.Width, Height: in.Height,
		Chunk: chunk, Seeded: seeded(suite)})
}

// newCanvas declares the inputs and turns the pictures into planes.
func newCanvas(b *graph.Builder, height, width int, opt Options, withSeed bool) (*canvas, error) {
	const smallest, largest = 16, 1 << 13
	if min(height, width) < smallest || max(height, width) > largest {
		return nil, fmt.Errorf("pictures of %d x %d (width x height) cannot be perturbed: both must be %d to %d pixels",
			width, height, smallest, largest)
	}
	c := &canvas{b: b, h: int64(height), w: int64(width), n: graph.Unknown}
	if opt.Batch > 0 {
		c.n = int64(opt.Batch)
	}
	image := b.Input("image", graph.Uint8, c.n, c.h, c.w, 3)
	if withSeed {
		c.seed = b.Input("seed", graph.Int64, c.n)
	}
	c.planes = b.Transpose(image, 0, 3, 1, 2)
	return c, nil
}

func seeded(suite Suite) bool {
	for _, v := range suite.Variants {
		if v.Family == "gaussian_noise" {
			return true
		}
	}
	return false
}

func finish(b *graph.Builder, origin *onnx.ModelProto, f *Fused) (*Fused, error) {
	model, err := graph.Marshal(b.Model(origin))
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	f.Model, f.Opset = model, b.Opset()
	return f, nil
}
