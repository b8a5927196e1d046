package eval

import "slices"

// matrix is a view of m x n elements with steps down and across.
type matrix struct {
	data         []float64
	down, across int
}

// multiply adds a (m x k) times b (k x n) to o (m x n, dense).
func multiply(o []float64, a, b matrix, m, k, n int) {
	for i := range m {
		row := o[i*n : (i+1)*n]
		if b.across == 1 {
			for j := range k {
				addScaled(row, b.data[j*b.down:], 1, a.data[i*a.down+j*a.across])
			}
			continue
		}
		for j := range row {
			sum := 0.0
			for l := range k {
				sum += a.data[i*a.down+l*a.across] * b.data[l*b.down+j*b.across]
			}
			row[j] += sum
		}
	}
}

// matMul multiplies stacks of matrices; a vector on the left is a row, one on the right a column (numpy.matmul).
func matMul(c *call) func() {
	a, b := c.same()
	if len(a.Dims) == 0 || len(b.Dims) == 0 {
		c.fail("shapes %v and %v: scalars cannot be multiplied as matrices", a.Dims, b.Dims)
	}
	c.float(0)
	left, right := slices.Clone(a.Dims), slices.Clone(b.Dims)
	if len(left) == 1 {
		left = []int64{1, left[0]}
	}
	if len(right) == 1 {
		right = []int64{right[0], 1}
	}
	la, lb := len(left)-2, len(right)-2
	m, k, n := left[la], left[la+1], right[lb+1]
	if k != right[lb] {
		c.fail("shapes %v and %v do not fit", a.Dims, b.Dims)
	}
	batch := c.broadcast(left[:la], right[:lb])
	dims := slices.Clone(batch)
	if len(a.Dims) > 1 {
		dims = append(dims, m)
	}
	if len(b.Dims) > 1 {
		dims = append(dims, n)
	}
	o := c.output(a.Type, dims...)
	c.work = int64(o.Len()) * k
	return func() {
		stack := func(own []int64, size int64) []int {
			s := spread(own, batch)
			for i := range s {
				s[i] *= int(size)
			}
			return s
		}
		rows(batch, [][]int{stack(batch, m*n), stack(left[:la], m*k), stack(right[:lb], k*n)}, func(at, step []int, count int) {
			for i := range count {
				multiply(o.F[at[0]+i*step[0]:], matrix{a.F[at[1]+i*step[1]:], int(k), 1},
					matrix{b.F[at[2]+i*step[2]:], int(n), 1}, int(m), int(k), int(n))
			}
		})
	}
}

// gemm is alpha A B + beta C, A and B transposed if asked for; C spreads to the product.
func gemm(c *call) func() {
	a, b, bias := c.float(0), c.float(1), c.optional(2)
	alpha, beta := c.attrFloat("alpha", 1), c.attrFloat("beta", 1)
	ta, tb := c.attrInt("transA", 0) != 0, c.attrInt("transB", 0) != 0
	if len(a.Dims) != 2 || len(b.Dims) != 2 {
		c.fail("inputs have shapes %v and %v, they must be matrices", a.Dims, b.Dims)
	}
	m, k, ma := oriented(a, ta)
	kb, n, mb := oriented(b, tb)
	if k != kb {
		c.fail("shapes %v and %v do not fit", a.Dims, b.Dims)
	}
	if bias != nil {
		c.float(2)
		c.spreads(bias, []int64{m, n})
	}
	o := c.output(a.Type, m, n)
	c.work = m * n * k
	return func() {
		ma.data, mb.data = a.F, b.F
		multiply(o.F, ma, mb, int(m), int(k), int(n))
		for i := range o.F {
			o.F[i] *= alpha
		}
		if bias != nil {
			combine(o.F, o.F, bias.F, o.Dims, o.Dims, bias.Dims, func(v, w float64) float64 { return v + beta*w })
		}
	}
}

func oriented(t *Tensor, transposed bool) (rows, columns int64, m matrix) {
	rows, columns = t.Dims[0], t.Dims[1]
	m = matrix{down: int(columns), across: 1}
	if transposed {
		return columns, rows, matrix{down: 1, across: m.down}
	}
	return rows, columns, m
}
