package eval

import "slices"

// index checks an index into an axis and makes it non-negative.
func (c *call) index(i int64, size int) int {
	if i < -int64(size) || i >= int64(size) {
		c.fail("index %d is outside an axis of size %d", i, size)
	}
	if i < 0 {
		i += int64(size)
	}
	return int(i)
}

func (c *call) indices(i int) *Tensor {
	t := c.input(i)
	if !integral(t.Type) || t.Type == boolType {
		c.fail("input %d has type %v, it must be integer", i, t.Type)
	}
	return t
}

// move copies element from of x to element to of o.
func move(o, x *Tensor, to, from, n int) {
	if floating(o.Type) {
		copy(o.F[to:to+n], x.F[from:from+n])
	} else {
		copy(o.I[to:to+n], x.I[from:from+n])
	}
}

// gather takes slices along an axis: the axis becomes the shape of the indices.
func gather(c *call) func() {
	x, indices := c.input(0), c.indices(1)
	axis := c.axis(c.attrInt("axis", 0), len(x.Dims))
	o := c.output(x.Type, slices.Concat(x.Dims[:axis], indices.Dims, x.Dims[axis+1:])...)
	return func() {
		outer, size, inner := along(x.Dims, axis)
		from := make([]int64, len(indices.I))
		for i, v := range indices.I {
			from[i] = int64(c.index(v, size))
		}
		take(o, &Tensor{Type: x.Type, Dims: []int64{int64(outer), int64(size), int64(inner)}, F: x.F, I: x.I}, 1, from, nil)
	}
}

// gatherElements replaces one coordinate of every position by the index that stands there.
func gatherElements(c *call) func() {
	x, indices := c.input(0), c.indices(1)
	axis := c.axis(c.attrInt("axis", 0), len(x.Dims))
	c.within(indices.Dims, x.Dims, axis)
	o := c.output(x.Type, indices.Dims...)
	return func() {
		own := strides(x.Dims)
		c.elementwise(indices, own, axis, int(x.Dims[axis]), func(position, at int) { move(o, x, position, at, 1) })
	}
}

// within checks that a shape fits another one but for an axis.
func (c *call) within(dims, outer []int64, axis int) {
	if len(dims) != len(outer) {
		c.fail("shapes %v and %v differ in rank", dims, outer)
	}
	for a := range dims {
		if a != axis && dims[a] > outer[a] {
			c.fail("indices of shape %v are outside shape %v", dims, outer)
		}
	}
}

// elementwise visits every position of indices and the offset that it names in a tensor with the given strides.
func (c *call) elementwise(indices *Tensor, own []int, axis, size int, visit func(position, at int)) {
	moves := slices.Clone(own)
	moves[axis] = 0
	rows(indices.Dims, [][]int{strides(indices.Dims), moves}, func(at, step []int, n int) {
		for i := range n {
			p := at[0] + i*step[0]
			visit(p, at[1]+i*step[1]+c.index(indices.I[p], size)*own[axis])
		}
	})
}

// scatterElements is the way back of gatherElements: updates go into a copy of the data.
func scatterElements(c *call) func() {
	x, indices, updates := c.input(0), c.indices(1), c.input(2)
	axis := c.axis(c.attrInt("axis", 0), len(x.Dims))
	c.within(indices.Dims, x.Dims, axis)
	if !slices.Equal(indices.Dims, updates.Dims) || updates.Type != x.Type {
		c.fail("updates %v %v do not fit indices %v", updates.Type, updates.Dims, indices.Dims)
	}
	join := c.joiner(x)
	o := c.output(x.Type, x.Dims...)
	return func() {
		copy(o.F, x.F)
		copy(o.I, x.I)
		c.elementwise(indices, strides(x.Dims), axis, int(x.Dims[axis]), func(position, at int) { join(o, updates, at, position, 1) })
	}
}

// joiner is how updates meet what is there: they replace it, or are added and so on.
func (c *call) joiner(x *Tensor) func(o, updates *Tensor, to, from, n int) {
	kind := c.attrString("reduction", "none")
	if kind == "none" {
		return move
	}
	var f func(a, b float64) float64
	switch kind {
	case "add":
		f = add[float64]
	case "mul":
		f = mul[float64]
	case "max":
		f = largest[float64]
	case "min":
		f = smallest[float64]
	}
	if f == nil || !floating(x.Type) {
		c.unsupported("reduction %q of %v", kind, x.Type)
	}
	return func(o, updates *Tensor, to, from, n int) {
		for i := range n {
			o.F[to+i] = f(o.F[to+i], updates.F[from+i])
		}
	}
}

// gatherND takes slices whose leading coordinates are the rows of indices, after shared batch axes.
func gatherND(c *call) func() {
	x, indices := c.input(0), c.indices(1)
	batch := int(c.attrInt("batch_dims", 0))
	last := len(indices.Dims) - 1
	if last < 0 || batch < 0 || batch > min(last, len(x.Dims)-1) || !slices.Equal(x.Dims[:batch], indices.Dims[:batch]) ||
		indices.Dims[last] < 1 || indices.Dims[last] > int64(len(x.Dims)-batch) {
		c.fail("indices %v with %d batch axes do not fit data %v", indices.Dims, batch, x.Dims)
	}
	depth := int(indices.Dims[last])
	o := c.output(x.Type, slices.Concat(indices.Dims[:last], x.Dims[batch+depth:])...)
	return func() {
		size := product(x.Dims[batch+depth:])
		per := product(indices.Dims[batch:last])
		c.tuples(indices, x.Dims[batch:batch+depth], func(row, at int) {
			move(o, x, row*size, (row/max(per, 1)*product(x.Dims[batch:batch+depth])+at)*size, size)
		})
	}
}

// tuples visits the rows of indices and which element of the given axes they name.
func (c *call) tuples(indices *Tensor, dims []int64, visit func(row, at int)) {
	depth := len(dims)
	for row := range len(indices.I) / depth {
		at := 0
		for i, d := range dims {
			at = at*int(d) + c.index(indices.I[row*depth+i], int(d))
		}
		visit(row, at)
	}
}

// scatterND writes slices of updates into a copy of the data, at the coordinates in the rows of indices.
func scatterND(c *call) func() {
	x, indices, updates := c.input(0), c.indices(1), c.input(2)
	last := len(indices.Dims) - 1
	if last < 0 || indices.Dims[last] < 1 || indices.Dims[last] > int64(len(x.Dims)) {
		c.fail("indices %v do not fit data %v", indices.Dims, x.Dims)
	}
	depth := int(indices.Dims[last])
	if want := slices.Concat(indices.Dims[:last], x.Dims[depth:]); !slices.Equal(want, updates.Dims) || updates.Type != x.Type {
		c.fail("updates are %v %v, they must be %v %v", updates.Type, updates.Dims, x.Type, want)
	}
	join := c.joiner(x)
	o := c.output(x.Type, x.Dims...)
	return func() {
		copy(o.F, x.F)
		copy(o.I, x.I)
		size := product(x.Dims[depth:])
		c.tuples(indices, x.Dims[:depth], func(row, at int) { join(o, updates, at*size, row*size, size) })
	}
}
