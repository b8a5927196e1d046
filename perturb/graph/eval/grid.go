package eval

import "slices"

// strides are the distances between neighbours along each axis of a dense tensor.
func strides(dims []int64) []int {
	s := make([]int, len(dims))
	step := 1
	for i := len(dims) - 1; i >= 0; i-- {
		s[i] = step
		step *= int(dims[i])
	}
	return s
}

// spread are the strides of a tensor that is repeated to fill a larger shape (ONNX multidirectional broadcasting): axes are
// aligned at the end, and those that are missing or 1 do not move.
func spread(dims []int64, to []int64) []int {
	own := strides(dims)
	s := make([]int, len(to))
	for i := range dims {
		if j := len(to) - len(dims) + i; dims[i] != 1 {
			s[j] = own[i]
		}
	}
	return s
}

// broadcast is the shape that all the shapes spread to.
func (c *call) broadcast(shapes ...[]int64) []int64 {
	rank := 0
	for _, s := range shapes {
		rank = max(rank, len(s))
	}
	out := slices.Repeat([]int64{1}, rank)
	for _, s := range shapes {
		for i, d := range s {
			j := rank - len(s) + i
			if d != 1 && out[j] != 1 && d != out[j] {
				c.fail("shapes %v do not broadcast", shapes)
			}
			if d != 1 {
				out[j] = d
			}
		}
	}
	return out
}

// rows visits a loop nest over dims in row-major order. Operand k is at an offset that moves by moves[k][axis]; visit gets
// the offsets at the start of an innermost loop, the steps within it, and its length. Axes that all operands walk through
// as one are merged, so that innermost loops are long.
func rows(dims []int64, moves [][]int, visit func(at, step []int, n int)) {
	if slices.Contains(dims, 0) {
		return
	}
	dims, moves = merge(dims, moves)
	last := len(dims) - 1
	at, step, index := make([]int, len(moves)), make([]int, len(moves)), make([]int64, len(dims))
	for k, m := range moves {
		step[k] = m[last]
	}
	for {
		visit(at, step, int(dims[last]))
		axis := last - 1
		for ; axis >= 0; axis-- {
			index[axis]++
			for k, m := range moves {
				at[k] += m[axis]
			}
			if index[axis] < dims[axis] {
				break
			}
			for k, m := range moves {
				at[k] -= m[axis] * int(dims[axis])
			}
			index[axis] = 0
		}
		if axis < 0 {
			return
		}
	}
}

// merge drops axes of size 1 and joins neighbours; at least one axis is left.
func merge(dims []int64, moves [][]int) ([]int64, [][]int) {
	var d []int64
	m := make([][]int, len(moves))
	for axis, size := range dims {
		if size == 1 {
			continue
		}
		joins := len(d) > 0
		for k := range moves {
			joins = joins && m[k][len(d)-1] == moves[k][axis]*int(size)
		}
		if joins {
			d[len(d)-1] *= size
		} else {
			d = append(d, size)
		}
		for k := range moves {
			if joins {
				m[k][len(d)-1] = moves[k][axis]
			} else {
				m[k] = append(m[k], moves[k][axis])
			}
		}
	}
	if len(d) == 0 {
		d = []int64{1}
		for k := range m {
			m[k] = []int{0}
		}
	}
	return d, m
}

// copyGrid copies src to dst, both read along dims with their own moves.
func copyGrid(dst, src *Tensor, dims []int64, to, from []int) {
	rows(dims, [][]int{to, from}, func(at, step []int, n int) {
		if floating(dst.Type) {
			copyRow(dst.F[at[0]:], src.F[at[1]:], step[0], step[1], n)
		} else {
			copyRow(dst.I[at[0]:], src.I[at[1]:], step[0], step[1], n)
		}
	})
}

func copyRow[T any](dst, src []T, to, from, n int) {
	if to == 1 && from == 1 {
		copy(dst[:n], src[:n])
		return
	}
	for i := range n {
		dst[i*to] = src[i*from]
	}
}

// along splits a shape at an axis: how many blocks come before it, its size, and how many elements one step along it has.
func along(dims []int64, axis int) (outer, size, inner int) {
	return product(dims[:axis]), int(dims[axis]), product(dims[axis+1:])
}

// take fills dst, of the shape of src but for one axis: index i of it is index from[i] of src, or fill where that is -1.
func take(dst, src *Tensor, axis int, from []int64, fill *Tensor) {
	outer, size, inner := along(src.Dims, axis)
	if floating(dst.Type) {
		takeRows(dst.F, src.F, outer, size, inner, from, fillValue(fill, func(t *Tensor) []float64 { return t.F }))
	} else {
		takeRows(dst.I, src.I, outer, size, inner, from, fillValue(fill, func(t *Tensor) []int64 { return t.I }))
	}
}

func fillValue[T any](fill *Tensor, of func(*Tensor) []T) (v T) {
	if fill != nil {
		v = of(fill)[0]
	}
	return v
}

func takeRows[T any](dst, src []T, outer, size, inner int, from []int64, fill T) {
	at := 0
	for o := range outer {
		for _, f := range from {
			row := dst[at : at+inner]
			at += inner
			if f < 0 {
				for i := range row {
					row[i] = fill
				}
				continue
			}
			start := (o*size + int(f)) * inner
			copy(row, src[start:start+inner])
		}
	}
}
