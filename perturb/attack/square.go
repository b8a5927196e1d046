package attack

import "math"

// square is Square Attack for L-infinity (Andriushchenko et al. 2020, arXiv 1912.00049), for a detector of two classes: random
// search over pictures whose every pixel lies on the edge of the budget.
//
//	start    x + eps * (one sign per channel and column)
//	step     a square of side round(sqrt(p h w)) at a random place is set to x + eps * (one sign per channel);
//	         kept if the margin then is ahead of the best so far
//	p        halves at 10, 50, 200, 500, 1000, 2000, 4000, 6000 and 8000 of 10 000 steps, rescaled to the steps there are
//
// All is clipped to [0,1]. Every picture draws its own squares. A square that would change nothing draws new signs. The
// budget of passes holds for everything: the clean pass, both directions, the start, and the forms that are scored. The
// clean picture stands at the end as well, for whoever attacks may leave it alone.
func (s *search) square(d int) (point, error) {
	steps := s.share(d) - 1
	within := s.box()
	x := append([]float32(nil), s.clean.x...)
	s.stripes(x, within)
	best, err := s.at(x)
	if err != nil {
		return point{}, err
	}
	for i := range steps {
		undo, changed := s.tile(x, within, i, steps)
		if !changed {
			continue
		}
		next, err := s.at(x)
		if err != nil {
			return point{}, err
		}
		if s.ahead(next.value, best.value) {
			best = next
			continue
		}
		undo()
	}
	if s.better(s.clean.value, best.value) {
		return s.clean, nil
	}
	return point{x, best.value}, nil
}

// share is how many passes direction d may take.
func (s *search) share(d int) int {
	left := s.spec.Passes - 1 - s.spec.rescored() // the clean pass
	if s.spec.directions() == 1 {
		return left
	}
	return (left + 1 - d) / 2
}

func (s *search) stripes(x []float32, b bounds) {
	for at := 0; at < len(x); at += s.w * s.h {
		for col := range s.w {
			edge := b.of(s.random.Uint64()&1 == 1)
			for i := at + col; i < at+s.w*s.h; i += s.w {
				x[i] = edge[i]
			}
		}
	}
}

// of picks an edge.
func (b bounds) of(upper bool) []float32 {
	if upper {
		return b.hi
	}
	return b.lo
}

// tile draws one square into x and returns how to take it back. Changed is false if there was nothing to change.
func (s *search) tile(x []float32, b bounds, step, steps int) (undo func(), changed bool) {
	const tries = 16
	side := s.side(step, steps)
	row, col := s.random.IntN(s.h-side+1), s.random.IntN(s.w-side+1)
	old := make([]float32, 0, 3*side*side)
	s.eachRow(row, col, side, func(_ int, from, to int) { old = append(old, x[from:to]...) })
	for range tries {
		signs := s.random.Uint64()
		s.eachRow(row, col, side, func(channel, from, to int) {
			edge := b.of(signs>>channel&1 == 1)
			for i := from; i < to; i++ {
				changed = changed || x[i] != edge[i]
				x[i] = edge[i]
			}
		})
		if changed {
			break
		}
	}
	return func() {
		s.eachRow(row, col, side, func(_ int, from, to int) { old = old[copy(x[from:to], old):] })
	}, changed
}

// eachRow visits the rows of a square in all channels.
func (s *search) eachRow(row, col, side int, visit func(channel, from, to int)) {
	for channel := range 3 {
		for r := row; r < row+side; r++ {
			from := (channel*s.h+r)*s.w + col
			visit(channel, from, from+side)
		}
	}
}

// side is the side of the square at a step.
func (s *search) side(step, steps int) int {
	p := s.spec.P
	for _, from := range []int{10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000} {
		if step*10_000/steps > from {
			p /= 2
		}
	}
	side := int(math.Round(math.Sqrt(p * float64(s.w*s.h))))
	return min(max(side, 1), s.w, s.h)
}
