package perturb

import "math"

// banded is a linear map along one axis, from `in` samples to len(first) samples, in which every output needs only a few
// neighbouring inputs: out[i] = sum over t of weight[i][t] * in[at(first[i]+t)]. Positions run beyond the border on purpose;
// `at` brings them back, so that a filter has the same weights everywhere.
type banded struct {
	in     int
	first  []int
	weight [][]float64
	at     func(position int) int
}

// clampTo repeats the border sample.
func clampTo(n int) func(int) int {
	return func(i int) int { return min(max(i, 0), n-1) }
}

// reflect101 mirrors at the border sample, which is not repeated: ... 2 1 | 0 1 2 ... n-1 | n-2 ...; any distance.
func reflect101(n int) func(int) int {
	period := 2 * (n - 1)
	return func(i int) int {
		i = ((i % period) + period) % period
		return min(i, period-i)
	}
}

// block is a matrix product that makes `rows` outputs from `span` inputs, repeated over the axis.
type block struct {
	rows, span int
	starts     []int // first input position of every repetition
}

// blocks cuts the map into repetitions of `rows` outputs.
func (m *banded) blocks(rows int) block {
	k := block{rows: rows}
	for from := 0; from < len(m.first); from += rows {
		low, high := math.MaxInt, math.MinInt
		for i := from; i < min(from+rows, len(m.first)); i++ {
			low, high = min(low, m.first[i]), max(high, m.first[i]+len(m.weight[i]))
		}
		k.starts = append(k.starts, low)
		k.span = max(k.span, high-low)
	}
	return k
}

// best chooses the number of rows per block by cost: multiplications, and copies of inputs, each worth about ten of them
// (measured: 115 GFLOP/s against 20 GB/s on one core).
func (m *banded) best() block {
	const copyCost = 10
	choice, lowest := m.blocks(len(m.first)), math.Inf(1)
	for _, rows := range []int{8, 16, 32, 64, 128, len(m.first)} {
		k := m.blocks(min(rows, len(m.first)))
		cost := float64(len(k.starts) * k.span * (k.rows + copyCost))
		if cost < lowest {
			choice, lowest = k, cost
		}
	}
	return choice
}

// matrices are the weights of every repetition, [len(starts), rows, span]. Rows beyond the last output, which are cut off
// again, repeat those of the first repetition, so that a filter needs one matrix whatever the length of the axis.
func (m *banded) matrices(k block) [][]float32 {
	all := make([][]float32, len(k.starts))
	for r, start := range k.starts {
		all[r] = make([]float32, k.rows*k.span)
		for i := range k.rows {
			o := r*k.rows + i
			if o >= len(m.first) {
				copy(all[r][i*k.span:(i+1)*k.span], all[0][i*k.span:])
				continue
			}
			for t, w := range m.weight[o] {
				all[r][i*k.span+m.first[o]-start+t] += float32(w)
			}
		}
	}
	return all
}

// rows applies the map to axis 2 of a float32 value [N,channels,in,width]. Blocks of rows are gathered and multiplied: on a
// CPU several times cheaper than one dense matrix, and than a convolution with one channel; a GPU does not mind.
func (c *canvas) rows(m *banded, x string, channels, width int64) string {
	k := m.best()
	repeats := int64(len(k.starts))
	var index []int64
	for _, start := range k.starts {
		for t := range k.span {
			index = append(index, int64(m.at(start+t)))
		}
	}
	x = c.b.Reshape(c.b.Gather(x, 2, index...), -1, channels, repeats, int64(k.span), width)
	y := c.b.Call("MatMul", c.weights(m.matrices(k), int64(k.rows), int64(k.span)), x)
	y = c.b.Reshape(y, -1, channels, repeats*int64(k.rows), width)
	if excess := repeats*int64(k.rows) - int64(len(m.first)); excess > 0 {
		y = c.b.Slice(y, 2, 0, int64(len(m.first)))
	}
	return y
}

// weights stores one matrix if all repetitions share it (a filter), else all of them.
func (c *canvas) weights(all [][]float32, rows, span int64) string {
	shared := true
	var flat []float32
	for _, one := range all {
		flat = append(flat, one...)
		for i := range one {
			shared = shared && one[i] == all[0][i]
		}
	}
	if shared {
		return c.b.Floats(all[0], rows, span)
	}
	return c.b.Floats(flat, int64(len(all)), rows, span)
}

// separable applies one map down the columns and one along the rows of the picture, and rounds: uint8 [N,3,h,w], of the
// size that the maps give. The turn back is done after rounding, where it moves a quarter of the bytes.
func (c *canvas) separable(down, along *banded) string {
	x := c.rows(down, c.scaled(c.pixels(), halvesUp), 3, c.w)
	x = c.rows(along, c.b.Transpose(x, 0, 1, 3, 2), 3, int64(len(down.first)))
	return c.b.Transpose(c.store(x), 0, 1, 3, 2)
}
