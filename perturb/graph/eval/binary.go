package eval

import "math"

// pairwise computes y = f(a, b) with broadcasting, and g on integers; g may be nil.
func pairwise(f func(a, b float64) float64, g func(a, b int64) int64) kernel {
	return func(c *call) func() {
		a, b := c.same()
		return c.pairs(a, b, f, g)
	}
}

// same are inputs 0 and 1, of one type.
func (c *call) same() (a, b *Tensor) {
	a, b = c.input(0), c.input(1)
	if a.Type != b.Type {
		c.fail("inputs have types %v and %v", a.Type, b.Type)
	}
	return a, b
}

func (c *call) pairs(a, b *Tensor, f func(a, b float64) float64, g func(a, b int64) int64) func() {
	if !floating(a.Type) && (g == nil || a.Type == boolType) {
		c.fail("inputs have type %v, which it does not take", a.Type)
	}
	o := c.output(a.Type, c.broadcast(a.Dims, b.Dims)...)
	return func() {
		if floating(a.Type) {
			combine(o.F, a.F, b.F, o.Dims, a.Dims, b.Dims, f)
		} else {
			combine(o.I, a.I, b.I, o.Dims, a.Dims, b.Dims, g)
		}
	}
}

// combine computes o = f(a, b) with broadcasting.
func combine[T, R any](o []R, a, b []T, out, da, db []int64, f func(a, b T) R) {
	rows(out, [][]int{strides(out), spread(da, out), spread(db, out)}, func(at, step []int, n int) {
		row, pa, pb := o[at[0]:at[0]+n], at[1], at[2]
		for i := range row {
			row[i] = f(a[pa], b[pb])
			pa += step[1]
			pb += step[2]
		}
	})
}

// variadic folds any number of inputs with f; finish maps the fold of n inputs to the result.
func variadic(f func(a, b float64) float64, g func(a, b int64) int64, finish func(v float64, n int) float64) kernel {
	return func(c *call) func() {
		shapes := make([][]int64, max(1, len(c.in)))
		for i := range shapes {
			shapes[i] = c.input(i).Dims
			if c.in[i].Type != c.in[0].Type {
				c.fail("inputs have types %v and %v", c.in[0].Type, c.in[i].Type)
			}
		}
		if !floating(c.in[0].Type) && g == nil {
			c.fail("inputs have type %v, which it does not take", c.in[0].Type)
		}
		o := c.output(c.in[0].Type, c.broadcast(shapes...)...)
		return func() {
			copyGrid(o, c.in[0], o.Dims, strides(o.Dims), spread(c.in[0].Dims, o.Dims))
			for _, x := range c.in[1:] {
				if floating(o.Type) {
					combine(o.F, o.F, x.F, o.Dims, o.Dims, x.Dims, f)
				} else {
					combine(o.I, o.I, x.I, o.Dims, o.Dims, x.Dims, g)
				}
			}
			for i, v := range o.F {
				o.F[i] = finish(v, len(c.in))
			}
		}
	}
}

func asIs(v float64, _ int) float64 { return v }

func add[T int64 | float64](a, b T) T { return a + b }

func sub[T int64 | float64](a, b T) T { return a - b }

func mul[T int64 | float64](a, b T) T { return a * b }

func largest[T int64 | float64](a, b T) T { return max(a, b) }

func smallest[T int64 | float64](a, b T) T { return min(a, b) }

// div truncates integers towards 0.
func div(c *call) func() {
	return pairwise(func(a, b float64) float64 { return a / b }, func(a, b int64) int64 {
		if b == 0 {
			c.fail("division of %d by 0", a)
		}
		return a / b
	})(c)
}

// mod takes the sign of the divisor on integers (as Python), that of the dividend with fmod (as C).
func mod(c *call) func() {
	fmod := c.attrInt("fmod", 0) != 0
	if !fmod && floating(c.input(0).Type) {
		c.fail("floating inputs need fmod=1")
	}
	return pairwise(math.Mod, func(a, b int64) int64 {
		if b == 0 {
			c.fail("remainder of %d by 0", a)
		}
		r := a % b
		if !fmod && r != 0 && (r < 0) != (b < 0) {
			r += b
		}
		return r
	})(c)
}

// pow has the type of the base; the exponent may be of another.
func pow(c *call) func() {
	x, y := c.input(0), c.input(1)
	if x.Type == boolType || y.Type == boolType {
		c.fail("inputs have types %v and %v, which it does not take", x.Type, y.Type)
	}
	o := c.output(x.Type, c.broadcast(x.Dims, y.Dims)...)
	return func() {
		if floating(x.Type) {
			combine(o.F, x.F, y.floats(), o.Dims, x.Dims, y.Dims, math.Pow)
			return
		}
		combine(o.I, x.floats(), y.floats(), o.Dims, x.Dims, y.Dims, func(a, b float64) int64 { return int64(math.Pow(a, b)) })
	}
}

// floats are the elements as floating numbers.
func (t *Tensor) floats() []float64 {
	if floating(t.Type) {
		return t.F
	}
	f := make([]float64, len(t.I))
	for i, v := range t.I {
		f[i] = float64(v)
	}
	return f
}

// compare computes a boolean of two elements, with broadcasting.
func compare(f func(a, b float64) bool, g func(a, b int64) bool) kernel {
	return func(c *call) func() {
		a, b := c.same()
		o := c.output(boolType, c.broadcast(a.Dims, b.Dims)...)
		return func() {
			if floating(a.Type) {
				combine(o.I, a.F, b.F, o.Dims, a.Dims, b.Dims, func(a, b float64) int64 { return truth(f(a, b)) })
			} else {
				combine(o.I, a.I, b.I, o.Dims, a.Dims, b.Dims, func(a, b int64) int64 { return truth(g(a, b)) })
			}
		}
	}
}

func equal[T int64 | float64](a, b T) bool { return a == b }

func less[T int64 | float64](a, b T) bool { return a < b }

func lessOrEqual[T int64 | float64](a, b T) bool { return a <= b }

func greater[T int64 | float64](a, b T) bool { return a > b }

func greaterOrEqual[T int64 | float64](a, b T) bool { return a >= b }

// logic computes a boolean of two booleans.
func logic(f func(a, b int64) int64) kernel {
	return func(c *call) func() {
		a, b := c.same()
		if a.Type != boolType {
			c.fail("inputs have type %v, they must be BOOL", a.Type)
		}
		o := c.output(boolType, c.broadcast(a.Dims, b.Dims)...)
		return func() { combine(o.I, a.I, b.I, o.Dims, a.Dims, b.Dims, f) }
	}
}

// where picks from its second input where the first is true, else from the third.
func where(c *call) func() {
	cond, x, y := c.input(0), c.input(1), c.input(2)
	if cond.Type != boolType || x.Type != y.Type {
		c.fail("inputs have types %v, %v and %v", cond.Type, x.Type, y.Type)
	}
	o := c.output(x.Type, c.broadcast(cond.Dims, x.Dims, y.Dims)...)
	return func() {
		moves := [][]int{strides(o.Dims), spread(cond.Dims, o.Dims), spread(x.Dims, o.Dims), spread(y.Dims, o.Dims)}
		if floating(o.Type) {
			choose(o.F, x.F, y.F, cond.I, o.Dims, moves)
		} else {
			choose(o.I, x.I, y.I, cond.I, o.Dims, moves)
		}
	}
}

func choose[T any](o, x, y []T, cond []int64, dims []int64, moves [][]int) {
	rows(dims, moves, func(at, step []int, n int) {
		for i := range n {
			if cond[at[1]+i*step[1]] != 0 {
				o[at[0]+i] = x[at[2]+i*step[2]]
			} else {
				o[at[0]+i] = y[at[3]+i*step[3]]
			}
		}
	})
}
