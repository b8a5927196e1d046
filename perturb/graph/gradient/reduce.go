package gradient

import (
	"errors"
	"fmt"
	"slices"
)

// reduce is for the Reduce operators. dY, shaped with the reduced axes as ones, is constant along them:
//
//	Sum dY; Mean dY/count; L1 dY*sign(x); L2 dY*x/y; SumSquare 2*dY*x; LogSum dY/sum(x); LogSumExp dY*exp(x-y);
//	Max, Min: dY in equal shares to the elements that equal y; Prod: dY times the product of all other elements.
func reduce(n *node) error {
	axes, err := n.reduced()
	if err != nil {
		return err
	}
	s, x := n.s, n.x(0)
	kept := slices.Clone(x.dims)
	for _, a := range axes {
		kept[a] = 1
	}
	dy, y := s.reshape(n.dense(), kept), s.reshape(n.y(), kept)
	switch n.GetOpType() {
	case "ReduceSum":
	case "ReduceMean":
		dy = s.times(dy, float64(elements(kept))/float64(elements(x.dims)))
	case "ReduceL1":
		dy = s.mul(dy, s.unary("Sign", x))
	case "ReduceL2":
		dy = s.mul(s.div(dy, s.floor(y)), x)
	case "ReduceSumSquare":
		dy = s.mul(s.times(dy, 2), x)
	case "ReduceLogSum":
		dy = s.div(dy, s.total("ReduceSum", x, axes...))
	case "ReduceLogSumExp":
		dy = s.mul(dy, s.unary("Exp", s.sub(x, y)))
	case "ReduceMax":
		dy = s.shareAmong(dy, s.equal(x, y), axes)
	case "ReduceMin":
		dy = s.shareAmong(dy, s.equal(y, x), axes)
	case "ReduceProd":
		if dy, err = s.products(dy, x, axes); err != nil {
			return err
		}
	}
	n.give(0, dy)
	return nil
}

// reduced are the axes of a Reduce operator: an attribute, or an input, or none given: then all of them.
func (n *node) reduced() ([]int64, error) {
	rank := len(n.x(0).dims)
	var list []int64
	if a := n.attr("axes"); a != nil {
		list = a.GetInts()
	} else if n.has(1) {
		var err error
		if list, err = n.integers(1); err != nil {
			return nil, fmt.Errorf("axes: %w", err)
		}
	}
	if len(list) == 0 && n.intAttr("noop_with_empty_axes", 0) != 0 {
		return nil, nil
	}
	out := []int64{}
	for _, a := range list {
		out = append(out, int64(axis(a, rank)))
	}
	for i := 0; len(list) == 0 && i < rank; i++ {
		out = append(out, int64(i))
	}
	return out, nil
}

// shareAmong gives dY in equal shares to the elements that a mask of ones picks.
func (s *sweep) shareAmong(dy, mask tensor, axes []int64) tensor {
	return s.mul(s.div(dy, s.total("ReduceSum", mask, axes...)), mask)
}

// mostFactors bounds how many elements of a product are written out.
const mostFactors = 64

// products is dY times, for each element along the one reduced axis, the product of those before and after it: no division,
// so zeros do no harm.
func (s *sweep) products(dy, x tensor, axes []int64) (tensor, error) {
	if len(axes) != 1 || x.dims[axes[0]] > mostFactors {
		return tensor{}, errors.New("only over one axis of up to 64 elements")
	}
	a := int(axes[0])
	count := x.dims[a]
	parts := make([]tensor, count)
	before := dy
	for i := range count {
		parts[i] = before
		before = s.mul(before, s.slice(x, a, i, i+1))
	}
	after := s.scalar(1)
	for i := count - 1; i >= 0; i-- {
		parts[i] = s.mul(parts[i], after)
		after = s.mul(after, s.slice(x, a, i, i+1))
	}
	return s.concat(a, parts...), nil
}
