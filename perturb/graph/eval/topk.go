package eval

import "sort"

// topK takes the k largest (or smallest) elements along an axis, in order, and their indices; of equal elements the first
// comes first. Unsorted results come in the same order, which the standard leaves open.
func topK(c *call) func() {
	x := c.input(0)
	axis := c.axis(c.attrInt("axis", -1), len(x.Dims))
	k, largest := int64(0), true
	if c.opset < 10 {
		k = c.attrInt("k", 0)
	} else {
		k = c.one(1)
	}
	if c.opset >= 11 {
		largest = c.attrInt("largest", 1) != 0
		c.ignore("sorted")
	}
	if k < 0 || k > x.Dims[axis] {
		c.fail("k is %d, axis %d of %v does not have so many", k, axis, x.Dims)
	}
	if x.Type == boolType {
		c.fail("input has type %v", x.Type)
	}
	dims := append([]int64{}, x.Dims...)
	dims[axis] = k
	values, indices := c.output(x.Type, dims...), c.output(int64Type, dims...)
	return func() {
		outer, size, inner := along(x.Dims, axis)
		for o := range outer {
			for i := range inner {
				from, to := o*size*inner+i, o*int(k)*inner+i
				for rank, at := range ranked(x, from, inner, size, largest)[:k] {
					move(values, x, to+rank*inner, from+at*inner, 1)
					indices.I[to+rank*inner] = int64(at)
				}
			}
		}
	}
}

// ranked are the positions of n elements, the largest (or smallest) first.
func ranked(x *Tensor, start, stride, n int, largest bool) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	less := func(a, b int) bool { return x.I[start+a*stride] < x.I[start+b*stride] }
	if floating(x.Type) {
		less = func(a, b int) bool { return x.F[start+a*stride] < x.F[start+b*stride] }
	}
	sort.SliceStable(order, func(i, j int) bool {
		if largest {
			i, j = j, i
		}
		return less(order[i], order[j])
	})
	return order
}
