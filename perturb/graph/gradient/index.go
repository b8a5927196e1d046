package gradient

import (
	"errors"
	"fmt"
	"slices"

	"shaketable/perturb/graph"
)

// slice: y takes elements start, start+step, … of some axes; dX puts dY back there, between zeros.
func slice(n *node) error {
	s, x, y := n.s, n.x(0), n.y()
	starts, err := n.integers(1)
	if err != nil {
		return fmt.Errorf("starts: %w", err)
	}
	axes, steps := []int64{}, slices.Repeat([]int64{1}, len(starts))
	for i := range starts {
		axes = append(axes, int64(i))
	}
	if n.has(3) {
		if axes, err = n.integers(3); err != nil {
			return fmt.Errorf("axes: %w", err)
		}
	}
	if n.has(4) {
		if steps, err = n.integers(4); err != nil {
			return fmt.Errorf("steps: %w", err)
		}
	}
	g := n.dense()
	for i := range starts {
		a := axis(axes[i], len(x.dims))
		index := make([]int64, y.dims[a])
		for k := range index {
			index[k] = clampStart(starts[i], steps[i], x.dims[a]) + int64(k)*steps[i]
		}
		g = s.putBack(g, a, x.dims[a], index)
	}
	n.give(0, g)
	return nil
}

// clampStart is where a Slice begins: negative starts count from the end, and what lies outside is brought in.
func clampStart(start, step, size int64) int64 {
	if start < 0 {
		start += size
	}
	if step < 0 {
		return min(max(start, 0), size-1)
	}
	return min(max(start, 0), size)
}

// mostRounds bounds how often one element may be picked before its adjoint is summed by a matrix.
const mostRounds = 4

// putBack is the adjoint of picking the elements index of an axis of the given size: element i gets the sum of dY[k] over the k
// with index[k] = i. A run is padded with zeros; otherwise i gathers from dY, lengthened by a zero for those that nobody picked.
func (s *sweep) putBack(g tensor, a int, size int64, index []int64) tensor {
	if run(index) {
		return s.pad(g, a, index[0], size-index[0]-int64(len(index)), 0)
	}
	var rounds [][]int64
	seen := map[int64]int{}
	for k, i := range index {
		r := seen[i]
		seen[i]++
		if r == len(rounds) {
			rounds = append(rounds, slices.Repeat([]int64{int64(len(index))}, int(size)))
		}
		rounds[r][i] = int64(k)
	}
	if len(rounds) > mostRounds {
		m := make([]float32, size*int64(len(index)))
		for k, i := range index {
			m[i*int64(len(index))+int64(k)] = 1
		}
		return s.alongAxis(g, a, m, size)
	}
	g = s.pad(g, a, 0, 1, 0)
	sum := s.gather(g, a, rounds[0])
	for _, r := range rounds[1:] {
		sum = s.add(sum, s.gather(g, a, r))
	}
	return sum
}

// run tells whether an index counts up by one.
func run(index []int64) bool {
	for k, i := range index {
		if i != index[0]+int64(k) {
			return false
		}
	}
	return len(index) > 0
}

// alongAxis multiplies an axis with a matrix of the given number of rows.
func (s *sweep) alongAxis(x tensor, a int, m []float32, rows int64) tensor {
	before, size, after := elements(x.dims[:a]), x.dims[a], elements(x.dims[a+1:])
	dims := slices.Clone(x.dims)
	dims[a] = rows
	if after == 1 { // from the right, transposed
		t := make([]float32, len(m))
		for r := range rows {
			for c := range size {
				t[c*rows+r] = m[r*size+c]
			}
		}
		flat := s.reshape(x, []int64{before, size})
		return s.reshape(tensor{s.Call("MatMul", flat.name, s.constant(t, size, rows).name), []int64{before, rows}}, dims)
	}
	flat := s.reshape(x, []int64{before, size, after})
	return s.reshape(tensor{s.Call("MatMul", s.constant(m, rows, size).name, flat.name), []int64{before, rows, after}}, dims)
}

// gather: y picks elements of an axis; dX gives each the sum of dY over where it went.
func gather(n *node) error {
	s, x := n.s, n.x(0)
	a := axis(n.intAttr("axis", 0), len(x.dims))
	index, err := n.integers(1)
	if err != nil {
		return n.gatherByPosition(a)
	}
	index = slices.Clone(index)
	for k, i := range index {
		index[k] = int64(axis(i, int(x.dims[a])))
	}
	dims := slices.Clone(x.dims)
	dims[a] = int64(len(index))
	n.give(0, s.putBack(s.reshape(n.dense(), dims), a, x.dims[a], index))
	return nil
}

// gatherByPosition is gather where the indices are known only at run time: each is repeated for all elements beside it.
func (n *node) gatherByPosition(a int) error {
	s, x := n.s, n.x(0)
	dims := slices.Clone(x.dims)
	dims[a] = elements(n.s.value(n.Input[1]).dims)
	shape := slices.Repeat([]int64{1}, len(dims))
	shape[a] = dims[a]
	index := s.Call("Expand", s.Reshape(n.Input[1], shape...), s.Ints(dims...))
	n.give(0, s.scatter(x.dims, index, s.reshape(n.dense(), dims), a))
	return nil
}

// scatter adds elements at positions of an axis of zeros.
func (s *sweep) scatter(dims []int64, index string, g tensor, a int) tensor {
	zeros := s.dense(s.zeros(dims), dims)
	return tensor{s.Op("ScatterElements", []string{zeros.name, index, g.name}, graph.IntAttr("axis", int64(a)), graph.StringAttr("reduction", "add")), dims}
}

// gatherElements: dX adds dY where it was taken from.
func gatherElements(n *node) error {
	x := n.x(0)
	n.give(0, n.s.scatter(x.dims, n.Input[1], n.dense(), axis(n.intAttr("axis", 0), len(x.dims))))
	return nil
}

// gatherND: dX adds dY where it was taken from.
func gatherND(n *node) error {
	if n.intAttr("batch_dims", 0) != 0 {
		return errors.New("batch_dims is not 0")
	}
	s, x := n.s, n.x(0)
	zeros := s.dense(s.zeros(x.dims), x.dims)
	n.give(0, tensor{s.Op("ScatterND", []string{zeros.name, n.Input[1], n.dense().name}, graph.StringAttr("reduction", "add")), x.dims})
	return nil
}

// topK: dX puts dY where the values came from.
func topK(n *node) error {
	if n.grads[0] == nil {
		return nil
	}
	if len(n.GetOutput()) < 2 || n.Output[1] == "" {
		return errors.New("it has no indices")
	}
	x := n.x(0)
	n.give(0, n.s.scatter(x.dims, n.Output[1], n.dense(), axis(n.intAttr("axis", -1), len(x.dims))))
	return nil
}

// pad: a constant border is cut off dY; borders that repeat the picture (reflect, edge, wrap) add up where they came from.
func pad(n *node) error {
	s, x, y := n.s, n.x(0), n.y()
	rank := len(x.dims)
	pads, err := n.integers(1)
	if err != nil {
		return fmt.Errorf("pads: %w", err)
	}
	axes := make([]int64, len(pads)/2)
	for i := range axes {
		axes[i] = int64(i)
	}
	if n.has(3) {
		if axes, err = n.integers(3); err != nil {
			return fmt.Errorf("axes: %w", err)
		}
	}
	if n.wants(2) {
		return errors.New("the border's value depends on the picture")
	}
	g := n.dense()
	for i, at := range axes {
		a, before, after := axis(at, rank), pads[i], pads[len(axes)+i]
		if mode := n.text("mode", "constant"); mode == "constant" {
			g = s.pad(g, a, -before, -after, 0)
			continue
		} else if before|after == 0 {
			continue
		}
		m, err := n.borderIndex(x.dims[a], y.dims[a], before)
		if err != nil {
			return err
		}
		g = s.putBack(g, a, x.dims[a], m)
	}
	n.give(0, g)
	return nil
}

// borderIndex says for each element of a padded axis which element of the picture it copies.
func (n *node) borderIndex(size, padded, before int64) ([]int64, error) {
	index := make([]int64, padded)
	for k := range index {
		i := int64(k) - before
		switch mode := n.text("mode", "constant"); mode {
		case "edge":
			i = min(max(i, 0), size-1)
		case "wrap":
			i = (i%size + size) % size
		case "reflect":
			if period := 2 * (size - 1); period > 0 {
				i = (i%period + period) % period
				i = min(i, period-i)
			} else {
				i = 0
			}
		default:
			return nil, fmt.Errorf("mode %q", mode)
		}
		index[k] = i
	}
	return index, nil
}
