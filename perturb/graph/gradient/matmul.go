package gradient

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"shaketable/perturb/graph"
)

// gemm: y = alpha*A'B' + beta*C, A' = A or its transpose: dA' = alpha*dY*B'^T, dB' = alpha*A'^T*dY, dC = beta*dY.
func gemm(n *node) error {
	s, dy := n.s, n.dense()
	ta, tb := flag(n.intAttr("transA", 0)), flag(n.intAttr("transB", 0))
	alpha := graph.FloatAttr("alpha", float32(n.floatAttr("alpha", 1)))
	product := func(i int, a, b string, ta, tb int64) {
		if n.wants(i) {
			g := s.Op("Gemm", []string{a, b}, alpha, graph.IntAttr("transA", ta), graph.IntAttr("transB", tb))
			n.give(i, tensor{g, n.x(i).dims})
		}
	}
	if ta == 0 {
		product(0, dy.name, n.Input[1], 0, 1-tb)
	} else {
		product(0, n.Input[1], dy.name, tb, 1)
	}
	if tb == 0 {
		product(1, n.Input[0], dy.name, 1-ta, 0)
	} else {
		product(1, dy.name, n.Input[0], 1, ta)
	}
	if n.wants(2) {
		n.giveSum(2, s.times(dy, n.floatAttr("beta", 1)))
	}
	return nil
}

// flag is 1 for every attribute that means yes.
func flag(v int64) int64 {
	if v != 0 {
		return 1
	}
	return 0
}

// matMul: Y = AB over stacked matrices, dA = dY*B^T, dB = A^T*dY, summed over stacks that were broadcast. A vector on the
// left is a matrix of one row, one on the right of one column.
func matMul(n *node) error {
	s := n.s
	a, b, dy := n.x(0), n.x(1), n.dense()
	if len(a.dims) == 1 {
		a = s.reshape(a, []int64{1, a.dims[0]})
		dy = s.reshape(dy, slices.Insert(slices.Clone(dy.dims), max(len(dy.dims)-1, 0), 1))
	}
	if len(b.dims) == 1 {
		b = s.reshape(b, []int64{b.dims[0], 1})
		dy = s.reshape(dy, append(slices.Clone(dy.dims), 1))
	}
	if n.wants(0) {
		n.give(0, s.reshape(s.stacked(dy, s.flipLast(n, 1, b), a.dims), n.x(0).dims))
	}
	if n.wants(1) {
		n.give(1, s.reshape(s.stacked(s.flipLast(n, 0, a), dy, b.dims), n.x(1).dims))
	}
	return nil
}

// flipLast transposes the last two axes of operand i; of a constant, here and now.
func (s *sweep) flipLast(n *node, i int, x tensor) tensor {
	rank := len(x.dims)
	t, constant := n.constant(i)
	if !constant || rank != 2 || len(t.F) == 0 {
		perm := make([]int64, rank)
		for j := range perm {
			perm[j] = int64(j)
		}
		perm[rank-2], perm[rank-1] = perm[rank-1], perm[rank-2]
		return s.transpose(x, perm)
	}
	rows, columns := x.dims[0], x.dims[1]
	out := make([]float32, len(t.F))
	for r := range rows {
		for c := range columns {
			out[c*rows+r] = float32(t.F[r*columns+c])
		}
	}
	return s.constant(out, columns, rows)
}

// stacked is the matrix product, summed over stacks down to a shape.
func (s *sweep) stacked(a, b tensor, target []int64) tensor {
	stack := broadcast(a.dims[:len(a.dims)-2], b.dims[:len(b.dims)-2])
	dims := append(slices.Clone(stack), a.dims[len(a.dims)-2], b.dims[len(b.dims)-1])
	g := tensor{s.Call("MatMul", a.name, b.name), dims}
	return s.sumTo(g, dims, target)
}

// einsum: y[out] = sum of the product of the operands x_i[in_i] over the letters that are not in out; the adjoint of operand i
// is the same kind of sum with dY in its place, constant along letters that only it has.
func einsum(n *node) error {
	equation := strings.ReplaceAll(n.text("equation", ""), " ", "")
	left, out, explicit := strings.Cut(equation, "->")
	terms := strings.Split(left, ",")
	if !explicit || strings.Contains(equation, ".") || len(terms) != len(n.GetInput()) {
		return fmt.Errorf("equation %q: only explicit ones without dots", equation)
	}
	for _, t := range append(slices.Clone(terms), out) {
		for _, letter := range t {
			if strings.Count(t, string(letter)) > 1 {
				return fmt.Errorf("equation %q takes a diagonal", equation)
			}
		}
	}
	for i := range terms {
		if n.wants(i) {
			if err := n.einsumOperand(terms, out, i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *node) einsumOperand(terms []string, out string, i int) error {
	s := n.s
	in, from := []string{n.dense().name}, []string{out}
	for j, t := range terms {
		if j != i {
			in, from = append(in, n.Input[j]), append(from, t)
		}
	}
	have, view := "", []int64{}
	size := n.x(i).dims
	known := map[string]int64{}
	for j, t := range terms {
		for k, letter := range t {
			known[string(letter)] = max(known[string(letter)], n.x(j).dims[k])
		}
	}
	for k, letter := range terms[i] {
		if size[k] != known[string(letter)] {
			return errors.New("an axis of size 1 is broadcast")
		}
		if strings.ContainsRune(strings.Join(from, ""), letter) {
			have += string(letter)
			view = append(view, size[k])
		} else {
			view = append(view, 1)
		}
	}
	g := s.Op("Einsum", in, graph.StringAttr("equation", strings.Join(from, ",")+"->"+have))
	n.give(i, s.reshape(tensor{g, []int64{-1}}, view)) // the letters alone; the view puts ones between them
	return nil
}
