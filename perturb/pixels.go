package perturb

import (
	"fmt"

	"shaketable/perturb/graph"
)

// CompilePixels is a suite without a detector: "image" uint8 [N,height,width,3], "seed" and "host" in, as for Compile, and
// "pixels" uint8 [K,N,height,width,3] out. The graph is the one that Compile puts before a detector. There is no clean
// row: Variants are those of the suite, and Host has indexes of the suite.
func CompilePixels(suite Suite, height, width int, opset int64) (*Fused, error) {
	if opset < graph.MinOpset || opset > graph.MaxOpset {
		return nil, fmt.Errorf("compile suite %q: opset %d is not in %d..%d", suite.Name, opset, graph.MinOpset, graph.MaxOpset)
	}
	if len(suite.Variants) == 0 {
		return nil, fmt.Errorf("compile suite %q: it has no variants", suite.Name)
	}
	plan, err := outlineOf(suite)
	if err != nil {
		return nil, err
	}
	b := graph.NewBuilder("pixels", opset)
	c, err := newCanvas(b, height, width, Options{}, plan.seeded)
	if err != nil {
		return nil, err
	}
	k := int64(len(suite.Variants))
	x := b.Transpose(b.Reshape(b.Concat(0, c.paint(plan)...), k, -1, 3, c.h, c.w), 0, 1, 3, 4, 2)
	b.Output("pixels", x, graph.Uint8, k, graph.Unknown, c.h, c.w, 3)
	return finish(b, nil, &Fused{Variants: suite.Variants, Width: width, Height: height, Seeded: plan.seeded, Host: plan.host})
}
