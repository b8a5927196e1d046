package eval

import (
	"slices"
	"strings"
)

// einsum sums products over labelled axes: "bij,bjk->bik". Repeated labels in a term walk a diagonal, "..." stands for
// broadcast axes, and without "->" the labels that occur once are kept in alphabetical order.
func einsum(c *call) func() {
	terms, result := c.equation()
	if len(terms) != len(c.in) {
		c.fail("the equation has %d terms for %d inputs", len(terms), len(c.in))
	}
	sizes := map[string]int64{}
	for i, labels := range terms {
		x := c.float(i)
		if len(labels) != len(x.Dims) {
			c.fail("term %d has %d labels for shape %v", i, len(labels), x.Dims)
		}
		for a, l := range labels {
			switch size := sizes[l]; {
			case size == 0 && !has(sizes, l) || size == 1:
				sizes[l] = x.Dims[a]
			case x.Dims[a] != size && x.Dims[a] != 1:
				c.fail("label %q stands for %d and for %d", l, size, x.Dims[a])
			}
		}
	}
	labels := slices.Clone(result)
	for _, l := range slices.Concat(terms...) {
		if !slices.Contains(labels, l) {
			labels = append(labels, l)
		}
	}
	dims := make([]int64, len(labels))
	for i, l := range labels {
		if !has(sizes, l) {
			c.fail("label %q is in no term", l)
		}
		dims[i] = sizes[l]
	}
	o := c.output(c.in[0].Type, dims[:len(result)]...)
	if n, err := elements(dims); err != nil {
		c.fail("the sum has shape %v: %w", dims, err)
	} else {
		c.work = n
	}
	moves := [][]int{labelMoves(result, o.Dims, labels)}
	for i, term := range terms {
		moves = append(moves, labelMoves(term, c.in[i].Dims, labels))
	}
	return func() {
		rows(dims, moves, func(at, step []int, n int) {
			for i := range n {
				v := 1.0
				for k, x := range c.in {
					v *= x.F[at[k+1]+i*step[k+1]]
				}
				o.F[at[0]+i*step[0]] += v
			}
		})
	}
}

func has(sizes map[string]int64, label string) bool {
	_, ok := sizes[label]
	return ok
}

// labelMoves is how a tensor moves along all labels when its axes carry some of them.
func labelMoves(own []string, dims []int64, labels []string) []int {
	step := strides(dims)
	moves := make([]int, len(labels))
	for a, l := range own {
		if dims[a] != 1 {
			moves[slices.Index(labels, l)] += step[a]
		}
	}
	return moves
}

// equation splits the attribute into the labels of each term and of the result. The axes of "..." get labels of their own,
// counted from the end.
func (c *call) equation() (terms [][]string, result []string) {
	text := strings.ReplaceAll(c.attrString("equation", ""), " ", "")
	left, right, explicit := strings.Cut(text, "->")
	widest := 0
	for i, term := range strings.Split(left, ",") {
		if i >= len(c.in) {
			c.fail("equation %q has more terms than there are inputs", text)
		}
		rank := len(c.input(i).Dims)
		dots := 0
		if strings.Contains(term, "...") {
			dots = rank - (len(term) - 3)
			widest = max(widest, dots)
		}
		terms = append(terms, c.labels(term, dots))
	}
	if explicit {
		return terms, c.labels(right, widest)
	}
	result = c.labels("...", widest)
	counts := map[string]int{}
	for _, l := range slices.Concat(terms...) {
		counts[l]++
	}
	var once []string
	for l, n := range counts {
		if n == 1 && len(l) == 1 {
			once = append(once, l)
		}
	}
	slices.Sort(once)
	return terms, append(result, once...)
}

func (c *call) labels(term string, dots int) (labels []string) {
	if dots < 0 || dots > 64 || strings.Count(term, "...") > 1 {
		c.fail("term %q does not fit its input", term)
	}
	before, after, _ := strings.Cut(term, "...")
	letters := func(s string) {
		for _, r := range s {
			if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
				c.fail("term %q has the label %q", term, r)
			}
			labels = append(labels, string(r))
		}
	}
	letters(before)
	if strings.Contains(term, "...") {
		for i := dots; i > 0; i-- {
			labels = append(labels, "..."+strings.Repeat("'", i))
		}
	}
	letters(after)
	return labels
}
