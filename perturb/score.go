package perturb

import (
	"fmt"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/onnx"
)

// prefix sets the names of the detector's own values apart from ours.
const prefix = "detector/"

// detector is a parsed model with the contract that the configuration states, checked against what the model declares.
type detector struct {
	graph   *onnx.GraphProto
	in      Input
	out     Output
	element onnx.TensorProto_DataType // of the input tensor
	half    bool                      // the output is float16 or float64 and is cast
	batch   int64                     // the fixed number of pictures per run; 0 if it is open
}

// score emits the detector over rows of uint8 [N,3,H,W] values: p float32 [len(rows),N], or [1+picks,N] if only the first row
// and so many picked ones are asked for. With a chunk, an ONNX Scan runs it over that many pictures at a time: the weights
// are there once, and the runtime optimises the body like a graph.
func (d *detector) score(c *canvas, rows []string, picks, chunk int64) (string, error) {
	b, count := c.b, int64(len(rows))
	if picks > 0 {
		count = 1 + picks
	}
	padding := int64(0) // copies of the first row that fill the last chunk, whatever N is
	for chunk > 0 && (count+padding)%chunk != 0 {
		padding++
	}
	x := c.stack(rows, picks, padding)
	if chunk == 0 {
		p, err := d.run(b, x, graph.Unknown, c)
		if err != nil {
			return "", err
		}
		return b.Reshape(p, count, -1), nil
	}
	x = b.Reshape(x, -1, chunk, 3, c.h, c.w)
	p, err := b.Scan(x, graph.Uint8, []int64{chunk, 3, c.h, c.w}, []int64{chunk}, func(body *graph.Builder, slice string) (string, error) {
		return d.run(body, slice, chunk, c)
	})
	if err != nil {
		return "", err
	}
	p = b.Reshape(p, count+padding, -1)
	if padding > 0 {
		p = b.Slice(p, 0, 0, count)
	}
	return p, nil
}

// stack puts the rows that are scored, and as many more of the first as padding says, behind each other: uint8 [rows N,3,H,W].
// With picks, every media has its rows together first, so that one index finds the row of a media whatever N is.
func (c *canvas) stack(rows []string, picks, padding int64) string {
	if picks == 0 {
		for range padding {
			rows = append(rows[:len(rows):len(rows)], rows[0])
		}
		return c.b.Concat(0, rows...)
	}
	size := 3 * c.h * c.w
	parts := make([]string, len(rows))
	for i, x := range rows {
		parts[i] = c.b.Reshape(x, -1, 1, size)
	}
	all := c.b.Reshape(c.b.Concat(1, parts...), -1, size)
	pick := c.b.Input("pick", graph.Int64, picks, c.n)
	first := c.b.Call("Mul", c.b.Slice(pick, 0, 0, 1), c.b.Ints(0))
	if c.each == "" {
		c.each = c.b.Squeeze(first, 0)
	}
	index := []string{first, pick}
	for range padding {
		index = append(index, first)
	}
	where := c.b.Call("Add", c.b.Concat(0, index...), c.b.Call("Mul", c.position(), c.b.Ints(int64(len(rows)))))
	return c.b.Reshape(c.b.Op("Gather", []string{all, where}, graph.IntAttr("axis", 0)), -1, 3, c.h, c.w)
}

// run emits pre-processing, the model, and the way from its output to the probability of fake: float32 [n]. n is
// graph.Unknown if the number of pictures is open.
func (d *detector) run(b *graph.Builder, planes string, n int64, c *canvas) (string, error) {
	tensor := d.preprocess(b, planes)
	result, err := b.Inline(d.graph, prefix, map[string]string{d.in.Name: tensor})
	if err != nil {
		return "", err
	}
	y, ok := result[d.out.Name]
	if !ok {
		return "", fmt.Errorf("compile: output %q was lost on the way", d.out.Name)
	}
	return d.probability(b, y, n), nil
}

// preprocess turns uint8 planes into the model's tensor: (pixel * scale - mean) / std, as one product and one sum.
func (d *detector) preprocess(b *graph.Builder, x string) string {
	if d.in.Color == "BGR" {
		x = b.Gather(x, 1, 2, 1, 0)
	}
	shape := []int64{1, 3, 1, 1}
	if d.in.Layout == "NHWC" {
		x = b.Transpose(x, 0, 2, 3, 1) // on bytes: a quarter of the work
		shape = []int64{1, 1, 1, 3}
	}
	if d.element == graph.Uint8 {
		return x
	}
	x = b.Cast(x, graph.Float32)
	factor, offset := d.affine()
	x = affineOp(b, "Mul", x, factor, 1, shape)
	x = affineOp(b, "Add", x, offset, 0, shape)
	if d.element != graph.Float32 {
		x = b.Cast(x, d.element)
	}
	return x
}

// affine is the pre-processing of a pixel in 0..255 as factor*pixel + offset, per channel of the tensor.
func (d *detector) affine() (factor, offset []float32) {
	scale := 1.
	if d.in.Scale == "unit" {
		scale = 1. / 255
	}
	for i := range 3 {
		std := float64(d.in.Std[i])
		factor = append(factor, float32(scale/std))
		offset = append(offset, float32(-float64(d.in.Mean[i])/std))
	}
	return factor, offset
}

// affineOp leaves out what does nothing, and uses a scalar where the channels agree.
func affineOp(b *graph.Builder, op, x string, v []float32, neutral float32, shape []int64) string {
	switch {
	case v[0] != v[1] || v[1] != v[2]:
		return b.Call(op, x, b.Floats(v, shape...))
	case v[0] != neutral:
		return b.Call(op, x, b.Float(v[0]))
	}
	return x
}

// probability turns the model's output into the probability of fake, float32 [n].
func (d *detector) probability(b *graph.Builder, y string, n int64) string {
	if d.half {
		y = b.Cast(y, graph.Float32)
	}
	if n == graph.Unknown {
		n = 0 // copies the first dimension
	}
	y = b.Reshape(y, n, -1)
	if d.out.Kind == "logits" {
		y = b.Op("Softmax", []string{y}, graph.IntAttr("axis", 1))
	}
	y = b.Reshape(b.Gather(y, 1, int64(d.out.Index)), -1)
	if d.out.Kind == "logit" {
		y = b.Call("Sigmoid", y)
	}
	if d.out.Meaning == "real" {
		y = b.Call("Sub", b.Float(1), y)
	}
	return y
}
