package eval

import (
	"math"
	"slices"
)

// slice takes every step-th element from start to end of some axes; ends are clamped, negative ones count from the end.
func slice(c *call) func() {
	x, starts, ends := c.input(0), c.ints(1), c.ints(2)
	list, given := c.optionalInts(3)
	if !given {
		list = span(0, 1, int64(len(starts)))
	}
	axes := c.axes(list, len(x.Dims))
	steps, given := c.optionalInts(4)
	if !given {
		steps = slices.Repeat([]int64{1}, len(starts))
	}
	if len(starts) != len(axes) || len(ends) != len(axes) || len(steps) != len(axes) {
		c.fail("starts %v, ends %v, axes %v and steps %v do not fit", starts, ends, list, steps)
	}
	picks := make([]pick, len(x.Dims))
	for i, a := range axes {
		if steps[i] == 0 {
			c.fail("step of axis %d is 0", a)
		}
		start, n := sliceAxis(x.Dims[a], starts[i], ends[i], steps[i])
		picks[a] = pick{n: n, from: func() []int64 { return span(start, steps[i], n) }}
	}
	return c.picked(x, picks, nil)
}

// sliceAxis is the first index and the number of those that a slice of an axis takes.
func sliceAxis(size, start, end, step int64) (first, n int64) {
	if start < 0 {
		start = max(start+size, 0)
	}
	if end < 0 {
		end = max(end, -size-1) + size
	}
	if step > 0 {
		start, end = min(start, size), max(0, min(end, size))
		if end <= start {
			return 0, 0
		}
		return start, (end-start-1)/step + 1
	}
	if end == math.MaxInt32 || end == math.MaxInt64 {
		end = -1 // runtimes read the largest numbers as "to the end", whichever way the steps go
	}
	start, end = min(start, size-1), max(-1, min(end, size-1))
	if start <= end {
		return 0, 0
	}
	if step < -size {
		step = -size // the next one is outside anyway; -step must not overflow
	}
	return start, (start-end-1)/-step + 1
}

// pick says which n indices of an axis an output has; without from, the axis stays as it is.
type pick struct {
	n    int64
	from func() []int64
}

// picked applies one pick per axis; indices of -1 give the fill value.
func (c *call) picked(x *Tensor, picks []pick, fill *Tensor) func() {
	dims := slices.Clone(x.Dims)
	for a, p := range picks {
		if p.from != nil {
			dims[a] = p.n
		}
	}
	o := c.output(x.Type, dims...)
	return func() {
		current := x
		for a, p := range picks {
			if p.from == nil {
				continue
			}
			next := &Tensor{Type: x.Type, Dims: slices.Clone(current.Dims)}
			next.Dims[a] = p.n
			c.bounded("a step on the way", next.Dims)
			next.allocate()
			take(next, current, a, p.from(), fill)
			current = next
		}
		copy(o.F, current.F)
		copy(o.I, current.I)
	}
}

// pad adds elements around axes, or removes them where a number is negative.
func pad(c *call) func() {
	x, pads := c.input(0), c.ints(1)
	var fill *Tensor
	if v := c.optional(2); v != nil {
		if v.Type != x.Type || v.Len() != 1 {
			c.fail("the value is %v %v, it must be one %v", v.Type, v.Dims, x.Type)
		}
		fill = v
	}
	axes := make([]int, len(x.Dims))
	for i := range axes {
		axes[i] = i
	}
	if c.opset >= 18 {
		if list, ok := c.optionalInts(3); ok {
			axes = c.axes(list, len(x.Dims))
		}
	}
	if len(pads) != 2*len(axes) {
		c.fail("%d pads for %d axes", len(pads), len(axes))
	}
	mode := c.attrString("mode", "constant")
	if mode != "constant" {
		fill = nil
	}
	picks := make([]pick, len(x.Dims))
	for i, a := range axes {
		before, after, size := pads[i], pads[i+len(axes)], x.Dims[a]
		if before == 0 && after == 0 {
			continue
		}
		if max(before, after) > maxShape || min(before, after) < -size || size+before+after < 0 {
			c.fail("pads %v are not possible for shape %v", pads, x.Dims)
		}
		c.checkPadding(mode, a, before, after, size)
		picks[a] = pick{n: size + before + after, from: func() []int64 {
			from := span(-before, 1, size+before+after)
			for i, p := range from {
				from[i] = padIndex(mode, p, size)
			}
			return from
		}}
	}
	return c.picked(x, picks, fill)
}

func (c *call) checkPadding(mode string, axis int, before, after, size int64) {
	switch mode {
	case "constant":
	case "edge", "wrap":
		if size == 0 {
			c.fail("axis %d is empty", axis)
		}
	case "reflect":
		if max(before, after) >= size {
			c.fail("reflection by %d and %d on axis %d of size %d", before, after, axis, size)
		}
	default:
		c.unsupported("mode %q", mode)
	}
}

// padIndex is the element that stands at position p of an axis, -1 for the constant.
func padIndex(mode string, p, size int64) int64 {
	inside := p >= 0 && p < size
	switch {
	case inside:
		return p
	case mode == "edge":
		return max(0, min(p, size-1))
	case mode == "wrap":
		return (p%size + size) % size
	case mode == "reflect" && p < 0:
		return -p
	case mode == "reflect":
		return 2*(size-1) - p
	}
	return -1
}
