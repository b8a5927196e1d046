package eval

import (
	"math"
	"slices"
)

// reduction folds elements into a running value: start, then step for every element, then finish with the number of them.
type reduction struct {
	start  float64
	step   func(acc, v float64) float64
	finish func(acc float64, n int) float64
}

func reductionOf(op string) reduction {
	switch op {
	case "ReduceMean":
		return reduction{0, add[float64], func(acc float64, n int) float64 { return acc / float64(n) }}
	case "ReduceMax":
		return reduction{math.Inf(-1), largest[float64], asIs}
	case "ReduceMin":
		return reduction{math.Inf(1), smallest[float64], asIs}
	case "ReduceProd":
		return reduction{1, mul[float64], asIs}
	case "ReduceL1":
		return reduction{0, func(acc, v float64) float64 { return acc + math.Abs(v) }, asIs}
	case "ReduceL2":
		return reduction{0, addSquare, func(acc float64, _ int) float64 { return math.Sqrt(acc) }}
	case "ReduceSumSquare":
		return reduction{0, addSquare, asIs}
	case "ReduceLogSum":
		return reduction{0, add[float64], func(acc float64, _ int) float64 { return math.Log(acc) }}
	default:
		return reduction{0, add[float64], asIs}
	}
}

func addSquare(acc, v float64) float64 { return acc + v*v }

// reduce folds the elements along axes; sum, mean, extremes and product also those of integers.
func reduce(c *call) func() {
	x := c.input(0)
	axes, keep := c.reduced(x)
	r := reductionOf(c.node.GetOpType())
	dims, moves := fold(x.Dims, axes, keep)
	o := c.output(x.Type, dims...)
	n := 1
	for _, a := range axes {
		n *= int(x.Dims[a])
	}
	if axes == nil { // asked to leave the input as it is
		return func() { copy(o.F, x.F); copy(o.I, x.I) }
	}
	c.work = int64(x.Len())
	if integral(x.Type) {
		return c.reduceInts(x, o, moves, n)
	}
	return func() {
		for i := range o.F {
			o.F[i] = r.start
		}
		shift := c.logSumExp(x, o, moves)
		rows(x.Dims, [][]int{strides(x.Dims), moves}, func(at, step []int, n int) {
			for i := range n {
				a := at[1] + i*step[1]
				v := x.F[at[0]+i]
				if shift != nil {
					v = math.Exp(v - shift[a])
				}
				o.F[a] = r.step(o.F[a], v)
			}
		})
		for i, v := range o.F {
			o.F[i] = r.finish(v, n)
			if shift != nil {
				o.F[i] = shift[i] + math.Log(v)
			}
		}
	}
}

// logSumExp returns the largest element per output, which is taken out of the exponentials; nil for other operators.
func (c *call) logSumExp(x, o *Tensor, moves []int) []float64 {
	if c.node.GetOpType() != "ReduceLogSumExp" {
		return nil
	}
	shift := slices.Repeat([]float64{math.Inf(-1)}, len(o.F))
	rows(x.Dims, [][]int{strides(x.Dims), moves}, func(at, step []int, n int) {
		for i := range n {
			a := at[1] + i*step[1]
			shift[a] = max(shift[a], x.F[at[0]+i])
		}
	})
	for i, v := range shift {
		if math.IsInf(v, 0) { // inf - inf has no value
			shift[i] = 0
		}
	}
	return shift
}

func (c *call) reduceInts(x, o *Tensor, moves []int, n int) func() {
	var start int64
	var step func(acc, v int64) int64
	lo, hi := limits(x.Type)
	switch op := c.node.GetOpType(); op {
	case "ReduceSum", "ReduceMean":
		step = add[int64]
	case "ReduceMax":
		start, step = lo, largest[int64]
	case "ReduceMin":
		start, step = hi, smallest[int64]
	case "ReduceProd":
		start, step = 1, mul[int64]
	default:
		c.unsupported("input of type %v", x.Type)
	}
	return func() {
		for i := range o.I {
			o.I[i] = start
		}
		rows(x.Dims, [][]int{strides(x.Dims), moves}, func(at, along []int, n int) {
			for i := range n {
				a := at[1] + i*along[1]
				o.I[a] = step(o.I[a], x.I[at[0]+i])
			}
		})
		if c.node.GetOpType() == "ReduceMean" {
			for i := range o.I {
				o.I[i] /= int64(max(1, n))
			}
		}
	}
}

// reduced are the axes of a reduction, nil if there is nothing to reduce, and whether they are kept with size 1.
func (c *call) reduced(x *Tensor) (axes []int, keep bool) {
	since := int64(18)
	if c.node.GetOpType() == "ReduceSum" {
		since = 13
	}
	keep = c.attrInt("keepdims", 1) != 0
	list, _ := c.axesOf(1, since)
	none := c.opset >= since && c.attrInt("noop_with_empty_axes", 0) != 0
	if len(list) > 0 {
		return c.axes(list, len(x.Dims)), keep
	}
	if none {
		return nil, true
	}
	axes = make([]int, len(x.Dims))
	for i := range axes {
		axes[i] = i
	}
	return axes, keep
}

// fold is the shape after a reduction, and how its elements move along the axes before it.
func fold(dims []int64, axes []int, keep bool) (out []int64, moves []int) {
	kept := slices.Clone(dims)
	for _, a := range axes {
		kept[a] = 1
	}
	moves = spread(kept, dims)
	for i, d := range kept {
		if slices.Contains(axes, i) {
			moves[i] = 0
			if !keep {
				continue
			}
		}
		out = append(out, d)
	}
	return out, moves
}

// extreme finds the index of the largest (or smallest) element along an axis, the first of equals unless asked for the last.
func extreme(better func(a, b float64) bool) kernel {
	return func(c *call) func() {
		x := c.input(0)
		axis := c.axis(c.attrInt("axis", 0), len(x.Dims))
		last := c.attrInt("select_last_index", 0) != 0
		dims, _ := fold(x.Dims, []int{axis}, c.attrInt("keepdims", 1) != 0)
		if x.Dims[axis] == 0 {
			c.fail("axis %d of %v is empty", axis, x.Dims)
		}
		o := c.output(int64Type, dims...)
		return func() {
			outer, size, inner := along(x.Dims, axis)
			values := x.floats()
			for p := range outer * inner {
				start := p/inner*size*inner + p%inner
				best := 0
				for i := 1; i < size; i++ {
					a, b := values[start+i*inner], values[start+best*inner]
					if better(a, b) || last && a == b {
						best = i
					}
				}
				o.I[p] = int64(best)
			}
		}
	}
}
